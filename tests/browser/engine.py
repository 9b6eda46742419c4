"""The browser in which the tests of this folder run: Chromium, or Firefox where SLO_BROWSER=firefox asks for it.

Both are Debian's, unpatched and headless. Playwright speaks CDP to Chromium and WebDriver BiDi to Firefox, see bidi.py.
What Firefox does not do for Playwright: dark colours, and to switch scripts off for one window. A second Firefox runs
none at all, not even most of Playwright's own: what can still be tried there is in test_no_scripts.py, and the tests
that need more say so.
"""

import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import bidi

NAME = os.environ.get("SLO_BROWSER", "chromium")
FIREFOX = NAME == "firefox"
COLOURS = ("light",) if FIREFOX else ("light", "dark")
_CHROMIUM = os.environ.get("SLO_CHROMIUM", "/usr/bin/chromium")
_FIREFOX = os.environ.get("SLO_FIREFOX", "/usr/bin/firefox-esr")
_ARGUMENTS = (
    "--no-sandbox",  # CI runs as root, and only our own pages are opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def contexts(folder):
    """Yield what opens a browser of its own, as Playwright's `new_context`; without a program say what to install."""
    assert NAME in ("chromium", "firefox"), f"SLO_BROWSER is chromium or firefox, not {NAME}"
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        yield {"chromium": _chromium, "firefox": _firefox}[NAME](stack, playwright, folder)


def _chromium(stack, playwright, _):
    assert Path(_CHROMIUM).exists(), f"no {_CHROMIUM}: install Chromium (apt install chromium) or set SLO_CHROMIUM"
    browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGUMENTS))
    stack.callback(browser.close)
    return browser.new_context


def _firefox(stack, playwright, folder):
    assert Path(_FIREFOX).exists(), f"no {_FIREFOX}: install Firefox (apt install firefox-esr) or set SLO_FIREFOX"
    program = folder / "firefox"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{bidi.__file__}" "{_FIREFOX}" "$@"\n')
    program.chmod(0o755)
    browsers = {}

    def new_context(*, java_script_enabled=True, **how):
        if java_script_enabled not in browsers:
            browser = playwright.firefox.launch(
                channel="moz-firefox",  # by BiDi; without it, Playwright wants a Firefox that it has patched itself
                executable_path=program,
                firefox_user_prefs={**bidi.LIGHT, "javascript.enabled": java_script_enabled},
            )
            stack.callback(browser.close)
            browsers[java_script_enabled] = browser
        return browsers[java_script_enabled].new_context(**how)

    return new_context
