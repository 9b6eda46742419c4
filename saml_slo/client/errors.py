"""Every error of the client, as one tree.

::

    ClientError             says what the bridge said: status, reason, reference code, next step
    ├── Unauthorised        the credential is not accepted (401, 403)
    ├── SessionEnded        the session is over, for good (410; 409 when it was to be registered)
    ├── NotFound            the bridge knows no such session or logout (404)
    ├── Conflict            the session id, or the idempotency key, stands for something else (409, 422)
    ├── LimitReached        there are as many as there may be; waiting does not help (409)
    ├── RateLimited         too many requests; `retry_after` says when to come back (429)
    ├── Refused             the request is wrong (any other 4xx)
    └── Unavailable         no answer, or none that the API gives: nothing is known about what was asked

    NoticeRefused           not of the tree: a logout notice that nobody may act on

`SessionEnded` and `NotFound` are raised only where the API itself says so: the 404 of a proxy in between, or of a
bridge that was asked at another address, is `Unavailable`, so that nobody is signed out by a wrong route.
"""

from __future__ import annotations


class ClientError(Exception):
    """The bridge did not do what was asked. The text is one sentence, with the next step and the reference code.

    `status` is the HTTP status, None without an answer; `reason` the bridge's word for what was wrong, `reference` the
    code under which its log has the story, `next_step` its advice. Empty where it said nothing.
    """

    def __init__(
        self, message: str, *, status: int | None = None, reason: str = "", reference: str = "", next_step: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.reference = reference
        self.next_step = next_step

    def __str__(self) -> str:
        """Return everything on one line."""
        code = f"[reference {self.reference}]" if self.reference else ""
        return " ".join(filter(None, (f"{self.message.rstrip('.')}.", self.next_step, code)))


class Unauthorised(ClientError):  # noqa: N818 - this tree is named as the answers are
    """The credential is not accepted: wrong, withdrawn, or of an application that is no more."""


class SessionEnded(ClientError):  # noqa: N818 - as above
    """The session was ended and never comes back under its id. `reference` is that of the logout, where it is known."""


class NotFound(ClientError):  # noqa: N818 - as above
    """The bridge knows no such session or logout, at least not as one of this application."""


class Conflict(ClientError):  # noqa: N818 - as above
    """The idempotency key was used with another request, or the session id is that of another person's session."""


class LimitReached(ClientError):  # noqa: N818 - as above
    """The user has as many sessions as there may be, or the session as many parts. Trying again does not help."""


class RateLimited(ClientError):  # noqa: N818 - as above
    """Too many requests. `retry_after`: seconds until it makes sense to ask again."""

    def __init__(self, message: str, *, retry_after: float, status: int = 429, **said: str) -> None:
        super().__init__(message, status=status, **said)
        self.retry_after = retry_after


class Refused(ClientError):  # noqa: N818 - as above
    """The request is wrong, and will be so again."""


class Unavailable(ClientError):  # noqa: N818 - as above
    """There was no answer that can be used: it may have been done or not, or is still being done."""


class NoticeRefused(Exception):  # noqa: N818 - as above
    """A logout notice cannot be verified, is too old, or says nothing that could be acted on."""
