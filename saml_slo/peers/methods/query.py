"""Add parameters to a URL that may have some of its own."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode


def with_query(url: str, parameters: Sequence[tuple[str, str]]) -> str:
    """Return `url`, which has no fragment, with these parameters behind its own; every octet that needs it encoded."""
    if not parameters:
        return url
    separator = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{separator}{urlencode(parameters, quote_via=quote)}"
