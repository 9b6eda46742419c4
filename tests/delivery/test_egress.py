"""To which addresses we speak: the public internet, and what the operator listed (security K228, F50)."""

import socket
import threading
import time

import pytest

from saml_slo.delivery import back_channel, egress
from saml_slo.delivery.back_channel import BackChannel
from saml_slo.delivery.egress import Egress, look_up
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.errors import ConfigurationError
from tests.delivery.conftest import failure, post
from tests.delivery.servers import OK, answering, serving

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1:248:1893:25c8:1946"


def resolver(*addresses):
    """Return a resolver for which every name has these addresses."""
    return lambda _host, port: [(address, port, 0, 0) if ":" in address else (address, port) for address in addresses]


def target(url, *addresses, allowed=()):
    """Ask the guard; names have these addresses."""
    return Egress(allowed, resolve=resolver(*addresses)).target(url, deadline=time.monotonic() + 60)


def refused(url, *addresses, allowed=()):
    """Ask the guard, which refuses; return the failure."""
    with pytest.raises(DeliveryFailed) as caught:
        target(url, *addresses, allowed=allowed)
    return caught.value


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_V6, "1.1.1.1", "172.32.0.1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_addresses(address):
    """A public address is spoken to; one that is mapped or translated is what the IPv4 address in it is."""
    assert target("https://app.example/slo", address).addresses[0][0] == address


NEVER_BY_NAME = [
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "0.1.2.3",
    "169.254.169.254",
    "169.254.1.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.7",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:255.255.255.255",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "::169.254.169.254",
    "::7f00:1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "100::1",
    "4000::1",
]
INTERNAL = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "198.18.0.1",
    "::1",
    "fc00::1",
    "fdff::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
]


@pytest.mark.parametrize("address", NEVER_BY_NAME + INTERNAL)
def test_every_other_address_is_refused(address):
    """Whatever a name leads to that is not the public internet is refused, and the sentence names the setting."""
    failed = refused("https://app.example/slo", address)
    assert failed.why == Why.EGRESS
    assert "app.example" in failed.sentence
    assert "SLO_BACK_CHANNEL_ALLOW" in failed.sentence
    assert address not in failed.sentence
    assert not failed.sent


@pytest.mark.parametrize("address", INTERNAL)
def test_a_listed_name_opens_internal_addresses(address):
    """The operator's own host, by name, wherever in the network it is; upper and lower case are one name."""
    assert target("https://app.example/slo", address, allowed=("App.Example",)).addresses
    assert refused("https://sub.app.example/slo", address, allowed=("app.example",)).why == Why.EGRESS


@pytest.mark.parametrize("address", NEVER_BY_NAME)
def test_a_listed_name_opens_no_more_than_that(address):
    """Whoever rules the DNS of a listed name cannot lead us to a cloud's credentials or to many machines at once."""
    assert refused("https://app.example/slo", address, allowed=("app.example",)).why == Why.EGRESS


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("169.254.7.0/24", "169.254.7.1"),
        ("fd00:1::/64", "fd00:1::5"),
        ("::1", "::1"),
    ],
)
def test_a_listed_network_opens_itself(network, address):
    """An address that the operator listed is spoken to, its neighbours are not."""
    assert target("http://app.example/slo", address, allowed=(network,)).addresses
    assert refused("https://app.example/slo", "10.1.2.3", allowed=("10.1.2.4", "10.2.0.0/16")).why == Why.EGRESS


def test_one_bad_address_is_enough():
    """A name with a public and a private address is refused: which one is taken is chance."""
    assert refused("https://app.example/", PUBLIC, "10.0.0.1").why == Why.EGRESS
    assert refused("https://app.example/", PUBLIC_V6, "fe80::1").why == Why.EGRESS


def test_http_is_for_listed_hosts_only():
    """Nobody on the public internet is spoken to without TLS, unless the operator listed the host."""
    assert refused("http://app.example/", PUBLIC).why == Why.EGRESS
    assert target("http://app.example/", PUBLIC, allowed=("app.example",)).addresses
    assert target("http://app.example/", PUBLIC, allowed=(f"{PUBLIC}/32",)).addresses


@pytest.mark.parametrize(
    "url",
    [
        "ftp://app.example/",
        "file:///etc/passwd",
        "gopher://app.example/",
        "unix:/run/x.sock",
        "javascript:alert(1)",
        "//app.example/",
        "https://",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://localhost./",
        "https://a@127.0.0.1/",
        "https://app.example\\@127.0.0.1/",
        "https://app.example/\r\nHost: b",
        "https://app.example:0/",
        "https://app.example:65536/",
    ],
)
def test_urls_that_readers_dispute(url):
    """Schemes other than http and https, and every URL whose host may mean two things, are refused unresolved."""

    def never(_host, _port):
        raise AssertionError

    with pytest.raises(DeliveryFailed) as caught:
        Egress(("127.0.0.0/8", "::1"), resolve=never).target(url, deadline=time.monotonic() + 60)
    assert caught.value.why == Why.EGRESS


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "app.localhost", "10.0.0.1", "169.254.169.254", "0.0.0.0"])  # noqa: S104
def test_this_machine_is_refused_unless_listed(host):
    """Addresses in the URL itself and names under localhost are judged as any other; the canary is not hit."""
    with serving(answering(OK)) as canary:
        failed, _ = failure(BackChannel(), canary.url(host=host))
    assert (failed.why, canary.connections) == (Why.EGRESS, 0)


@pytest.mark.parametrize("allowed", ["app.localhost", "127.0.0.0/8", "127.0.0.1"])
def test_names_under_localhost_need_no_name_server(allowed):
    """RFC 6761: *.localhost is 127.0.0.1, found without asking anybody, and open when it is listed."""

    def never(_host, _port):
        raise AssertionError

    with serving(answering(OK)) as server:
        answer = post(BackChannel(allowed_private=(allowed,), resolve=never), server.url(host="app.localhost"))
    assert answer.status == 200


def test_ipv6():
    """A name that leads to an IPv6 address is spoken to there."""
    with serving(answering(OK), family=socket.AF_INET6) as server:
        channel = BackChannel(allowed_private=("::1",), resolve=resolver("::1"))
        assert post(channel, server.url(host="app.example")).status == 200
    assert f"Host: app.example:{server.port}" in server.requests[0][0]


def test_the_next_address_when_one_does_not_answer():
    """A host with a dead first address is reached at its second."""
    with serving(answering(OK)) as server:
        channel = BackChannel(allowed_private=("app.example",), resolve=resolver("::1", "127.0.0.1"))
        assert post(channel, server.url(host="app.example")).status == 200


def test_a_name_that_changes_its_answer(monkeypatch):
    """DNS rebinding: the name is looked up once, and the connection goes to the address that was judged (F50)."""
    answers = iter([PUBLIC, "127.0.0.1", "127.0.0.1"])
    asked, connected = [], []

    def changing(host, port):
        asked.append(host)
        return [(next(answers), port)]

    def connect(address, _seconds):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(back_channel, "_connect_to", connect)
    with serving(answering(OK)) as canary:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up again"))
        failed, _ = failure(BackChannel(resolve=changing), canary.url(host="app.example", scheme="https"))
    assert failed.why == Why.REFUSED
    assert (asked, connected) == (["app.example"], [(PUBLIC, canary.port)])
    assert canary.connections == 0


def test_a_name_that_changes_its_answer_to_the_good():
    """The same on a real connection: the second answer, where nobody listens, is never asked for."""
    asked = []

    def changing(host, port):
        asked.append(host)
        return [("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port)]

    with serving(answering(OK)) as server:
        channel = BackChannel(allowed_private=("app.example",), resolve=changing)
        assert post(channel, server.url(host="app.example")).status == 200
        assert len(asked) == 1


def test_a_resolver_that_hangs():
    """The deadline holds for the look-up, which the C library would let hang for half a minute."""
    released = threading.Event()
    channel = BackChannel(resolve=lambda _host, _port: released.wait(60) or [])
    failed, seconds = failure(channel, "https://app.example/", within=0.3)
    released.set()
    assert (failed.why, failed.sent) == (Why.DNS, False)
    assert 0.2 <= seconds < 30


def test_look_ups_that_hang_are_counted(monkeypatch):
    """A dead resolver holds a limited number of threads; when they end, look-ups go on."""
    monkeypatch.setattr(egress, "MAX_LOOKUPS", 2)
    released = threading.Event()
    guard = Egress(resolve=lambda _host, port: released.wait(60) and [(PUBLIC, port)])
    whys = []
    for _ in range(3):
        with pytest.raises(DeliveryFailed) as caught:
            guard.target("https://app.example/", deadline=time.monotonic() + 0.05)
        whys.append(caught.value.why)
    assert whys == [Why.DNS, Why.DNS, Why.LOCAL]
    released.set()
    until = time.monotonic() + 60
    while guard._lookups._value < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert guard.target("https://app.example/", deadline=time.monotonic() + 60).addresses == ((PUBLIC, 443),)


@pytest.mark.parametrize("answer", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), []])
def test_a_name_that_nobody_knows(answer):
    """A name without an address is a failure of the name."""

    def resolve(_host, _port):
        if isinstance(answer, Exception):
            raise answer
        return answer

    failed, _ = failure(BackChannel(resolve=resolve), "https://app.example/")
    assert failed.why == Why.DNS


def test_the_system_resolver():
    """What the system says is returned with every address that it has."""
    assert ("127.0.0.1", 80) in look_up("localhost", 80)
    assert look_up("127.0.0.1", 80) == [("127.0.0.1", 80)]


@pytest.mark.parametrize(
    "entry", ["", "10.0.0.1/8", "10.0.0", "https://app.example", "app.example:443", "*.example", "a b"]
)
def test_an_entry_that_is_nothing(entry):
    """A typing error in the allow-list is told at the start, with the setting's name."""
    with pytest.raises(ConfigurationError, match="SLO_BACK_CHANNEL_ALLOW"):
        BackChannel(allowed_private=(entry,))
