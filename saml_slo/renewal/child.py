"""The child process that reads aggregates: `python -m saml_slo.renewal.child`, a task on standard input.

It fetches, verifies, selects and writes the cache, so that a serving process neither holds the document nor waits for
it, and ends with all the memory that it took. What it may use is bounded: a hostile document costs this process.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from saml_slo.delivery.back_channel import BackChannel
from saml_slo.errors import ConfigurationError, SloError
from saml_slo.peers.copies import replace_file, version_of
from saml_slo.peers.federation_cache import Facts, encode
from saml_slo.peers.toml_file import read_limited
from saml_slo.renewal.fetch import Fetched, FetchFailed, fetch
from saml_slo.renewal.task import Outcome, Task, decode_task
from saml_slo.wire import instants
from saml_slo.wire.aggregate import MAX_AGGREGATE_BYTES, read_aggregate

_MAX_MEMORY = 4 * 1024**3  # octets of address space
_MAX_CPU_SECONDS = 300


def main() -> None:
    """Do one task, and say on standard output how it ended."""
    gc.disable()  # nothing here lives longer than the process
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_MAX_CPU_SECONDS, _MAX_CPU_SECONDS))
    task = decode_task(sys.stdin.buffer.read())
    sys.stdout.buffer.write(run(task, datetime.now(UTC)).encoded())
    sys.stdout.flush()
    os._exit(0)  # the kernel takes the tree back faster than lxml does


def run(task: Task, now: datetime) -> Outcome:
    """Do one task and return how it ended; only a cache that is whole and verified is ever put in place."""
    try:
        fetched = _fetched(task)
    except FetchFailed as failure:
        return Outcome(failure=str(failure))
    except ConfigurationError as error:
        return Outcome(failure=SloError.__str__(error))
    if fetched.document is None:
        return Outcome(unchanged=True, etag=fetched.etag, last_modified=fetched.last_modified)
    try:
        version = _taken(task, fetched.document, now)
    except ConfigurationError as error:
        return Outcome(failure=SloError.__str__(error), refused=True)
    except MemoryError:
        return Outcome(failure="it takes more memory than an aggregate may", refused=True)
    return Outcome(etag=fetched.etag, last_modified=fetched.last_modified, version=version)


def _taken(task: Task, document: bytes, now: datetime) -> str:
    """Verify an aggregate, put its cache in place and return the cache's version, or raise ConfigurationError."""
    aggregate = read_aggregate(document, task.signers, task.wanted, now=now)
    if older := _older(task, aggregate.valid_until):
        raise ConfigurationError(older)
    facts = Facts(
        settings=task.settings,
        total=aggregate.total,
        valid_until=aggregate.valid_until,
        cache_duration=aggregate.cache_duration,
        ambiguous=aggregate.ambiguous,
    )
    content = encode(facts, aggregate.entities)
    replace_file(Path(task.cache), content)
    return version_of(content)


def _fetched(task: Task) -> Fetched:
    if not task.is_url:
        return Fetched(read_limited(Path(task.source), MAX_AGGREGATE_BYTES))
    channel = BackChannel(allowed_private=task.allowed, max_bytes=MAX_AGGREGATE_BYTES)
    return fetch(channel, task.source, etag=task.etag, last_modified=task.last_modified, seconds=task.seconds)


def _older(task: Task, valid_until: datetime | None) -> str:
    """Say why an aggregate is older than the one in force, nothing where it is not (security K235)."""
    if not task.not_before:
        return ""
    in_force = datetime.fromisoformat(task.not_before)
    if valid_until is None:
        return "it no longer says until when it is valid"
    if valid_until < in_force:
        ends, end = instants.render(valid_until), instants.render(in_force)
        return f"it is older than the one in force: valid until {ends}, not {end}"
    return ""


if __name__ == "__main__":
    main()
