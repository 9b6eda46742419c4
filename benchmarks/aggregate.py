"""A federation's signed aggregate of 10,000 identity providers: our verified load against pysaml2's, in one run.

CPU seconds, because machines are shared: ours of the child process with everything that it takes to start and to write
the cache, pysaml2's of parsing and verifying in a process of its own. Memory is what a serving process keeps: the
difference of its resident set before and after. Both sides read the same file and verify its signature.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import federation, pysaml2_peer
from benchmarks.federation import Federation
from saml_slo.peers.federation_cache import open_cache
from saml_slo.renewal.federations import run_child
from saml_slo.renewal.task import Task
from saml_slo.wire.aggregate import Wanted
from saml_slo.wire.metadata import read_idp_metadata
from saml_slo.wire.metadata_signature import Signers, read_signers

GOALS = {"faster": 7.0, "kept": 30.0, "restart": 0.1}
_NAMED = 1000  # connections that are looked up: the limit of an installation
_MEBIBYTE = 1024 * 1024


def main() -> None:
    """Run one side, or both in turn and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=["pysaml2", "serving"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        made = Federation(given.folder / "aggregate.xml", given.folder / "signer.crt", given.entities)
        print(json.dumps({"pysaml2": _pysaml2, "serving": _serving}[given.side](made)))
        return
    with TemporaryDirectory() as folder:
        figures = measure(federation.make(Path(folder), given.entities), given.rounds)
    print(json.dumps(figures) if given.json else _table(figures))


def measure(made: Federation, rounds: int) -> dict[str, float]:
    """Return the figures of both sides, in turn, so that a busy machine slows both alike."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_child(made))
        theirs.append(_side("pysaml2", made))
    serving = _side("serving", made)
    return {
        "entities": made.entities,
        "mebibytes": made.aggregate.stat().st_size / _MEBIBYTE,
        "child_seconds": median(one["seconds"] for one in ours),
        "child_wall": median(one["wall"] for one in ours),
        "pysaml2_seconds": median(one["seconds"] for one in theirs),
        "pysaml2_kept": median(one["kept"] for one in theirs),
        "faster": median(b["seconds"] / a["seconds"] for a, b in zip(ours, theirs, strict=True)),
        **serving,
    }


def _child(made: Federation) -> dict[str, float]:
    task = Task(
        source=str(made.aggregate),
        is_url=False,
        cache=str(made.aggregate.with_suffix(".cache")),
        settings="benchmark",
        signers=Signers(read_signers(made.signer.read_bytes())),
        wanted=Wanted(),
    )
    before, begun = _children_seconds(), time.perf_counter()
    outcome = run_child(task)
    if outcome.failure:
        raise SystemExit(outcome.failure)
    return {"seconds": _children_seconds() - before, "wall": time.perf_counter() - begun}


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _side(side: str, made: Federation) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.aggregate", "--side", side, "--folder", str(made.aggregate.parent)]
    command += ["--entities", str(made.entities)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 - this program
    said: dict[str, float] = json.loads(done.stdout)
    return said


def _pysaml2(made: Federation) -> dict[str, float]:
    """Load and verify as pysaml2 does, with its backend on python-xmlsec (it would start xmlsec1 otherwise)."""
    from saml2.attribute_converter import ac_factory  # noqa: PLC0415 - only this side has it in its memory
    from saml2.mdstore import MetaDataFile  # noqa: PLC0415 - as above
    from saml2.sigver import SecurityContext  # noqa: PLC0415 - as above

    class WholeDocument(pysaml2_peer.PythonXmlsec):  # type: ignore[misc, name-defined]
        """The signature of a document's root, whose ID pysaml2 does not say."""

        def validate_signature(
            self, signedtext: bytes | str, cert_file: str, cert_type: str, node_name: str, node_id: str
        ) -> bool:
            del node_id
            return bool(super().validate_signature(signedtext, cert_file, cert_type, node_name, "_aggregate"))

    before, begun = _resident(), time.process_time()
    store = MetaDataFile(
        ac_factory(),
        str(made.aggregate),
        cert=str(made.signer),
        security=SecurityContext(WholeDocument()),
        node_name="urn:oasis:names:tc:SAML:2.0:metadata:EntitiesDescriptor",
    )
    if not store.load() or len(store.entity) != made.entities:
        raise SystemExit("pysaml2 did not take the aggregate")
    return {"seconds": time.process_time() - begun, "kept": _resident() - before}


def _serving(made: Federation) -> dict[str, float]:
    """Take the cache into a serving process: what that costs, keeps, and a look-up takes."""
    import saml_slo.app  # noqa: F401, PLC0415 - what a serving process has in its memory anyway

    written = made.aggregate.with_suffix(".cache")
    read_idp_metadata(_document(written, 0), now=datetime.now(UTC))
    path = written.with_name("restarted.cache")  # which no process has seen yet
    path.write_bytes(written.read_bytes())
    before, begun = _resident(), time.perf_counter()
    cache = open_cache(path)
    first = None if cache is None else cache.find(federation.entity_id(1))
    restart = time.perf_counter() - begun
    if cache is None or first is None:
        raise SystemExit("the cache is not there")
    names = [federation.entity_id(number % made.entities) for number in range(0, 7 * _NAMED, 7)]
    begun = time.perf_counter()
    found = [cache.find(name) for name in names]
    look_up = (time.perf_counter() - begun) / len(names)
    del found
    named = _resident() - before
    for _ in cache.documents():
        pass
    return {
        "restart": restart,
        "look_up_microseconds": look_up * 1e6,
        "kept_named": named,
        "kept": _resident() - before,
        "cache_mebibytes": path.stat().st_size / _MEBIBYTE,
    }


def _document(path: Path, number: int) -> bytes:
    cache = open_cache(path)
    document = None if cache is None else cache.find(federation.entity_id(number))
    if document is None:
        raise SystemExit("the cache is not there")
    return document


def _resident() -> float:
    """Return the resident set of this process in MiB, pages of mapped files included."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEBIBYTE


def _table(figures: dict[str, float]) -> str:
    rows = [
        ("CPU seconds, ours (child process, start to cache)", f"{figures['child_seconds']:.2f}", ""),
        ("CPU seconds, pysaml2", f"{figures['pysaml2_seconds']:.2f}", ""),
        ("times faster", f"{figures['faster']:.1f}", f">= {GOALS['faster']:.0f}"),
        ("MiB kept, pysaml2", f"{figures['pysaml2_kept']:.0f}", ""),
        (f"MiB kept in a serving process, {_NAMED} entities looked up", f"{figures['kept_named']:.1f}", ""),
        ("MiB kept, every octet of the cache looked at", f"{figures['kept']:.1f}", f"<= {GOALS['kept']:.0f}"),
        ("seconds at a restart, first look-up included", f"{figures['restart']:.4f}", f"<= {GOALS['restart']}"),
        ("microseconds for a look-up", f"{figures['look_up_microseconds']:.1f}", ""),
    ]
    head = f"{figures['entities']:.0f} identity providers, {figures['mebibytes']:.0f} MiB, signed"
    return "\n".join([f"| {head} | | goal |", "| --- | ---: | ---: |", *(f"| {a} | {b} | {c} |" for a, b, c in rows)])


if __name__ == "__main__":
    main()
