"""Every error of this package, as one tree.

::

    SloError                     has a reason word, and says expected / got / setting / next step
    ├── Refused                  the other side's fault: answered with a 4xx, nothing is changed
    │   ├── MessageRefused       a SAML message failed a check; strangers get a generic text and a code
    │   └── RequestRefused       a parameter of our own endpoints is wrong; told in full
    │       └── TryLater         nothing is wrong with it, but not now; says when
    └── OurFault                 ours: answered with a 5xx, or said at the command line
        ├── StoreUnavailable     Redis is gone, full, read-only …; 503 with Retry-After
        └── ConfigurationError   a setting or a file under metadata/ is wrong; names file and line

What an unverified message did wrong is written to the log in full and told to the sender in one generic text, so that
nobody can use our answers as an oracle (padding, key or user guessing).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class Reason(StrEnum):
    """Why something was refused: one word for logs, metrics and tests; see docs/errors.md for each."""

    MESSAGE_TOO_LARGE = "message_too_large"
    DECODE_ERROR = "decode_error"
    XML_MALFORMED = "xml_malformed"
    XML_FORBIDDEN_CONSTRUCT = "xml_forbidden_construct"
    SCHEMA_VIOLATION = "schema_violation"
    UNEXPECTED_MESSAGE_TYPE = "unexpected_message_type"
    ASSERTION_COUNT = "assertion_count"
    DUPLICATE_ID = "duplicate_id"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_INVALID = "signature_invalid"
    SIGNATURE_PROFILE_VIOLATION = "signature_profile_violation"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    DECRYPT_FAILED = "decrypt_failed"
    BINDING_AMBIGUOUS = "binding_ambiguous"
    BINDING_MISMATCH = "binding_mismatch"
    ISSUER_UNKNOWN = "issuer_unknown"
    ISSUER_MISMATCH = "issuer_mismatch"
    DESTINATION_MISMATCH = "destination_mismatch"
    RECIPIENT_MISMATCH = "recipient_mismatch"
    AUDIENCE_MISMATCH = "audience_mismatch"
    SUBJECT_INVALID = "subject_invalid"
    STATUS_NOT_SUCCESS = "status_not_success"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REPLAYED = "replayed"
    UNSOLICITED = "unsolicited"
    IN_RESPONSE_TO_MISMATCH = "in_response_to_mismatch"
    SESSION_ENDED = "session_ended"
    LIMIT_REACHED = "limit_reached"
    RATE_LIMITED = "rate_limited"
    UNAUTHORISED = "unauthorised"
    API_BAD_REQUEST = "api_bad_request"
    SESSION_UNKNOWN = "session_unknown"
    SESSION_CONFLICT = "session_conflict"
    LOGOUT_UNKNOWN = "logout_unknown"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    CALL_IN_PROGRESS = "call_in_progress"
    RETURN_URL_NOT_ALLOWED = "return_url_not_allowed"
    CONNECTION_UNKNOWN = "connection_unknown"
    APPLICATION_UNKNOWN = "application_unknown"
    METADATA_INVALID = "metadata_invalid"
    CONFIGURATION_INVALID = "configuration_invalid"
    STORE_UNAVAILABLE = "store_unavailable"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BAD_REQUEST = "bad_request"
    CSRF_REJECTED = "csrf_rejected"
    INTERNAL_ERROR = "internal_error"


class SloError(Exception):
    """Something went wrong in words that a person can act on.

    `message` is one sentence. `expected`, `got`, `setting` and `next_step` are short texts, empty where they would say
    nothing; they go to people who may know (operators, application developers), never to the sender of a message.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Reason,
        expected: str = "",
        got: str = "",
        setting: str = "",
        next_step: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.expected = expected
        self.got = got
        self.setting = setting
        self.next_step = next_step

    def __str__(self) -> str:
        """Return every part on one line, in the order in which a reader needs them."""
        parts = [self.message]
        for label, text in (("expected", self.expected), ("got", self.got), ("setting", self.setting)):
            if text:
                parts.append(f"{label}: {text}")
        if self.next_step:
            parts.append(self.next_step)
        return "; ".join(parts)


class Refused(SloError):  # noqa: N818 - a refusal is an answer, not an accident
    """The other side's fault. Nothing was changed, nobody is sent anywhere."""


class MessageRefused(Refused):
    """A SAML message failed a check. The sender is told a generic text and a reference code, the log everything."""

    def __init__(self, reason: Reason, message: str, *, expected: str = "", got: str = "") -> None:
        super().__init__(message, reason=reason, expected=expected, got=got)


class RequestRefused(Refused):
    """A parameter of one of our own endpoints is wrong; whoever built the link is told what, and how to mend it."""


class TryLater(RequestRefused):
    """A request of one of our own endpoints that may be repeated after `retry_after` seconds."""

    def __init__(self, message: str, *, reason: Reason, retry_after: int, expected: str = "") -> None:
        super().__init__(message, reason=reason, expected=expected, next_step=f"Try again in {retry_after} s.")
        self.retry_after = retry_after


class OurFault(SloError):  # noqa: N818 - named for whose it is
    """Ours. The request may be tried again; nothing is claimed that did not happen."""


class StoreUnavailable(OurFault):
    """Redis did not do what was asked: gone, slow, full, read-only, loading. `cause` is one word for the alarm."""

    def __init__(self, message: str, *, cause: str = "unreachable", next_step: str = "") -> None:
        super().__init__(message, reason=Reason.STORE_UNAVAILABLE, next_step=next_step)
        self.cause = cause


class ConfigurationError(OurFault):
    """A setting, or a file under metadata/ or certs/, is wrong. `file` and `line` (from 1) say where, when known."""

    def __init__(
        self,
        message: str,
        *,
        file: Path | None = None,
        line: int | None = None,
        reason: Reason = Reason.CONFIGURATION_INVALID,
        expected: str = "",
        got: str = "",
        setting: str = "",
        next_step: str = "",
    ) -> None:
        super().__init__(message, reason=reason, expected=expected, got=got, setting=setting, next_step=next_step)
        self.file = file
        self.line = line

    def __str__(self) -> str:
        """Return `file:line: message …`, the form that editors and terminals make clickable."""
        where = "" if self.file is None else f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return where + super().__str__()
