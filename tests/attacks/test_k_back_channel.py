"""K236: what a hostile application answers by the back channel confirms nothing, costs little, and stops nobody.

One person is signed in at every hostile application and at an honest one, and logs out once. Each test looks at what
the receipt says of one of them.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from lxml import etree

from tests import idp
from tests.delivery.servers import serving
from tests.running import running_bridge
from tests.sp import SLO, SOAP, SoapEndpoint, Sp, receipt

SIGNER = "idp-next"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
REQUESTER = idp.status("urn:oasis:names:tc:SAML:2.0:status:Requester")
PARTIAL = idp.status(inside='<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:PartialLogout"/>')
UNKNOWN = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"
MEGABYTE = 1024 * 1024
CANNOT_BE_USED = "It gave an answer that cannot be used"


def http(body, content_type="text/xml", status=b"200 OK", more=b""):
    """A whole HTTP answer."""
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n"
    return head % (status, content_type.encode(), len(body), more) + body


def envelope(body, header=""):
    """An envelope as octets."""
    return f'<s:Envelope xmlns:s="{SOAP}">{header}<s:Body>{body}</s:Body></s:Envelope>'.encode()


def text(element):
    """An element as text."""
    return etree.tostring(element, with_tail=False).decode()


def answer(asked, sp, *, signer=SIGNER, **parts):
    """A LogoutResponse to the message asked, signed by `signer` unless that is None."""
    made = idp.logout_response(
        **{"in_response_to": asked.get("ID"), "issuer": sp.entity_id, "destination": SLO, **parts}, signed=False
    )
    return made if signer is None else idp.sign(made, signer)


def told(**parts):
    """An answer over HTTP that differs from a good one in these parts."""
    return lambda asked, sp: http(envelope(text(answer(asked, sp, **parts))))


def wrapped(asked, sp):
    """A signed refusal in the Header, an unsigned confirmation in the Body."""
    no = text(answer(asked, sp, status=REQUESTER))
    yes = text(answer(asked, sp, signer=None, identifier="_evil"))
    return http(envelope(yes, f"<s:Header>{no}</s:Header>"))


def tampered(asked, sp):
    """A signed refusal in which somebody wrote Success."""
    no = text(answer(asked, sp, status=REQUESTER))
    return http(envelope(no.replace("status:Requester", "status:Success")))


def two(asked, sp):
    """Two messages in one Body."""
    return http(envelope(text(answer(asked, sp)) + text(answer(asked, sp, identifier="_ls2"))))


def another_type(asked, sp):
    """A signed Success that is no LogoutResponse."""
    made = text(answer(asked, sp, signer=None)).replace("LogoutResponse", "ManageNameIDResponse")
    return http(envelope(text(idp.sign(etree.fromstring(made), SIGNER))))


def mirrored(asked, sp):
    """Our own request, sent back."""
    return http(envelope(text(asked)))


FAULT = envelope("<s:Fault><faultcode>s:Server</faultcode><faultstring>&lt;script&gt;no</faultstring></s:Fault>")
# What it answers, the state that this is, and the words that the receipt has for it.
ANSWERS = {
    "unsigned": (told(signer=None), "timed_out", f"{CANNOT_BE_USED} (signature_missing)."),
    "wrong-key": (told(signer="other-idp"), "timed_out", f"{CANNOT_BE_USED} (signature_invalid)."),
    "wrong-in-response-to": (told(in_response_to="_other"), "timed_out", "It answered another message than ours."),
    "no-in-response-to": (told(in_response_to=None), "timed_out", "It answered another message than ours."),
    "evil-issuer": (told(issuer="https://evil.example/saml"), "timed_out", f"{CANNOT_BE_USED} (issuer_mismatch)."),
    "bridge-issuer": (told(issuer=idp.SP), "timed_out", f"{CANNOT_BE_USED} (issuer_mismatch)."),
    "old": (told(issued=idp.instant(-3600)), "timed_out", f"{CANNOT_BE_USED} (expired)."),
    "early": (told(issued=idp.instant(3600)), "timed_out", f"{CANNOT_BE_USED} (not_yet_valid)."),
    "elsewhere": (told(destination="https://evil.example/"), "timed_out", f"{CANNOT_BE_USED} (destination_mismatch)."),
    "wrapped": (wrapped, "timed_out", f"{CANNOT_BE_USED} (signature_missing)."),
    "tampered": (tampered, "timed_out", f"{CANNOT_BE_USED} (signature_invalid)."),
    "two": (two, "timed_out", f"{CANNOT_BE_USED} (unexpected_message_type)."),
    "another-type": (another_type, "timed_out", f"{CANNOT_BE_USED} (unexpected_message_type)."),
    "mirrored": (mirrored, "timed_out", f"{CANNOT_BE_USED} ("),
    "refused": (told(status=REQUESTER), "refused", "It refused:"),
    "partial": (told(status=PARTIAL), "partial", "It answered that not every session could be ended."),
    "unknown-unsigned": (told(signer=None, status=idp.status(UNKNOWN)), "timed_out", CANNOT_BE_USED),
    "html": (lambda *_: http(b"<html><body>signed out</body></html>", "text/html"), "timed_out", CANNOT_BE_USED),
    "html-as-xml": (lambda *_: http(b"<html><p>signed out</p></html>"), "timed_out", CANNOT_BE_USED),
    "fault": (
        lambda *_: http(FAULT, status=b"500 x"),
        "timed_out",
        f"{CANNOT_BE_USED} (status_not_success, HTTP status 500).",
    ),
    "nothing": (lambda *_: http(b""), "timed_out", CANNOT_BE_USED),
    "no-content": (lambda *_: b"HTTP/1.1 204 No Content\r\n\r\n", "timed_out", CANNOT_BE_USED),
    "zeros": (lambda *_: http(bytes(4096)), "timed_out", CANNOT_BE_USED),
    "utf-16": (
        lambda asked, sp: http(envelope(text(answer(asked, sp))).decode().encode("utf-16")),
        "timed_out",
        CANNOT_BE_USED,
    ),
    "deep": (lambda *_: http(b"<a>" * 60_000 + b"</a>" * 60_000), "timed_out", CANNOT_BE_USED),
    "not-http": (lambda *_: b"\0\xff garbage\r\n\r\n", "timed_out", "127.0.0.1 did not answer as a web server does"),
    "http-0.9": (lambda *_: envelope("<ok/>"), "timed_out", "127.0.0.1 did not answer as a web server does"),
    "close": (lambda *_: b"", "timed_out", "127.0.0.1 "),
    "cut-off": (lambda *_: HEAD % (b"text/xml", 5000) + b"<s:", "timed_out", "127.0.0.1 "),
    "ten-megabytes": (
        lambda *_: HEAD % (b"text/xml", 10 * MEGABYTE) + b"<" * MEGABYTE,
        "timed_out",
        "127.0.0.1 answered with more than is read",
    ),
    "compressed": (
        lambda *_: http(b"\x1f\x8b\x08", more=b"Content-Encoding: gzip\r\n"),
        "timed_out",
        "127.0.0.1 answered in a compressed form that it was not offered",
    ),
    "endless-head": (
        lambda *_: b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000,
        "timed_out",
        "127.0.0.1 answered with more than is read",
    ),
}
SPECIAL = {
    "doctype": ("timed_out", f"{CANNOT_BE_USED} (xml_forbidden_construct)."),
    "redirect": ("timed_out", "127.0.0.1 answered with a redirect, which is not followed"),
    "garbage-tls": ("timed_out", "127.0.0.1 did not agree on a secure connection"),
    # On a busy machine its thread may come to say so only after the logout stopped waiting.
    "hang": ("timed_out", ("127.0.0.1 did not answer in time", "the time for all of them was over")),
    "internal": ("timed_out", "It could not be asked: the address of 10.0.0.1 is private"),
}
EXPECTED = {name: (state, words) for name, (_, state, words) in ANSWERS.items()} | SPECIAL


def hostile(name, stack, canary):
    """The URL of a server that answers like this."""
    if name == "internal":
        return "https://10.0.0.1/slo"
    sp = Sp(name, SIGNER)

    def talk(server, connection):
        if name == "garbage-tls":
            server.send(connection, b"\x16\x03\x01garbage" * 100)
            return
        server.request(connection)
        if name == "hang":
            server.hang(connection)
        asked = etree.fromstring(server.requests[-1][1])[0][0]
        server.send(connection, _special(name, asked, sp, canary) or ANSWERS[name][0](asked, sp))

    server = stack.enter_context(serving(talk))
    return server.url(scheme="https" if name == "garbage-tls" else "http")


def _special(name, asked, sp, canary):
    """The answers that lead to a trap."""
    if name == "redirect":
        return f"HTTP/1.1 302 x\r\nLocation: {canary.url}\r\nContent-Length: 0\r\n\r\n".encode()
    if name == "doctype":
        bait = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{canary.file}"><!ENTITY % p SYSTEM "{canary.url}"> %p;]>'
        return http(bait.encode() + envelope(text(answer(asked, sp))))
    return b""


@dataclass
class After:
    """One logout afterwards: the receipt, the page, how long it took, and what the bridge logged."""

    rows: dict
    page: str
    seconds: float
    log: list
    touched: list
    asked: list


@pytest.fixture(scope="module")
def after(tmp_path_factory, redis_url, canary):
    """A person signs in everywhere, logs out once, and everybody has had their say."""
    with ExitStack() as stack:
        good = stack.enter_context(SoapEndpoint(signer="other-idp", entity_id="https://good.example/saml"))
        sps = [Sp(name, SIGNER, ("SOAP",), soap_url=hostile(name, stack, canary)) for name in EXPECTED]
        sps.append(Sp("good", "other-idp", ("SOAP",), soap_url=good.url))
        folder = tmp_path_factory.mktemp("bridge")
        how = {"back_channel_allow": ("127.0.0.1",), "back_channel_timeout": 8.0}
        bridge = stack.enter_context(running_bridge(folder, redis_url, sps=sps, **how))
        browser = bridge.browser()
        for sp in sps:
            sp.sign_in(bridge, browser)
        canary.touched()
        began = time.monotonic()
        location = bridge.logout(browser).headers["Location"]
        assert not bridge.is_signed_in(browser)
        while (found := receipt(bridge, browser, location))["busy"]:
            assert time.monotonic() < began + 120
            time.sleep(0.02)
        seconds = time.monotonic() - began
        page = bridge.get(browser, location).get_data(as_text=True)
        rows = {row["name"]: row for row in found["sessions"]}
        yield After(rows, page, seconds, list(bridge.log), canary.touched(), good.asked)


@pytest.mark.parametrize("name", EXPECTED)
def test_k236_a_hostile_answer_confirms_nothing(after, name):
    """K236: the state is never one that counts as confirmed, and the receipt says in words what came."""
    state, words = EXPECTED[name]
    row = after.rows[name]
    assert row["state"] == state, row
    assert row["reason"].startswith(words), row
    assert row["reason"].endswith("."), row  # whole sentences, whatever failed
    assert row["ended"] == (state == "partial")


def test_k236_others_are_told(after):
    """The honest application was asked once and confirmed, whatever its neighbours did."""
    assert after.rows["good"]["state"] == "confirmed"
    assert len(after.asked) == 1


def test_k236_in_bounded_time(after):
    """One that hangs costs its own deadline of eight seconds once, and the others nothing near to theirs."""
    assert after.seconds < 60


def test_k236_nothing_is_followed_or_opened(after):
    """Neither the redirect nor an external entity: the traps are untouched."""
    assert after.touched == []


def test_k236_the_log_says_why_and_the_page_reflects_nothing(after):
    """Refused answers are one line each with the reason; nothing that a peer wrote stands on the page."""
    refused = {line["peer"]: str(line["reason"]) for line in after.log if line["event"] == "answer_refused"}
    for name, (_, words) in EXPECTED.items():
        if isinstance(words, str) and words.startswith(f"{CANNOT_BE_USED} (") and words.endswith(")."):
            assert refused[name] == words.removeprefix(f"{CANNOT_BE_USED} (").removesuffix(").").partition(",")[0]
    assert not [line for line in after.log if line["event"] in ("deliveries_failed", "delivery_broke", "crashed")]
    for written in ("&lt;script", "evil.example", "<p>signed out"):
        assert written not in after.page
