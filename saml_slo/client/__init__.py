"""What an application needs: the API in Python, a check of its sessions, and a receiver for logout notices.

`Client` registers, touches and ends an application's sessions and starts logouts. `SessionCheck` asks the bridge now
and then whether a session is alive; `flask`, `django`, `wsgi` and `asgi` put it in front of an application.
`LogoutReceiver` takes webhooks and OpenID Connect logout tokens, verifies them and hands on a `LogoutNotice`.

Runs inside other people's programs: it reads no setting and no file, writes no cookie and starts nothing of its own.
Of the rest of the house it uses delivery/ alone, and of that no more than the HTTP exchange with its total deadline.
docs/applications.md is the guide.
"""

from saml_slo.client.answers import ApplicationSession, Logout, LogoutRow
from saml_slo.client.client import Client, OidcSubject, Provider
from saml_slo.client.errors import (
    ClientError,
    Conflict,
    LimitReached,
    NotFound,
    NoticeRefused,
    RateLimited,
    Refused,
    SessionEnded,
    Unauthorised,
    Unavailable,
)
from saml_slo.client.logout_token import LogoutTokenVerifier
from saml_slo.client.notice import LogoutNotice
from saml_slo.client.receiver import LogoutReceiver
from saml_slo.client.replay import MemoryReplayCache, ReplayCache
from saml_slo.client.session_check import SessionCheck
from saml_slo.client.webhook import WebhookVerifier

__all__ = [
    "ApplicationSession",
    "Client",
    "ClientError",
    "Conflict",
    "LimitReached",
    "Logout",
    "LogoutNotice",
    "LogoutReceiver",
    "LogoutRow",
    "LogoutTokenVerifier",
    "MemoryReplayCache",
    "NotFound",
    "NoticeRefused",
    "OidcSubject",
    "Provider",
    "RateLimited",
    "Refused",
    "ReplayCache",
    "SessionCheck",
    "SessionEnded",
    "Unauthorised",
    "Unavailable",
    "WebhookVerifier",
]
