"""The guard against silent sign-ins (product T4).

After a logout that may have left the session at an identity provider alive, the next sign-in through it in this browser
asks for a fresh one (ForceAuthn), so that nobody is signed in again without a word.

The cookie `__Host-slo-guard` holds the names of those connections and when their logout began, signed by us: at most
20, for a day. It is SameSite=None like the cookies of pending sign-ins: an identity provider's answer comes as a form
of another site, and a Lax cookie would not come along. It opens nothing, so no other site gains by having it sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog
from flask import Request, Response
from itsdangerous import BadData, URLSafeSerializer

from saml_slo.journey import Outcome
from saml_slo.logout.transaction import Initiator, Kind, Transaction
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.names import Binding
from saml_slo.protocol.session import PendingSignIn
from saml_slo.signin import SignedIn, Wish

COOKIE = "__Host-slo-guard"
SECONDS = 24 * 3600
MOST = 20
_log = structlog.get_logger("saml_slo.web")


class Guard:
    """Reads and writes the cookie. `key` (32 bytes) signs it; `asks`: False where silent sign-ins are allowed."""

    def __init__(self, key: bytes, clock: Callable[[], datetime], *, asks: bool) -> None:
        """Take the key; `clock` returns aware UTC."""
        self._seal = URLSafeSerializer(
            key, salt="guard", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )
        self._clock = clock
        self._asks = asks

    def wish(self, request: Request, connection: str, wish: Wish, ended: Transaction | None = None) -> Wish:
        """Return the wish of a sign-in through a connection, with ForceAuthn where this browser's logout wants it.

        `ended` is a logout from elsewhere that ended the session of this browser; a timeout is none.
        """
        guarded = connection in self._read(request)
        if self._asks and ended is not None and ended.initiator is not Initiator.TIMEOUT:
            guarded = guarded or connection in _what_became(ended)[0]
        return replace(wish, force_authn=True) if guarded else wish

    def after_logout(
        self, request: Request, response: Response, transaction: Transaction | None, *, begins: bool = True
    ) -> None:
        """Remember the identity providers that a logout of this browser may have left alive, forget those it ended.

        `begins`: False for an answer to a logout. It may come by another browser, which gets nothing to remember.
        """
        if transaction is None:
            return
        found = self._read(request)
        alive, ended = _what_became(transaction)
        changed = {name: at for name, at in found.items() if name not in ended or at > transaction.started_at}
        kept = alive if begins else alive & found.keys()
        changed |= {name: max(found.get(name, 0), transaction.started_at) for name in kept}
        self._write(response, found, changed)

    def after_message(
        self, request: Request, response: Response, outcome: Outcome, binding: Binding, *, begins: bool
    ) -> Response:
        """Do so after a message that came to an endpoint for logouts; by SOAP there is no browser."""
        if binding is not Binding.SOAP:
            self.after_logout(request, response, outcome.transaction, begins=begins)
        return response

    def after_sign_in(
        self, request: Request, response: Response, done: SignedIn, pending: PendingSignIn | None
    ) -> None:
        """Forget a connection whose sign-in is newer than the logout; an older one was not asked of the person.

        It is accepted all the same, and the guard stays: refusing it would lock people out wherever an identity
        provider does not know ForceAuthn. The log says so.
        """
        found, connection = self._read(request), done.connection
        since = found.get(connection.name)
        if since is None:
            return
        logins = [login for login in done.session.logins if login.connection == connection.name]
        signed_in_at = max(logins, key=lambda login: login.recorded_at).authn_instant
        if signed_in_at >= since - connection.skew * 1000:
            self._write(response, found, {name: at for name, at in found.items() if name != connection.name})
        elif pending is not None and pending.issued_at >= since:
            _log.warning(
                "force_authn_ignored", connection=connection.name, signed_in_at=signed_in_at, signed_out_at=since
            )

    def _read(self, request: Request) -> dict[str, int]:
        """Return when the logout of each guarded connection began, in milliseconds; nothing of a forged cookie."""
        if not self._asks or COOKIE not in request.cookies:
            return {}
        oldest = milliseconds(self._clock()) - SECONDS * 1000
        try:
            return {str(name): int(at) for name, at in self._seal.loads(request.cookies[COOKIE]) if int(at) > oldest}
        except (BadData, ValueError, TypeError):
            return {}

    def _write(self, response: Response, before: dict[str, int], after: dict[str, int]) -> None:
        if not self._asks or before == after:
            return
        newest = sorted(after.items(), key=lambda entry: entry[1], reverse=True)[:MOST]
        response.set_cookie(
            COOKIE,
            str(self._seal.dumps(newest)) if newest else "",
            max_age=SECONDS if newest else 0,
            path="/",
            secure=True,
            httponly=True,
            samesite="None",
        )


def _what_became(transaction: Transaction) -> tuple[set[str], set[str]]:
    """Return the connections whose session may live on, and those whose session is known to have ended."""
    asked = [target for target in transaction.targets if target.kind is Kind.IDP]
    alive = {target.peer for target in asked if not target.counts_as_ended}
    alive |= {kept.peer for kept in transaction.kept if kept.kind is Kind.IDP}
    ended = {target.peer for target in asked if target.counts_as_ended}
    if transaction.requester is not None and transaction.requester.kind is Kind.IDP:
        ended.add(transaction.requester.peer)  # it said itself that its session is over
    return alive, ended - alive
