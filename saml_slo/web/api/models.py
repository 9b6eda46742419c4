"""What the API takes and answers: the one source of its checks and of its OpenAPI document.

Strict: nothing is converted, no field is unknown. A description says what a field holds, and is what a caller is told
who sends something else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from saml_slo.protocol.moments import milliseconds

OWN_ID = r"(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}"  # . and .. are no names of anything in a path (RFC 3986 5.2.4)
LOGOUT_ID = r"[A-Za-z0-9_-]{1,64}"  # wider than store/tokens.py makes them: what is none is unknown, and said so
IDEMPOTENCY_KEY = r"[\x21-\x7e]{1,64}"
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def _moment(text: str) -> str:
    """Take a date and time with a zone that exists (RFC 3339); `fromisoformat` takes more from release to release."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("not a time of RFC 3339")
    try:
        milliseconds(datetime.fromisoformat(text.upper()).astimezone(UTC))
    except OverflowError:
        raise ValueError("not a time that a calendar has") from None
    return text


def moment(text: str) -> int | None:
    """Return a checked time in milliseconds, None where it was left out."""
    return None if text == ABSENT else milliseconds(datetime.fromisoformat(text.upper()))


# Control characters have no business in any id; pydantic and JSON Schema read this pattern alike.
_TEXT = r"^[^\x00-\x1f\x7f-\x9f]+$"
Text = Annotated[str, Field(min_length=1, max_length=256, pattern=_TEXT)]
Token = Annotated[str, Field(min_length=1, max_length=8192, pattern=r"^[\x21-\x7e]+$")]
Moment = Annotated[str, AfterValidator(_moment), Field(json_schema_extra={"format": "date-time"})]
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$")]

_USER = "the application's id of the person: 1 to 256 characters, no control characters"
_OWN = "the application's own session id: 1 to 128 of the characters A-Z a-z 0-9 . _ ~ -"
OwnId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")]


# What a field holds that was left out. None would let null in, which is nothing that a caller can mean (L239).
ABSENT = ""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Facts(_Strict):
    signed_in_at: Moment = Field(
        ABSENT, description="when the person proved who they are, as RFC 3339 with a zone; now, where it is left out"
    )
    expires_at: Moment = Field(ABSENT, description="when the session ends at the latest, as RFC 3339 with a zone")
    issuer: Text = Field(ABSENT, description="the iss of logout tokens: 1 to 256 characters")
    sub: Text = Field(ABSENT, description="the sub of logout tokens: 1 to 256 characters")
    sid: Text = Field(ABSENT, description="the sid of logout tokens: 1 to 256 characters")


class _AtProvider(_Strict):
    connection: Name = Field(
        description="the name of a connection, not SAML, by which the application signed the person in"
    )
    id_token: Token = Field(ABSENT, description="the ID token of that sign-in: up to 8192 visible characters")
    access_token: Token = Field(ABSENT, description="the access token of that sign-in: up to 8192 visible characters")


class UserSession(_Facts):
    """A session of a user of the application."""

    user: Text = Field(description=_USER)


class UserSessionAtProvider(UserSession, _AtProvider):
    """A session of a user whom the application signed in by a provider."""


class BoundSession(_Facts):
    """A session that belongs to one of ours."""

    session: Token = Field(
        max_length=256, description="the handle of a session of ours, as this application got it: visible characters"
    )


class BoundSessionAtProvider(BoundSession, _AtProvider):
    """A session that belongs to one of ours, of a person whom the application signed in by a provider as well."""


class Nothing(_Strict):
    """An empty object."""


class LogoutOfSession(_Strict):
    """Log a session of the application's out, with everything that hangs on it."""

    session: OwnId = Field(description=f"{_OWN}; or the handle of a session")
    reason: Literal["user", "admin"] = Field("user", description="user or admin: who wants it")


class LogoutOfUser(_Strict):
    """Log a user of the application out of every session."""

    user: Text = Field(description=f"{_USER}; or the name that the application was given (X-Slo-User, NameID)")
    reason: Literal["user", "admin"] = Field("user", description="user or admin: who wants it")


# Answers --------------------------------------------------------------------------------------------------------------


class SessionAnswer(BaseModel):
    """A session that is alive."""

    id: str = Field(description="the application's own session id")
    handle: str = Field(description="names our session toward us, for this application alone")
    user: str | None = Field(description="the application's id of the person, null where it never said")
    active: Literal[True]
    ends_at: str = Field(description="when the session ends at the latest, RFC 3339")
    idle_ends_at: str = Field(description="when it ends unless the person is active before, RFC 3339")
    check_after: int = Field(description="seconds for which this answer may be relied on", ge=1, le=300)
    logout_url: str = Field(description="where the person's browser signs out of everything")


class LogoutRow(BaseModel):
    """One session on the receipt of a logout; docs/reference.md says what the states mean."""

    model_config = ConfigDict(extra="allow")

    kind: Literal["session", "idp", "application"]
    name: str
    since: str
    state: str
    label: str
    ended: bool
    reason: str
    advice: str
    changed_at: str


class LogoutAnswer(BaseModel):
    """What a logout did so far, session by session."""

    id: str | None = Field(description="reads this again; null where there was nothing to end")
    reference: str | None = Field(description="the code for the help desk")
    settled: bool = Field(description="nothing more happens by itself")
    summary: str
    receipt_url: str | None = Field(description="the receipt as a page, for 24 hours")
    sessions: list[LogoutRow]


class Problem(BaseModel):
    """Why a call was refused, or failed."""

    model_config = ConfigDict(json_schema_extra={"required": ["error", "description", "reason", "reference"]})

    error: str = Field(description="a title")
    description: str = Field(description="what is wrong, in a sentence")
    reason: str = Field(description="one word; docs/errors.md lists them")
    reference: str = Field(description="the code that finds this in the log, or of the logout that is the cause")
    expected: str = ""
    got: str = ""
    setting: str = ""
    next_step: str = ""


def schemas() -> list[type[BaseModel]]:
    """Return every model that the document shows."""
    taken: list[type[BaseModel]] = [UserSession, UserSessionAtProvider, BoundSession, BoundSessionAtProvider]
    taken += [Nothing, LogoutOfSession, LogoutOfUser]
    return [*taken, SessionAnswer, LogoutRow, LogoutAnswer, Problem]


def registration_model(value: dict[str, Any]) -> type[UserSession | BoundSession] | None:
    """Return which model a registration is to be, by what it names; None where it names both or neither."""
    if ("user" in value) == ("session" in value):
        return None
    at_provider = any(name in value for name in _AtProvider.model_fields)
    if "user" in value:
        return UserSessionAtProvider if at_provider else UserSession
    return BoundSessionAtProvider if at_provider else BoundSession
