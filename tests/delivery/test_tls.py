"""TLS to a peer is verified always, against the system's store, by name, with a version of today (security F43)."""

import ssl
import warnings

import pytest

from saml_slo.delivery.back_channel import BackChannel
from saml_slo.delivery.failure import Why
from tests.delivery.conftest import certificate, failure, post
from tests.delivery.servers import OK, answering, server_context, serving

HOST = "app.localhost"


@pytest.fixture
def https(channel, tmp_path):
    """Post to a server with this certificate; return the failure."""

    def attempt(pem, **versions):
        with serving(answering(OK), tls=server_context(pem, tmp_path, **versions)) as server:
            return failure(channel, server.url(host=HOST, scheme="https"))[0], server

    return attempt


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_of_an_authority_in_the_system_store(channel, tmp_path, version):
    """The right name, an issuer that the system trusts: TLS 1.2 and 1.3, with the name in SNI."""
    asked = []
    context = server_context(certificate(HOST), tmp_path, minimum_version=version, maximum_version=version)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with serving(answering(OK), tls=context) as server:
        assert post(channel, server.url(host=HOST, scheme="https")).status == 200
    assert asked == [HOST]
    assert f"Host: {HOST}:{server.port}" in server.requests[0][0]


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (certificate(HOST, self_signed=True), "self-signed"),
        (certificate("other.localhost"), "app.localhost"),
        (certificate(HOST, days=(-30, -1)), "expired"),
        (certificate(HOST, days=(1, 30)), "not yet valid"),
        (certificate("*.localhost.example"), "app.localhost"),
    ],
    ids=["self-signed", "other name", "expired", "not yet valid", "other wildcard"],
)
def test_a_certificate_that_proves_nothing(https, pem, said):
    """Nothing is sent to a server that did not prove its name, and the sentence says what is wrong with it."""
    failed, server = https(pem)
    assert (failed.why, failed.sent, server.requests) == (Why.TLS, False, [])
    assert said in failed.sentence


def test_an_authority_that_the_system_does_not_know(tmp_path, monkeypatch):
    """Without the authority in the system's store its certificates are worth nothing."""
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    channel = BackChannel(allowed_private=(HOST,))
    with serving(answering(OK), tls=server_context(certificate(HOST), tmp_path)) as server:
        assert failure(channel, server.url(host=HOST, scheme="https"))[0].why == Why.TLS


def test_an_old_version(https):
    """TLS 1.1 is not spoken (protocol downgrade)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        failed, server = https(
            certificate(HOST), minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1
        )
    assert (failed.why, server.requests) == (Why.TLS, [])


def test_a_server_that_speaks_no_tls(channel):
    """Plain HTTP, or garbage, on a port of https is no answer."""
    with serving(lambda server, connection: server.send(connection, OK)) as server:
        assert failure(channel, server.url(host=HOST, scheme="https"))[0].why == Why.TLS


def stall(server, connection):
    """Never begin the handshake."""
    server.hang(connection)


def drip(server, connection):
    """Begin a handshake record that never ends."""
    server.drip(connection, b"\x16\x03\x03\x20\x00" + bytes(8000))


@pytest.mark.parametrize("talk", [stall, drip])
def test_a_handshake_that_does_not_end(channel, talk):
    """The deadline holds during the handshake as a whole."""
    with serving(talk) as server:
        failed, seconds = failure(channel, server.url(host=HOST, scheme="https"), within=0.4)
    assert (failed.why, failed.sent) == (Why.TIMEOUT, False)
    assert seconds < 30


def test_a_body_that_drips_through_tls(channel, tmp_path):
    """The deadline holds for what comes through TLS."""

    def talk(server, connection):
        server.request(connection)
        server.drip(connection, OK)

    with serving(talk, tls=server_context(certificate(HOST), tmp_path)) as server:
        failed, seconds = failure(channel, server.url(host=HOST, scheme="https"), within=2.0)
    assert (failed.why, failed.sent) == (Why.TIMEOUT, True)
    assert seconds < 30


def test_session_keys_are_not_written_down(channel, tmp_path, monkeypatch):
    """SSLKEYLOGFILE, which other clients obey, is not obeyed."""
    path = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    fresh = BackChannel(allowed_private=(HOST,))
    with serving(answering(OK), tls=server_context(certificate(HOST), tmp_path)) as server:
        post(fresh, server.url(host=HOST, scheme="https"))
    assert not path.exists()
