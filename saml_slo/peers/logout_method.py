"""The keys of an application's file that say how it is told of a logout (product L9, A4)."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from saml_slo.peers import values
from saml_slo.peers.peer_file import checked_endpoint
from saml_slo.peers.toml_file import Check, TomlFile
from saml_slo.protocol.method import APPLICATION_METHODS, BACK_CHANNEL, CANNOT_ANSWER, LogoutMethod, Method, Waiver
from saml_slo.wire.url import MAX_URL_CHARS, HttpUrl

LONGEST_WAIVER_DAYS = 400
_BY_URI = (*BACK_CHANNEL, *CANNOT_ANSWER)

KEYS: dict[str, Check] = {
    "logout": values.one_of({str(method): method for method in APPLICATION_METHODS}),
    "logout_uri": values.text(MAX_URL_CHARS),
    "session_required": values.flag,
    "audience": values.entity_id,
    "trust_sent": values.flag,
    "webhook_generation": values.whole(1, 1000),
    "waived_until": values.day,
    "waiver": values.sentence,
}
# The methods that each key belongs to; with another one it could have no effect, so it is a mistake.
_OF: Mapping[str, tuple[Method, ...]] = {
    "logout_uri": _BY_URI,
    "session_required": (Method.OIDC_BACKCHANNEL, Method.OIDC_FRONTCHANNEL),
    "audience": (Method.OIDC_BACKCHANNEL,),
    "trust_sent": CANNOT_ANSWER,
    "webhook_generation": (Method.WEBHOOK,),
    "waived_until": (Method.NONE,),
    "waiver": (Method.NONE,),
}
# Keys that are a field of LogoutMethod under the same name.
_FIELDS = ("session_required", "audience", "trust_sent", "webhook_generation")


def read_logout_method(file: TomlFile, *, ours: HttpUrl, today: date) -> LogoutMethod | None:
    """Return how the application is told, None where the file does not say; or raise ConfigurationError.

    `today` is the day in UTC, `ours` our public URL.
    """
    kind: Method | None = file.values.get("logout")
    for key, methods in _OF.items():
        if key in file.values and kind not in methods:
            raise file.error(
                key,
                f"{key} does not belong to {'an application without logout' if kind is None else f'logout = {kind}'}",
                expected="logout = " + " or ".join(f'"{method}"' for method in methods),
                next_step=f"Remove {key}, or correct logout.",
            )
    if kind is None:
        return None
    fields: dict[str, Any] = {key: value for key, value in file.values.items() if key in _FIELDS}
    return LogoutMethod(kind=kind, uri=_uri(file, kind, ours), waiver=_waiver(file, kind, today), **fields)


def _uri(file: TomlFile, kind: Method, ours: HttpUrl) -> str | None:
    if kind not in _BY_URI:
        return None
    uri: str | None = file.values.get("logout_uri")
    if uri is None:
        raise file.error(
            "logout",
            f"logout = {kind} needs a logout_uri",
            expected="logout_uri, the https URL at which the application takes it",
            next_step="Add logout_uri.",
        )
    checked_endpoint(file, "logout_uri", uri, ours=ours)
    return uri


def _waiver(file: TomlFile, kind: Method, today: date) -> Waiver | None:
    if kind is not Method.NONE:
        return None
    until, why = file.values.get("waived_until"), file.values.get("waiver")
    if until is None or why is None:
        raise file.error(
            "logout",
            "an application that is not to be told of logouts needs a waiver",
            expected="waived_until, a date, and waiver, the reason in one line",
            next_step="Add both, or name another logout method.",
        )
    latest = today + timedelta(days=LONGEST_WAIVER_DAYS)
    if until > latest:
        raise file.error(
            "waived_until",
            "the waiver is too long",
            expected=f"a day not after {latest}, {LONGEST_WAIVER_DAYS} days from today",
            got=f"{until}",
            next_step="Name an earlier day, and look at it again then.",
        )
    return Waiver(until, why)
