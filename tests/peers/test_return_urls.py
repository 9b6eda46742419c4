"""Product L13 and group I of the security cases: where a logout may send people."""

import pytest

from saml_slo.errors import ConfigurationError, Reason, RequestRefused
from saml_slo.peers.return_urls import ReturnUrls

ALLOWED = ReturnUrls("https://app.example.com/*, https://*.apps.example.com")

REFUSED = {
    "I184 userinfo": (
        "https://app.example.com@evil.test/",
        "https://app.example.com:443@evil.test",
        "https://user:pw@app.example.com/",
        "https://@app.example.com/",
        "https://app.example.com%40evil.test/",
    ),
    "I186 backslash before @": ("https://evil.test\\@app.example.com/", "https://app.example.com\\@evil.test/"),
    "I188 scheme-relative": (
        "//evil.test",
        "///evil.test",
        "////evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/\t/evil.test",
        "//app.example.com/",
        "/",
        "",
    ),
    "I189 missing authority": (
        "https:evil.test",
        "https:/evil.test",
        "https:///evil.test",
        "http:www.evil.test",
        "https:app.example.com",
        "https:///app.example.com/",
        "https://",
        "https:///",
        "https://?x",
    ),
    "I191 leading control or space": (
        "\x01https://evil.test",
        " https://evil.test",
        "\u00a0https://evil.test",
        "\x01https://app.example.com/",
        " https://app.example.com/",
        "\u00a0https://app.example.com/",
        "\ufeffhttps://app.example.com/",
        "https://app.example.com/ ",
        "https://app.example.com/\x00",
        "ht\ttps://app.example.com/",
        "https://app.example.com\t/",
        "https://app.\texample.com/",
    ),
    "I192 dangerous schemes": (
        "javascript:alert(1)",
        "JavaScript://app.example.com/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://app.example.com/x",
        "view-source:https://app.example.com/",
        "file:///etc/passwd",
        "ftp://app.example.com/",
        "myapp://app.example.com/",
        "app.example.com",
    ),
    "I193 scheme downgrade": ("http://app.example.com/", "http://app.example.com:443/", "https://app.example.com:80/"),
    "I195 suffix confusion": (
        "https://evil-app.example.com",
        "https://evilapps.example.com",
        "https://apps.example.com",
        "https://.apps.example.com",
        "https://a.b.apps.example.com",
        "https://evil.testapps.example.com",
        "https://x.evilapps.example.com",
        "https://*.apps.example.com",
    ),
    "I196 prefix confusion": (
        "https://app.example.com.evil.test/",
        "https://app.example.comevil.test",
        "https://x.apps.example.com.evil.test",
        "https://app.example.com:443.evil.test/",
    ),
    "I198 trailing dot": (
        "https://app.example.com./",
        "https://app.example.com../",
        "https://app..example.com/",
        "https://app.example.com.:443/",
        "https://app.example.com.",
    ),
    "I201 homoglyphs": (
        "https://app.ex\u0430mple.com/",
        "https://app.xn--exmple-4nf.com/",
        "https://app.exam\u200bple.com/",
        "https://app.exam\u00adple.com/",
        "https://\u00dfapp.example.com/",
        "https://x.apps.example.\u00dfcom/",
        "https://app\u3002example.com/",
        "https://\uff41pp.example.com/",
        "https://app.example.com\uff0f@evil.test/",
        "https://app.e\u017fample.com/",
    ),
    "I202 IP literals": (
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://[app.example.com]/",
        "https://127.0.0.1/",
    ),
    "I204 decoys": (
        "https://evil.test#.apps.example.com",
        "https://evil.test?.apps.example.com",
        "https://evil.test/.apps.example.com",
        "https://evil.test;.apps.example.com",
        "https://evil.test%2f.apps.example.com",
        "https://evil.test%23.apps.example.com",
        "https://evil.test&.apps.example.com",
    ),
    "I207 encoding and size": (
        "%2F%2Fevil",
        "https%3A%2F%2Fapp.example.com%2F",
        "https://app.example.com%2F",
        "https://%61pp.example.com/",
        "https://app%2eexample.com/",
        "https://app.example.com/" + "a" * 8192,
        "https://app.example.com/" + "a" * 1_000_000,
        "https://app.example.com/%",
        "https://app.example.com/%zz",
        "https://app.example.com/\ud800",
    ),
    "I208 CRLF": (
        "https://app.example.com/%0d%0aSet-Cookie:x=y",
        "https://app.example.com/\r\nSet-Cookie:x=y",
        "https://app.example.com/?a=%0D%0ASet-Cookie:x=y",
        "https://app.example.com/#%0a",
        "https://app.example.com\r\n",
        "https://app.example.com/\u2028",
        "https://app.example.com/%00",
        "https://app.example.com/%7f",
    ),
    "ports": (
        "https://app.example.com:8443/",
        "https://app.example.com:0443/",
        "https://app.example.com:/",
        "https://app.example.com:99999/",
        "https://app.example.com:443:443/",
        "https://app.example.com:-1/",
        "https://app.example.com:\u0664\u0664\u0663/",
    ),
}


@pytest.mark.parametrize(
    ("case", "url"), [(case, url) for case, urls in REFUSED.items() for url in urls], ids=lambda text: ascii(text)[:60]
)
def test_a_tricky_url_is_refused(case, url):
    """No member of group I gets through, and the refusal names its reason and the setting, in short ASCII text."""
    assert not ALLOWED.match(url)
    with pytest.raises(RequestRefused) as refused:
        ALLOWED.allowed(url)
    assert refused.value.reason is Reason.RETURN_URL_NOT_ALLOWED
    assert refused.value.setting == "SLO_ALLOWED_LOGOUT_URLS"
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1700


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com:443/",
        "https://app.example.com/a/b?c=d&e[]=%C3%A9#/f",
        "HTTPS://APP.EXAMPLE.COM/path",
        "https://app.example.com#@evil.test",
        "https://app.example.com?x=//evil.test",
        "https://x.apps.example.com",
        "https://X-1.Apps.example.com/?after=logout#done",
        "https://xn--bcher-kva.apps.example.com/",
    ],
)
def test_a_plain_url_is_allowed(url):
    """I203, I204: case of scheme and host, default port, query and fragment do not count."""
    assert ALLOWED.match(url)
    ALLOWED.allowed(url)


@pytest.mark.parametrize(
    ("entry", "url", "matches"),
    [
        ("https://a.test", "https://a.test/", True),
        ("https://a.test/", "https://a.test", True),
        ("https://a.test", "https://a.test/x", False),
        ("https://a.test/x", "https://a.test/x?y#z", True),
        ("https://a.test/x", "https://a.test/x/", False),
        ("https://a.test/x", "https://a.test/X", False),
        ("https://a.test/x?y=1", "https://a.test/x", True),
        ("https://a.test/app/*", "https://a.test/app", True),
        ("https://a.test/app/*", "https://a.test/app/", True),
        ("https://a.test/app/*", "https://a.test/app/b/c.d", True),
        ("https://a.test/app/*", "https://a.test/application", False),
        ("https://a.test/app/*", "https://a.test/", False),
        ("https://a.test/*", "https://a.test", True),
        ("https://A.test:443/x", "https://a.test/x", True),
        ("http://a.test:80/x", "http://a.test/x", True),
        ("http://a.test:8080/x", "http://a.test:8080/x", True),
        ("http://127.0.0.1:5000/*", "http://127.0.0.1:5000/out", True),
        ("http://localhost:3000", "http://localhost:3000/", True),
        ("https://*.a.test/app/*", "https://b.a.test/app/x", True),
        ("https://*.a.test", "https://a.test/", False),
        ("http://*.localhost:8080/*", "http://shop.localhost:8080/x", True),
        ("http://*.localhost:8080/*", "http://localhost:8080/x", False),
        ("https://b\u00fccher.test/", "https://xn--bcher-kva.test/", True),
        ("https://B\u00dcCHER.test/", "https://XN--BCHER-KVA.test/", True),
        ("https://bu\u0308cher.test/", "https://xn--bcher-kva.test/", True),
        ("https://*.b\u00fccher.test/", "https://x.xn--bcher-kva.test/", True),
        ("https://b\u00fccher.test/", "https://b\u00fccher.test/", False),
        ("https://xn--bcher-kva.test/", "https://xn--bcher-kva.test/", True),
        ("https://a.test/caf\u00e9", "https://a.test/caf%c3%a9", True),
    ],
)
def test_an_entry_matches_by_its_parts(entry, url, matches):
    """L13: scheme, host and port equal, the path equal, or below it where the entry ends in /*; I201 control."""
    assert ReturnUrls(entry).match(url) is matches


@pytest.mark.parametrize(
    "path",
    [
        "/app/../evil",
        "/app/..",
        "/app/.",
        "/app/./x",
        "/app/x/../../evil",
        "/app/%2e%2e/evil",
        "/app/.%2E/evil",
        "/app/%2e/evil",
        "/app/..%2fevil",
        "/app%2fx",
        "/app/%2Fevil",
        "/app/..%5cevil",
        "/app/%5c..%5cevil",
        "/app/..\\evil",
        "/app/..;/evil",
        "/app/..;x=y/evil",
        "/app/%2e%2e%3b/evil",
        "/app/%252e%252e/evil",
        "/app/%25252e%25252e/evil",
        "/app/%c0%ae%c0%ae/evil",
        "/app/..%c0%afevil",
        "/app/%e0%80%ae%e0%80%ae/evil",
        "/app/..%20/evil",
    ],
)
def test_nothing_climbs_out_of_a_path(path):
    """A path that a browser, proxy or server reads as another one is not below `/app/*`, in any spelling."""
    assert not ReturnUrls("https://a.test/app/*").match(f"https://a.test{path}")


@pytest.mark.parametrize(
    "entry",
    [
        "app.example.com",
        "*.example.com",
        "//app.example.com",
        "/signed-out",
        "*://app.example.com",
        "ftp://app.example.com",
        "javascript:alert(1)",
        "https://",
        "https://*",
        "https://*/",
        "https://*.com",
        "https://*.10.0.0.1/",
        "https://*app.example.com",
        "https://app*.example.com",
        "https://app.*.example.com",
        "https://*.*.example.com",
        "https://app.example.com:*",
        "https://app.example.com/*/x",
        "https://app.example.com/x*",
        "https://app.example.com/**",
        "https://app.example.com/*?x=y",
        "https://app.example.com?x=/*",
        "https://app.example.com/../*",
        "https://app.example.com/a%2fb/*",
        "https://user@app.example.com",
        "https://app.example.com.",
        "https://[::1]/",
        "https://127.1/",
        "https://stra\u00dfe.test",
        "https://exam\u200bple.test",
        "https://\uff41pp.test",
        "https://app.example.com/a b",
        "https://app.example.com/%0a",
        "https://app.example.com/" + "a" * 2048,
    ],
)
def test_an_entry_that_cannot_be_matched_safely_is_a_configuration_error(entry):
    """An entry without a scheme, or with a `*` anywhere but where L13 has it, is refused with the setting's name."""
    with pytest.raises(ConfigurationError) as refused:
        ReturnUrls([entry], setting="allowed_logout_urls")
    assert refused.value.setting == "allowed_logout_urls"
    assert refused.value.got == ascii(entry[:200])


def test_the_scheme_is_suggested_where_it_is_missing():
    """The error for an entry without a scheme says what to write instead."""
    with pytest.raises(ConfigurationError, match=r"Write the scheme too: https://app\.example\.com"):
        ReturnUrls("app.example.com")


@pytest.mark.parametrize("entries", ["", " , ,", [], [" "]])
def test_an_empty_list_allows_nothing(entries):
    """A list of nothing has no default and matches nothing."""
    urls = ReturnUrls(entries)
    assert urls.default() is None
    assert not urls.match("https://app.example.com/")


@pytest.mark.parametrize(
    ("entries", "default"),
    [
        ("https://*.a.test, https://b.test/*, https://c.test/out?x=1#y ,https://d.test", "https://c.test/out?x=1#y"),
        (["https://b\u00fccher.test/caf\u00e9"], "https://xn--bcher-kva.test/caf%C3%A9"),
        (["https://a.test/x,y", "https://b.test"], "https://a.test/x,y"),
        ("https://*.a.test", None),
    ],
)
def test_the_default_is_the_first_entry_without_a_wildcard(entries, default):
    """Without a returnTo people go to the first entry that is one URL, in a form that a Location header can carry."""
    assert ReturnUrls(entries).default() == default
