"""Send many messages at once, each with its own patience, all under one budget; answers are handed on as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from queue import Empty, SimpleQueue
from threading import Thread

import structlog

from saml_slo.delivery.back_channel import Answer, BackChannel
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.lines import carrying

WORKERS = 64
_LAST_WORDS = 0.05  # seconds before the budget's end at which every wait ends, so that we still hear how it went

_Done = SimpleQueue[tuple[int, "Outcome"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One POST. `key` is the caller's own name for it; `patience` is seconds from when it begins."""

    key: str
    url: str
    body: bytes
    content_type: str
    patience: float
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one job ended, and how many seconds it took."""

    job: Job
    result: Answer | DeliveryFailed
    seconds: float


def fan_out(channel: BackChannel, jobs: Sequence[Job], *, budget: float, workers: int = WORKERS) -> Iterator[Outcome]:
    """Begin at once, and yield every job's outcome exactly once, as they come, the last one within `budget` seconds.

    What has not begun or not ended by then has failed. Nobody has to take the outcomes for the jobs to be done.
    Threads end by the deadlines of their sockets; none outlives the budget.
    """
    return chain.from_iterable(fan_out_together(channel, jobs, budget=budget, workers=workers))


def fan_out_together(
    channel: BackChannel, jobs: Sequence[Job], *, budget: float, workers: int = WORKERS
) -> Iterator[tuple[Outcome, ...]]:
    """Do the same, and yield together what came while the caller was busy with what came before."""
    ends = time.monotonic() + budget
    waiting: SimpleQueue[tuple[int, Job]] = SimpleQueue()
    done: _Done = SimpleQueue()
    for entry in enumerate(jobs):
        waiting.put(entry)

    def work() -> None:
        while True:
            try:
                number, job = waiting.get_nowait()
            except Empty:
                return
            done.put((number, _deliver(channel, job, ends - _LAST_WORDS)))

    _start(work, min(workers, len(jobs)))
    return _outcomes(jobs, done, ends)


def _start(work: Callable[[], None], threads: int) -> None:
    for number in range(threads):
        try:
            Thread(target=carrying(work), name=f"delivery-{number}", daemon=True).start()
        except RuntimeError:  # no more threads on this machine: those that run do the work, at the worst we ourselves
            if number == 0:
                work()
            return


def _deliver(channel: BackChannel, job: Job, ends: float) -> Outcome:
    begun = time.monotonic()
    try:
        result: Answer | DeliveryFailed = channel.post(
            job.url,
            job.body,
            content_type=job.content_type,
            headers=job.headers,
            deadline=min(begun + job.patience, ends),
        )
    except DeliveryFailed as failure:
        result = failure
    except Exception as error:  # noqa: BLE001 - a mistake of ours costs one delivery, and is logged, never its neighbours
        structlog.get_logger().error("delivery_broke", key=job.key, exc_info=error)
        result = DeliveryFailed(Why.LOCAL, "an error of this program", detail=repr(error)[:200])
    return Outcome(job, result, time.monotonic() - begun)


def _outcomes(jobs: Sequence[Job], done: _Done, ends: float) -> Iterator[tuple[Outcome, ...]]:
    missing = dict(enumerate(jobs))
    began = time.monotonic()
    while missing:
        try:
            came = [done.get(timeout=max(0.0, ends - time.monotonic()))]
        except Empty:
            break
        with suppress(Empty):
            while True:
                came.append(done.get_nowait())
        for number, _ in came:
            del missing[number]
        yield tuple(outcome for _, outcome in came)
    if missing:
        failure = DeliveryFailed(Why.TIMEOUT, "the time for all of them was over", sent=True)  # it may have been
        yield tuple(Outcome(job, failure, time.monotonic() - began) for job in missing.values())
