"""Group F at the doors of applications: parameters and signatures of the Redirect binding, and HTTP's methods."""

from base64 import b64encode
from dataclasses import replace
from itertools import permutations
from urllib.parse import quote, urlsplit

import pytest

from tests import idp
from tests.attacks.application_surfaces import (
    REDIRECTS,
    TWO,
    at_each_door,
    by_browser,
    by_post,
    by_redirect,
    changed,
    each,
    open_application_stage,
)
from tests.attacks.surfaces import SPELLED
from tests.attacks.test_f_method import ENCODINGS
from tests.running import ORIGIN

SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
SHA512 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
PARAMETERS = ("message", "RelayState", "SigAlg", "Signature", "SAMLEncoding")


@pytest.fixture(scope="module")
def stage(tmp_path_factory, redis_url, canary):
    """A stage with applications."""
    with open_application_stage(tmp_path_factory.mktemp("stage"), redis_url, canary) as stage:
        yield stage


def behind(request, part):
    """A request with a part behind its query or form."""
    if request.query:
        return replace(request, query=request.query + b"&" + part)
    return replace(request, body=request.body + b"&" + part)


@by_browser
@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("spelling", SPELLED)
def test_f122_a_parameter_twice(stage, surface, name, spelling):
    """F122, CVE-2025-27773: the same parameter twice, in whatever spelling, is ambiguous."""
    name = surface.parameter if name == "message" else name
    request = surface.request(surface.hostile(stage), relay_state="state")
    for part in ("SAMLEncoding", "SigAlg", "Signature"):
        raw = request.query or request.body
        if f"{part}=".encode() not in raw:
            request = behind(request, f"{part}=x".encode())
    stage.refused(behind(request, f"{SPELLED[spelling](name)}=x".encode()), "binding_ambiguous", browser=stage.alice)


@by_browser
@pytest.mark.parametrize("spelling", SPELLED)
@pytest.mark.parametrize("order", ["first", "last"])
def test_f123_a_request_beside_a_response(stage, surface, spelling, order):
    """F123: a signed message and one of the other kind, in either order, are ambiguous."""
    other = {"SAMLRequest": "SAMLResponse", "SAMLResponse": "SAMLRequest"}[surface.parameter]
    request = surface.request(surface.hostile(stage))
    raw = request.query or request.body
    part = f"{SPELLED[spelling](other)}=PGEvPg%3D%3D".encode()
    joined = part + b"&" + raw if order == "first" else raw + b"&" + part
    where = "query" if request.query else "body"
    stage.refused(replace(request, **{where: joined}), "binding_ambiguous", browser=stage.alice)


@by_post
@pytest.mark.parametrize("name", ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature"])
def test_f123_parameters_in_the_url_of_a_post(stage, surface, name):
    """F123: one of SAML's parameters in the URL of a form is ambiguous."""
    request = surface.request(surface.hostile(stage))
    stage.refused(replace(request, query=f"{name}=x".encode()), "binding_ambiguous", browser=stage.alice)


@by_redirect
@pytest.mark.parametrize("how", ["lower", "plus", "slash", "upper"])
def test_f129_the_senders_own_encoding(stage, surface, how):
    """F129: what was signed are the octets as the sender wrote them: each genuine way to write them is accepted."""

    def quoted(text, safe=""):
        if how == "slash":
            return quote(text, safe="/")
        if how == "plus":
            return quote(text, safe=" ").replace(" ", "+")
        return lower(quote(text, safe=safe)) if how == "lower" else quote(text, safe=safe)

    surface.accepted(stage.bridge, request=lambda octets: surface.request(octets, relay_state="a b/ä", quoted=quoted))


def lower(written):
    """Percent-encoded text with lower-case hex digits, as ADFS and Entra write it."""
    first, *rest = written.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


@by_redirect
def test_f130_any_order(stage, surface):
    """F130: the signature's order is rebuilt; parameters of others are left alone."""

    def made(order):
        def request(octets):
            genuine = surface.request(octets, relay_state="r")
            parts = genuine.query.split(b"&")
            return replace(genuine, query=b"&&".join([*(parts[place] for place in order), b"foo=1"]))

        return request

    for order in list(permutations(range(4)))[::5]:
        surface.accepted(stage.bridge, request=made(order))


@by_redirect
@pytest.mark.parametrize("signed", [None, "", "a"])
@pytest.mark.parametrize("delivered", [None, "", "b"])
def test_f131_relay_state_is_signed(stage, surface, signed, delivered):
    """F131: taken away, added, emptied or replaced on the way: signature_invalid."""
    if signed == delivered:
        surface.accepted(stage.bridge, request=lambda octets: surface.request(octets, relay_state=signed))
        return
    request = surface.request(surface.hostile(stage), relay_state=signed)
    parts = [part for part in request.query.split(b"&") if not part.startswith(b"RelayState=")]
    if delivered is not None:
        parts.append(b"RelayState=" + delivered.encode())
    stage.refused(replace(request, query=b"&".join(parts)), "signature_invalid", browser=stage.alice)


@by_redirect
@pytest.mark.parametrize("claimed", [SHA512, SHA1, "urn:x", "", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"])
def test_f132_another_algorithm_is_claimed(stage, surface, claimed):
    """F132: the algorithm that stands there is the one that is held against the list and used."""
    request = surface.request(surface.hostile(stage))
    request = changed(request, quote(idp.RSA_SHA256, safe="").encode(), quote(claimed, safe="").encode())
    reasons = ("signature_invalid", "algorithm_not_allowed", "signature_missing")
    stage.refused(request, *reasons, browser=stage.alice)


@by_redirect
@pytest.mark.parametrize("missing", [("SigAlg", "Signature"), ("SigAlg",), ("Signature",)])
def test_c042_a_signature_that_is_not_there(stage, surface, missing):
    """C042 at these doors: without a signature, or with half of one, a message is worth nothing."""
    request = surface.request(surface.hostile(stage))
    parts = [part for part in request.query.split(b"&") if part.partition(b"=")[0].decode() not in missing]
    stage.refused(replace(request, query=b"&".join(parts)), "signature_missing", browser=stage.alice)


@by_redirect
@pytest.mark.parametrize("value", ["AAAA", "", "not base64!", b64encode(b"").decode(), "A" * 10_000])
def test_f133_a_signature_of_no_use(stage, surface, value):
    """F133, C043: garbage where the signature should be: a reason, never a 500."""
    request = surface.request(surface.hostile(stage))
    head, _, _ = request.query.rpartition(b"Signature=")
    bad = replace(request, query=head + b"Signature=" + quote(value, safe="").encode())
    stage.refused(bad, "signature_invalid", "signature_missing", "decode_error", browser=stage.alice)


@at_each_door
def test_f132_the_key_of_another_application(stage, surface):
    """C082, G144: another application that we know signs in this one's name."""
    octets = surface.hostile(stage, signer=TWO.signer)
    stage.refused(surface.request(octets, **signing(surface, TWO)), "signature_invalid", browser=stage.alice)


@at_each_door
def test_c082_the_key_of_the_identity_provider(stage, surface):
    """C082: neither may the identity provider, nor may we."""
    for signer in ("idp", "bridge"):
        octets = surface.hostile(stage, signer=signer)
        how = {"signer": signer} if surface.binding == "redirect" else {}
        stage.refused(surface.request(octets, **how), "signature_invalid", browser=stage.alice)


def signing(surface, sp):
    """How `AppSurface.request` signs as another application, where the request is signed at all."""
    return {"signer": sp.signer} if surface.binding == "redirect" else {}


@each(ENCODINGS, 2, REDIRECTS)
def test_f135_unknown_encodings(stage, surface, name):
    """F135: a SAMLEncoding that is not DEFLATE's own URI is a decode_error."""
    request = surface.request(surface.hostile(stage))
    part = f"SAMLEncoding={quote(ENCODINGS[name], safe='')}".encode()
    stage.refused(behind(request, part), "decode_error", browser=stage.alice)


@at_each_door
@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE", "X"])
def test_f136_other_methods(stage, surface, method):
    """F136: the same genuine message by another method is a 405; HEAD logs nobody out."""
    request = surface.request(surface.hostile(stage))

    def send(browser):
        return browser.open(
            urlsplit(request.endpoint).path,
            base_url=ORIGIN,
            data=request.body or None,
            content_type=request.content_type or None,
            environ_overrides={"QUERY_STRING": request.query.decode(), "REQUEST_METHOD": method},
        )

    stage.refused(send, "method_not_allowed", browser=stage.alice)


@by_redirect
def test_f136_a_post_of_the_query_and_a_get_with_a_body(stage, surface):
    """F136: each binding has its method."""
    request = surface.request(surface.hostile(stage))
    posted = replace(request, method="POST")
    stage.refused(posted, "binding_mismatch", "binding_ambiguous", browser=stage.alice)
    with_body = replace(request, body=b"x", content_type="text/plain")
    stage.refused(with_body, "binding_mismatch", browser=stage.alice)
