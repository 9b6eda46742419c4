"""Our cookies. All are `__Host-`: Secure, HttpOnly, host-only, for the whole origin.

==========================  ==========  ===============================================================================
name                        SameSite    what
==========================  ==========  ===============================================================================
__Host-slo                  Lax         the session token; gone when the browser closes
__Host-slo-logout           Lax         the receipt handle of this browser's last logout, so that it can be resumed
__Host-slo-signin-...       None        one pending AuthnRequest, signed; it must survive the IdP's cross-site POST
__Host-slo-guard            None        which identity providers may silently sign in somebody who signed out (guard.py)
__Host-slo-app              Lax         on an application's own host, through its proxy: which session is in use there
__Host-slo-app-state-...    Lax         there too: one sign-in that was sent away and has not come back (forward.py)
==========================  ==========  ===============================================================================
"""

from __future__ import annotations

import hashlib

from flask import Request, Response
from itsdangerous import BadData, URLSafeSerializer

from saml_slo.forward import State, state_of_cookie, state_to_cookie
from saml_slo.protocol.session import PendingSignIn
from saml_slo.store.tokens import session_id_of

SESSION = "__Host-slo"
LOGOUT = "__Host-slo-logout"
PENDING_PREFIX = "__Host-slo-signin-"
APPLICATION = "__Host-slo-app"
STATE_PREFIX = "__Host-slo-app-state-"
MAX_PENDING = 6
MAX_STATES = 4  # each may hold a long path, and a proxy takes no more than 8 kB of cookies
_RECEIPT_SECONDS = 24 * 3600


class Cookies:
    """Reads and writes our cookies; `key` (32 bytes) seals pending sign-ins, which live `sign_in_lifetime` seconds."""

    def __init__(self, key: bytes, sign_in_lifetime: int) -> None:
        """Take the sealing key."""
        self._seal = URLSafeSerializer(
            key, salt="sign-in", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )
        self._sign_in_lifetime = sign_in_lifetime

    @staticmethod
    def session(request: Request) -> str | None:
        """Return the session id that this browser's cookie opens, None when it has none of ours."""
        return session_id_of(request.cookies.get(SESSION))

    @staticmethod
    def logout(request: Request) -> str | None:
        """Return the handle of this browser's last logout."""
        return request.cookies.get(LOGOUT)

    def pending(self, request: Request) -> dict[str, PendingSignIn]:
        """Return the sign-ins that this browser has under way, by request id; forged or foreign cookies are ignored."""
        found = {}
        for name, value in request.cookies.items():
            if not name.startswith(PENDING_PREFIX):
                continue
            try:
                request_id, connection, issued_at, return_to, session, client_id = self._seal.loads(value)
            except (BadData, ValueError, TypeError):
                continue
            if name == _pending_name(request_id):
                found[request_id] = PendingSignIn(
                    request_id=request_id,
                    connection=connection,
                    issued_at=issued_at,
                    return_to=return_to,
                    session=session,
                    client_id=client_id,
                )
        return found

    def add_pending(self, request: Request, response: Response, pending: PendingSignIn) -> None:
        """Remember a sign-in; forget the oldest ones, so that a browser's cookies stay small."""
        others = sorted(self.pending(request).values(), key=lambda other: other.issued_at, reverse=True)
        for old in others[MAX_PENDING - 1 :]:
            self.forget_pending(response, old.request_id)
        value = self._seal.dumps(
            [
                pending.request_id,
                pending.connection,
                pending.issued_at,
                pending.return_to,
                pending.session,
                pending.client_id,
            ]
        )
        _set(response, _pending_name(pending.request_id), str(value), "None", self._sign_in_lifetime)

    @staticmethod
    def forget_pending(response: Response, request_id: str) -> None:
        """Forget a sign-in that was answered."""
        _set(response, _pending_name(request_id), "", "None", 0)

    @staticmethod
    def open_session(response: Response, token: str) -> None:
        """Give the browser its session; a logout before it is history."""
        _set(response, SESSION, token, "Lax", None)
        _set(response, LOGOUT, "", "Lax", 0)  # a form of another site brought us here, so it cannot be seen

    def end_session(self, request: Request, response: Response, handle: str | None) -> None:
        """Take the session and every pending sign-in from the browser; leave it the way back to its logout."""
        if SESSION in request.cookies:
            _set(response, SESSION, "", "Lax", 0)
        for request_id in self.pending(request):
            self.forget_pending(response, request_id)
        if handle is not None:
            _set(response, LOGOUT, handle, "Lax", _RECEIPT_SECONDS)

    # On the host of an application behind a proxy --------------------------------------------------------------------

    @staticmethod
    def application(request: Request) -> str | None:
        """Return the cookie of the application's host."""
        return request.cookies.get(APPLICATION)

    @staticmethod
    def states(request: Request) -> list[State]:
        """Return the sign-ins at the application that this browser has under way."""
        found = (state_of_cookie(value) for name, value in request.cookies.items() if name.startswith(STATE_PREFIX))
        return [state for state in found if state is not None]

    def add_state(self, request: Request, response: Response, state: State) -> None:
        """Remember a sign-in at the application, so that several tabs may begin one each; forget all where many are."""
        names = [name for name in request.cookies if name.startswith(STATE_PREFIX)]
        for name in names if len(names) >= MAX_STATES else ():
            _set(response, name, "", "Lax", 0)
        _set(response, _state_name(state), state_to_cookie(state), "Lax", self._sign_in_lifetime)

    @staticmethod
    def open_application(response: Response, cookie: str) -> None:
        """Give the browser its cookie for the application's host."""
        _set(response, APPLICATION, cookie, "Lax", None)

    @staticmethod
    def forget_state(response: Response, state: State) -> None:
        """Forget a sign-in that came back."""
        _set(response, _state_name(state), "", "Lax", 0)


def _state_name(state: State) -> str:
    return STATE_PREFIX + state.hash[:8]


def _pending_name(request_id: str) -> str:
    return PENDING_PREFIX + request_id[1:13]


def _set(response: Response, name: str, value: str, same_site: str, max_age: int | None) -> None:
    response.set_cookie(name, value, max_age=max_age, path="/", secure=True, httponly=True, samesite=same_site)
