"""/api/v1/logouts: log a session or a user out without a browser, and read what became of it (product A2, L14).

A call with an Idempotency-Key has one effect however often it comes: the key is claimed, with the id of the logout that
it will begin, before anything ends. Who repeats it waits for the first; if that one died, it is carried on under the
same id; if it was only slow, it finds out before it does anything.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from saml_slo.application_sessions import ApplicationSessions
from saml_slo.errors import Reason, RequestRefused, StoreUnavailable, TryLater
from saml_slo.journey import receipt_handle
from saml_slo.logout.receipt import receipt
from saml_slo.logout.transaction import Initiator, Transaction
from saml_slo.protocol.names import REASON_ADMIN, REASON_USER
from saml_slo.protocol.peer import Application
from saml_slo.protocol.session import Session
from saml_slo.remote_logout import Order, OvertakenError, RemoteLogout
from saml_slo.store import keys, tokens
from saml_slo.store.store import Claim, Store, Verdict
from saml_slo.web.api.body import BodyRefused, model_of, read_object
from saml_slo.web.api.door import Door
from saml_slo.web.api.models import IDEMPOTENCY_KEY, LogoutOfSession, LogoutOfUser
from saml_slo.web.api.sessions import refuse_handle
from saml_slo.web.errors import refusal
from saml_slo.web.receipts import facts_of

_KEY = re.compile(IDEMPOTENCY_KEY)
_REASONS = {"user": REASON_USER, "admin": REASON_ADMIN}
_SHOWN = ("reference", "summary", "settled", "sessions")
_LOOK_AGAIN = 0.1  # seconds
_OTHER_BODY = RequestRefused(
    "This Idempotency-Key came with another body before",
    reason=Reason.IDEMPOTENCY_CONFLICT,
    expected="the body of the first call",
    setting="Idempotency-Key",
    next_step="Use a new key for a new logout.",
)
_STILL_RUNNING = TryLater(
    "The first call with this Idempotency-Key is still under way", reason=Reason.CALL_IN_PROGRESS, retry_after=5
)


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a call came to: its logout, None where there was nothing to end; `again`: begun by an earlier call."""

    logout: Transaction | None
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """A logout that an application wants; `find` reads the sessions that it is about, of `who` if of a user."""

    application: Application
    reason: str
    find: Callable[[], Sequence[Session]]
    who: keys.Principal | None
    shard: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logouts:
    """Begins logouts for applications; who repeats a call waits up to `patience` seconds for the first."""

    sessions: ApplicationSessions
    remote: RemoteLogout
    store: Store
    patience: float = 10.0

    def asked(self, application: Application, wanted: LogoutOfSession | LogoutOfUser) -> _Asked:
        """Return a logout ready to begin; an application reaches its own sessions and its own users alone."""
        body = digest_of(wanted)
        reason, sessions = _REASONS[wanted.reason], self.sessions
        if isinstance(wanted, LogoutOfUser):
            user = wanted.user
            refuse_handle(sessions, application, user)
            who = sessions.user(application, user)
            return _Asked(application, reason, lambda: sessions.of_user(application, user), who, who.shard, body)
        own_id = wanted.session
        found = sessions.of_own_id(application, own_id)
        shard = found[0].id[:2] if found else body[:2]
        return _Asked(application, reason, lambda: sessions.of_own_id(application, own_id), None, shard, body)

    def once(self, asked: _Asked, key: str) -> _Begun:
        """Begin a logout, or return the one that an earlier call with this key began."""
        call, chosen = keys.call(asked.application.client_id, key), tokens.new_logout_id(asked.shard)
        until = time.monotonic() + self.patience
        while True:
            claim = self.store.claim_call(call, asked.body, chosen, self.sessions.now())
            match claim.verdict:
                case Verdict.YOURS | Verdict.AGAIN:
                    begun = self._claimed(asked, call, claim)
                    if begun is not None:
                        return begun
                case Verdict.DONE:
                    return _Begun(self.read(claim.logout_id), again=True)
                case Verdict.NOTHING:
                    return _Begun(None, again=True)
                case Verdict.OTHER:
                    raise _OTHER_BODY
                case Verdict.RUNNING:
                    if time.monotonic() > until:
                        raise _STILL_RUNNING
            time.sleep(_LOOK_AGAIN)

    def _claimed(self, asked: _Asked, call: str, claim: Claim) -> _Begun | None:
        """Begin the logout of a claimed call, or find it begun before; None: somebody else has the call by now."""
        known, logout = self.read(claim.logout_id) if claim.verdict is Verdict.AGAIN else None, None
        try:
            if known is None:
                logout = self.begin(asked, claim.logout_id, claim.until)
                # Nothing left to end: whoever was slow and not dead may have done it under this id meanwhile.
                known = logout or self.read(claim.logout_id)
        except OvertakenError:
            known = self.read(claim.logout_id)
            if known is None:
                return None
        except Exception:
            with suppress(StoreUnavailable):
                self.store.settle_call(call, claim, None)
            raise
        with suppress(StoreUnavailable):  # it happened: who repeats the call finds it by its id
            self.store.settle_call(call, claim, Verdict.DONE if known else Verdict.NOTHING)
        return _Begun(known, again=logout is None)

    def begin(self, asked: _Asked, logout_id: str, until: int | None = None) -> Transaction | None:
        """End the sessions; None where there is none. Then a user's older sign-ins are refused all the same (L12).

        `until`: when the claim on a call with an idempotency key is over.
        """
        order = Order(
            initiator=Initiator.API,
            reason=asked.reason,
            client_id=asked.application.client_id,
            who=asked.who,
            logout_id=logout_id,
            until=until,
        )
        logout = self.remote.end(asked.find, order)
        if logout is None and asked.who is not None:
            self.sessions.bury(asked.who)
            logout = self.remote.end(asked.find, order)  # whoever came in before the tombstone was written
        return logout

    def read(self, logout_id: str, client_id: str | None = None) -> Transaction | None:
        """Return a logout as it stands; with `client_id`: one that this application began by the API."""
        found = self.store.read_logout(logout_id)
        if found is None or (client_id and (found.client_id, found.initiator) != (client_id, Initiator.API)):
            return None
        return self.remote.journey.open(receipt_handle(found))


def blueprint(logouts: Logouts, door: Door, *, origin: str) -> Blueprint:
    """Return the endpoints; `origin` is our public one."""
    pages = Blueprint("api_logouts", __name__)
    pages.register_error_handler(BodyRefused, lambda error: refusal(error, status=error.status))

    @pages.post("/api/v1/logouts")
    def begin() -> Response:
        application = door.enter(request)
        key, wanted = _idempotency_key(), _wanted()
        asked = logouts.asked(application, wanted)
        if key is None:
            begun = _Begun(logouts.begin(asked, tokens.new_logout_id(asked.shard)))
        else:
            begun = logouts.once(asked, key)
        response = _nothing(wanted) if begun.logout is None else _answer(begun.logout, origin)
        new = begun.logout is not None and not begun.again
        response.status_code = HTTPStatus.CREATED if new else HTTPStatus.OK
        return response

    @pages.get("/api/v1/logouts/<logout_id:logout_id>")
    def read(logout_id: str) -> Response:
        application = door.enter(request)
        found = logouts.read(logout_id, application.client_id)
        if found is None:
            raise RequestRefused(
                "There is no logout of this id",
                reason=Reason.LOGOUT_UNKNOWN,
                expected="the id of a logout that this application began within the last 24 hours",
                next_step="Begin it again if you are not sure.",
            )
        return _answer(found, origin)

    return pages


def digest_of(wanted: LogoutOfSession | LogoutOfUser) -> str:
    """Return what two bodies have in common that want the same."""
    return hashlib.sha256(json.dumps(wanted.model_dump(), sort_keys=True).encode()).hexdigest()


def _wanted() -> LogoutOfSession | LogoutOfUser:
    value = read_object(request)
    if ("user" in value) == ("session" in value):
        raise BodyRefused(
            "A logout is either of a user or of a session",
            expected="one of the fields user and session",
            got="both" if "user" in value else "neither",
            setting="user",
        )
    return model_of(LogoutOfUser, value) if "user" in value else model_of(LogoutOfSession, value)


def _idempotency_key() -> str | None:
    found = request.headers.getlist("Idempotency-Key")
    if not found:
        return None
    if len(found) == 1 and _KEY.fullmatch(found[0]):
        return found[0]
    raise BodyRefused(
        "The Idempotency-Key cannot be used",
        expected="one header of 1 to 64 visible characters",
        setting="Idempotency-Key",
    )


def _nothing(wanted: LogoutOfSession | LogoutOfUser) -> Response:
    known_by = "for a user of this name" if isinstance(wanted, LogoutOfUser) else "under this id"
    return jsonify(
        id=None,
        reference=None,
        settled=True,
        summary=f"There was no session to end. No session of this application is alive {known_by}.",
        receipt_url=None,
        sessions=[],
    )


def _answer(logout: Transaction, origin: str) -> Response:
    facts = facts_of(receipt(logout))
    shown = {name: facts[name] for name in _SHOWN}
    return jsonify(id=logout.id, receipt_url=f"{origin}/logout/{receipt_handle(logout)}", **shown)
