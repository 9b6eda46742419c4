"""What happened, for operators: entries of the audit trail in words, looked up by whom or what they are about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from saml_slo.house import House
from saml_slo.logout.changes import Rest
from saml_slo.logout.receipt import LABELS, Receipt, receipt
from saml_slo.logout.transaction import Initiator, Kind
from saml_slo.operations.whom import Whom, principals
from saml_slo.store import tokens
from saml_slo.store.happened import (
    ApplicationJoined,
    ApplicationLeft,
    EndedElsewhere,
    Happened,
    LogoutBegun,
    OperatorActed,
    SessionExpired,
    SessionRegistered,
    SignInRecorded,
    TargetsChanged,
    Told,
    facts_of,
)
from saml_slo.store.trails import MOST, Entry

_BY = {
    Initiator.PERSON: "the person",
    Initiator.APPLICATION: "the application",
    Initiator.IDP: "the identity provider",
    Initiator.API: "the application by the API",
    Initiator.OPERATOR: "an operator",
    Initiator.TIMEOUT: "the end of its time",
}
_NOBODY = "nothing ended, because nobody whom it names has a session here"
_LOGOUT_ID = re.compile(r"[0-9a-f]{26}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """One of: a person (`whom`), a connection, an application, a message ID, a reference code. `most`: how many."""

    whom: Whom | None = None
    connection: str | None = None
    application: str | None = None
    message: str | None = None
    reference: str | None = None
    most: int = MOST


@dataclass(frozen=True, slots=True)
class Looked:
    """What a reference code, a handle or an id leads to.

    `receipt` is None once it is over; `entries` are what the trail says. Neither: the code is none of a logout.
    """

    logout_id: str | None
    receipt: Receipt | None
    entries: tuple[Entry, ...]


def find(house: House, sought: Sought) -> tuple[Entry, ...]:
    """Return what is recorded, the oldest first; each look-up goes by an index."""
    store = house.store
    if sought.whom is not None:
        return store.trail_of_users(principals(house, sought.whom), sought.most)
    if sought.message is not None:
        return store.trail_of_message(sought.message)
    if sought.reference is not None:
        trail = store.trail_of_reference(sought.reference)
        return () if trail is None else trail.entries
    if sought.connection is not None:
        return store.trail_of_idp(sought.connection, sought.most)
    return store.trail_of_application(sought.application or "", sought.most)


def everything(house: House, since: int, until: int | None) -> Iterator[Entry]:
    """Yield the trail from `since` to `until` (milliseconds), the oldest first."""
    return house.store.audit(since, until)


def look_up(house: House, text: str) -> Looked:
    """Return what a logout's reference code or id, or a receipt's handle or address, leads to. Changes nothing."""
    text = text.strip().rstrip("/").rpartition("/")[2].removesuffix(".json").removesuffix(".jws")
    handle = tokens.split_receipt_handle(text)
    logout_id = handle[0] if handle is not None else text if _LOGOUT_ID.fullmatch(text) else None
    trail = house.store.trail_of_reference(text if logout_id is None else tokens.reference_of(logout_id))
    if logout_id is None and trail is not None:
        logout_id = trail.logout_id
    transaction = None if logout_id is None else house.store.read_logout(logout_id)
    found = None if transaction is None else receipt(transaction)
    if found is None and trail is None:
        return Looked(None, None, ())
    return Looked(logout_id, found, () if trail is None else trail.entries)


def facts(entry: Entry) -> dict[str, Any]:
    """Return an entry for programs; `at` in milliseconds."""
    return {"at": entry.at, "what": entry.happened.WORD, **facts_of(entry.happened)}


def sentence(happened: Happened) -> str:  # noqa: PLR0911 - one for each record
    """Return a record in words."""
    match happened:
        case SignInRecorded():
            how = "a new session" if happened.opened else "a session that was open"
            return f"signed in through {happened.connection}: {how} {happened.session}"
        case ApplicationJoined():
            return f"{happened.application} takes part in session {happened.session}"
        case SessionRegistered():
            return f"{happened.application} registered session {happened.session} by the API"
        case ApplicationLeft():
            ended = ", which is over with it" if happened.ended else ""
            return f"{happened.application} ended its own part in session {happened.session}{ended}"
        case LogoutBegun():
            who = f"{_BY[happened.initiator]} {happened.by}".rstrip()
            count = "1 session" if happened.sessions == 1 else f"{happened.sessions} sessions"
            return f"logout {happened.reference} of {count}, begun by {who} ({happened.reason}): {_told(happened)}"
        case TargetsChanged():
            return f"logout {happened.reference}: {_told(happened)}"
        case EndedElsewhere():
            return f"session {happened.session} ended for logout {happened.logout}"
        case SessionExpired():
            return f"session {happened.session} ended by itself: its time was over"
        case OperatorActed():
            return f"operator {happened.operator}: {happened.action} {happened.subject}"


def _told(happened: LogoutBegun | TargetsChanged) -> str:
    if isinstance(happened, LogoutBegun) and not happened.sessions and not happened.targets:
        return _NOBODY
    words = [_state(one) for one in happened.targets]
    if happened.rest is not None:
        words.append("all ended" if happened.rest is Rest.ENDED else "at rest, not all ended")
    return "; ".join(words)


def _state(one: Told) -> str:
    name = "our session" if one.kind is Kind.SESSION else one.peer
    return f"{name} {LABELS[one.state].lower()}"
