"""A real browser. `make browser-test` runs this folder; the usual run does not collect it, because it needs Chromium.

`SLO_BROWSER=firefox` takes Firefox instead, see engine.py. `SLO_SCREENSHOTS=folder` keeps a picture of every page in
every look there.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.engine import FIREFOX, contexts
from tests.browser.stage import stage as set_stage

collect_ignore_glob = [] if os.environ.get("SLO_BROWSER_TESTS") == "1" else ["test_*.py"]


@pytest.fixture(scope="session")
def new_context(tmp_path_factory):
    """Open a browser of its own: cookies, windows, settings."""
    with contexts(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core, which looks for barriers in a page."""
    path = Path(os.environ.get("SLO_AXE", ""))
    assert path.is_file(), "no axe-core: `make browser-test` fetches it and sets SLO_AXE to its axe.min.js"
    return path.read_text(encoding="utf-8")


@pytest.fixture
def open_page(new_context):
    """Open pages, each in a browser of its own; fail at the end when a page broke its own Content-Security-Policy."""
    opened_contexts, complaints = [], []

    def opened(*, java_script_enabled=True, **how):
        if FIREFOX and not java_script_enabled:
            pytest.skip("in Firefox without scripts Playwright cannot wait for anything: see test_no_scripts.py")
        how["java_script_enabled"] = java_script_enabled
        context = new_context(**{"locale": "en-GB", "timezone_id": "Europe/Berlin", **how})
        opened_contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.route("**/*", lambda route: _stay_here(route, complaints))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    for context in opened_contexts:
        context.close()
    # A page that is refused with 4xx, or a frame that may not take the window, is told by the console as well.
    told = (
        "Failed to load resource",
        "Unsafe attempt to initiate navigation",
        "Failed to set a named property 'href'",
        "The operation is insecure.",  # the same in Firefox, and that a page may not be framed
        "The page’s settings blocked the loading of a resource (frame-ancestors)",
    )
    assert [text for text in complaints if not text.startswith(told)] == []


def _stay_here(route, complaints):
    """Let nothing leave this machine; a page that asks for anything from elsewhere is told."""
    host = urlsplit(route.request.url).hostname
    if host.endswith(".localhost"):
        route.fallback()
    elif route.request.is_navigation_request():
        route.fulfill(body=f"<!doctype html><title>{host}</title>", content_type="text/html")
    else:
        complaints.append(f"{route.request.frame.url} asked for {route.request.url}")
        route.abort()


@pytest.fixture
def page(open_page):
    """One page, on a desktop, with JavaScript."""
    return open_page(viewport={"width": 1280, "height": 900})


@pytest.fixture
def set_up(tmp_path, redis_url):
    """Set a stage with settings that a test chooses; it is cleared away at the end."""
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(set_stage(tmp_path, redis_url, **how))


@pytest.fixture
def stage(set_up):
    """The usual stage."""
    return set_up()
