"""L237, L241, L242 at the production server: what only real sockets can send."""

import socket
import threading
import time

import pytest

from tests.api.calling import application, secret
from tests.serving import HOST, serving

SHOP, BLOG = f"Bearer shop.{secret('shop')}", f"Bearer blog.{secret('blog')}"
PATH = "/api/v1/sessions/unknown"
BODY = b'{"user": "alice"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server with both applications."""
    folder = tmp_path_factory.mktemp("serve")
    applications = folder / "metadata" / "applications"
    applications.mkdir(parents=True)
    for name in ("shop", "blog"):
        (applications / f"{name}.toml").write_text(application(name))
    with serving(folder) as running:
        yield running


def call(server, *lines, method="GET", path=PATH, body=b""):
    """Send octets and return the status."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
    octets = head.encode("latin-1") + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body
    answer = server.browser().raw(octets)
    return int(answer.split(b" ", 2)[1]) if answer else 0


def key(authorization):
    """A header line."""
    return f"Authorization: {authorization}".encode("latin-1")


def test_l237_one_header(server):
    """The control: the key is taken, the scheme in any case; the session is unknown."""
    assert call(server, key(SHOP)) == 404
    assert call(server, key(SHOP.replace("Bearer", "bEARER"))) == 404


@pytest.mark.parametrize(
    "lines",
    [
        (key(SHOP), key(SHOP)),
        (key(SHOP), key(BLOG)),
        (key("x"), key(SHOP)),
        (key(SHOP), b"Authorization:"),
        (key(f"{SHOP},{SHOP}"),),
        (key(f"{SHOP}\t x"),),
        (b"Proxy-Authorization: " + SHOP.encode(),),
        (b"X-Authorization: " + SHOP.encode(),),
        (b"Authorization_: " + SHOP.encode(),),
    ],
)
def test_l237_two_headers_and_other_headers(server, lines):
    """L237: two are none, whichever is right; a header of nearly the name is another one."""
    assert call(server, *lines) == 401


@pytest.mark.parametrize("line", [key(f"{SHOP}\r\n x"), key(f"{SHOP}\0"), key(f"{SHOP}\x0b")])
def test_l237_what_is_no_header(server, line):
    """L237: the server refuses a folded line and control characters itself, or the key is none."""
    assert call(server, line) in (0, 400, 401)


def test_l241_a_body_in_pieces(server):
    """L241: chunks are counted as they come; the limit is that of any other body."""
    lines = (key(SHOP), b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:5], BODY[5:])) + b"0\r\n\r\n"
    path = "/api/v1/sessions/chunked"
    assert call(server, *lines, method="PUT", path=path, body=pieces) in (200, 201)
    flood = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    assert call(server, *lines, method="PUT", path=path, body=flood * 64 + b"0\r\n\r\n") in (0, 413)


def test_l241_a_body_of_one_octet_a_second(server):
    """L241, M247: whoever drips a body holds nobody up."""
    dripping = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(8)]
    stop = threading.Event()
    lines = (f"Host: {HOST}", "Content-Length: 16000", "Content-Type: application/json", key(SHOP).decode())
    head = "\r\n".join((f"PUT {PATH} HTTP/1.1", *lines, "", ""))
    for connection in dripping:
        connection.sendall(head.encode())

    def drip():
        while not stop.wait(0.2):
            for connection in dripping:
                try:
                    connection.send(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        begin = time.monotonic()
        for _ in range(20):
            assert call(server, key(BLOG)) == 404
        assert time.monotonic() - begin < 60
    finally:
        stop.set()
        thread.join()
        for connection in dripping:
            connection.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/sessions/..", 404),
        ("/api/v1/sessions/.", 404),
        ("/api/v1/sessions/../logouts", 404),
        ("//api/v1/sessions/unknown", 404),
        ("/api//v1/sessions/unknown", 404),
        ("/api/v1/sessions/a%2fb", 404),
        ("/api/v1/sessions/%2e%2e", 404),
        ("/api/v1/sessions/unknown/", 404),
        ("/api/v1/sessions/unknown?session=1", 404),
        (f"https://{HOST}/api/v1/sessions/..", 404),
    ],
)
def test_l242_paths(server, path, status):
    """L242: no path is mended on the way."""
    assert call(server, key(SHOP), path=path) == status
