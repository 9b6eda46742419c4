"""The strict grammar of URLs takes only what every reader understands alike, and says what is wrong with the rest."""

from ipaddress import IPv4Address

import pytest

from saml_slo.wire.url import HttpUrl, UrlRefusedError, parse, parse_endpoint


def test_the_parts_come_in_one_form():
    """Scheme and host in lower case, the port a number, no path a slash, hex digits of escapes in upper case."""
    assert parse("HTTPS://A.Test") == HttpUrl("https", "a.test", 443, "/", None, None)
    assert parse("http://a_b:8080/%c3%bc/?#") == HttpUrl("http", "a_b", 8080, "/%C3%BC/", "", "")
    assert parse("https://a?b[]=/?#c/?") == HttpUrl("https", "a", 443, "/", "b[]=/?", "c/?")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        ("https://a/ b", "space, line end or control"),
        ("https://\u0430.test", "outside ASCII"),
        ("a.test", "begin with http"),
        ("javascript:https://a", "begin with http"),
        ("https:a.test", "no host"),
        ("https:///a.test", "no host"),
        ("https://?x", "no host"),
        ("https://a\\@b", "backslash"),
        ("https://a@b", "user name"),
        ("https://[::1]/", "IPv6"),
        ("https://a%2eb/", "percent-encoded"),
        ("https://a./", "ends in a dot"),
        ("https://a.", "ends in a dot"),
        ("https://a/%0a", "encoded control character"),
        ("https://a/?%7F", "encoded control character"),
        ("https://a:70000", "port"),
        ("https://1.2.3/", "number"),
        ("https://1.2.3.4.5/", "number"),
        ("https://01.2.3.4/", "number"),
        ("https://a.0x1f/", "number"),
        ("https://256.1.1.1/", "number"),
        ("https://" + "a" * 64, "not allowed there"),
        ("https://" + ".".join(["a" * 63] * 4), "host is longer"),
        ("https://a/" + "b" * 2048, "longer than 2048"),
        ("https://a/%", "not allowed there"),
        ("https://a/{b}", "not allowed there"),
        ("https://-a/", "not allowed there"),
        ("https://a:/", "not allowed there"),
        ("https://a:0/", "not allowed there"),
        ("https://a/b#c#d", "not allowed there"),
    ],
)
def test_what_is_wrong_is_said(text, fault):
    """Every kind of refusal has its own words, which end the sentence that a person reads."""
    with pytest.raises(UrlRefusedError, match=fault):
        parse(text)


def test_2048_characters_pass():
    """The limit itself is inside."""
    assert len(parse("https://a/" + "b" * 2038).path) == 2039


def test_a_refusal_is_quick():
    """A text made to send a backtracking matcher astray costs no more than its length."""
    for text in ("https://" + "a-" * 1000, "https://" + "a." * 1000, "https://a/" + "%41" * 600 + "%", "h" * 2048):
        with pytest.raises(UrlRefusedError):
            parse(text)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("http://localhost", True),
        ("http://shop.localhost:1", True),
        ("http://127.9.9.9", True),
        ("http://localhost.test", False),
        ("http://notlocalhost", False),
        ("http://128.0.0.1", False),
        ("http://127.0.0.1.test", False),
    ],
)
def test_this_machine_is_told(text, loopback):
    """Loopback is 127.0.0.0/8, localhost and what is below localhost."""
    assert parse(text).is_loopback is loopback


def test_an_address_is_one_only_in_its_usual_form():
    """Four decimal numbers are an address, a name is none."""
    assert parse("https://10.0.0.1").address == IPv4Address("10.0.0.1")
    assert parse("https://10.0.0.1.test").address is None


def test_an_endpoint_is_https_without_fragment():
    """K227: http beyond this machine needs to be asked for, a fragment is refused even when it is empty."""
    assert parse_endpoint("http://a.test", insecure_http=True).scheme == "http"
    for text in ("http://a.test", "https://a.test#", "https://0.0.0.0", "https://224.0.0.1"):
        with pytest.raises(UrlRefusedError):
            parse_endpoint(text)
