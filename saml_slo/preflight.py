"""Which applications have unsaved work of a person who is about to sign out (product A5).

Each application with a `preflight_url` gets a POST with a form: `preflight_token`, a JWT by our key (typ
`logout-preflight+jwt`; iss, aud, sub, sid, jti, iat, exp). It may answer `200` with a JSON object::

    {"busy": true, "until": "2026-11-20T12:30:00Z", "message": "1 draft is not saved"}

`until` and `message` (at most 200 characters) may be left out. Anything else means that it is not busy: a logout is
never held up by an application that is dead, slow or odd.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlencode

from saml_slo.delivery.back_channel import Answer, BackChannel
from saml_slo.delivery.failure import DeliveryFailed
from saml_slo.delivery.fan_out import Job, Outcome, fan_out
from saml_slo.errors import MessageRefused
from saml_slo.peers.registry import Registry
from saml_slo.protocol.peer import Application
from saml_slo.protocol.session import Participant, Subject
from saml_slo.wire import instants
from saml_slo.wire.jws import sign_claims
from saml_slo.wire.keys import OurKeys

MAX_ANSWER_BYTES = 4096
MAX_MESSAGE = 200
# People of one process who may be waiting for such answers: somebody who asks to sign out all the time, at an
# application that does not answer, must leave threads for everybody else.
MOST_AT_ONCE = 16
_TYPE = "logout-preflight+jwt"
_LIFETIME = timedelta(minutes=1)
_LONGEST = timedelta(days=1)
_KEYS = {"busy", "until", "message"}


@dataclass(frozen=True, slots=True)
class Busy:
    """An application with unsaved work. `until` is aware UTC, None where it gave none; `message` may be empty."""

    name: str
    until: datetime | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """Asks applications. `clock` returns aware UTC, `origin` is our public URL, `patience` seconds for all of them."""

    registry: Registry
    back_channel: BackChannel
    our_keys: Callable[[], OurKeys]
    clock: Callable[[], datetime]
    origin: str
    patience: float
    _places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(MOST_AT_ONCE))

    def busy(self, participants: Iterable[Participant]) -> tuple[Busy, ...]:
        """Return which of these applications have unsaved work, in their order; all are asked at once."""
        asked: dict[str, Application] = {}
        jobs = []
        for participant in participants:
            application = self.registry.application(participant.application)
            if application is None or application.preflight_url is None:
                continue
            identifier = secrets.token_urlsafe(16)
            asked[identifier] = application
            jobs.append(self._job(identifier, application.preflight_url, participant, application))
        found = {}
        for outcome in self._outcomes(jobs):
            application = asked[outcome.job.key]
            busy = read(outcome.result, application.title, self.clock())
            if busy is not None:
                found[application.client_id] = busy
        order = dict.fromkeys(application.client_id for application in asked.values())
        return tuple(found[client_id] for client_id in order if client_id in found)

    def _outcomes(self, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Return what came of each question; nothing where too many others wait for answers, and nobody is asked."""
        if not self._places.acquire(blocking=False):
            return ()
        try:
            return tuple(fan_out(self.back_channel, jobs, budget=self.patience))
        finally:
            self._places.release()

    def _job(self, identifier: str, url: str, participant: Participant, application: Application) -> Job:
        now = self.clock()
        who = participant.subject or Subject(sub=participant.name_id.value, sid=participant.session_index)
        claims: dict[str, Any] = {
            "iss": self.origin,
            "aud": application.client_id,
            "jti": identifier,
            "iat": int(now.timestamp()),
            "exp": int((now + _LIFETIME).timestamp()),
        }
        claims |= {
            name: value
            for name, value in (("sub", who.sub or who.user), ("sid", who.sid or who.session))
            if value is not None
        }
        return Job(
            key=identifier,
            url=url,
            body=urlencode({"preflight_token": sign_claims(claims, self.our_keys().signing, _TYPE)}).encode(),
            content_type="application/x-www-form-urlencoded",
            patience=self.patience,
            headers={"Accept": "application/json"},
        )


def read(result: Answer | DeliveryFailed, name: str, now: datetime) -> Busy | None:
    """Return what an answer says; None for not busy, which is everything that does not clearly say otherwise."""
    told = None if isinstance(result, DeliveryFailed) else _object(result)
    if told is None or told.keys() - _KEYS or told.get("busy") is not True:
        return None
    message, until = told.get("message", ""), _moment(told.get("until"))
    if not isinstance(message, str) or len(message) > MAX_MESSAGE:
        return None
    if "until" in told and (until is None or not now < until <= now + _LONGEST):
        return None
    return Busy(name, until, "".join(character for character in message if character.isprintable()).strip())


def _object(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object of an answer that has the right form."""
    is_json = answer.content_type.partition(";")[0].strip().lower() == "application/json"
    if answer.status != HTTPStatus.OK or not is_json or len(answer.body) > MAX_ANSWER_BYTES:
        return None
    try:
        told = json.loads(answer.body.decode("utf-8"), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _moment(text: object) -> datetime | None:
    try:
        return instants.parse(text) if isinstance(text, str) else None
    except MessageRefused:
        return None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found
