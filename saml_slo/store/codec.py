"""Records ↔ bytes. A fixed-width header that scripts can read and move, then compact JSON.

A session is `IDLE HARD VERSION` (13, 13 and 6 digits) and its JSON; a logout is `VERSION` (6 digits) and its JSON.
Unknown JSON fields are ignored and missing optional ones take their default, so that two releases can share a Redis
during a rolling deploy. What cannot be read raises `CorruptRecord`; the store treats it as absent and says so.
"""

from __future__ import annotations

import json
from typing import Any

from saml_slo.logout.transaction import (
    Channel,
    Initiator,
    Kept,
    Kind,
    Request,
    Requester,
    State,
    Target,
    Transaction,
)
from saml_slo.protocol.messages import Attribute, NameId
from saml_slo.protocol.method import Method
from saml_slo.protocol.names import REASON_USER, Binding, NameIdFormat
from saml_slo.protocol.peer import EndpointSource
from saml_slo.protocol.session import Login, Participant, Session, Subject

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
    "urn:oasis:names:tc:SAML:2.0:attrname-format:uri",
    "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
    "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified",
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
        "p": [_participant(participant) for participant in session.participants],
    }
    if session.users:
        body["u"] = list(session.users)
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
            participants=tuple(_read_participant(parts) for parts in body.get("p", ())),
            users=tuple(body.get("u", ())),
            version=int(value[2 * _MOMENT : SESSION_HEADER]),
        )
    except _UNREADABLE as error:
        raise CorruptRecord(str(error)[:100]) from None


def _participant(participant: Participant) -> list[Any]:
    parts = [participant.application, _name_id(participant.name_id), participant.session_index, participant.since]
    return parts if participant.subject is None else [*parts, _subject(participant.subject)]


def _read_participant(parts: list[Any]) -> Participant:
    application, name_id, session_index, since, *subject = parts
    return Participant(
        application=application,
        name_id=_read_name_id(name_id),
        session_index=session_index,
        since=since,
        subject=_read_subject(subject[0] if subject else None),
    )


def _subject(subject: Subject | None) -> list[str | None] | None:
    if subject is None:
        return None
    return [subject.session, subject.user, subject.issuer, subject.sub, subject.sid]


def _read_subject(parts: list[str | None] | None) -> Subject | None:
    if parts is None:
        return None
    session, user, issuer, sub, sid = parts
    return Subject(session=session, user=user, issuer=issuer, sub=sub, sid=sid)


def encode_logout(transaction: Transaction, commit: str = "") -> bytes:
    """Return a logout as bytes.

    `commit` is a token of this very commit: two that decide the same at the same moment must not look like one that is
    repeated, or both would hand out the requester's answer.
    """
    requester = transaction.requester
    body = {
        "s": transaction.secret,
        "ref": transaction.reference,
        "at": transaction.started_at,
        "t": [_target(target) for target in transaction.targets],
        "k": [[kept.name, kept.peer, kept.since, kept.reason, kept.kind] for kept in transaction.kept],
        "to": transaction.return_to,
        "app": transaction.client_id,
        "rq": None
        if requester is None
        else [
            requester.kind,
            requester.peer,
            requester.request_id,
            requester.binding,
            requester.relay_state,
            requester.answered,
        ],
        "un": transaction.unknown_principal,
        "om": transaction.others_remain,
        "st": list(transaction.strangers),
        "by": transaction.initiator,
        "why": transaction.reason,
        "w": commit,
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
            targets=tuple(_read_target(target) for target in body["t"]),
            kept=tuple(_read_kept(parts) for parts in body["k"]),
            return_to=body.get("to"),
            client_id=body.get("app"),
            requester=_read_requester(body.get("rq")),
            unknown_principal=bool(body.get("un")),
            others_remain=bool(body.get("om")),
            strangers=tuple(body.get("st", ())),
            initiator=Initiator(body.get("by", Initiator.PERSON)),
            reason=body.get("why", REASON_USER),
            version=int(value[:_VERSION]),
        )
    except _UNREADABLE as error:
        raise CorruptRecord(str(error)[:100]) from None


def _read_kept(parts: list[Any]) -> Kept:
    name, peer, since, reason, *kind = parts
    return Kept(name=name, peer=peer, since=since, reason=reason, kind=Kind(kind[0]) if kind else Kind.IDP)


def _read_requester(parts: list[Any] | None) -> Requester | None:
    if parts is None:
        return None
    kind, peer, request_id, binding, relay_state, answered = parts
    return Requester(
        kind=Kind(kind),
        peer=peer,
        request_id=request_id,
        binding=Binding(binding),
        relay_state=relay_state,
        answered=answered,
    )


def _login(login: Login) -> dict[str, Any]:
    tokens: dict[str, Any] = {}
    if login.tokens is not None:
        tokens = {"t": login.tokens, "tn": list(login.token_names)}
    if login.application is not None:
        tokens["by"] = login.application
    return tokens | {
        "c": login.connection,
        "n": _name_id(login.name_id),
        "x": list(login.session_indexes),
        "at": login.authn_instant,
        "id": login.assertion_id,
        "na": login.assertion_not_on_or_after,
        "r": login.recorded_at,
        "e": login.idp_ends_at,
        "ac": [_shortened(ref) for ref in login.authn_context_class_refs],
        "a": [[a.name, _shortened(a.name_format), a.friendly_name, list(a.values)] for a in login.attributes],
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
        attributes=tuple(
            Attribute(name=n, name_format=_restored(f), friendly_name=fr, values=tuple(v))
            for n, f, fr, v in body.get("a", ())
        ),
        tokens=body.get("t"),
        token_names=tuple(body.get("tn", ())),
        application=body.get("by"),
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
        "p": target.peer,
        "s": target.since,
        "st": target.state,
        "at": target.changed_at,
        "dl": target.deadline,
        "r": target.reason,
        "e": list(target.earlier),
        "ra": target.retry_at,
        "ss": target.session,
        "w": target.awaited,
        "q": None if request is None else _request(request),
    }


def _request(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "ch": request.channel,
        "m": request.method,
        "to": request.location,
        "src": request.source,
        "pt": request.patience,
        "ru": request.retry_until,
    }
    if request.binding is not None:
        body["b"] = request.binding
    if request.name_id is not None:
        body["n"] = _name_id(request.name_id)
    if request.session_indexes:
        body["x"] = list(request.session_indexes)
    if request.subject is not None:
        body["s"] = _subject(request.subject)
    if request.tokens is not None:
        body["t"] = request.tokens
    if request.hint:
        body["h"] = request.hint
    if not request.answers:
        body["a"] = [request.answers, request.trust_sent, request.returns]
    return body


def _read_target(body: dict[str, Any]) -> Target:
    return Target(
        id=body["id"],
        kind=Kind(body["k"]),
        name=body["n"],
        peer=body["p"],
        since=body["s"],
        state=State(body["st"]),
        changed_at=body["at"],
        deadline=body["dl"],
        reason=body["r"],
        request=_read_request(body.get("q")),
        earlier=tuple(body.get("e", ())),
        retry_at=body.get("ra"),
        session=body.get("ss"),
        awaited=body.get("w", True),
    )


def _read_request(body: dict[str, Any] | None) -> Request | None:
    if body is None:
        return None
    answers, trust_sent, returns = body.get("a", (True, False, True))
    return Request(
        channel=Channel(body["ch"]),
        method=Method(body["m"]),
        location=body["to"],
        source=EndpointSource(body["src"]),
        patience=body["pt"],
        retry_until=body["ru"],
        answers=answers,
        returns=returns,
        trust_sent=trust_sent,
        binding=Binding(body["b"]) if "b" in body else None,
        name_id=_read_name_id(body["n"]) if "n" in body else None,
        session_indexes=tuple(body.get("x", ())),
        subject=_read_subject(body.get("s")),
        tokens=body.get("t"),
        hint=body.get("h", ""),
    )


def _shortened(uri: str | None) -> str | int | None:
    return _WELL_KNOWN.index(uri) if uri in _WELL_KNOWN else uri


def _restored(stored: str | int | None) -> str | None:
    return _WELL_KNOWN[stored] if isinstance(stored, int) else stored


def _dumps(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
