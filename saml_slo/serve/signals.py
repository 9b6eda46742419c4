"""Signals: that none gets lost between the processes and threads of the server."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Final

_LOOK_SECONDS: Final = 0.5


def hear_every_signal() -> None:
    """Have this thread, which must be the main one, act soon on every signal that came; call it in each process.

    Python's handlers run in the main thread alone. But the kernel may give a signal to any thread: one that has just
    been started takes it easily while the main one waits for a processor. The main one, which waits without a limit for
    the event that its handler sets (granian), would sleep on until it is killed. So a signal that does nothing wakes it
    now and then.
    """
    signal.signal(signal.SIGURG, lambda *_: None)
    threading.Thread(target=_wake, args=(threading.get_ident(),), name="wake", daemon=True).start()


def _wake(sleeper: int) -> None:
    while True:
        time.sleep(_LOOK_SECONDS)
        signal.pthread_kill(sleeper, signal.SIGURG)


def end_new_workers_at_once() -> None:
    """Let SIGTERM end a process that this one forks until that one has a handler of its own.

    It would inherit ours, which knows only how to end this process, and so be told to stop in vain while it starts.
    """
    told = {signal.SIGTERM}

    def start_afresh() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, told)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, told),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, told),
        after_in_child=start_afresh,
    )
