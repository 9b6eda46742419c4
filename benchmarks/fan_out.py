"""How long it takes to tell fifty back-channel peers, in times of telling one of them.

Every peer answers after 250 ms, over TLS, from a process of its own. In the second run one more peer never answers; it
must delay none of the others, and ends with the budget. The goal is 2: all told in twice the time of one.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from saml_slo.delivery.back_channel import Answer, BackChannel
from saml_slo.delivery.fan_out import Job, fan_out

HOST = "peers.localhost"
PEERS = 50
DELAY = 0.25  # seconds that a peer takes for its answer
GOAL = 2.0
BODY = b"<x>" + b"y" * 3000 + b"</x>"  # about as long as a signed LogoutRequest in its envelope
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 3007\r\nConnection: close\r\n\r\n" + BODY


@dataclass(frozen=True, slots=True)
class Run:
    """One run: when each peer's answer came, and when the last outcome, in seconds; `one` is the time for one peer."""

    one: float
    answers: tuple[float, ...]
    settled: float

    @property
    def ratio(self) -> float:
        """Return how many times the time for one it took until the last answer came."""
        return self.answers[-1] / self.one


def measure(channel: BackChannel, origin: str, *, peers: int, hanging: bool, budget: float) -> Run:
    """Tell one peer and then all of them, and note when each answer comes."""
    (alone,) = fan_out(channel, [_job(origin, "/alone")], budget=10)
    if not isinstance(alone.result, Answer):
        raise alone.result
    jobs = [_job(origin, f"/{number}") for number in range(peers)]
    if hanging:
        jobs.insert(0, _job(origin, "/hang"))
    begun = time.perf_counter()
    came = [(outcome.result, time.perf_counter() - begun) for outcome in fan_out(channel, jobs, budget=budget)]
    settled = time.perf_counter() - begun
    answers = tuple(at for result, at in came if isinstance(result, Answer))
    assert len(answers) == peers, f"{peers - len(answers)} peers were not told"
    return Run(alone.seconds, answers, settled)


def _job(origin: str, path: str) -> Job:
    return Job(key=path, url=origin + path, body=BODY, content_type="text/xml", patience=10)


@contextmanager
def peers_process(delay: float) -> Iterator[str]:
    """Run all peers in a process of their own; yield their origin. Their certificate becomes the system's store."""
    spawn = multiprocessing.get_context("spawn")
    before = os.environ.get("SSL_CERT_FILE")
    with TemporaryDirectory() as folder:
        pem = Path(folder) / "peers.pem"
        pem.write_bytes(_certificate())
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_serve, args=(str(pem), delay, theirs), daemon=True)
        process.start()
        theirs.close()  # so that a peer that cannot start is an error here, not a wait
        os.environ["SSL_CERT_FILE"] = str(pem)
        try:
            yield f"https://{HOST}:{ours.recv()}"
        finally:
            os.environ.pop("SSL_CERT_FILE")
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before
            process.terminate()
            process.join()


def _serve(pem: str, delay: float, parent: Connection) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(BODY))
            await asyncio.sleep(3600 if b" /hang " in head else delay)
            writer.write(ANSWER)
            await writer.drain()
        finally:
            writer.close()

    async def main() -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem)
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls, backlog=1024)
        parent.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def _certificate() -> bytes:
    """Return a key and its self-signed certificate, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return plain + made.public_bytes(pem)


def as_text(runs: dict[str, list[Run]], budget: float) -> str:
    """Return the figures as a Markdown table: medians over the rounds."""
    lines = [
        "|                         | last answer, x one peer | worst round | goal | reached | settled, x budget |",
        "| ----------------------- | ----------------------: | ----------: | ---: | ------- | ----------------: |",
    ]
    for name, rounds in runs.items():
        ratio, worst = median(run.ratio for run in rounds), max(run.ratio for run in rounds)
        settled = median(run.settled for run in rounds) / budget
        reached = "yes" if ratio <= GOAL else "no"
        lines.append(f"| {name:<23} | {ratio:23.2f} | {worst:11.2f} | {GOAL:4.1f} | {reached:<7} | {settled:17.2f} |")
    return "\n".join(lines)


def as_svg(runs: dict[str, list[Run]]) -> str:
    """Return a chart: for the median round of each run, how many peers had answered after how many times one peer."""
    width, height, left, top = 640, 240, 50, 40
    unit, colours = (width - left - 20) / 2.5, ("#1f6feb", "#bf4b00")

    def x(ratio: float) -> float:
        return left + min(ratio, 2.5) * unit

    bottom, shapes = top + height - 70, []
    for ratio in (0, 0.5, 1, 1.5, 2, 2.5):
        dash = "" if ratio == GOAL else ' stroke-dasharray="2 4"'
        shapes.append(f'<path d="M{x(ratio):.0f} {top}V{bottom}" stroke="#888"{dash}/>')
        shapes.append(f'<text x="{x(ratio):.0f}" y="{bottom + 18}" text-anchor="middle">{ratio:g}</text>')
    shapes.append(f'<text x="{x(GOAL) + 5:.0f}" y="{top + 12}">goal</text>')
    for number, (name, rounds) in enumerate(runs.items()):
        run = sorted(rounds, key=lambda run: run.ratio)[len(rounds) // 2]
        steps = (bottom - top) / len(run.answers)
        line = "".join(f"H{x(at / run.one):.1f}v{-steps:.2f}" for at in run.answers)
        shapes.append(f'<path d="M{left} {bottom}{line}" fill="none" stroke="{colours[number]}" stroke-width="2"/>')
        label = f"{name}: {run.ratio:.2f}"
        shapes.append(f'<text x="{left + 5}" y="{top + 16 + 18 * number}" fill="{colours[number]}">{label}</text>')
    title = "Peers that have answered, over times of one peer's answer"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        f' font-size="13"><title>{title}</title><rect width="{width}" height="{height}" fill="#fff"/>'
        f'<text x="{left}" y="24" font-weight="bold">{title}</text>{"".join(shapes)}</svg>\n'
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and draw where asked; the exit code is 0 whether or not the goal was reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fan_out", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of both runs (default: 7, about 20 s)")
    parser.add_argument("--peers", type=int, default=PEERS, help=f"peers that answer (default: {PEERS})")
    parser.add_argument("--delay", type=float, default=DELAY, help=f"seconds until they do (default: {DELAY})")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds for everything (default: 2)")
    parser.add_argument("--svg", type=Path, help="write a chart to this file")
    options = parser.parse_args(arguments)
    names = {f"{options.peers} peers": False, f"{options.peers} and one that hangs": True}
    runs: dict[str, list[Run]] = {name: [] for name in names}
    with peers_process(options.delay) as origin:
        channel = BackChannel(allowed_private=(HOST,))
        for _ in range(options.rounds):
            for name, hanging in names.items():
                runs[name].append(measure(channel, origin, peers=options.peers, hanging=hanging, budget=options.budget))
    print(as_text(runs, options.budget))
    if options.svg:
        options.svg.write_text(as_svg(runs), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
