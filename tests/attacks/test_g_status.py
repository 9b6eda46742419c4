"""G152, G160: what an identity provider says became of it. Only its whole Success is a success.

A Response with another top-level status opens no session, whatever it carries. A LogoutResponse that says no, or yes in
part, is a state on the receipt and never a full success; what it says in words never reaches a page unescaped.

These concern answers alone; no run waits.
"""

import pytest
from lxml import etree

from tests import idp
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import (
    ANSWER_POST,
    ANSWER_REDIRECT,
    BOTH_SIGNED,
    RESPONSE,
    SIGNED_RESPONSE,
    someone,
)
from tests.running import sent

CODE = "urn:oasis:names:tc:SAML:2.0:status:"
HTML = "<script>alert(1)</script>"
RESPONSES = pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE, BOTH_SIGNED], ids=str)
ANSWERS = pytest.mark.parametrize("surface", [ANSWER_POST, ANSWER_REDIRECT], ids=str)


def _status(*codes, message=None, detail=""):
    """A Status with codes from the outermost to the innermost, as an element."""
    inside = ""
    for code in reversed(codes):
        inside = f'<samlp:StatusCode Value="{code}">{inside}</samlp:StatusCode>'
    element = idp.element(f"<samlp:Status>{inside}{detail}</samlp:Status>")
    if message is not None:
        text = etree.Element(f"{{{idp.SAMLP}}}StatusMessage")
        text.text = message
        element.insert(1, text)
    return element


def _with(status):
    def edit(root):
        old = root.find("{*}Status")
        root.replace(old, status())

    return edit


# G152: Response -------------------------------------------------------------------------------------------------------

NOT_SUCCESS = {
    "responder": lambda: _status(CODE + "Responder"),
    "requester": lambda: _status(CODE + "Requester"),
    "version-mismatch": lambda: _status(CODE + "VersionMismatch"),
    "authn-failed": lambda: _status(CODE + "Responder", CODE + "AuthnFailed"),
    "no-passive": lambda: _status(CODE + "Responder", CODE + "NoPassive"),
    "success-inside": lambda: _status(CODE + "Responder", CODE + "Success"),
    "success-deep-inside": lambda: _status(CODE + "Responder", CODE + "Requester", CODE + "Success"),
    "fifty-levels": lambda: _status(CODE + "Responder", *[CODE + "Success"] * 50),
    "empty": lambda: _status(""),
    "lower-case": lambda: _status(CODE + "success"),
    "upper-case": lambda: _status((CODE + "Success").upper()),
    "space-behind": lambda: _status(CODE + "Success "),
    "space-before": lambda: _status(" " + CODE + "Success"),
    "newline-behind": lambda: _status(CODE + "Success&#10;"),
    "bare-word": lambda: _status("Success"),
    "saml-1": lambda: _status("samlp:Success"),
    "longer": lambda: _status(CODE + "Success2"),
    "shorter": lambda: _status(CODE + "Succes"),
    "two-in-one": lambda: _status(f"{CODE}Responder {CODE}Success"),
    "html": lambda: _status("&lt;script&gt;"),
    "long-code": lambda: _status("urn:" + "x" * 50_000),
    "message": lambda: _status(CODE + "Responder", message=HTML),
    "message-that-says-success": lambda: _status(CODE + "Responder", message=CODE + "Success"),
    "long-message": lambda: _status(CODE + "Responder", message=HTML * 2_000),
    "message-of-controls": lambda: _status(CODE + "Responder", message='a\r\n{"event":"signed_in"}\u202e\u2028'),
    "detail": lambda: _status(
        CODE + "Responder", detail="<samlp:StatusDetail><x:a xmlns:x='urn:x'/></samlp:StatusDetail>"
    ),
}


@RESPONSES
@pytest.mark.parametrize("how", NOT_SUCCESS)
def test_g152_not_success_with_an_assertion(stage, surface, how):
    """G152: a status other than Success, around a perfect and signed Assertion, signs nobody in."""
    refusal = stage.refused(surface.request(surface.hostile(stage, _with(NOT_SUCCESS[how]))), "status_not_success")
    assert HTML not in refusal.response.get_data(as_text=True)
    assert all(len(str(value)) <= 1_000 for value in refusal.line.values())


@RESPONSES
@pytest.mark.parametrize("how", ["responder", "message", "long-message", "success-inside", "empty"])
def test_g152_not_success_and_no_assertion(stage, surface, how):
    """G152: the usual error answer, signed or not: refused for what it says, which nobody is shown."""

    def edit(root):
        root.remove(root.find("{*}Assertion"))
        _with(NOT_SUCCESS[how])(root)

    root = surface.draft(stage.asked.id)
    edit(root)
    if "root" in surface.signs:
        idp.sign(root)
    refusal = stage.refused(surface.request(etree.tostring(root)), "status_not_success")
    assert HTML not in refusal.response.get_data(as_text=True)


@RESPONSES
def test_g152_success_and_no_assertion(stage, surface):
    """G152: Success without an Assertion says nothing about anybody."""
    root = surface.draft(stage.asked.id)
    root.remove(root.find("{*}Assertion"))
    if "root" in surface.signs:
        idp.sign(root)
    stage.refused(surface.request(etree.tostring(root)), "assertion_count")


def _misshapen(name):
    success, failure = (f'<samlp:StatusCode Value="{CODE}{word}"/>' for word in ("Success", "Responder"))
    twice_inside = success.replace("/>", f">{failure}{failure}</samlp:StatusCode>")
    texts = {
        "no-code": "<samlp:Status/>",
        "message-only": "<samlp:Status><samlp:StatusMessage>Success</samlp:StatusMessage></samlp:Status>",
        "no-value": "<samlp:Status><samlp:StatusCode/></samlp:Status>",
        "two-codes": f"<samlp:Status>{success}{failure}</samlp:Status>",
        "two-codes-failure-first": f"<samlp:Status>{failure}{success}</samlp:Status>",
        "two-inner-codes": f"<samlp:Status>{twice_inside}</samlp:Status>",
        "text": f"<samlp:Status>{CODE}Success</samlp:Status>",
        "code-of-another-namespace": f'<samlp:Status><saml:StatusCode Value="{CODE}Success"/></samlp:Status>',
        "message-first": f"<samlp:Status><samlp:StatusMessage/>{success}</samlp:Status>",
        "two-messages": f"<samlp:Status>{success}<samlp:StatusMessage/><samlp:StatusMessage/></samlp:Status>",
        "foreign-attribute": f'<samlp:Status a="b">{success}</samlp:Status>',
    }
    return texts[name]


MISSHAPEN = (
    "no-code",
    "message-only",
    "no-value",
    "two-codes",
    "two-codes-failure-first",
    "two-inner-codes",
    "text",
    "code-of-another-namespace",
    "message-first",
    "two-messages",
    "foreign-attribute",
    "missing",
    "twice",
)


@pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE, ANSWER_POST, ANSWER_REDIRECT], ids=str)
@pytest.mark.parametrize("how", MISSHAPEN)
def test_g152_g160_misshapen_status(stage, surface, how):
    """G152, G160: no Status, two, no code in it, or two: nobody chooses one; the schema refuses."""

    def edit(root):
        old = root.find("{*}Status")
        if how == "missing":
            root.remove(old)
        elif how == "twice":
            old.addnext(_status(CODE + "Success"))
        else:
            root.replace(old, idp.element(_misshapen(how)))

    # "failure-first" and an empty value may be told for what they say first: it is a refusal of the same message.
    reasons = ("schema_violation", *(("status_not_success",) if surface.kind == "Response" else ()))
    stage.refused(surface.request(surface.hostile(stage, edit)), *reasons)


@RESPONSES
@pytest.mark.parametrize("how", ["plain", "message", "inner-code"])
def test_g152_success(stage, surface, how):
    """G152: the control: Success, with a message, and with a second level, which only says more."""
    made = {
        "plain": lambda: _status(CODE + "Success"),
        "message": lambda: _status(CODE + "Success", message=HTML),
        "inner-code": lambda: _status(CODE + "Success", "urn:x:more"),
    }[how]
    surface.accepted(stage.bridge, _with(made))


# G160: LogoutResponse -------------------------------------------------------------------------------------------------

STATES = {
    "responder": ([CODE + "Responder"], "refused"),
    "requester": ([CODE + "Requester"], "refused"),
    "version-mismatch": ([CODE + "VersionMismatch"], "refused"),
    "request-denied": ([CODE + "Responder", CODE + "RequestDenied"], "refused"),
    "unsupported": ([CODE + "Responder", CODE + "RequestUnsupported"], "refused"),
    "authn-failed": ([CODE + "Responder", CODE + "AuthnFailed"], "refused"),
    "success-inside": ([CODE + "Responder", CODE + "Success"], "refused"),
    "lower-case": ([CODE + "success"], "refused"),
    "space-behind": ([CODE + "Success "], "refused"),
    "empty": ([""], "refused"),
    "unknown": (["urn:x"], "refused"),
    "html": (["&lt;script&gt;alert(1)&lt;/script&gt;"], "refused"),
    "long": (["urn:" + "x" * 50_000], "refused"),
    "fifty-levels": ([CODE + "Responder"] * 50, "refused"),
    "partial": ([CODE + "Success", CODE + "PartialLogout"], "partial"),
    "partial-of-responder": ([CODE + "Responder", CODE + "PartialLogout"], "partial"),
    "unknown-principal": ([CODE + "Requester", CODE + "UnknownPrincipal"], "answered"),
    "unknown-principal-of-responder": ([CODE + "Responder", CODE + "UnknownPrincipal"], "answered"),
    "success": ([CODE + "Success"], "confirmed"),
}


def _receipt_after(stage, surface, status):
    """Begin a federated logout and answer it with a status; return the receipt as JSON and as a page."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    assert bridge.sign_in(browser, name_id=someone()).status_code == 303
    pending = sent(bridge.logout(browser, federated=""))
    root = surface.draft(pending.id)
    root.replace(root.find("{*}Status"), status)
    bridge.log.clear()
    response = deliver(browser, surface.request(surface.seal(root)))
    assert bridge.reasons() == []
    page = bridge.get(browser, response.headers["Location"])
    assert page.status_code == 200
    assert not bridge.is_signed_in(browser)
    return bridge.receipt(browser, response), page.get_data(as_text=True)


@ANSWERS
@pytest.mark.parametrize("how", STATES)
def test_g160_states(stage, surface, how):
    """G160: each status is the state that product T1 says; only Success is a full success, and our session is over."""
    codes, state = STATES[how]
    receipt, page = _receipt_after(stage, surface, _status(*codes))
    states = {row["kind"]: row["state"] for row in receipt["sessions"]}
    assert states == {"session": "confirmed", "idp": state}
    assert HTML not in page
    if state in {"refused", "partial"}:
        success, _ = _receipt_after(stage, surface, _status(CODE + "Success"))
        assert receipt["summary"] in page
        assert receipt["summary"] != success["summary"]


@ANSWERS
@pytest.mark.parametrize("code", ["Success", "Responder"])
@pytest.mark.parametrize("message", [HTML, HTML * 2_000, "a\r\nb\u202e", "<img src=x onerror=alert(1)>", "{{7*7}}"])
def test_g160_messages_are_shown_escaped_or_not_at_all(stage, surface, code, message):
    """G160: a StatusMessage is text: no markup of it reaches the receipt's page."""
    receipt, page = _receipt_after(stage, surface, _status(CODE + code, message=message))
    assert message not in page
    assert "<script>alert" not in page
    assert len(str(receipt)) < 5_000


BOMBS = {
    "many-details": "<x:a xmlns:x='urn:x'/>" * 9_000,
    "deep-details": "<x:a xmlns:x='urn:x'>" * 70 + "</x:a>" * 70,
    "large-detail": "<x:a xmlns:x='urn:x'>" + "A" * 300_000 + "</x:a>",
    "wide-detail": "<x:a xmlns:x='urn:x' " + " ".join(f'a{n}="v"' for n in range(100)) + "/>",
}


@ANSWERS
@pytest.mark.parametrize("how", BOMBS)
def test_g160_detail_bombs(stage, surface, how):
    """G160: StatusDetail may hold anything, but not more than a message may."""
    octets = surface.hostile(stage).replace(
        b"</samlp:Status>", b"<samlp:StatusDetail>" + BOMBS[how].encode() + b"</samlp:StatusDetail></samlp:Status>"
    )
    stage.refused(surface.request(octets), "xml_forbidden_construct", "xml_malformed", "message_too_large")


@ANSWERS
def test_g160_details_that_fit(stage, surface):
    """G160: the control: a StatusDetail of 3,000 elements in a signed answer changes nothing."""
    detail = "<samlp:StatusDetail>" + "<x:a xmlns:x='urn:x'/>" * 1_500 + "</samlp:StatusDetail>"
    receipt, _ = _receipt_after(stage, surface, _status(CODE + "Success", detail=detail))
    assert {row["kind"]: row["state"] for row in receipt["sessions"]}["idp"] == "confirmed"
