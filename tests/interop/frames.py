"""Pages that log out by frames: the bridge's progress page, and the page of SimpleSAMLphp's `iframe` mode.

Each does by hand what the page's own script does: progress.js here, logout-iframe.js there.
"""

import json
import re
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode, urljoin

from lxml import html

_PATIENCE = 30
_POLL = 0.2
_SPS = re.compile(r"window\.spStatus = (\{.*?\});")
_TOLD = re.compile(r"window\.parent\.logout(Completed|Failed)\(\s*[\"']([0-9a-f]+)")


class Next(NamedTuple):
    """Where a page's script goes: by GET, or by POST with fields. `top`: in the whole window, not in its frame."""

    method: str
    url: str
    fields: tuple[tuple[str, str], ...] = ()
    top: bool = False


def is_one(text: str) -> bool:
    """Say whether a page has frames, waits for other parties, or goes on by itself."""
    return any(mark in text for mark in ('data-live="', 'id="slostatustable"', 'content="0; url='))


def open_frames(url: str, text: str, frame: Callable[[str], str], fetch: Callable[[str], str]) -> Next | None:
    """Open the frames of a page, wait as its script does, and return where it goes then.

    `frame` opens a URL in a frame and returns the text of the page in it; `fetch` is the script's own.
    """
    tree = html.fromstring(text)
    live = tree.xpath("//@data-live")
    if live:
        for source in tree.xpath("//iframe/@src"):
            frame(urljoin(url, source))
        deadline = time.monotonic() + _PATIENCE
        while 'data-live="' in fetch(urljoin(url, live[0])):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the progress page {url} is busy for more than {_PATIENCE} s")
            time.sleep(_POLL)
        return Next("GET", urljoin(url, f"{live[0]}/next"))
    for content in tree.xpath("//meta[@http-equiv='refresh'][not(ancestor::noscript)]/@content"):
        return Next("GET", urljoin(url, content.partition("url=")[2]))
    return _simplesamlphp(url, text, tree, frame)


def _simplesamlphp(url: str, text: str, tree: html.HtmlElement, frame: Callable[[str], str]) -> Next | None:
    for form in tree.xpath("//form[@id='startform']"):  # it asks first; its script chooses the page with frames
        fields = {**dict(form.form_values()), "type": "js"}
        return Next("GET", f"{urljoin(url, form.get('action'))}?{urlencode(fields)}")
    forms = tree.xpath("//form[@id='done-form']")
    if not forms:
        return None
    found = _SPS.search(text)
    states: dict[str, str] = json.loads(found[1]) if found else {}
    for source in tree.xpath("//iframe/@src"):
        states |= {sp: word.lower() for word, sp in _TOLD.findall(frame(urljoin(url, source)))}
    # Whoever did not answer is given up after five seconds there.
    told = [(f"logout-iframe-{sp}", "failed" if state == "inprogress" else state) for sp, state in states.items()]
    return Next("POST", urljoin(url, forms[0].get("action")), (*forms[0].form_values(), *told), top=True)
