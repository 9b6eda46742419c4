"""`make bench`: what the operations of a logout and of a sign-in cost, in times of raw RSA cryptography.

Read the ratios, not the times: machines differ, and the ratio is what saml_slo can do something about.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks import identity_provider as idp
from benchmarks import pysaml2_peer
from benchmarks.identity_provider import IdentityProvider, KeyPair
from benchmarks.timing import Figure, Operation, measure
from saml_slo.protocol.envelope import HttpIn, HttpOut, Verified
from saml_slo.protocol.messages import LogoutResponse, Response
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection
from saml_slo.protocol.status import SUCCESS, Status
from saml_slo.wire import bindings, checks, writer
from saml_slo.wire.encryption import DecryptionKeys
from saml_slo.wire.keys import SigningKey

RAW = "raw: one RSA-2048 sign, one verify"
DIFFERENT_MESSAGES = 16
GOALS = {
    "SLO op by Redirect": 1.4,
    "SLO op by POST": 1.9,
    "sign-in, assertion signed": 1.0,
    "sign-in, Response signed, encrypted": 3.2,
}
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: an operation, and how many times raw it may cost, where we have set ourselves a goal."""

    name: str
    operation: Operation
    goal: float | None = None


class Bridge:
    """saml_slo's library at work for one connection."""

    def __init__(self, ours: KeyPair, theirs: KeyPair, decryption: rsa.RSAPrivateKey, now: datetime) -> None:
        self._key = SigningKey(ours.key, ours.certificate)
        self._keys = DecryptionKeys((decryption,))
        self._now = now
        self._connection = Connection(
            name="staff",
            entity_id=idp.ENTITY_ID,
            sp_entity_id=idp.SP_ENTITY_ID,
            acs_url=idp.SP_ACS_URL,
            slo_url=idp.SP_SLO_URL,
            metadata_url=idp.SP_ENTITY_ID,
            single_sign_on=(),
            signing_certificates=(theirs.certificate,),
        )

    def redirect(self, request: HttpIn) -> HttpOut:
        """Take a LogoutRequest by Redirect, return the signed answer ready to send."""
        return self._answer(request, Binding.REDIRECT)

    def post(self, request: HttpIn) -> HttpOut:
        """Take a LogoutRequest by POST, return the signed answer ready to send."""
        return self._answer(request, Binding.POST)

    def sign_in(self, request: HttpIn) -> Verified[Response]:
        """Take a Response, return it verified."""
        return checks.verify_response(bindings.decode(request), self._connection, self._keys, self._now)

    def _answer(self, request: HttpIn, binding: Binding) -> HttpOut:
        received = bindings.decode(request)
        verified = checks.verify_logout_request(received, self._connection, self._keys, self._now)
        answer = LogoutResponse(
            id=f"_{secrets.token_hex(20)}",
            issue_instant=self._now,
            destination=idp.SLO_URL,
            issuer=self._connection.sp_entity_id,
            in_response_to=verified.message.id,
            status=Status(SUCCESS),
        )
        return bindings.encode(
            binding, writer.write(answer), idp.SLO_URL, verified.relay_state, self._key, self._connection
        )


def get(query: bytes) -> HttpIn:
    """Return a GET request to our SLO endpoint."""
    return HttpIn(method="GET", endpoint=idp.SP_SLO_URL, query=query)


def form(endpoint: str, body: bytes) -> HttpIn:
    """Return a POST request with a form."""
    return HttpIn(method="POST", endpoint=endpoint, body=body, content_type="application/x-www-form-urlencoded")


def rows(folder: Path) -> list[Row]:
    """Return every operation that is measured, each over different messages in turn; `folder` is for pysaml2's keys."""
    ours, theirs = idp.rsa_pair("slo.bridge.example"), idp.rsa_pair("login.idp.example")
    table = [Row(RAW, _raw(ours, theirs)), *_bridge_rows("RSA-2048", ours, theirs, GOALS)]
    peer, client = IdentityProvider(theirs, datetime.now(UTC)), pysaml2_peer.Pysaml2(ours, theirs, folder)
    table += [
        Row("pysaml2: SLO op by Redirect", _over(client.redirect, peer.redirect_logout_request)),
        Row(f"pysaml2: SLO op by POST ({pysaml2_peer.BACKEND})", _over(client.post, peer.post_logout_request)),
    ]
    ours, theirs = idp.ec_pair("slo.bridge.example"), idp.ec_pair("login.idp.example")
    return [
        *table,
        Row("one EC P-256 sign, one verify", _raw(ours, theirs)),
        *_bridge_rows("EC P-256", ours, theirs, {}),
    ]


def _bridge_rows(kind: str, ours: KeyPair, theirs: KeyPair, goals: Mapping[str, float]) -> list[Row]:
    now, decryption = datetime.now(UTC), rsa.generate_private_key(public_exponent=65537, key_size=2048)
    peer, bridge = IdentityProvider(theirs, now), Bridge(ours, theirs, decryption, now)
    responses: dict[str, dict[str, Any]] = {
        "sign-in, assertion signed": {"sign_response": False},
        "sign-in, Response and assertion signed": {"sign_response": True},
        "sign-in, Response signed, encrypted": {"sign_response": True, "sign_assertion": False, "encrypt": True},
        "sign-in, both signed, encrypted": {"sign_response": True, "encrypt": True},
    }
    operations = {
        "SLO op by Redirect": _over(bridge.redirect, lambda: get(peer.redirect_logout_request())),
        "SLO op by POST": _over(bridge.post, lambda: form(idp.SP_SLO_URL, peer.post_logout_request())),
    }
    for name, shape in responses.items():
        encrypt_to = decryption.public_key() if shape.pop("encrypt", False) else None
        write = partial(peer.post_response, encrypt_to=encrypt_to, **shape)
        operations[name] = _over(bridge.sign_in, lambda write=write: form(idp.SP_ACS_URL, write()))  # type: ignore[misc]
    return [Row(f"{name}, {kind}", operation, goals.get(name)) for name, operation in operations.items()]


def _over(operation: Callable[[M], object], write: Callable[[], M]) -> Operation:
    following = cycle([write() for _ in range(DIFFERENT_MESSAGES)]).__next__
    return lambda: operation(following())


def _raw(ours: KeyPair, theirs: KeyPair) -> Operation:
    """Return one signature of ours and one verification of theirs, over as many octets as a SignedInfo has."""
    octets = b"x" * 600
    signature = theirs.sign(octets)

    def operation() -> None:
        ours.sign(octets)
        theirs.verify(signature, octets)

    return operation


def as_text(table: Sequence[Row], figures: dict[str, Figure]) -> str:
    """Return the figures as a Markdown table, in the order of the rows."""
    lines = [
        f"| {'':<56} | {'µs CPU':>7} | {'x raw':>6} | {'goal':>5} | reached |",
        f"| {'-' * 56} | ------: | -----: | ----: | ------- |",
    ]
    for row in table:
        figure = figures[row.name]
        goal = "" if row.goal is None else f"{row.goal:.1f}"
        reached = "" if row.goal is None else "yes" if figure.ratio <= row.goal else "no"
        lines.append(
            f"| {row.name:<56} | {figure.microseconds:7.0f} | {figure.ratio:6.2f} | {goal:>5} | {reached:<7} |"
        )
    return "\n".join(lines)


def as_json(table: Sequence[Row], figures: dict[str, Figure], rounds: int) -> str:
    """Return the figures as JSON."""
    return json.dumps(
        {
            "rounds": rounds,
            "pysaml2_backend": pysaml2_peer.BACKEND,
            "operations": [
                {
                    "name": row.name,
                    "microseconds": round(figures[row.name].microseconds, 1),
                    "times_raw": round(figures[row.name].ratio, 3),
                    "goal": row.goal,
                    "reached": None if row.goal is None else figures[row.name].ratio <= row.goal,
                }
                for row in table
            ],
        },
        indent=2,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 0 whether or not the goals were reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ops", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="interleaved rounds (default: 60, about 35 s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        table = rows(Path(folder))
        figures = measure({row.name: row.operation for row in table}, base=RAW, rounds=options.rounds)
    print(as_json(table, figures, options.rounds) if options.json else as_text(table, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
