"""One POST to a peer: what is sent, and every way in which a hostile peer may answer (security K236, F40 to F42)."""

import gzip
import socket
import time

import h11
import pytest

from saml_slo.delivery.back_channel import Answer, BackChannel
from saml_slo.delivery.failure import Why
from tests.delivery.conftest import failure, post
from tests.delivery.servers import OK, answering, serving

LATE = 1.5  # seconds: the deadline where a peer lets us wait, long enough that a request has left by then
SOON = 30  # seconds that a busy machine may take


def test_a_good_answer(channel):
    """The peer gets the body and the headers as they are, once; we get status, content type and body."""
    with serving(answering(OK)) as server:
        answer = post(channel, server.url("/slo?a=b%2f"), headers={"SOAPAction": '"urn:x"'})
    assert answer == Answer(status=200, content_type="text/xml; charset=utf-8", body=b"<ok/>")
    ((head, body),) = server.requests
    first, *headers = head.split("\r\n")
    assert first == "POST /slo?a=b%2f HTTP/1.1"
    assert body == b"<request/>"
    sent = {name.lower(): value for name, _, value in (line.partition(": ") for line in headers)}
    assert sent.pop("user-agent").startswith("saml_slo/")
    assert sent == {
        "host": f"127.0.0.1:{server.port}",
        "accept-encoding": "identity",
        "connection": "close",
        "content-type": "text/xml",
        "content-length": "10",
        "soapaction": '"urn:x"',
    }


@pytest.mark.parametrize(
    ("octets", "status", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n<o\r\n3;x=y\r\nk/>\r\n0\r\nA: b\r\n\r\n",
            200,
            b"<ok/>",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\n<ok/>", 200, b"<ok/>"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"<ok/>"),
        (b"HTTP/1.1 500 Fault\r\nContent-Length: 8\r\n\r\n<Fault/>", 500, b"<Fault/>"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 5\r\n\r\n<ok/>", 200, b"<ok/>"),
    ],
)
def test_every_way_to_write_an_answer(channel, octets, status, body):
    """Chunks, the end of the connection, interim answers; a SOAP fault (500) is an answer for the caller to read."""
    with serving(answering(octets)) as server:
        answer = post(channel, server.url())
    assert (answer.status, answer.body) == (status, body)


def test_a_large_request(channel):
    """A body larger than every buffer arrives whole."""
    with serving(answering(OK)) as server:
        post(channel, server.url(), body=b"x" * 5_000_000)
    assert len(server.requests[0][1]) == 5_000_000


def drip_body(server, connection):
    """Give the body an octet at a time."""
    server.request(connection)
    server.send(connection, OK[:-5].replace(b": 5\r\n", b": 500\r\n"))
    server.drip(connection, b"<ok/>" * 100)


def drip_head(server, connection):
    """Give the head an octet at a time."""
    server.request(connection)
    server.drip(connection, OK)


def drip_chunks(server, connection):
    """Give a chunk at a time."""
    server.request(connection)
    server.send(connection, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        server.drip(connection, b"1\r\nx\r\n", every=0.05)


def interim_for_ever(server, connection):
    """Say that an answer will come, again and again."""
    server.request(connection)
    while True:
        server.send(connection, b"HTTP/1.1 103 Early Hints\r\n\r\n")
        server.wait(0.05)


def silence(server, connection):
    """Take the request and say nothing."""
    server.request(connection)
    server.hang(connection)


def deaf(server, connection):
    """Take nothing of what is sent."""
    server.stopped.wait(60)


@pytest.mark.parametrize("talk", [silence, drip_body, drip_head, drip_chunks, interim_for_ever])
def test_the_deadline_is_total(channel, talk):
    """A peer that is silent, or gives an octet now and then, in the head or in the body, is cut at the deadline."""
    with serving(talk) as server:
        failed, seconds = failure(channel, server.url(), within=LATE)
    assert (failed.why, failed.sent) == (Why.TIMEOUT, True)
    assert LATE * 0.9 <= seconds < SOON


def test_a_peer_that_does_not_read(channel):
    """The deadline holds while sending, too."""
    with serving(deaf) as server:
        failed, seconds = failure(channel, server.url(), within=LATE, body=b"x" * 50_000_000)
        server.stopped.set()
    assert failed.why == Why.TIMEOUT
    assert seconds < SOON


def test_a_deadline_that_has_passed(channel):
    """Nothing is sent after the deadline."""
    with serving(answering(OK)) as server:
        failed, _ = failure(channel, server.url(), within=-1)
    assert (failed.why, failed.sent, server.requests) == (Why.TIMEOUT, False, [])


def endless(head, piece):
    """Return a handler that answers with this head and then the same piece for ever."""

    def talk(server, connection):
        server.request(connection)
        server.send(connection, head)
        while True:
            server.send(connection, piece)

    return talk


@pytest.mark.parametrize(
    "talk",
    [
        endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 4096),
        endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 500),
        endless(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 4096),
        endless(b"", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 100),
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n", b"x" * 65536),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 500),
    ],
    ids=["body", "chunks", "chunk-extension", "headers", "header", "interim", "10 MB", "trailers"],
)
def test_what_does_not_end_is_cut(talk, system_store):
    """Whatever a peer makes endless, we stop reading soon; most of it was never read."""
    channel = BackChannel(allowed_private=("127.0.0.1",), max_bytes=100_000)
    with serving(talk) as server:
        failed, seconds = failure(channel, server.url())
    assert (failed.why, failed.sent) == (Why.TOO_LARGE, True)
    assert seconds < SOON
    assert server.octets_sent < 20_000_000  # what the kernel's buffers took


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("octets", "read"),
    [
        (CHUNKED + b"1\r\nx\r\n" * 2000 + b"0\r\n\r\n", 2000),
        (CHUNKED + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n", None),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100 + OK, 5),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 101 + OK, None),
        (b"HTTP/1.1 100\r\n\r\n" * 20_000 + OK, None),
    ],
    ids=["short", "as many as octets", "interim", "one interim more", "many interim"],
)
def test_an_answer_in_crumbs(system_store, octets, read):
    """What is cut into pieces that cost more than they hold is refused long before the limit of octets."""
    channel = BackChannel(allowed_private=("127.0.0.1",), max_bytes=100_000)
    with serving(answering(octets)) as server:
        if read is not None:
            assert len(post(channel, server.url()).body) == read
        else:
            assert failure(channel, server.url())[0].why == Why.TOO_LARGE


@pytest.mark.parametrize(("length", "fits"), [(1000, True), (1001, False)])
@pytest.mark.parametrize("announced", [True, False])
def test_the_limit_is_exact(system_store, length, fits, announced):
    """As many octets as the limit says are an answer, one more is none, announced or not."""
    channel = BackChannel(allowed_private=("127.0.0.1",), max_bytes=1000)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n" if announced else "HTTP/1.1 200 OK\r\n\r\n"
    with serving(answering(head.encode() + b"x" * length)) as server:
        if fits:
            assert len(post(channel, server.url()).body) == 1000
        else:
            assert failure(channel, server.url())[0].why == Why.TOO_LARGE


def test_a_length_that_is_announced(channel):
    """An answer that announces more than is read is refused by its head, before its body comes."""

    def talk(server, connection):
        server.request(connection)
        server.send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 524289\r\n\r\n")
        server.hang(connection)

    with serving(talk) as server:
        assert failure(channel, server.url())[0].why == Why.TOO_LARGE


def test_nothing_is_decompressed(channel):
    """A compressed answer was not asked for and is refused by its head; without that head it is octets as any other."""
    bomb = gzip.compress(bytes(100_000_000))
    assert len(bomb) < 100_000
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with serving(answering(head + bomb)) as server:
        assert failure(channel, server.url())[0].why == Why.PROTOCOL
    with serving(answering(head.replace(b"Content-Encoding: gzip\r\n", b"") + bomb)) as server:
        assert post(channel, server.url()).body == bomb


def test_a_conditional_get_may_be_answered_with_304(channel):
    """Who asks whether something changed hears that it did not, without any body."""
    head = b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'

    def talk(server, connection):
        server.requests.append(server.receive(connection))
        server.send(connection, head)

    with serving(talk) as server:
        answer = channel.send("GET", server.url(), headers={"If-None-Match": '"a"'}, deadline=time.monotonic() + 60)
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", '"a"')


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
def test_redirects_are_not_followed(channel, status):
    """The place that a redirect names is not asked, not even where the operator allows it."""
    with serving(answering(OK)) as canary:
        redirect = f"HTTP/1.1 {status} Go\r\nLocation: {canary.url()}\r\nContent-Length: 0\r\n\r\n"
        with serving(answering(redirect.encode())) as server:
            failed, _ = failure(channel, server.url())
    assert failed.why == Why.REDIRECT
    assert failed.detail == canary.url()
    assert canary.connections == 0


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"<html>an answer of HTTP/0.9</html>\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<ok/>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n<ok/>",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n<ok/>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<ok/>\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConte",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_what_is_no_answer(channel, octets):
    """Nothing, garbage, half an answer and an ambiguous one are failures, never a body."""
    with serving(answering(octets)) as server:
        failed, _ = failure(channel, server.url())
    assert (failed.why, failed.sent) == (Why.PROTOCOL, True)


def test_a_peer_that_closes_at_once(channel):
    """A connection that is closed before the request is read is a failure, whichever side notices first."""
    with serving(lambda _server, _connection: None) as server:
        failed, _ = failure(channel, server.url())
    assert failed.why in (Why.PROTOCOL, Why.REFUSED)


def test_a_port_where_nobody_listens(channel):
    """A refused connection is told as such, and nothing was sent."""
    failed, _ = failure(channel, "http://127.0.0.1:1/")
    assert (failed.why, failed.sent) == (Why.REFUSED, False)


def test_a_black_hole(system_store):
    """A port whose queue is full drops our SYN; we stop at the connect timeout, long before the deadline (F44)."""
    channel = BackChannel(allowed_private=("127.0.0.1",), connect_seconds=0.5)
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)  # noqa: FBT003 - the socket module's way
                filler.connect_ex(hole.getsockname())
            failed, seconds = failure(channel, f"http://127.0.0.1:{hole.getsockname()[1]}/", within=60)
        finally:
            for filler in fillers:
                filler.close()
    assert (failed.why, failed.sent) == (Why.TIMEOUT, False)
    assert 0.4 <= seconds < SOON


def test_the_connect_timeout_is_two_seconds():
    """Without further words a dead host costs two seconds at most."""
    assert BackChannel()._connect_seconds <= 2


def test_no_proxy_and_no_netrc(channel, tmp_path, monkeypatch):
    """What the environment says about proxies and passwords is not for us."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alice password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(answering(OK)) as canary, serving(answering(OK)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, canary.url("/"))
        post(channel, server.url())
    assert canary.connections == 0
    assert "authorization" not in server.requests[0][0].lower()


def test_a_header_cannot_end_the_head(channel):
    """A line end in a header's value is a mistake of ours, found before a connection is opened."""
    with serving(answering(OK)) as server, pytest.raises(h11.LocalProtocolError):
        post(channel, server.url(), headers={"A": "b\r\nC: d"})
    assert server.connections == 0


def test_the_sentence_is_for_people(channel):
    """It names the host and what it did, no address and no error number; those are in the log's line."""
    with serving(answering(b"garbage\r\n\r\n")) as server:
        failed, _ = failure(channel, server.url(host="app.localhost"))
    assert failed.sentence == "app.localhost did not answer as a web server does"
    assert str(failed).startswith("protocol: app.localhost did not answer as a web server does (")


def test_a_request_without_a_body(channel):
    """Another method goes out as it is called, with no word about a body; the answer's headers can be read."""
    ok = OK.replace(b"\r\n\r\n", b"\r\nRetry-After: 7\r\nX-Two: a\r\nX-Two: b\r\n\r\n", 1)
    heads = []

    def talk(server, connection):
        heads.append(server.receive(connection).decode())
        server.send(connection, ok)

    with serving(talk) as server:
        answer = channel.send("GET", server.url("/x"), deadline=time.monotonic() + 60)
    assert heads[0].startswith("GET /x HTTP/1.1\r\n")
    assert "content-" not in heads[0].lower()
    assert (answer.headers["retry-after"], answer.headers["x-two"], answer.body) == ("7", "a", b"<ok/>")
