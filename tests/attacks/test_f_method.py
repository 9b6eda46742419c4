"""F135, F136: what SAMLEncoding may say, and by which HTTP method a message may come.

GET is the Redirect binding and POST is the POST binding; nothing else takes a message, and neither takes the other's.

The doors of applications have the same parser and bindings; test_f_applications.py knocks there.
"""

from dataclasses import replace
from urllib.parse import quote, urlsplit

import pytest

from saml_slo.wire.bindings.redirect import DEFLATE
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import (
    ENVELOPE,
    POSTS,
    REQUEST_SOAP,
    SPELLED,
    by_browser,
    by_redirect,
    everywhere,
    form,
    signed_query,
)
from tests.running import ORIGIN

ENCODINGS = {
    "empty": "",
    "none": "none",
    "gzip": "gzip",
    "other-urn": "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:GZIP",
    "base64-only": "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:BASE64",
    "lower-case": DEFLATE.lower(),
    "space-behind": DEFLATE + " ",
    "newline-behind": DEFLATE + "\n",
    "prefix": DEFLATE[:-1],
    "longer": DEFLATE + "2",
    "list": f"{DEFLATE},{DEFLATE}",
    "url": "https://evil.example/",
}


@by_redirect
@pytest.mark.parametrize("value", ENCODINGS)
@pytest.mark.parametrize("spelling", SPELLED)
def test_f135_unknown_encodings(stage, surface, value, spelling):
    """F135: a SAMLEncoding that is not DEFLATE's own URI is a decode_error; nobody guesses what is meant."""
    request = surface.request(surface.hostile(stage))
    part = f"&{SPELLED[spelling]('SAMLEncoding')}={quote(ENCODINGS[value], safe='')}"
    stage.refused(replace(request, query=request.query + part.encode()), "decode_error")


@by_redirect
@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("quoted", ["all", "nothing", "lower"])
def test_f135_deflate_by_name(stage, surface, where, quoted):
    """F135: the control: DEFLATE, named explicitly and encoded in whatever way, is accepted."""
    value = {"all": quote(DEFLATE, safe=""), "nothing": DEFLATE, "lower": DEFLATE.replace(":", "%3a")}[quoted]

    def request(octets):
        made = surface.request(octets)
        part = f"SAMLEncoding={value}".encode()
        return replace(made, query=part + b"&" + made.query if where == "first" else made.query + b"&" + part)

    surface.accepted(stage.bridge, request=request)


# F136: method ---------------------------------------------------------------------------------------------------------

OTHERS = ("HEAD", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "GETT", "X")


@everywhere
@pytest.mark.parametrize("method", OTHERS)
def test_f136_other_methods(stage, surface, method):
    """F136: the same genuine message by HEAD, PUT, OPTIONS and others is a 405; HEAD logs nobody out."""
    request = replace(surface.request(surface.hostile(stage)), method=method)

    def send(browser):
        return browser.open(
            urlsplit(request.endpoint).path,
            base_url=ORIGIN,
            data=request.body or None,
            content_type=request.content_type or None,
            environ_overrides={"QUERY_STRING": request.query.decode(), "REQUEST_METHOD": method},
        )

    stage.refused(send, "method_not_allowed")


@by_redirect
@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_f136_a_post_of_the_query(stage, surface, content_type):
    """F136: a POST to the endpoint with the signed query in its URL is no Redirect message."""
    request = surface.request(surface.hostile(stage))

    def send(browser):
        return browser.post(
            f"{urlsplit(request.endpoint).path}?{request.query.decode()}", base_url=ORIGIN, content_type=content_type
        )

    stage.refused(send, "binding_ambiguous" if content_type and "form" in content_type else "binding_mismatch")


@by_redirect
@pytest.mark.parametrize("body", [b"a", b"SAMLResponse=x", b" "])
def test_f136_a_get_with_a_body(stage, surface, body):
    """F136: a GET that carries a body is refused, whatever the body is."""
    request = surface.request(surface.hostile(stage))
    stage.refused(replace(request, body=body, content_type="application/x-www-form-urlencoded"), "binding_mismatch")


@by_redirect
def test_f136_the_query_in_a_form(stage, surface):
    """F136: the signed query, sent as a form: its message is deflated, and a signature beside it counts for nothing."""
    request = surface.request(surface.hostile(stage))
    form = replace(
        request, method="POST", body=request.query, query=b"", content_type="application/x-www-form-urlencoded"
    )
    stage.refused(form, "decode_error")


@pytest.mark.parametrize("surface", POSTS, ids=str)
def test_f136_the_form_in_a_query(stage, surface):
    """F136: a form's fields in the URL of a GET are no Redirect message, and the ACS takes no GET at all."""
    request = surface.request(surface.hostile(stage))
    query = replace(request, method="GET", query=request.body, body=b"", content_type="")
    if surface.kind == "Response":
        stage.refused(query, "method_not_allowed")
    else:
        stage.refused(query, "decode_error")


@by_redirect
def test_f136_head_ends_nothing(stage, surface):
    """F136: the message that a link checker tried with HEAD is still good for the person who follows the link."""

    def request(octets):
        made = surface.request(octets)
        answer = deliver(stage.bridge.browser(), replace(made, method="HEAD"))
        assert answer.status_code == 405
        assert stage.bridge.reasons() == ["method_not_allowed"]
        return made

    surface.accepted(stage.bridge, request=request)


@by_browser
@pytest.mark.parametrize("value", ["", "%00", "%", "%zz", "%2", "%u0041", "+", "%C3%28"])
def test_f136_values_that_decode_to_nothing(stage, surface, value):
    """F136: a message parameter that is empty or badly encoded is a refusal like any other."""
    make = signed_query if surface.binding == "redirect" else form
    stage.refused(make(surface, value), "decode_error", "xml_malformed")


@pytest.mark.parametrize("surface", [surface for surface in POSTS if surface.kind != "LogoutRequest"], ids=str)
@pytest.mark.parametrize("content_type", ["text/xml", "text/xml; charset=utf-8", "TEXT/XML"])
def test_f136_answers_in_an_envelope(stage, surface, content_type):
    """F136: a genuine Response or LogoutResponse in a SOAP envelope: answers come through the browser."""
    request = surface.request(b"")
    body = ENVELOPE % surface.hostile(stage)
    stage.refused(replace(request, body=body, content_type=content_type), "binding_mismatch")


@by_redirect
@pytest.mark.parametrize("spelling", SPELLED)
def test_f136_an_envelope_with_a_query(stage, surface, spelling):
    """F136: a genuine envelope, and a signed message or one of SAML's parameters in the URL: ambiguous."""
    envelope = REQUEST_SOAP.request(REQUEST_SOAP.hostile(stage))
    query = surface.request(surface.hostile(stage)).query
    stage.refused(replace(envelope, query=query), "binding_ambiguous")
    stage.refused(replace(envelope, query=f"{SPELLED[spelling]('RelayState')}=x".encode()), "binding_ambiguous")


CHARSETS = ("utf-16", "utf-7", "iso-8859-1", "", "utf-8; charset=utf-16", "utf-16; charset=utf-8", '"utf-16"', "utf-8x")


@pytest.mark.parametrize("charset", CHARSETS)
def test_f136_an_envelope_in_another_charset(stage, charset):
    """F136: an envelope that says that it is not UTF-8 is read by nobody as if it were."""
    request = REQUEST_SOAP.request(REQUEST_SOAP.hostile(stage))
    stage.refused(replace(request, content_type=f"text/xml; charset={charset}"), "binding_mismatch")


@pytest.mark.parametrize(
    "content_type", ["text/xml", "TEXT/XML;charset=UTF-8", 'text/xml; charset="utf-8"', "text/xml; charset=utf-8; a=b"]
)
def test_f136_an_envelope_as_it_is_sent(stage, content_type):
    """F136: the control: the types that SOAP clients write."""
    REQUEST_SOAP.accepted(
        stage.bridge, request=lambda octets: replace(REQUEST_SOAP.request(octets), content_type=content_type)
    )
