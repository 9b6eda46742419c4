"""Whatever somebody pastes: the message in it is found, and judged as the server would judge it."""

import contextlib
import json
import time
from base64 import b64encode
from urllib.parse import quote

import pytest

from saml_slo.errors import RequestRefused
from saml_slo.inspection import captured_in, compared
from saml_slo.wire.keys import SigningKey
from tests import idp
from tests.keys import pair

FORM = "application/x-www-form-urlencoded"


def _request():
    return idp.logout_request(expires=idp.instant(300))


def _form(message=None, relay_state=None):
    return idp.post(_request() if message is None else message, relay_state=relay_state).body.decode()


def _query(message=None, **how):
    return idp.query(idp.logout_request(signed=False) if message is None else message, **how)


def _har(*requests):
    return json.dumps(
        {"log": {"entries": [{"startedDateTime": "2026-11-20T06:26:00Z", "request": r} for r in requests]}}
    )


def _captures():
    form, query = _form(), _query(relay_state="rs")
    xml = idp.octets(_request())
    envelope = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{xml.decode()}</s:Body></s:Envelope>'
    )
    page = (
        f'<html><body><form method="post" action="{idp.SLO}">'
        f'<input type="hidden" name="SAMLRequest" value="{b64encode(xml).decode()}"/></form></body></html>'
    )
    return {
        "url": f"{idp.SLO}?{query}",
        "url in quotes": f'"{idp.SLO}?{query}"',
        "log line": f'10.0.0.1 - - [20/Nov/2026] "GET /saml/sp/idp/slo?{query} HTTP/1.1" 302 0',
        "query": query,
        "query with a mark": f"?{query}",
        "form": form,
        "base64": b64encode(xml).decode(),
        "base64 in lines": "\n".join(b64encode(xml).decode()[place : place + 76] for place in range(0, 9999, 76)),
        "percent-encoded base64": quote(b64encode(xml).decode(), safe=""),
        "xml": xml.decode(),
        "xml with a declaration": f'<?xml version="1.0" encoding="UTF-8"?>\n{xml.decode()}',
        "soap": envelope,
        "page": page,
        "curl get": f"curl '{idp.SLO}?{query}' -H 'accept: */*' --compressed",
        "curl post": f"curl {idp.SLO} \\\n  -H 'content-type: {FORM}' \\\n  --data-raw '{form}'",
        "curl with $": f"curl '{idp.SLO}' --data-raw $'{form}' -b 'a=b'",
        "curl -G": f"curl -G {idp.SLO} -d '{query}'",
        "har get": _har({"method": "GET", "url": f"{idp.SLO}?{query}"}),
        "har post": _har(
            {
                "method": "POST",
                "url": idp.SLO,
                "postData": {"mimeType": FORM, "text": form},
            }
        ),
        "har params": _har(
            {
                "method": "POST",
                "url": idp.SLO,
                "postData": {
                    "mimeType": FORM,
                    "params": [{"name": "SAMLRequest", "value": b64encode(xml).decode()}],
                },
            }
        ),
    }


@pytest.mark.parametrize("name", _captures())
def test_every_form_of_a_capture_is_read_and_verified(installation, name):
    """A good LogoutRequest is recognised and would be accepted, in whatever it was pasted."""
    report = installation.look(_captures()[name])
    assert (report.kind, report.verdict) == ("LogoutRequest", "accepted"), report.summary
    assert report.peer == "idp"
    assert report.signatures[0].signer


def test_compressed_base64_alone_has_lost_its_signature(installation):
    """Without the rest of the URL the message is decoded, and the report says where the signature was."""
    report = installation.look(idp.deflated(idp.logout_request(signed=False)))
    assert report.failed.reason == "signature_missing"
    assert "whole URL" in " ".join(report.notes)


def test_a_har_file_gives_every_message_in_order(installation):
    """Requests without a message are passed over, responses to them are not read."""
    sso = "https://idp.example/sso"
    ours = f"{sso}?{_query(idp.logout_request(issuer=idp.SP, destination=sso, signed=False), signer='bridge')}"
    data = _har(
        {"method": "GET", "url": "https://app.example/picture.png"},
        {"method": "GET", "url": ours},
        "nonsense",
        {
            "method": "POST",
            "url": idp.ACS,
            "postData": {
                "mimeType": FORM,
                "text": idp.post(idp.response()).body.decode(),
            },
        },
        {"method": "GET", "url": f"{idp.SLO}?{_query()}"},
    )
    reports = installation.every(data)
    assert [(r.kind, str(r.verdict)) for r in reports] == [
        ("LogoutRequest", "sent_by_us"),
        ("Response", "accepted"),
        ("LogoutRequest", "accepted"),
    ]
    assert reports[0].found_in == "entry 2 of the HAR file, 2026-11-20T06:26:00Z"


@pytest.mark.parametrize(
    "url", ["https://[::1/slo", "https://h:99999999/slo", "\ud800", "//[/slo", "https://h\udfff/slo"]
)
@pytest.mark.parametrize("how", ["query", "text", "params"])
def test_a_hostile_address_hides_no_message(installation, url, how):
    """What no parser of URLs takes, and half of a surrogate pair, do not keep a message from being judged and shown."""
    asked = {"method": "GET", "url": f"{url}?{_query()}"}
    if how != "query":
        message = b64encode(idp.octets(_request())).decode()
        posted = {"text": _form()} if how == "text" else {"params": [{"name": "SAMLRequest", "value": message}]}
        posted["params"] = [*posted.get("params", []), {"name": "a\ud800", "value": "\udfff"}]
        asked = {"method": "POST", "url": url, "postData": {"mimeType": FORM, **posted}}
    (captured,) = captured_in(_har(asked).encode())
    assert captured.url.encode()
    report = installation.look(_har(asked))
    assert report.kind == "LogoutRequest"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x00\xff\xfe",
        b"{}",
        b'{"log": {"entries": []}}',
        b'{"log": {"entries": [{"request": {"method": 5}}]}}',
        b'{"log": ' + b"[" * 100_000,
        b"curl 'https://idp.example",
        b"curl https://idp.example/",
        b"A" * 5_000_000,
        b64encode(b"no xml in here"),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_holds_no_message_is_refused_in_words(data):
    """Nothing of it is decoded further, and the next step is said."""
    with pytest.raises(RequestRefused, match="no message in this") as caught:
        captured_in(data)
    assert caught.value.next_step


@pytest.mark.parametrize(
    "piece",
    [
        "<form ",
        "<input ",
        "<input name='SAMLRequest' ",
        "eyJ",
        "-eyJ",
        "https://",
        "?=https://a",
        "curl '",
        "GET /",
        "%3C",
    ],
)
@pytest.mark.parametrize("before", ["", "<input name='SAMLRequest' value='x'>", "https://h/?SAMLRequest="])
def test_a_search_does_not_take_hours(piece, before):
    """A megabyte that makes a careless pattern begin anew at each place takes no time to speak of."""
    began = time.process_time()
    with contextlib.suppress(RequestRefused):
        captured_in((before + piece * (1_000_000 // len(piece))).encode())
    assert time.process_time() - began < 30


def test_a_curl_line_reads_no_file(installation, tmp_path):
    """--data @file is the text of the option, never the content of a file of ours."""
    secret = tmp_path / "secret"
    secret.write_text(_form())
    with pytest.raises(RequestRefused):
        installation.look(f"curl {idp.SLO} --data @{secret}")


def test_a_bomb_is_stopped_at_the_cap(installation):
    """A message that inflates beyond the limit is refused as on the wire, and is not shown."""
    bomb = b"<samlp:LogoutRequest>" + b" " * 3_000_000
    report = installation.look(f"{idp.SLO}?SAMLRequest={quote(idp.deflated(bomb), safe='')}")
    assert report.verdict == "refused"
    assert report.failed.reason == "message_too_large"


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>', "xml_forbidden_construct"),
        (b"<x>" * 3000, "xml_malformed"),
        (b"<x>" * 100 + b"</x>" * 100, "xml_malformed"),
        (b"<x ID='a'><y ID='a'/></x>", "duplicate_id"),
    ],
)
def test_hostile_xml_is_refused_and_not_shown(installation, xml, reason):
    """The hardened parser is the only one here too."""
    report = installation.look(b64encode(xml))
    assert (report.kind, report.verdict, report.failed.reason) == ("unreadable", "refused", reason)
    assert not report.facts


def test_metadata_and_assertions_are_named(installation):
    """What is no message is told what it is."""
    report = installation.look(installation.metadata.joinpath("connections", "idp.xml").read_bytes())
    assert (report.kind, report.verdict) == ("EntityDescriptor", "not_a_message")
    assert installation.look(idp.octets(idp.assertion())).kind == "Assertion"


def test_our_own_requests_are_recognised(installation):
    """What carries our entity id as Issuer was sent by us; our key shows as signer."""
    message = idp.sign(idp.logout_request(issuer=idp.SP, destination="https://idp.example/slo", signed=False), "bridge")
    report = installation.look(idp.octets(message))
    assert report.verdict == "sent_by_us"
    assert "https://idp.example/slo" in report.summary
    assert report.signatures[0].signer


def test_a_message_that_only_says_it_is_ours_is_not_ours(installation):
    """Our name as Issuer proves nothing: without our signature, or sent to us, it is refused."""
    forged = idp.logout_request(issuer=idp.SP, destination="https://idp.example/slo", signed=False)
    report = installation.look(idp.octets(idp.sign(forged, "attacker")))
    assert report.verdict == "refused"
    assert "not ours" in report.summary
    to_us = idp.logout_request(issuer=idp.SP, signed=False)
    refused = installation.look(f"{idp.SLO}?{idp.query(to_us, signer='bridge')}")
    assert (refused.verdict, refused.failed.reason) == ("refused", "issuer_unknown")


def test_a_har_file_with_too_many_messages_is_cut_off_aloud(installation):
    """Two hundred messages are looked at, and the last one says that there are more."""
    url = f"{idp.SLO}?{_query()}"
    found = captured_in(_har(*[{"method": "GET", "url": url}] * 250).encode())
    assert len(found) == 200
    assert "first 200" in found[-1].note


def test_a_logout_token_and_a_receipt_are_read(installation):
    """Tokens that our key made are good, for an application of ours and in time; sub and sid are digests."""
    from saml_slo.wire.jws import sign_claims  # noqa: PLC0415 - only here

    key = SigningKey(pair("bridge").key, pair("bridge").certificate)
    at = int(idp.NOW.timestamp())
    claims = {
        "iss": "https://bridge.example",
        "aud": "shop",
        "iat": at,
        "exp": at + 120,
        "jti": "_1",
        "sub": "alice@corp.test",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }
    report = installation.look(sign_claims(claims, key, "logout+jwt"))
    assert (report.kind, report.verdict) == ("logout token", "accepted"), report.summary
    assert "alice" not in json.dumps(report.as_json())
    for changes, step in (({"aud": "nobody"}, "aud"), ({"iat": at - 999}, "iat"), ({"nonce": "n"}, "nonce")):
        refused = installation.look(f"logout_token={sign_claims({**claims, **changes}, key, 'logout+jwt')}")
        assert (refused.verdict, refused.failed.name) == ("refused", step)
    stranger = SigningKey(pair("idp").key, pair("idp").certificate)
    assert installation.look(sign_claims(claims, stranger, "logout+jwt")).failed.name == "signature"
    assert installation.look(sign_claims({"reference": "K7QX"}, key, "logout-receipt+jwt")).kind == "receipt"


def test_a_logout_that_names_somebody_else_is_noted(installation):
    """In one capture the LogoutRequest is held against the Response before it, value, Format, qualifiers and index."""

    def notes(**changes):
        form = idp.post(idp.response()).body.decode()
        reports = installation.every(
            _har(
                {"method": "POST", "url": idp.ACS, "postData": {"mimeType": FORM, "text": form}},
                {"method": "GET", "url": f"{idp.SLO}?{_query(idp.logout_request(signed=False, **changes))}"},
            )
        )
        return " ".join(compared(reports)[1].notes)

    assert notes() == ""
    assert notes(indexes=()) == ""
    assert "NameID Format" in notes(name_id=idp.NAME_ID.replace("persistent", "transient"))
    assert "NameID sha256:" in notes(name_id=idp.NAME_ID.replace("alice", "bob"))
    assert "SPNameQualifier none" in notes(name_id=idp.NAME_ID.replace(f'SPNameQualifier="{idp.SP}"', ""))
    assert "Let it send the SessionIndex of its sign-in" in notes(indexes=("_other",))
    other = idp.NAME_ID.replace("alice", "bob")
    assert "match_session_index" in notes(name_id=other)
    assert "match_session_index" not in notes(name_id=other, indexes=("_other",)) + notes(name_id=other, indexes=())
