"""Records ↔ bytes. A fixed-width header that scripts can read and move, then compact JSON.

A session is `IDLE HARD VERSION` (13, 13 and 6 digits) and its JSON; a logout is `VERSION` (6 digits) and its JSON.
Unknown JSON fields are ignored and missing optional ones take their default, so that two releases can share a Redis
during a rolling deploy. What cannot be read raises `CorruptRecord`; the store treats it as absent and says so.
"""

from __future__ import annotations

import json
from typing import Any

from saml_slo.logout.transaction import Kept, Kind, Request, State, Target, Transaction
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import Binding, NameIdFormat
from saml_slo.protocol.peer import EndpointSource
from saml_slo.protocol.session import Login, Session

_MOMENT = 13
_VERSION = 6
SESSION_HEADER = 2 * _MOMENT + _VERSION
ENDED = b"-"

# Long URIs that most records repeat, as one character each; an index into this tuple is stored instead.
_WELL_KNOWN = (
    *NameIdFormat,
    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified",
)


# What reading arbitrary bytes as one of our records can raise.
_UNREADABLE = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)


class CorruptRecord(ValueError):  # noqa: N818 - named for what it is
    """A stored value that is not what this key family holds."""


def encode_session(session: Session) -> bytes:
    """Return a session as bytes."""
    body = {
        "c": session.created_at,
        "a": session.absolute_ends_at,
        "i": session.idle_lifetime,
        "l": [_login(login) for login in session.logins],
    }
    header = f"{session.idle_ends_at:013d}{session.hard_ends_at:013d}{session.version:06d}"
    return header.encode() + _dumps(body)


def decode_session(identifier: str, value: bytes) -> Session:
    """Return a session from its bytes."""
    try:
        body = json.loads(value[SESSION_HEADER:])
        return Session(
            id=identifier,
            logins=tuple(_read_login(login) for login in body["l"]),
            created_at=body["c"],
            absolute_ends_at=body["a"],
            idle_ends_at=int(value[:_MOMENT]),
            idle_lifetime=body["i"],
            version=int(value[2 * _MOMENT : SESSION_HEADER]),
        )
    except _UNREADABLE as error:
        raise CorruptRecord(str(error)[:100]) from None


def encode_logout(transaction: Transaction) -> bytes:
    """Return a logout as bytes."""
    body = {
        "s": transaction.secret,
        "ref": transaction.reference,
        "at": transaction.started_at,
        "dl": transaction.deadline,
        "pa": transaction.patience,
        "t": [_target(target) for target in transaction.targets],
        "k": [[kept.name, kept.connection, kept.since, kept.reason] for kept in transaction.kept],
        "to": transaction.return_to,
        "app": transaction.client_id,
        "un": transaction.unknown_principal,
    }
    return f"{transaction.version:06d}".encode() + _dumps(body)


def decode_logout(identifier: str, value: bytes) -> Transaction:
    """Return a logout from its bytes."""
    try:
        body = json.loads(value[_VERSION:])
        return Transaction(
            id=identifier,
            secret=body["s"],
            reference=body["ref"],
            started_at=body["at"],
            deadline=body["dl"],
            patience=body["pa"],
            targets=tuple(_read_target(target) for target in body["t"]),
            kept=tuple(Kept(name=n, connection=c, since=s, reason=r) for n, c, s, r in body["k"]),
            return_to=body.get("to"),
            client_id=body.get("app"),
            unknown_principal=bool(body.get("un")),
            version=int(value[:_VERSION]),
        )
    except _UNREADABLE as error:
        raise CorruptRecord(str(error)[:100]) from None


def _login(login: Login) -> dict[str, Any]:
    return {
        "c": login.connection,
        "n": _name_id(login.name_id),
        "x": list(login.session_indexes),
        "at": login.authn_instant,
        "id": login.assertion_id,
        "na": login.assertion_not_on_or_after,
        "r": login.recorded_at,
        "e": login.idp_ends_at,
        "ac": [_shortened(ref) for ref in login.authn_context_class_refs],
    }


def _read_login(body: dict[str, Any]) -> Login:
    return Login(
        connection=body["c"],
        name_id=_read_name_id(body["n"]),
        session_indexes=tuple(body["x"]),
        authn_instant=body["at"],
        assertion_id=body["id"],
        assertion_not_on_or_after=body["na"],
        recorded_at=body["r"],
        idp_ends_at=body.get("e"),
        authn_context_class_refs=tuple(_restored(ref) or "" for ref in body.get("ac", ())),
    )


def _name_id(name_id: NameId) -> list[str | int | None]:
    return [
        name_id.value,
        _shortened(name_id.format),
        name_id.name_qualifier,
        name_id.sp_name_qualifier,
        name_id.sp_provided_id,
    ]


def _read_name_id(parts: list[Any]) -> NameId:
    value, format_, qualifier, sp_qualifier, provided = parts
    return NameId(
        value=value,
        format=_restored(format_),
        name_qualifier=qualifier,
        sp_name_qualifier=sp_qualifier,
        sp_provided_id=provided,
    )


def _target(target: Target) -> dict[str, Any]:
    request = target.request
    return {
        "id": target.id,
        "k": target.kind,
        "n": target.name,
        "c": target.connection,
        "s": target.since,
        "st": target.state,
        "at": target.changed_at,
        "r": target.reason,
        "e": list(target.earlier),
        "ss": target.session,
        "q": None
        if request is None
        else [
            request.binding,
            request.location,
            request.source,
            _name_id(request.name_id),
            list(request.session_indexes),
        ],
    }


def _read_target(body: dict[str, Any]) -> Target:
    request = None
    if body.get("q") is not None:
        binding, location, source, name_id, indexes = body["q"]
        request = Request(
            binding=Binding(binding),
            location=location,
            source=EndpointSource(source),
            name_id=_read_name_id(name_id),
            session_indexes=tuple(indexes),
        )
    return Target(
        id=body["id"],
        kind=Kind(body["k"]),
        name=body["n"],
        connection=body["c"],
        since=body["s"],
        state=State(body["st"]),
        changed_at=body["at"],
        reason=body["r"],
        request=request,
        earlier=tuple(body.get("e", ())),
        session=body.get("ss"),
    )


def _shortened(uri: str | None) -> str | int | None:
    return _WELL_KNOWN.index(uri) if uri in _WELL_KNOWN else uri


def _restored(stored: str | int | None) -> str | None:
    return _WELL_KNOWN[stored] if isinstance(stored, int) else stored


def _dumps(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
