"""What a person does, and how a row finds out what became of it."""

from collections.abc import Sequence
from typing import Any

from lxml.etree import _Element

from saml_slo.protocol.messages import NameId
from tests.interop.bridge import RETURN_TO, Bridge
from tests.interop.browser import Browser, Message, Page
from tests.interop.row import NotTrueError, Row

GONE = "the IdP's session is gone: the next sign-in asks for the password"
ALIVE = "the IdP's session lives: the next sign-in needs no password"
GUARD = "__Host-slo-guard"


def sign_in(bridge: Bridge, browser: Browser, connection: str) -> Message:
    """Sign in with a password and return the IdP's Response; the session probe must agree."""
    typed = browser.passwords_typed
    page = browser.open(f"{bridge.origin}/login?connection={connection}")
    if not bridge.signed_in(browser):
        raise NotTrueError(f"no session after the sign-in; {_lost(bridge, page)}")
    if browser.passwords_typed == typed:
        raise NotTrueError("the sign-in needed no password, so it proves nothing about later ones")
    return last(browser.messages, "Response")


def log_out(bridge: Bridge, browser: Browser, row: Row, query: str) -> tuple[Page, list[Message]]:
    """Call /v2/logout, note the messages, and return where it ended; our own session must be gone."""
    before = len(browser.messages)
    row.did(f"GET /v2/logout{query}")
    page = browser.open(f"{bridge.origin}/v2/logout{query}")
    messages = browser.messages[before:]
    row.passed(messages)
    if bridge.signed_in(browser):
        raise NotTrueError(f"our own session outlived its logout; {_lost(bridge, page)}")
    return page, messages


def idp_session(bridge: Bridge, browser: Browser, connection: str) -> str:
    """Say whether this browser's session at the IdP lives, by beginning a sign-in without knowing the password.

    Without our guard (product T4), which has the IdP ask for the password whether its session lives or not.
    """
    user, browser.user = browser.user, None
    browser.forget(bridge.origin, GUARD)
    page = browser.open(f"{bridge.origin}/login?connection={connection}")
    browser.user = user
    if page.asks_for_password:
        return GONE
    if bridge.signed_in(browser):
        return ALIVE
    raise NotTrueError(f"a new sign-in came to neither a login form nor a session; {_lost(bridge, page)}")


def next_sign_in_is_fresh(bridge: Bridge, browser: Browser, connection: str) -> bool:
    """Say whether the IdP asks for the password at the next sign-in in this browser, and leave it at that."""
    user, browser.user = browser.user, None
    page = browser.open(f"{bridge.origin}/login?connection={connection}")
    browser.user = user
    return page.asks_for_password


def _lost(bridge: Bridge, page: Page) -> str:
    return f"the browser is at {page.url[:120]} (HTTP {page.status}: {page.words[:300]}); refused: {bridge.refusals()}"


def last(messages: Sequence[Message], kind: str) -> Message:
    """Return the last message of a kind."""
    for message in reversed(messages):
        if message.kind == kind:
            return message
    raise NotTrueError(f"no {kind} among {[message.told for message in messages]}")


def name_id(element: _Element) -> NameId:
    """Return the NameID below an element, read without the bridge's code."""
    (found,) = element.iter("{*}NameID")
    return NameId(
        value=found.text,
        format=found.get("Format"),
        name_qualifier=found.get("NameQualifier"),
        sp_name_qualifier=found.get("SPNameQualifier"),
        sp_provided_id=found.get("SPProvidedID"),
    )


def session_indexes(assertion: _Element) -> tuple[str, ...]:
    """Return the SessionIndex of every AuthnStatement below an element."""
    found = (statement.get("SessionIndex") for statement in assertion.iter("{*}AuthnStatement"))
    return tuple(index for index in found if index is not None)


def check_record(bridge: Bridge, browser: Browser, row: Row, assertion: _Element) -> None:
    """Require that Redis holds what the assertion says, and nothing invented."""
    session = bridge.recorded(browser)
    if session is None:
        raise NotTrueError("Redis holds no session for this browser's cookie")
    (login,) = session.logins
    row.expect(login.name_id, name_id(assertion), "NameID in Redis")
    row.expect(login.session_indexes, session_indexes(assertion), "SessionIndex in Redis")
    row.expect(login.assertion_id, assertion.get("ID"), "assertion ID in Redis")
    row.saw("in Redis as in the assertion: " + _shown(login.name_id, login.session_indexes))


def _shown(found: NameId, indexes: tuple[str, ...]) -> str:
    value = found.value if len(found.value) <= 24 else f"{found.value[:24]}…"
    parts = [f"NameID {value}", f"Format …{(found.format or 'none').rpartition(':')[2]}"]
    parts += ["NameQualifier"] if found.name_qualifier else []
    parts += ["SPNameQualifier"] if found.sp_name_qualifier else []
    return ", ".join([*parts, f"SessionIndex {[f'{index[:10]}…' for index in indexes]}"])


def check_request(row: Row, messages: Sequence[Message], response: Message, *, binding: str, to: str) -> _Element:
    """Require a LogoutRequest that names the login as the assertion did, signed, by this binding, to this URL."""
    request = last(messages, "LogoutRequest")
    row.expect((request.binding, request.to), (binding, to), "where the LogoutRequest went")
    row.expect(name_id(request.root), name_id(response.root), "NameID of the LogoutRequest")
    indexes = tuple(element.text for element in request.root.iterfind("{*}SessionIndex"))
    row.expect(indexes, session_indexes(response.root), "SessionIndex of the LogoutRequest")
    row.expect(request.root.get("Destination"), to, "Destination of the LogoutRequest")
    signed = "&Signature=" in request.query if binding == "redirect" else request.root.find("{*}Signature") is not None
    row.require(signed, "the LogoutRequest is signed")
    return request.root


def check_receipt(row: Row, receipt: dict[str, Any], title: str, **expected: object) -> dict[str, Any]:
    """Require that our session is confirmed and the IdP's row says this; return that row."""
    row.told(receipt)
    idps = [session for session in receipt["sessions"] if session["name"] == title]
    if len(idps) != 1:
        raise NotTrueError(f"the receipt has no row for {title!r}: {receipt['sessions']}")
    (ours,) = [session for session in receipt["sessions"] if session["kind"] == "session"]
    row.expect(ours["state"], "confirmed", "our own session on the receipt")
    found = {name: idps[0][name] for name in expected}
    row.expect(found, expected, "the IdP's row on the receipt")
    return idps[0]


def with_return() -> str:
    """Return the query of a federated logout that ends at the application."""
    return f"?federated&returnTo={RETURN_TO}"
