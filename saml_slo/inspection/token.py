"""A signed token of ours: a logout token that an application got, or a receipt. Is it, and would it be taken?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from saml_slo.inspection.report import (
    Fact,
    Report,
    Signature,
    Step,
    StepState,
    Time,
    Verdict,
    digest_of,
    distance,
)
from saml_slo.inspection.source import Captured
from saml_slo.peers.registry import Registry
from saml_slo.wire.certificate_facts import certificate_facts
from saml_slo.wire.jws import ReadToken, read_token

LOGOUT_TOKEN = "logout+jwt"  # noqa: S105 - a media type
RECEIPT = "logout-receipt+jwt"
_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_TOLERANCE = 300  # seconds, as saml_slo.client has it
_PRIVATE = ("sub", "sid", "email", "name", "user")
_MAX_YEAR = 253_402_300_799
_KINDS = {LOGOUT_TOKEN: "logout token", RECEIPT: "receipt"}


def inspect_token(
    captured: Captured, registry: Registry, certificates: Sequence[bytes], now: datetime, *, reveal: bool
) -> Report:
    """Return the report of a token; `certificates` (DER) are of the keys that we publish."""
    token = read_token(captured.token, certificates)
    if token is None:
        return Report(
            found_in=captured.found_in,
            kind="token",
            verdict=Verdict.NOT_A_MESSAGE,
            summary="It looks like a signed token and cannot be read as one: was it cut off?",
        )
    typ = str(token.header.get("typ", "")).lower().removeprefix("application/")
    kind = _KINDS.get(typ, f"token of type {typ or 'unknown'}"[:80])
    steps = tuple(_steps(token, typ, registry, now))
    failed = next((step for step in steps if step.state is StepState.FAILED), None)
    return Report(
        found_in=captured.found_in,
        kind=kind,
        verdict=Verdict.ACCEPTED if failed is None else Verdict.REFUSED,
        summary=f"A receiver takes it for a {kind} of ours." if failed is None else failed.message,
        issuer=str(token.claims.get("iss", ""))[:300],
        clock=now.isoformat(timespec="seconds"),
        facts=tuple(_facts(token.claims, reveal=reveal)),
        times=tuple(_times(token.claims, now)),
        signatures=(_signature(token, certificates),),
        steps=_after_the_first_failure(steps),
    )


def _steps(token: ReadToken, typ: str, registry: Registry, now: datetime) -> list[Step]:
    claims = token.claims
    steps = [
        _step("typ", "It says what kind of token it is.", typ in _KINDS, " or ".join(_KINDS), typ),
        _step(
            "signature",
            "One of our published keys made its signature.",
            token.signer is not None,
            "a key of /.well-known/jwks.json",
            f"kid {str(token.header.get('kid', 'absent'))[:60]}",
            next_step="Is it of another installation, or was the signing key replaced since?",
        ),
    ]
    if typ != LOGOUT_TOKEN:
        return steps
    audiences = {
        application.client_id if application.logout is None else application.logout.audience or application.client_id
        for application in registry.applications()
    }
    aud, issued, ends = claims.get("aud"), _instant(claims.get("iat")), _instant(claims.get("exp"))
    first = aud[0] if isinstance(aud, list) and len(aud) == 1 else aud
    at = now.timestamp()
    events = claims.get("events")
    return [
        *steps,
        _step("aud", "It is for an application of ours.", first in audiences, ", ".join(sorted(audiences)), str(aud)),
        _step(
            "iat",
            f"It was issued within {_TOLERANCE} seconds of the clock.",
            issued is not None and abs(issued.timestamp() - at) <= _TOLERANCE,
            now.isoformat(timespec="seconds"),
            str(issued),
            next_step="Compare the clocks; for a token captured earlier, say --at.",
        ),
        _step(
            "exp",
            "It has not expired.",
            ends is not None and at < ends.timestamp() + _TOLERANCE,
            f"later than {now.isoformat(timespec='seconds')}",
            str(ends),
            next_step="For a token captured earlier, say --at.",
        ),
        _step("events", "It announces a logout.", isinstance(events, dict) and _EVENT in events, _EVENT, str(events)),
        _step("nonce", "It has no nonce, so that no ID token passes for it.", "nonce" not in claims, "no nonce", ""),
        _step("whom", "It names a user or a session.", bool(claims.get("sub") or claims.get("sid")), "sub or sid", ""),
    ]


def _step(name: str, says: str, good: bool, expected: str, got: str, *, next_step: str = "") -> Step:  # noqa: FBT001 - one row of the table above
    if good:
        return Step(name=name, says=says, state=StepState.OK)
    return Step(
        name=name,
        says=says,
        state=StepState.FAILED,
        message=f"A receiver refuses this token: {name} is not as it must be.",
        expected=expected[:300],
        got=got[:300],
        next_step=next_step,
    )


def _after_the_first_failure(steps: Sequence[Step]) -> tuple[Step, ...]:
    failed = next((place for place, step in enumerate(steps) if step.state is StepState.FAILED), len(steps))
    rest = (Step(name=step.name, says=step.says, state=StepState.NOT_REACHED) for step in steps[failed + 1 :])
    return (*steps[: failed + 1], *rest)


def _signature(token: ReadToken, certificates: Sequence[bytes]) -> Signature:
    facts = None if token.signer is None else certificate_facts(certificates[token.signer])
    return Signature(
        where="the token",
        algorithm=str(token.header.get("alg", "absent"))[:40],
        signer="" if facts is None else f"our key {facts.short}, valid until {facts.not_after:%Y-%m-%d}",
        problem="" if token.signer is not None else "none of our published keys made it",
    )


def _facts(claims: Any, *, reveal: bool) -> list[Fact]:  # noqa: ANN401 - JSON of a stranger
    facts = []
    for name, value in list(claims.items())[:50]:
        text = value if isinstance(value, str) else json.dumps(value)
        if name in _PRIVATE:
            facts.append(Fact(name=name[:60], value=text[:300] if reveal else digest_of(text), private=True))
        elif name not in ("iat", "exp"):
            # Whom a receipt concerns is not in its rows, which name peers; they are long, so the page has them.
            facts.append(Fact(name=name[:60], value=text[:300]))
    return facts


def _times(claims: Any, now: datetime) -> list[Time]:  # noqa: ANN401 - JSON of a stranger
    found = ((name, _instant(claims.get(name))) for name in ("iat", "nbf", "exp"))
    return [
        Time(name=name, value=at.isoformat(timespec="seconds"), against_our_clock=distance(at, now))
        for name, at in found
        if at is not None
    ]


def _instant(value: object) -> datetime | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MAX_YEAR:
        return None
    return datetime.fromtimestamp(value, UTC)
