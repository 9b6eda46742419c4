"""A new operator: a terminal in an empty folder, a browser beside it, and SimpleSAMLphp at the other end."""

import json
import os
import re
import subprocess
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from lxml import etree

from saml_slo.web import cookies
from tests.interop.bridge import HOST
from tests.interop.browser import Browser, Message, Page
from tests.interop.lab import RETURN_TO, SimpleSamlPhp
from tests.interop.ports import free_port
from tests.operator.clock import Clock
from tests.operator.transcript import PROGRAM, NotTold, Transcript

NAME = "school"
LOGOUT_TIMEOUT = 5  # the shortest that there is
_START_SECONDS = 30
_STOP_SECONDS = 30
_RELOAD_SECONDS = 1.3  # metadata/README.md promises one
_FOLLOW_SECONDS = 10.5  # docs/metadata.md promises ten
_REFERENCE = re.compile(r"Reference code (\w{4}-\w{4})")
_WORDS = 420


class Operator:
    """Everything is in `folder`, which is made here and is empty."""

    def __init__(self, folder: Path, idp: SimpleSamlPhp, clock: Clock) -> None:
        folder.mkdir()
        self.folder, self.idp, self.clock = folder, idp, clock
        port = free_port(HOST)
        self.origin = f"http://{HOST}:{port}"
        self.log = folder / "serve.log"
        same = {str(folder): "/srv/slo", str(idp.folder): "/srv/ssp", f":{port}": ":8000", f":{idp.port}": ":18080"}
        self.page = Transcript(folder, _environment(), same)

    @property
    def metadata_url(self) -> str:
        """Our metadata for the identity provider."""
        return f"{self.origin}/saml/sp/{NAME}/metadata"

    def settings(self, *lines: str) -> None:
        """Write saml_slo.toml, and show it."""
        (self.folder / "saml_slo.toml").write_text("".join(f"{line}\n" for line in lines))
        self.page.show("toml", "\n".join(["# saml_slo.toml", *lines]))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run the server, with its log in a file."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [PROGRAM, "serve"],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.usable()
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def usable(self) -> None:
        """Wait until the server has a connection that can be used: new metadata is fetched within ten seconds."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server has no connection:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.origin}/readyz", timeout=2):  # noqa: S310 - on this machine
                return True
        except OSError:
            return False

    def add_line(self, line: str) -> None:
        """Add a line to the connection's file, and show it."""
        self.page.show("toml", f"# metadata/connections/{NAME}.toml\n{line}")
        self._change(lambda text: f"{text.rstrip()}\n{line}\n")

    def remove_line(self, line: str) -> None:
        """Take it out again."""
        self._change(lambda text: text.replace(f"{line}\n", ""))

    def _change(self, change: Callable[[str], str]) -> None:
        file = self.folder / "metadata" / "connections" / f"{NAME}.toml"
        file.write_text(change(file.read_text()))
        self.wait()

    @staticmethod
    def wait() -> None:
        """Wait until the server has read a file that changed."""
        time.sleep(_RELOAD_SECONDS)

    @staticmethod
    def follow() -> None:
        """Wait until the server has taken a copy that was chosen."""
        time.sleep(_FOLLOW_SECONDS)

    # The browser ------------------------------------------------------------------------------------------------------

    def signed_in(self, browser: Browser) -> bool:
        """Ask the session probe."""
        return browser.peek(f"{self.origin}/session/status").status == HTTPStatus.OK

    def sign_in(self, *, divert: Callable[[str], str] | None = None) -> Browser:
        """Sign a person in with a browser of their own; it has to work."""
        browser = Browser(divert=divert)
        page = browser.open(f"{self.origin}/login?connection={NAME}")
        if not self.signed_in(browser):
            log = "\n".join(self.log.read_text().splitlines()[-3:])
            raise NotTold(f"the sign-in ended at {page.url}: {page.words[:_WORDS]}\n{log}")
        return browser

    def log_out(self, browser: Browser) -> Page:
        """Log the person out at us, and at the identity provider too; write where they end and what they read."""
        page = browser.open(f"{self.origin}/v2/logout?federated&returnTo={RETURN_TO}")
        self.tell(page)
        return page

    def tell(self, page: Page) -> None:
        """Write what a person sees."""
        where = page.url.partition("?")[0]
        if page.status == 0:
            what = "the application's own page" if page.url.startswith(RETURN_TO) else "nobody answers there"
            self.page.say(f"The browser ends at `{where}`: {what}.")
            return
        read = _sentences(page)
        self.page.say(f"The browser ends at `{where}` (HTTP {page.status}), and the person reads:\n\n> {read}")

    def receipt(self, browser: Browser) -> dict[str, Any]:
        """Return the receipt of a browser's last logout once nothing on it is open; write what it says."""
        handle = browser.cookie(self.origin, cookies.LOGOUT)
        deadline = time.monotonic() + LOGOUT_TIMEOUT + 5
        while True:
            receipt = json.loads(browser.peek(f"{self.origin}/logout/{handle}.json").text)
            if receipt["settled"] or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        rows = [
            f"{one['name']}: {one['label']}. {one['reason']} {one['advice']}".rstrip() for one in receipt["sessions"]
        ]
        self.page.say(f"The receipt (reference {receipt['reference']}), as the person sees it:")
        self.page.show("text", "\n".join([receipt["summary"], *rows]))
        return receipt

    def in_and_out(self) -> None:
        """Show that a logout is proved again."""
        browser = self.sign_in()
        self.log_out(browser)
        self.proved(self.receipt(browser))

    @staticmethod
    def proved(receipt: dict[str, Any]) -> None:
        """Require that everybody confirmed."""
        states = [one["state"] for one in receipt["sessions"]]
        if states != ["confirmed", "confirmed"]:
            raise NotTold(f"the logout is not proved: {receipt}")

    @staticmethod
    def reference(page: Page) -> str:
        """Return the reference code on a page of ours."""
        found = _REFERENCE.search(page.words)
        if found is None:
            raise NotTold(f"no reference code at {page.url}: {page.words[:_WORDS]}")
        return found[1]

    def capture(self, *messages: Message) -> str:
        """Save these messages as a browser's developer tools do; return the name of the file."""
        entries = []
        for message in messages:
            if message.binding == "redirect":
                request: dict[str, Any] = {"method": "GET", "url": f"{message.to}?{message.query}"}
            else:
                field = "SAMLResponse" if message.kind.endswith("Response") else "SAMLRequest"
                body = urlencode({field: b64encode(etree.tostring(message.root)).decode()})
                form = {"mimeType": "application/x-www-form-urlencoded", "text": body}
                request = {"method": "POST", "url": message.to, "postData": form}
            entries.append({"request": request})
        (self.folder / "logout.har").write_text(json.dumps({"log": {"entries": entries}}))
        return "logout.har"


def _environment() -> dict[str, str]:
    """Return an operator's environment: none of our settings, no colours, a terminal of usual width."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SLO_", "LD_PRELOAD", "FAKETIME"))
    }
    return kept | {"NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb"}


def _sentences(page: Page) -> str:
    """Return the beginning of what a person reads on a page."""
    words = page.words.removesuffix(" Copy")
    return words if len(words) <= _WORDS else f"{words[:_WORDS].rsplit(' ', 1)[0]} …"
