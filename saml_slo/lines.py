"""Which request and which logout a log line is about: every line carries both, those of threads and of the sweeper too.

`request` is one HTTP request, `logout` and `reference` one logout from its first commit to its last answer, whichever
process is at it. A thread that goes on with something carries them along (`carrying`); whoever works through many
things does each of them apart (`apart`), so that no line bears the name of the one before.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from structlog.contextvars import bind_contextvars, clear_contextvars

P = ParamSpec("P")
R = TypeVar("R")

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=-]{0,127}")


def request_begins(told: str | None = None) -> None:
    """Begin the lines of a request, under the id that a proxy gave it or, where that is none, under one of our own."""
    clear_contextvars()
    bind_contextvars(request=told if told and _IDENTIFIER.fullmatch(told) else secrets.token_hex(8))


def request_ends() -> None:
    """Forget what the lines were about."""
    clear_contextvars()


def about_logout(identifier: str, reference: str) -> None:
    """Let the lines from here on be about a logout."""
    bind_contextvars(logout=identifier, reference=reference)


def carrying(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function for another thread, whose lines are about the same as the lines here; to be called once."""
    context = copy_context()

    def carried(*arguments: P.args, **named: P.kwargs) -> R:
        return context.run(function, *arguments, **named)

    return carried


def apart(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Call a function; what its lines are about is forgotten afterwards."""
    return carrying(function)(*arguments, **named)
