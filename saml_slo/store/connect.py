"""The one way to Redis: a bounded client from a URL, and one word for every way in which Redis can fail.

Owns which URLs are accepted, time limits, the pool, TLS, what a healthy server looks like, and the translation of
redis-py's errors into `StoreUnavailable`. Owns no key and no script. It speaks to one server at one address; Sentinel
and Cluster are a later step.

A client belongs to one process: after a fork each process calls `connect` itself, because two processes that write to
one socket read each other's answers.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis import exceptions as failures
from redis.backoff import NoBackoff
from redis.connection import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from saml_slo.errors import ConfigurationError, StoreUnavailable

_SETTING: Final = "SLO_REDIS_URL"
_EXPECTED: Final = "redis://, rediss:// (TLS), unix:///path, valkey:// or valkeys:// (TLS), with a host or a path"
_TRANSPORTS: Final[dict[str, type[Connection | UnixDomainSocketConnection]]] = {
    "redis": Connection,
    "valkey": Connection,
    "rediss": SSLConnection,
    "valkeys": SSLConnection,
    "unix": UnixDomainSocketConnection,
}
# What a URL may say. redis-py would take any argument of its classes from there and let it win over ours (timeouts,
# retries, decode_responses), so everything else is refused instead of being obeyed or dropped.
_TLS_PATHS: Final = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_TLS_OPTIONS: Final = frozenset((*_TLS_PATHS, "ssl_password", "ssl_cert_reqs", "ssl_check_hostname"))
_OPTIONS: Final = frozenset({"db", "username", "password"})
_SHOWN: Final = (_TLS_OPTIONS | {"db", "username"}) - {"ssl_password"}
# user:password@ host:port/path ?query, strictly: an unescaped @ / ? # in a password must not pass for a host or path.
_SHAPE: Final = re.compile(
    r"(?:(?P<user>[^:@/?#]*)(?P<password>:[^@/?#]*)?@)?"
    r"(?P<place>(?:[\w.-]*|\[[\da-fA-F:.]+\])(?::\d*)?(?:/[^@?#]*)?)(?:\?(?P<query>[^@#]*))?"
)

# Seconds of silence after which a connection is tried with a PING before it carries a command again. Every answer
# restarts the count, so a busy connection never pays the round trip; one that a firewall forgot overnight fails on the
# PING, when it is still certain that nothing was done.
_PING_AFTER_SILENCE: Final = 30


def connect(url: str, *, timeout: float = 1.0, max_connections: int = 32) -> redis.Redis:
    """Return a client for `url`; nothing is sent before its first command.

    `timeout` (seconds) bounds the connecting and each answer, half of it the wait for a free connection of the pool's
    `max_connections`, so that a hung Redis costs a request less than two seconds and then a `StoreUnavailable`.

    - No retries. redis-py's default repeats a command whose answer was lost, ten times; GETDEL, SET NX and scripts that
      claim something then answer as if somebody else had been first. Who may repeat a step knows it: the caller.
    - RESP2: the same answers from every server since Redis 6.2, no HELLO on connecting, and no push messages. Where
      those are switched on, redis-py does not look for leftovers on a connection before it uses it again.
    - Answers are bytes. What we store is parsed by us, and a corrupt value must not raise inside the library.

    Raises ConfigurationError when `url` is not one of the accepted forms, with the password taken out.
    """
    transport, arguments = _read_url(url)
    pool = BlockingConnectionPool(  # type: ignore[no-untyped-call]  # redis-py has not annotated it
        connection_class=transport,
        max_connections=max_connections,
        timeout=timeout / 2,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=_PING_AFTER_SILENCE,
        protocol=2,
        decode_responses=False,
        driver_info=None,  # CLIENT SETINFO would be two more round trips for each connection, and may be forbidden
        redis_connect_func=_greet,
        **arguments,
    )
    return redis.Redis.from_pool(pool)


def _greet(connection: Connection | UnixDomainSocketConnection) -> None:
    """Sign in on a new connection and hear one answer: the PING that its first command would have been preceded by.

    Before redis-py sends a command it looks whether a connection has unread bytes, and then gives it up. Over TLS 1.3
    a new one has: the session tickets, which only reading takes away. AUTH and HELLO would do; we may send neither.
    """
    connection.on_connect_check_health(check_health=False)
    connection.send_command("PING", check_health=False)  # type: ignore[no-untyped-call]  # the same
    connection.read_response()


def redacted(url: str) -> str:
    """Return `url` fit for logs and messages: secrets are `***`, and so is all that does not look as it should."""
    scheme, separator, rest = url.partition("://")
    if not separator:  # somebody wrote host:port
        return url if re.fullmatch(r"[\w.:/-]*", url) else "***"
    found = _SHAPE.fullmatch(rest)
    if not found:
        return f"{scheme}://***"
    user = "" if found["user"] is None else f"{found['user']}:***@" if found["password"] else "***@"
    pairs = [pair.partition("=") for pair in (found["query"] or "").split("&")]
    query = "&".join(f"{name}={value if name in _SHOWN else '***'}" for name, _, value in pairs if name)
    return f"{scheme}://{user}{found['place']}{'?' if query else ''}{query}"


def _wrong(url: str, message: str, expected: str = _EXPECTED) -> ConfigurationError:
    return ConfigurationError(message, setting=_SETTING, expected=expected, got=redacted(url))


def _read_url(url: str) -> tuple[type[Connection | UnixDomainSocketConnection], dict[str, Any]]:
    """Return redis-py's class of connection and its arguments. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text may quote the password
        raise _wrong(url, "the address of Redis cannot be read") from None
    transport = _TRANSPORTS.get(parts.scheme)
    if transport is None or "://" not in url or parts.fragment:
        raise _wrong(url, "this is not an address of Redis (in a password, write @ / ? # as %40 %2F %3F %23)")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = _OPTIONS | _TLS_OPTIONS if transport is SSLConnection else _OPTIONS
    if unknown := ", ".join(name if name.isidentifier() else "***" for name in options if name not in known):
        raise _wrong(url, f"unknown options in the address of Redis: {unknown}", ", ".join(sorted(known)))
    arguments: dict[str, Any] = {}
    if transport is UnixDomainSocketConnection:
        if parts.hostname or not parts.path.startswith("/"):
            raise _wrong(url, "the path of the socket must be absolute", "unix:///path/to/redis.sock")
        arguments["path"] = unquote(parts.path)
        options.setdefault("db", "0")
    else:
        if not parts.hostname:
            raise _wrong(url, "the address of Redis names no host")
        arguments.update(host=unquote(parts.hostname), port=port or 6379)
        options.setdefault("db", unquote(parts.path).strip("/") or "0")
    if not options["db"].isdecimal():
        raise _wrong(url, "the database of Redis must be a number", "redis://host:6379/0")
    arguments["db"] = int(options["db"])
    for name in ("username", "password"):
        arguments[name] = unquote(getattr(parts, name) or "") or options.get(name) or None
    if transport is SSLConnection:
        arguments.update(_read_tls(url, options))
    return transport, arguments


def _read_tls(url: str, options: dict[str, str]) -> dict[str, Any]:
    """Return the arguments of a TLS connection; it is always verified. Raises ConfigurationError.

    The host name may be left unchecked only beside a CA of one's own, which signs nobody else's servers.
    """
    if options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_") != "required":
        raise _wrong(url, "the certificate of Redis is always verified", "no ssl_cert_reqs, or ssl_cert_reqs=required")
    check = options.get("ssl_check_hostname", "true").lower() not in {"false", "0", "no", "n", "f"}
    if not check and not (options.get("ssl_ca_certs") or options.get("ssl_ca_path")):
        raise _wrong(
            url, "ssl_check_hostname=false accepts anybody's certificate", "ssl_ca_certs=/own/ca.pem beside it"
        )
    for name in _TLS_PATHS:
        if name in options and not Path(options[name]).exists():
            raise _wrong(url, f"the file of {name} does not exist", "a file that this process can read")
    given: dict[str, Any] = {name: options[name] for name in (*_TLS_PATHS, "ssl_password") if name in options}
    return {"ssl_cert_reqs": "required", "ssl_check_hostname": check, **given}


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What `check_server` found. "unknown" stands for what the server does not tell this user.

    `role` is in Redis's words (master, slave). `aof` is None when unknown. Each of `alarms` is a sentence for an
    operator; no alarms means that the server suits us.
    """

    product: str
    version: str
    role: str
    maxmemory_policy: str
    aof: bool | None
    alarms: tuple[str, ...]


def check_server(client: redis.Redis) -> ServerFacts:
    """Ask the server whether it answers and suits us: two round trips. Raises StoreUnavailable when it does not answer.

    Everything comes from INFO. CONFIG says no more, and managed services and careful ACLs forbid it; where INFO is
    forbidden too, that is an alarm: a check that cannot be made has not passed.
    """
    with guard():
        client.ping()
        try:
            info = client.info()
        except failures.NoPermissionError:
            info = {}
    policy, role = str(info.get("maxmemory_policy", "unknown")), str(info.get("role", "unknown"))
    mode = str(info.get("redis_mode", info.get("server_mode", "standalone")))
    alarms: list[str] = []
    if not info:
        alarms.append("Redis does not let this user look at its settings: allow it the command INFO")
    elif policy != "noeviction":
        alarms.append(f"maxmemory-policy should be noeviction but is {policy}: once full, Redis drops sessions")
    if info and role != "master":
        alarms.append(f"the role of this Redis should be master but is {role}: writes are refused or lost")
    if mode != "standalone":
        alarms.append(f"this Redis should be a standalone server but runs in mode {mode}, which is not supported")
    if str(info.get("aof_last_write_status", "ok")) != "ok":
        alarms.append("Redis cannot write its append-only file: look at its disk")
    return ServerFacts(
        product="Valkey" if "valkey_version" in info else "Redis",
        version=str(info.get("valkey_version") or info.get("redis_version", "unknown")),
        role=role,
        maxmemory_policy=policy,
        aof=bool(info["aof_enabled"]) if "aof_enabled" in info else None,
        alarms=tuple(alarms),
    )


# ── Failures ──────────────────────────────────────────────────────────────────────────────────────────────────────────

# cause: what an operator reads, and what to do next
_STORIES: Final = {
    "unreachable": ("Redis cannot be reached", f"Look whether it is running, and whether {_SETTING} is its address."),
    "timeout": ("Redis did not answer in time", "Is it, or its disk, its host or the network, overloaded or stopped?"),
    "tls": ("the TLS connection to Redis failed", f"Compare its certificate with the ssl_ options in {_SETTING}."),
    "authentication": ("Redis refused our password", f"Compare the user and password in {_SETTING} with its ACL."),
    "permission": ("Redis does not permit our user a command", "Look at ACL LOG and allow what is missing."),
    "out_of_memory": ("Redis is full", "Raise maxmemory; sessions are not dropped to make room."),
    "read_only": ("this Redis is a replica", f"Let {_SETTING} point to the primary."),
    "no_master": ("this Redis has lost its primary", f"Let {_SETTING} point to the primary."),
    "no_replicas": ("Redis has fewer replicas than its min-replicas-to-write", "Bring the replicas back."),
    "misconf": ("Redis cannot write to its disk and refuses to be written", "Look at its disk and its log."),
    "loading": ("Redis is still loading its data", "Wait."),
    "busy": ("Redis is busy with somebody's script", "SCRIPT KILL ends it."),
    "max_clients": ("Redis has no room for another client", "Raise its maxclients, or use fewer workers."),
    "pool_exhausted": ("every connection of this process to Redis is in use", "Is Redis slow, or the load too high?"),
    "wrong_type": ("a key of ours holds something else", "See which one in the log, and who else uses this Redis."),
    "protocol": ("what answers is not a Redis server", f"Compare host and port in {_SETTING}."),
    "refused": ("Redis refused a command", "This should not happen: please report it with the log."),
}
# Every `cause` of a StoreUnavailable: those, and that others kept changing what a step was to change.
CAUSES: Final = (*_STORIES, "conflict")
_CLASSES: Final = (
    (failures.AuthenticationError, "authentication"),
    (failures.AuthorizationError, "authentication"),
    (failures.NoPermissionError, "permission"),
    (failures.OutOfMemoryError, "out_of_memory"),
    (failures.ReadOnlyError, "read_only"),
    (failures.MasterDownError, "no_master"),
    (failures.BusyLoadingError, "loading"),
    (failures.InvalidResponse, "protocol"),
    ((failures.TimeoutError, TimeoutError), "timeout"),
)
_TEXTS: Final = (
    ("No connection available", "pool_exhausted"),
    ("max number of clients", "max_clients"),
    ("ACL failure in script", "permission"),
    ("The user executing the script can't run this command", "permission"),
)
_CODES: Final = {
    "OOM": "out_of_memory",
    "MISCONF": "misconf",
    "NOREPLICAS": "no_replicas",
    "READONLY": "read_only",
    "MASTERDOWN": "no_master",
    "LOADING": "loading",
    "BUSY": "busy",
    "WRONGTYPE": "wrong_type",
}
# The code of an error opens its text; redis-py puts the command before it in a pipeline, and Redis 6.2 the place in the
# script ("ERR Error running script (call to f_…): @user_script: 1: -OOM command not allowed …").
_CODE: Final = re.compile(r"(?:^|caused error: |@user_script: ?\d+: -?)([A-Z]+) ")


@contextmanager
def guard() -> Iterator[None]:
    """Turn every failure of Redis inside the block, or the decorated function, into StoreUnavailable.

    Its `cause` is one of the words of `_STORIES` for logs and metrics; the library's error stays as `__cause__`, and
    only there: its text can contain keys. Put nothing but calls to Redis inside, since any OSError counts as theirs.
    """
    try:
        yield
    except (failures.RedisError, OSError) as error:
        cause = _cause_of(error)
        message, next_step = _STORIES[cause]
        raise StoreUnavailable(message, cause=cause, next_step=next_step) from error


def _cause_of(error: failures.RedisError | OSError) -> str:
    for kind, cause in _CLASSES:
        if isinstance(error, kind):
            return cause
    text = str(error)
    for part, cause in _TEXTS:
        if part in text:
            return cause
    code = _CODE.search(text)
    if code and code[1] in _CODES:
        return _CODES[code[1]]
    if isinstance(error, ssl.SSLError) or isinstance(error.__context__, ssl.SSLError):
        return "tls"
    return "unreachable" if isinstance(error, (failures.ConnectionError, OSError)) else "refused"
