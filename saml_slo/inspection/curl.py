"""A curl command line, as browsers copy it: the request that it would make. Nothing is run, no file is read."""

from __future__ import annotations

import codecs
import re
import shlex
from urllib.parse import quote

from saml_slo.inspection.source import FORM, Captured, not_found, of_request

_DATA = ("-d", "--data", "--data-raw", "--data-ascii", "--data-binary", "--data-urlencode")
_SHORT_WITH_VALUE = ("-A", "-b", "-c", "-e", "-F", "-m", "-o", "-u", "-x")
_LONG_WITH_VALUE = ("--cacert", "--cert", "--cookie", "--key", "--max-time", "--user", "--user-agent", "--referer")
_ANSI_QUOTED = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)


def requests_in(text: str) -> tuple[Captured, ...]:
    """Return the request of a curl line, or refuse one that carries no message."""
    text = re.sub(r"[\\^]\r?\n", " ", text)
    try:
        words = shlex.split(_ANSI_QUOTED.sub(_plain, text))
    except ValueError:
        raise not_found("the quotes of the curl line do not match") from None
    method, url, content_type, body, as_query = _read(words[1:])
    if as_query and body:
        url, body = f"{url}{'&' if '?' in url else '?'}{body}", ""
    method = method or ("POST" if body else "GET")
    captured = of_request(method, url, body.encode(), content_type or (FORM if body else ""), "a curl line")
    if captured is None:
        raise not_found("the curl line carries none")
    return (captured,)


def _plain(quoted: re.Match[str]) -> str:
    """Return bash's $'…' in ordinary quotes."""
    text = codecs.decode(quoted[1].encode("latin-1", errors="backslashreplace"), "unicode_escape", errors="replace")
    return shlex.quote(text)


def _read(words: list[str]) -> tuple[str, str, str, str, bool]:
    """Return method, URL, content type, body, and whether the body belongs into the URL (-G)."""
    method = url = content_type = ""
    data: list[str] = []
    as_query = False
    rest = iter(words)
    for word in rest:
        name, separator, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name in _DATA:
            data.append(_datum(name, value if separator else next(rest, "")))
        elif name in ("-X", "--request"):
            method = (value if separator else next(rest, "")).upper()
        elif name in ("-H", "--header"):
            header, _, content = (value if separator else next(rest, "")).partition(":")
            if header.strip().lower() == "content-type":
                content_type = content.strip()
        elif name == "--url":
            url = value if separator else next(rest, "")
        elif name in ("-G", "--get"):
            as_query = True
        elif name in (*_SHORT_WITH_VALUE, *_LONG_WITH_VALUE) and not separator:
            next(rest, "")
        elif not word.startswith("-") and not url:
            url = word
    return method, url, content_type, "&".join(data), as_query


def _datum(option: str, value: str) -> str:
    if option == "--data-urlencode":
        name, separator, content = value.partition("=")
        return f"{name}={quote(content, safe='')}" if separator else quote(value, safe="")
    return value
