"""Every way to write the address of Redis, and every way in which Redis fails. Real servers, really broken."""

import contextlib
import datetime as dt
import os
import signal
import socket
import socketserver
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis.connection import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection

from saml_slo.errors import ConfigurationError, Reason, StoreUnavailable
from saml_slo.store import embedded
from saml_slo.store.connect import connect, guard, redacted
from saml_slo.store.embedded import EmbeddedRedis
from tests.serving import wait_until

WRITE = "return redis.call('SET', 'a-private-key', 'v')"


@pytest.fixture
def server(tmp_path_factory):
    """A real server that the test may spoil."""
    with EmbeddedRedis(tmp_path_factory.mktemp("r")) as owner:
        yield owner


@pytest.fixture
def client(server):
    """A client of that server, with the usual limits."""
    with connected(server.url) as client:
        yield client


def connected(url, **limits):
    """Lend a client that is closed afterwards."""
    return contextlib.closing(connect(url, **limits))


@contextlib.contextmanager
def listening(serve):
    """Let `serve` have each connection to a local port, in a thread of its own; yield the port."""

    def handle(connection, *_):
        with contextlib.suppress(OSError):
            serve(connection)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handle) as server, ThreadPoolExecutor(1) as thread:
        thread.submit(server.serve_forever, 0.01)
        yield server.server_address[1]
        server.shutdown()


def cause_of(*commands):
    """Return the one alarm word that every one of `commands` fails with."""
    causes = set()
    for command in commands:
        with pytest.raises(StoreUnavailable) as failure, guard():
            command()
        assert failure.value.reason is Reason.STORE_UNAVAILABLE
        assert isinstance(failure.value.__cause__, (redis.RedisError, OSError))
        assert "a-private-key" not in str(failure.value)
        causes.add(failure.value.cause)
    assert len(causes) == 1
    return causes.pop()


def writes(client):
    """Three ways of writing, whose errors look differently: a command, a script, a transaction."""
    return (
        lambda: client.set("a-private-key", "v"),
        lambda: client.eval(WRITE, 0),
        lambda: client.pipeline().set("a-private-key", "v").execute(),
    )


@pytest.mark.parametrize(
    ("url", "transport", "expected"),
    [
        ("redis://cache", Connection, {"host": "cache", "port": 6379, "db": 0, "username": None, "password": None}),
        ("redis://u:p%40%2Fw@cache:7000/3", Connection, {"port": 7000, "db": 3, "username": "u", "password": "p@/w"}),
        ("redis://:pw@[::1]:7000?db=4", Connection, {"host": "::1", "db": 4, "username": None, "password": "pw"}),
        ("valkey://cache", Connection, {"host": "cache"}),
        ("rediss://cache:6380/1", SSLConnection, {"port": 6380, "db": 1, "ssl_cert_reqs": "required"}),
        ("valkeys://cache?ssl_cert_reqs=required", SSLConnection, {"ssl_check_hostname": True}),
        (f"rediss://c?ssl_ca_certs={__file__}&ssl_check_hostname=no", SSLConnection, {"ssl_check_hostname": False}),
        ("unix:///run/a%20b.sock", UnixDomainSocketConnection, {"path": "/run/a b.sock", "db": 0}),
        ("unix:///run/r.sock?db=2&password=pw", UnixDomainSocketConnection, {"db": 2, "password": "pw"}),
    ],
)
def test_addresses_that_are_understood(url, transport, expected):
    """Each accepted form of URL gives the transport, the place, the user and the database that it names."""
    with connected(url) as client:
        assert client.connection_pool.connection_class is transport
        arguments = client.get_connection_kwargs()
        assert {name: arguments[name] for name in expected} == expected


REFUSED = """
    cache:6379 redis:cache http://u:s3cret@cache redis:// redis://:s3cret@:6379 unix://redis.sock
    redis://u:s3cret@cache:port redis://u:s3cret@cache:99999999 redis://u:s3cret@[cache redis://s3cret:x/@cache
    redis://u:s3cret@cache/users redis://u:s3cret@cache/0/1 redis://u:s3cret@cache?db=-1 unix://u:s3cret@redis.sock
    redis://u:s3cret@cache?socket_timeout=60 redis://u:s3cret@cache?decode_responses=true
    redis://u:s3cret/x@cache redis://u:s3cret#x@cache redis://u:s3cret?x@cache
    redis://u:s3cret@cache?ssl_cert_reqs=none unix:///redis.sock?password=s3cret&ssl_ca_certs=x
    rediss://u:s3cret@cache?ssl_cert_reqs=none rediss://u:s3cret@cache?ssl_cert_reqs=optional
    rediss://u:s3cret@cache?ssl_check_hostname=false rediss://cache?ssl_password=s3cret&ssl_ca_certs=/does/not/exist
"""


@pytest.mark.parametrize("url", ["", *REFUSED.split()])
def test_addresses_that_are_refused(url):
    """Anything else names the setting, what was expected and what came, and never the password."""
    with pytest.raises(ConfigurationError) as refused:
        connect(url)
    assert refused.value.setting == "SLO_REDIS_URL"
    assert refused.value.expected
    assert "s3cret" not in str(refused.value) + repr(refused.value.__cause__)
    assert refused.value.got.partition("://")[0] == url.partition("://")[0]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pw@cache:6379/0", "redis://user:***@cache:6379/0"),
        ("redis://token@cache", "redis://***@cache"),
        ("rediss://u:p@[::1]:1?ssl_password=x&db=1", "rediss://u:***@[::1]:1?ssl_password=***&db=1"),
        ("unix:///run/r.sock?db=1&password=a", "unix:///run/r.sock?db=1&password=***"),
        ("unix:///run/r.sock?password=a@b", "unix://***"),
        ("redis://:a@b@cache", "redis://***"),
        ("user:pw@cache", "***"),
        ("cache:6379", "cache:6379"),
    ],
)
def test_redaction(url, shown):
    """What may be a secret is starred; what cannot be told apart is left out as a whole."""
    assert redacted(url) == shown


def test_nothing_is_repeated_and_everything_is_bounded():
    """No retries, both time limits, a bounded pool that waits half of one, bytes, RESP2."""
    with connected("redis://cache", timeout=0.8, max_connections=5) as client:
        pool, arguments = client.connection_pool, client.get_connection_kwargs()
        assert (type(pool), pool.max_connections, pool.timeout) == (BlockingConnectionPool, 5, 0.4)
        assert arguments["retry"].get_retries() == 0
        assert arguments["socket_timeout"] == arguments["socket_connect_timeout"] == 0.8
        assert (arguments["decode_responses"], arguments["protocol"]) == (False, 2)


def test_each_command_is_one_round_trip(server, client):
    """A fresh connection costs one PING; after that the server sees the commands that were asked for and no other."""
    client.config_resetstat()
    with connected(server.url) as fresh:
        for _ in range(20):
            fresh.get("a")
    calls = {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in client.info("commandstats").items()}
    assert (calls.pop("get"), calls.pop("ping")) == (20, 1)
    assert not calls.keys() - {"info", "config|resetstat", "config"}


def test_an_idle_connection_that_the_server_closed_is_replaced(client):
    """A connection found closed is opened again before the command is sent, so a restart of Redis costs no error."""
    client.set("a", 1)
    with connected(f"unix://{client.get_connection_kwargs()['path']}") as other:
        other.client_kill_filter(_type="normal", skipme=True)
    assert client.get("a") == b"1"


def test_an_exhausted_pool_waits_a_little(server):
    """With every connection in use a command waits for one, and fails when none comes free in half the time limit."""
    with connected(server.url, timeout=0.4, max_connections=1) as client:
        held = client.connection_pool.get_connection()
        began = time.monotonic()
        assert cause_of(client.ping) == "pool_exhausted"
        assert 0.15 < time.monotonic() - began < 30
        client.connection_pool.release(held)
    with connected(server.url, timeout=60, max_connections=1) as client:
        held = client.connection_pool.get_connection()
        threading.Timer(0.05, client.connection_pool.release, (held,)).start()
        assert client.ping()


def fails(command):
    """Whether a command fails now."""
    try:
        command()
    except redis.RedisError:
        return True
    return False


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with the key and the certificate of `localhost`, which vouches for itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=localhost")
    begin, end = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours) for hours in (-1, 1))
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, end)
    signed = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(pem + signed.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


def test_tls_is_always_verified(server, certificate):
    """A certificate of an unknown CA or for another host is refused, under a word of its own; the CA makes it good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def forward(connection):
        with context.wrap_socket(connection, server_side=True) as outside, socket.socket(socket.AF_UNIX) as inside:
            inside.connect(server.url.removeprefix("unix://"))
            while data := outside.recv(4096):
                inside.sendall(data)
                outside.sendall(inside.recv(65536))

    with listening(forward) as port:
        own_ca = f"ssl_ca_certs={certificate}"
        for address in (f"localhost:{port}", f"127.0.0.1:{port}?{own_ca}"):
            with connected(f"rediss://{address}") as client:
                assert cause_of(client.ping) == "tls"
        for address in (f"localhost:{port}?{own_ca}", f"127.0.0.1:{port}?{own_ca}&ssl_check_hostname=false"):
            with connected(f"rediss://{address}") as client:
                assert client.ping()


def test_nobody_there(tmp_path):
    """F01: a missing socket, a closed port and a host without a name are unreachable, at once."""
    began = time.monotonic()
    for url in (f"unix://{tmp_path}/redis.sock", "redis://127.0.0.1:1", "redis://nobody.invalid"):
        with connected(url) as client:
            assert cause_of(client.ping, lambda client=client: client.get("a-private-key")) == "unreachable"
    assert time.monotonic() - began < 30


def test_a_hung_server_costs_twice_the_limit_at_most(server):
    """F02: stopped, it times out on old and new connections alike; continued, each command gets its own answer."""
    with connected(server.url, timeout=1) as client:
        client.mset({"a": "1", "b": "2"})
        os.kill(server.pid, signal.SIGSTOP)
        for _ in range(3):
            began = time.monotonic()
            assert cause_of(lambda: client.get("a")) == "timeout"
            assert time.monotonic() - began < 30
        os.kill(server.pid, signal.SIGCONT)
        assert client.get("b") == b"2"


def test_many_at_once_on_a_hung_server_all_end(server):
    """F02, F22: fifty requests on five connections to a stopped server are over together, not one after the other."""
    with connected(server.url, timeout=4, max_connections=5) as client:
        began = time.monotonic()
        os.kill(server.pid, signal.SIGSTOP)
        with ThreadPoolExecutor(50) as threads:
            causes = set(threads.map(lambda _: cause_of(client.ping), range(50)))
        took = time.monotonic() - began
        os.kill(server.pid, signal.SIGCONT)
        assert took < 30  # one after the other on each connection would be 40
        assert causes == {"timeout", "pool_exhausted"}
        assert client.ping()


def test_a_full_server(client):
    """F04: at maxmemory every way of writing fails with one word; reading and deleting work, and so a logout can."""
    client.set("a", "x" * 100)
    client.set("filler", "x" * 4_000_000)
    client.config_set("maxmemory", 1_000_000)
    assert cause_of(*writes(client)) == "out_of_memory"
    assert client.get("a") == b"x" * 100
    assert client.delete("a") == 1


def test_a_replica_and_a_primary_without_replicas(client):
    """F07, F14: refused writes have their own words, and so has a replica that lost its primary."""
    client.config_set("min-replicas-to-write", 1)
    assert cause_of(*writes(client)) == "no_replicas"
    client.replicaof("127.0.0.1", 1)
    assert cause_of(*writes(client)) == "read_only"
    client.config_set("replica-serve-stale-data", "no")
    assert cause_of(lambda: client.get("a-private-key")) == "no_master"


def test_a_disk_that_cannot_be_written(client):
    """F15: MISCONF has its own word."""
    folder = Path(client.config_get("dir")["dir"])
    (folder / "dump.rdb" / "in the way").mkdir(parents=True)
    client.config_set("save", "3600 1")
    client.bgsave()
    while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
        time.sleep(0.01)
    assert cause_of(*writes(client)) == "misconf"
    client.config_set("save", "")


def test_a_busy_server(server, client):
    """F13: while somebody's script does not end, others time out and are then told that it is busy."""
    client.config_set("lua-time-limit", 50)
    with connected(server.url, timeout=300) as other, ThreadPoolExecutor(1) as thread:
        script = thread.submit(cause_of, lambda: other.eval("while true do end", 0))
        wait_until(lambda: fails(client.ping))
        assert cause_of(client.ping, *writes(client)[:2]) == "busy"
        client.script_kill()
        assert script.result() == "refused"


def test_a_loading_server(tmp_path_factory, monkeypatch):
    """F12: a server that still loads its data says so."""
    monkeypatch.setattr(embedded, "_CONFIG", embedded._CONFIG + "key-load-delay 200\n")  # microseconds
    folder = tmp_path_factory.mktemp("r")
    (folder / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" * 20_000)
    with contextlib.closing(EmbeddedRedis(folder)) as owner, ThreadPoolExecutor(1) as thread:
        start, causes = thread.submit(owner.start), set()
        while not start.done():
            with connected(owner.url) as client, contextlib.suppress(pytest.fail.Exception):
                causes.add(cause_of(client.ping))
    assert "loading" in causes


def test_users(server, client):
    """F17: a wrong password, none at all, and a forbidden command have two words; the password is in no message."""
    client.execute_command("ACL", "SETUSER", "limited", "on", ">pa/ss", "+ping", "+eval", "~*")
    place = f"{server.url.removeprefix('unix://')}?username=limited&password="
    with connected(f"unix://{place}pa%2Fss") as limited:
        assert limited.ping()
        assert cause_of(lambda: limited.get("a-private-key"), lambda: limited.eval(WRITE, 0)) == "permission"
    client.execute_command("ACL", "SETUSER", "default", "resetpass", ">other")
    with connected(f"unix://{place}wrong") as wrong, connected(server.url) as nobody:
        assert cause_of(wrong.ping, nobody.ping) == "authentication"


def test_too_many_clients(server, client):
    """F23: without room for another client the server says so and hangs up; its word counts if it arrives."""
    client.config_set("maxclients", 1)
    with connected(server.url) as another:
        assert cause_of(another.ping) in {"max_clients", "unreachable"}


def test_a_mistake_of_ours(client):
    """F27: a command that no server knows and a key of the wrong type are told from an outage."""
    assert cause_of(lambda: client.execute_command("NOSUCH"), lambda: client.eval("error()", 0)) == "refused"
    client.lpush("a-private-key", 1)
    in_script = WRITE.replace("SET", "APPEND")
    assert cause_of(lambda: client.get("a-private-key"), lambda: client.eval(in_script, 0)) == "wrong_type"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"), (b"", "unreachable"), (b"$100\r\nhalf", "unreachable")],
)
def test_something_else_on_the_port(answer, cause):
    """F18, F19: a web server, one that hangs up, one that hangs up half way through its answer."""

    def reply(connection):
        connection.recv(4096)
        connection.sendall(answer)

    with listening(reply) as port, connected(f"redis://127.0.0.1:{port}") as client:
        assert cause_of(lambda: client.get("a-private-key")) == cause


def test_guard_decorates_and_leaves_other_errors_alone():
    """It serves as a decorator too; our own errors and mistakes in the code pass as they are, results also."""

    @guard()
    def act(error):
        if error:
            raise error
        return "done"

    assert act(None) == act(None) == "done"
    assert cause_of(lambda: act(TimeoutError())) == "timeout"
    for error in (ValueError("a mistake"), StoreUnavailable("already translated", cause="busy")):
        with pytest.raises(type(error)) as passed:
            act(error)
        assert passed.value is error
