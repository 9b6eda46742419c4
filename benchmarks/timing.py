"""Measure several operations in one interleaved run, so that a busy or throttled machine slows all of them alike.

A round runs every operation once, as a block of repetitions that takes about `block_seconds`; the figure of an
operation is the median over the rounds of its CPU time divided by that of the base operation in the same round.

A block begins with repetitions that are not counted, because the code before it has just filled the processor's caches.
The garbage collector stays on: an operation pays for the garbage that it makes. What the modules and fixtures of this
program hold is frozen first, and each block starts from an empty young generation, so that none pays for another's.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Operation = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Figure:
    """One operation: CPU microseconds each time, and how many times the base operation that is."""

    microseconds: float
    ratio: float


def measure(
    operations: Mapping[str, Operation], *, base: str, rounds: int, block_seconds: float = 0.03
) -> dict[str, Figure]:
    """Return the figures of all operations; `base` names the one that the others are divided by."""
    repetitions = {name: _repetitions(operation, block_seconds) for name, operation in operations.items()}
    gc.collect()
    gc.freeze()
    try:
        samples = [
            {name: _block(operation, repetitions[name]) for name, operation in operations.items()}
            for _ in range(rounds)
        ]
    finally:
        gc.unfreeze()
    return {
        name: Figure(
            microseconds=median(sample[name] for sample in samples) * 1e6,
            ratio=median(sample[name] / sample[base] for sample in samples),
        )
        for name in operations
    }


def _repetitions(operation: Operation, block_seconds: float) -> int:
    operation()  # caches, lazy imports
    once = _block(operation, 3)
    return max(1, round(block_seconds / max(once, 1e-6)))


def _block(operation: Operation, repetitions: int) -> float:
    gc.collect()
    for _ in range(repetitions // 10):
        operation()
    begin = _cpu_seconds()
    for _ in range(repetitions):
        operation()
    return (_cpu_seconds() - begin) / repetitions


def _cpu_seconds() -> float:
    """Return this process's CPU time and that of the processes that it started and waited for (pysaml2's xmlsec1)."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
