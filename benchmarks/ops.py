"""`make bench`: what the operations of a logout and of a sign-in cost, in times of raw RSA cryptography.

Read the ratios, not the times: machines differ, and the ratio is what saml_slo can do something about.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

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

    def redirect(self, query: bytes) -> HttpOut:
        """Take the query of a LogoutRequest, return the signed answer ready to send."""
        return self._answer(HttpIn(method="GET", endpoint=idp.SP_SLO_URL, query=query), Binding.REDIRECT)

    def post(self, body: bytes) -> HttpOut:
        """Take the body of a LogoutRequest, return the signed answer ready to send."""
        return self._answer(self._form(idp.SP_SLO_URL, body), Binding.POST)

    def sign_in(self, body: bytes) -> Verified[Response]:
        """Take the body of a Response, return it verified."""
        received = bindings.decode(self._form(idp.SP_ACS_URL, body))
        return checks.verify_response(received, self._connection, self._keys, self._now)

    @staticmethod
    def _form(endpoint: str, body: bytes) -> HttpIn:
        return HttpIn(method="POST", endpoint=endpoint, body=body, content_type="application/x-www-form-urlencoded")

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


def rows(folder: Path) -> list[Row]:
    """Return every operation that is measured, each over different messages in turn; `folder` is for pysaml2's keys."""
    now = datetime.now(UTC)
    decryption = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    table = []
    pairs = {"RSA-2048": idp.rsa_pair, "EC P-256": idp.ec_pair}
    for kind, make in pairs.items():
        ours, theirs = make("slo.bridge.example"), make("login.idp.example")
        peer, bridge = IdentityProvider(theirs, now), Bridge(ours, theirs, decryption, now)
        write, to = peer.post_response, decryption.public_key()
        plain = _messages(partial(write, sign_response=False))
        both = _messages(partial(write, sign_response=True))
        encrypted = _messages(partial(write, sign_response=True, sign_assertion=False, encrypt_to=to))
        everything = _messages(partial(write, sign_response=True, encrypt_to=to))
        queries, bodies = _messages(peer.redirect_logout_request), _messages(peer.post_logout_request)
        goals = (1.4, 1.9, 1.0, 3.2) if kind == "RSA-2048" else (None,) * 4
        if kind == "RSA-2048":
            table.append(Row(RAW, _raw(ours, theirs)))
        else:
            table.append(Row(f"one sign and one verify, {kind}", _raw(ours, theirs)))
        table += [
            Row(f"SLO op by Redirect, {kind}", _over(bridge.redirect, queries), goals[0]),
            Row(f"SLO op by POST, {kind}", _over(bridge.post, bodies), goals[1]),
            Row(f"sign-in, assertion signed, {kind}", _over(bridge.sign_in, plain), goals[2]),
            Row(f"sign-in, Response and assertion signed, {kind}", _over(bridge.sign_in, both)),
            Row(f"sign-in, Response signed, encrypted, {kind}", _over(bridge.sign_in, encrypted), goals[3]),
            Row(f"sign-in, both signed, encrypted, {kind}", _over(bridge.sign_in, everything)),
        ]
        if kind == "RSA-2048":
            theirs_too = pysaml2_peer.Pysaml2(ours, theirs, folder)
            table += [
                Row("pysaml2: SLO op by Redirect", _over(theirs_too.redirect, queries)),
                Row(f"pysaml2: SLO op by POST ({pysaml2_peer.BACKEND})", _over(theirs_too.post, bodies)),
            ]
    return table


def _messages(write: Callable[[], bytes]) -> list[bytes]:
    return [write() for _ in range(DIFFERENT_MESSAGES)]


def _over(operation: Callable[[bytes], object], messages: Sequence[bytes]) -> Operation:
    following = cycle(messages).__next__
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
