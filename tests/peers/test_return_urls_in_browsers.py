"""Whatever the list of return URLs lets through, a browser takes to where the list says."""

import re
from urllib.parse import unquote

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from saml_slo.peers.return_urls import ReturnUrls


def whatwg(url):
    """Read a URL as a browser does: (scheme, host, port, path); what it cannot read is None. WHATWG URL, shortened."""
    url = re.sub(r"[\t\n\r]", "", re.sub(r"^[\x00-\x20]+|[\x00-\x20]+$", "", url))
    scheme, colon, rest = url.partition(":")
    if not colon or scheme.lower() not in ("http", "https"):
        return None
    rest = rest.lstrip("/\\")
    authority = re.split(r"[/\\?#]", rest, maxsplit=1)[0]
    tail = re.split(r"[?#]", rest[len(authority) :], maxsplit=1)[0]
    host, _, port = authority.rpartition("@")[2].partition(":")
    host = unquote(host).lower().rstrip(".")
    if not host or re.search(r"[\x00-\x20#%/:<>?@\[\\\]^|]", host) or not re.fullmatch(r"[0-9]{0,5}", port):
        return None
    path = []
    for segment in re.split(r"[/\\]", tail)[1:]:
        dots = re.sub("(?i)%2e", ".", segment)
        if dots == "..":
            del path[-1:]
        elif dots != ".":
            path.append(segment)
    return scheme.lower(), host, int(port or {"http": 80, "https": 443}[scheme.lower()]), "/" + "/".join(path)


_STARTS = ("https://app.example.com/app", "https://x.apps.example.com", "https://", "http://", "https:", "//", "\\", "")
_PLAIN = "x app path APP / /app/ /x/ :443 ? # & - %c3%bc =1 example.com"
_HOSTILE = (
    "app.example.com apps.example.com evil.test https:// http: // 127.1 : @ * . .. ../ ;/ /../ /./ %2e /%2E%2e/ %2f "
    "%5c %25 %40 %0a % [ ] \\ xn-- \u0430 \u200b \u00df \ud800"
)
_TOKENS = st.sampled_from(_PLAIN.split()) | st.sampled_from([*_HOSTILE.split(), "\t", "\n", " ", "\x00"])
_URLS = st.tuples(st.sampled_from(_STARTS), st.lists(_TOKENS, max_size=5).map("".join)).map("".join)
_PATHS = st.lists(
    st.sampled_from(["/", "/x", "/x/", "/..", "/./", "/%2e%2e/", "/.%2E", "\\..", "?", "#", ";"]), max_size=4
)
_NEAR = st.tuples(st.sampled_from(_STARTS[:2]), _PATHS.map("".join)).map("".join)
_SCOPED = ReturnUrls("https://app.example.com/app/*, https://*.apps.example.com")


@settings(max_examples=1000)
@given(_URLS | _NEAR | st.text(max_size=40))
@example("https://app.example.com/app/x")
def test_what_matches_goes_where_it_is_allowed_to(url):
    """A match leads a browser to an allowed scheme, host and port, and to the allowed path or below it."""
    if not _SCOPED.match(url):
        return
    event("matched")
    scheme, host, port, path = whatwg(url)
    assert (scheme, port) == ("https", 443)
    if host == "app.example.com":
        assert f"{path}/".startswith("/app/")
    else:
        assert re.fullmatch(r"[^.]+\.apps\.example\.com", host)
        assert path == "/"
