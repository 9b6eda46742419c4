"""Take a logout notice as it comes by HTTP, verify it, have it acted on, and answer truthfully.

The bridge writes down what we answer: 2xx that the session is over, 400 that we refuse, anything else that it has to
ask again. So 2xx is never said before `on_logout` has returned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from saml_slo.client.errors import NoticeRefused, Unavailable
from saml_slo.client.logout_token import LogoutTokenVerifier
from saml_slo.client.notice import LogoutNotice
from saml_slo.client.replay import MemoryReplayCache, ReplayCache
from saml_slo.client.webhook import WebhookVerifier

_log = logging.getLogger("saml_slo.client")
MAX_BYTES = 64 * 1024
_DONE_SECONDS = 24 * 3600.0
_BUSY_SECONDS = 60.0
_MAX_FIELDS = 16


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: the HTTP status, the headers, and the body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class LogoutReceiver:
    """Calls `on_logout` once for each verified notice. May be used by many threads at once.

    `webhooks` and `logout_tokens` verify the two kinds; what has no verifier is refused. When `on_logout` raises, the
    answer is 500 and the bridge comes again, so it may be called for one session more than once; when it takes longer
    than a minute, even twice at a time. A webhook that comes
    again when it was done is answered 204 without a call, for its first answer may have been lost; a logout token is
    fresh each time, so the same one again is a replay and refused. `replay_cache` is of this process unless given.
    """

    def __init__(
        self,
        on_logout: Callable[[LogoutNotice], object],
        *,
        webhooks: WebhookVerifier | None = None,
        logout_tokens: LogoutTokenVerifier | None = None,
        replay_cache: ReplayCache | None = None,
    ) -> None:
        if webhooks is None and logout_tokens is None:
            raise ValueError("a receiver without a verifier would refuse everything")
        self._on_logout = on_logout
        self._webhooks = webhooks
        self._logout_tokens = logout_tokens
        self._seen = MemoryReplayCache() if replay_cache is None else replay_cache

    def receive(self, method: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the answer to a request; the names of `headers` are in lower case. Raises nothing."""
        if method != "POST":
            return _reply(405, "method_not_allowed", ("Allow", "POST"))
        if len(body) > MAX_BYTES:
            return _reply(413, "too_large")
        try:
            return self._take(headers, body)
        except NoticeRefused as error:  # the log has the story, a stranger has not
            _log.warning("A logout notice was refused: %s.", error)
            return _reply(400, "invalid_request")
        except Unavailable as error:
            _log.warning("A logout notice could not be verified: %s", error)
            return _reply(503, "try_again", ("Retry-After", "10"))
        except Exception:  # noqa: BLE001 - whatever the application's own code raises, the bridge has to hear of it
            _log.exception("A logout notice could not be acted on; the bridge will send it again.")
            return _reply(500, "failed")

    def _take(self, headers: Mapping[str, str], body: bytes) -> Reply:
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == "application/json" and self._webhooks is not None:
            return self._act_on("webhook", self._webhooks.verify(headers, body))
        if media_type == "application/x-www-form-urlencoded" and self._logout_tokens is not None:
            return self._act_on("logout-token", self._logout_tokens.verify(_token(body)))
        raise NoticeRefused("it is of a kind that is not expected here")

    def _act_on(self, kind: str, notice: LogoutNotice) -> Reply:
        done, busy = f"{kind}:{notice.id}", f"{kind}:{notice.id}:busy"
        if not self._seen.add(busy, _BUSY_SECONDS):
            return _reply(503, "in_progress", ("Retry-After", "5"))
        try:
            if not self._seen.contains(done):
                self._on_logout(notice)
                self._seen.add(done, _DONE_SECONDS)
            elif kind == "logout-token":
                raise NoticeRefused("the token was used before")
        finally:
            self._seen.discard(busy)
        return _reply(204 if kind == "webhook" else 200)


def _token(body: bytes) -> str:
    """Return the one logout_token of a form (Back-Channel Logout 1.0 2.5)."""
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise NoticeRefused("the form cannot be read") from None
    tokens = [value for name, value in fields if name == "logout_token"]
    if len(tokens) != 1:
        raise NoticeRefused("the form has not exactly one logout_token")
    return tokens[0]


def _reply(status: int, error: str = "", *headers: tuple[str, str]) -> Reply:
    body = f'{{"error":"{error}"}}'.encode() if error else b""
    kind = (("Content-Type", "application/json"),) if error else ()
    return Reply(status, (("Cache-Control", "no-store"), *kind, *headers), body)


def session_over() -> Reply:
    """Return what a request is answered whose session has ended, where the application says nothing else."""
    return _reply(401, "session_ended")
