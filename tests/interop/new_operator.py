"""`python -m tests.interop.new_operator [FILE]`: what a new operator sees with SimpleSAMLphp, written as a page.

From an empty folder: settings, keys, a connection by URL, a logout that is proved. Then one fault after the other is
made at SimpleSAMLphp's side or ours; a logout (or the sign-in before it) fails, and our commands say why, and how to
mend it. Each command and each answer is real; of the page only the ports and the folder are the same from run to run.

`FAKETIME=/usr/lib/…/libfaketime.so.1` names the library that puts SimpleSAMLphp's clock wrong.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, quote_plus, urlencode
from urllib.request import urlopen

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from saml_slo.web import cookies
from tests.interop.bridge import HOST
from tests.interop.browser import Browser
from tests.interop.lab import RETURN_TO, SimpleSamlPhp, install
from tests.interop.ports import free_port
from tests.interop.row import NotRunError

NAME = "school"
OTHER_NAME_ID = "alice@school.example.com"
_PROGRAM = Path(sys.executable).with_name("saml-slo")
_LOGOUT_TIMEOUT = 5
_SETTLED_SECONDS = _LOGOUT_TIMEOUT + 2
_START_SECONDS = 20
_RELOAD_SECONDS = 1.5
_RENEWAL_SECONDS = 12
_PASSED = ("  ok          ", "  not reached ", "  attribute ", "  SubjectConfirmation", "  NameID SP")
_FAST = 600  # seconds that the wrong clock is ahead


class Page:
    """The page that is being written: text, and commands with their answers."""

    def __init__(self, folder: Path, same: dict[str, str]) -> None:
        self.folder, self._same, self._parts = folder, same, []

    def say(self, text: str) -> None:
        """Write a paragraph or a heading."""
        self._parts += [_filled(part) for part in self._alike(text).split("\n\n")]

    def show(self, language: str, text: str) -> None:
        """Write a file or an answer as it is."""
        self._parts.append(f"```{language}\n{self._alike(text).rstrip()}\n```")

    def type(self, command: str, since: str = "") -> None:
        """Run a saml-slo command in the operator's folder; write it and its answer, `since` a line that begins so."""
        arguments = command.split()
        done = subprocess.run(
            [_PROGRAM, *arguments], cwd=self.folder, env=_environment(), capture_output=True, text=True, check=False
        )
        answer = "\n".join(_shorter([line.rstrip() for line in done.stdout.splitlines()], since))
        ended = f"\n$ echo $?\n{done.returncode}" if done.returncode else ""
        self.show("console", f"$ saml-slo {command}\n{answer}{ended}")

    def text(self) -> str:
        """Return all of it."""
        return "\n\n".join(self._parts) + "\n"

    def _alike(self, text: str) -> str:
        for found, alike in self._same.items():
            text = text.replace(found, alike)
        return text


def _filled(paragraph: str) -> str:
    quoted = "> " if paragraph.startswith("> ") else ""
    return textwrap.fill(paragraph, 120, subsequent_indent=quoted, break_long_words=False, break_on_hyphens=False)


def _shorter(lines: list[str], since: str) -> Iterator[str]:
    """Leave out what a reader of the page can do without; `[…]` stands for it."""
    begun, left_out = not since, False
    if since:
        yield "[…]"
    for line in lines:
        begun = begun or line.startswith(since)
        if not begun or line.startswith(_PASSED):
            if begun and not left_out:
                yield "  […]"
            left_out = True
        elif line:
            yield line
            left_out = False


class Operator:
    """A person at a terminal, with a browser beside it."""

    def __init__(self, folder: Path, idp: SimpleSamlPhp, clock: Path) -> None:
        self.port = free_port(HOST)
        self.origin = f"http://{HOST}:{self.port}"
        self.idp, self._clock = idp, clock
        same = {str(folder): "/srv/slo", f":{self.port}": ":8000", f":{idp.port}": ":18080"}
        self.folder, self.page = folder, Page(folder, same)
        self.file = folder / "metadata" / "connections" / f"{NAME}.toml"

    def begin(self) -> None:
        """Write the settings and make the keys."""
        self.folder.mkdir()
        (self.folder / "metadata").mkdir()
        settings = (
            f'public_url = "{self.origin}"\nlisten = "{HOST}:{self.port}"\nmetrics_listen = ""\n'
            f'allowed_logout_urls = ["{RETURN_TO}"]\nlogout_timeout = {_LOGOUT_TIMEOUT}\n'
            'back_channel_allow = ["127.0.0.1"]  # SimpleSAMLphp runs on this machine\n'
        )
        (self.folder / "saml_slo.toml").write_text(settings)
        self.page.show("toml", f"# /srv/slo/saml_slo.toml\n{settings}")
        self.page.type("keys")

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run the server."""
        with (self.folder / "serve.log").open("ab") as log:
            process = subprocess.Popen([_PROGRAM, "serve"], cwd=self.folder, env=_environment(), stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while time.monotonic() < deadline:
                try:
                    urlopen(f"{self.origin}/healthz", timeout=2).close()  # noqa: S310 - on this machine
                    break
                except OSError:
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)

    def set(self, line: str) -> None:
        """Add a line to the connection's file."""
        self.file.write_text(self.file.read_text() + line + "\n")
        time.sleep(_RELOAD_SECONDS)

    def unset(self, line: str) -> None:
        """Take it out again."""
        self.file.write_text(self.file.read_text().replace(line + "\n", ""))
        time.sleep(_RELOAD_SECONDS)

    def clock(self, seconds: int) -> None:
        """Put SimpleSAMLphp's clock wrong by this much."""
        self._clock.write_text(f"{seconds:+d}\n")
        time.sleep(1)

    def log_in_and_out(self, *, divert: Callable[[str], str] | None = None, at_idp: bool = False) -> Browser:
        """Sign in and log out in a new browser, and write what the person saw and what the receipt says."""
        browser = Browser(divert=divert)
        page = browser.open(f"{self.origin}/login?connection={NAME}")
        if not self._signed_in(browser):
            self.page.say(f"The sign-in ends on a page of ours (HTTP {page.status}):\n\n> {page.words}")
            return browser
        url = self.idp.logout_url if at_idp else f"{self.origin}/v2/logout?federated&returnTo={RETURN_TO}"
        page = browser.open(url)
        where = f"HTTP {page.status}: {page.words[:160]}" if page.status else "the page that the application named"
        self.page.say(f"The browser ends at `{page.url.partition('?')[0]}` ({where}).")
        if at_idp:
            self.page.say(f"Our session afterwards: **{'alive' if self._signed_in(browser) else 'gone'}**.")
            return browser
        time.sleep(0 if page.url == RETURN_TO else _SETTLED_SECONDS)
        with urlopen(f"{self.origin}/logout/{browser.cookie(self.origin, cookies.LOGOUT)}.json") as answer:  # noqa: S310
            receipt = json.load(answer)
        rows = [
            f"{one['name']}: {one['state']}" + (f" – {one['reason']}" if one.get("reason") else "")
            for one in receipt["sessions"]
        ]
        self.page.say("The receipt:")
        self.page.show("text", "\n".join([receipt["summary"], *rows]))
        return browser

    def capture(self, browser: Browser, last: int | None = None) -> str:
        """Save what passed through the browser as a HAR file; return its name."""
        messages = browser.messages if last is None else browser.messages[-last:]
        entries = []
        for message in messages:
            if message.binding == "redirect":
                request = {"method": "GET", "url": f"{message.to}?{message.query}"}
            else:
                body = urlencode({"SAMLResponse": b64encode(etree.tostring(message.root)).decode()})
                form = {"mimeType": "application/x-www-form-urlencoded", "text": body}
                request = {"method": "POST", "url": message.to, "postData": form}
            entries.append({"request": request})
        (self.folder / "logout.har").write_text(json.dumps({"log": {"entries": entries}}))
        return "logout.har"

    def _signed_in(self, browser: Browser) -> bool:
        return browser.open(f"{self.origin}/session/status").status == HTTPStatus.OK


def _environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SLO_", "LD_PRELOAD", "FAKETIME"))
    }
    return kept | {"NO_COLOR": "1", "COLUMNS": "118"}


def other_name_id(idp: SimpleSamlPhp) -> Callable[[str], str]:
    """Return a function that gives the LogoutRequests of the IdP another NameID, and signs them anew with its key."""
    key = serialization.load_pem_private_key(idp.key.read_bytes(), None)

    def divert(url: str) -> str:
        to, _, query = url.partition("?")
        fields = dict(parse_qsl(query, keep_blank_values=True))
        if "SAMLRequest" not in fields or f":{idp.port}/" in to or "Signature" not in fields:
            return url
        root = etree.fromstring(zlib.decompress(b64decode(fields["SAMLRequest"]), -zlib.MAX_WBITS))
        for name_id in root.iter("{*}NameID"):
            name_id.text = OTHER_NAME_ID
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        fields["SAMLRequest"] = b64encode(packer.compress(etree.tostring(root)) + packer.flush()).decode()
        names = [name for name in ("SAMLRequest", "RelayState", "SigAlg") if name in fields]
        signed = "&".join(f"{name}={quote_plus(fields[name])}" for name in names)
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{to}?{signed}&Signature={quote_plus(b64encode(signature))}"

    return divert


def the_endpoint(operator: Operator) -> None:
    """The logout URL has a typing error."""
    line = f'logout_url = "{operator.idp.origin}/SingleLogout.php"'
    operator.page.say(
        "## The endpoint is wrong\n\nSomebody wrote a logout URL into `school.toml`, and left a word out:"
    )
    operator.page.show("toml", line)
    operator.set(line)
    operator.log_in_and_out()
    operator.page.say("Our session is gone, the provider never answered. What does the doctor say?")
    operator.page.type(f"doctor {NAME}")
    operator.page.say("The line is taken out, as it says:")
    operator.unset(line)
    operator.log_in_and_out()


def the_certificate(operator: Operator) -> None:
    """SimpleSAMLphp has a new signing key, which our copy of its metadata has not."""
    operator.page.say(
        "## The certificate is wrong\n\nThe provider was given a new signing key over night; our copy of its metadata "
        "has the old one."
    )
    made = ["-newkey", "rsa:2048", "-nodes", "-x509", "-days", "3650", "-subj", "/CN=new"]
    command = ["openssl", "req", *made, "-keyout", operator.idp.key, "-out", operator.idp.certificate]
    subprocess.run(command, capture_output=True, check=True)
    time.sleep(2)  # PHP looks at its files that often
    browser = operator.log_in_and_out()
    operator.page.say("The browser's developer tools save what passed as `logout.har`:")
    operator.page.type(f"inspect {operator.capture(browser, 1)}")
    operator.page.say("Is it the provider's own new key, or somebody's who would like to be the provider?")
    operator.page.type(f"doctor --online {NAME}")
    operator.page.say("It publishes that key itself. So its metadata is fetched now, and looked at, before it counts:")
    operator.page.type(f"connection refresh {NAME}")
    operator.page.type(f"connection accept {NAME} --yes")
    operator.page.say("A running server takes it within ten seconds.")
    time.sleep(_RENEWAL_SECONDS)
    operator.log_in_and_out()


def the_clock(operator: Operator) -> None:
    """SimpleSAMLphp's clock is ahead."""
    operator.page.say(f"## The clock is wrong\n\nThe provider's clock is {_FAST // 60} minutes ahead.")
    operator.clock(_FAST)
    browser = operator.log_in_and_out()
    operator.page.type(f"inspect {operator.capture(browser, 1)}")
    operator.page.say("Theirs or ours?")
    operator.page.type(f"doctor --online {NAME}")
    operator.page.say("Others agree with our clock (`clock.redis` is one), so it is theirs. They set it right:")
    operator.clock(0)
    operator.log_in_and_out()


def the_name_id(operator: Operator) -> None:
    """The IdP's LogoutRequest names the person otherwise than its sign-in did."""
    operator.page.say(
        "## The NameID is wrong\n\nThe provider names the person in its LogoutRequest otherwise than in its sign-in, "
        "as some do (Entra ID among them). SimpleSAMLphp cannot be told to: the request is changed on its way and "
        "signed anew with SimpleSAMLphp's own key. The person logs out at the provider."
    )
    divert = other_name_id(operator.idp)
    browser = operator.log_in_and_out(divert=divert, at_idp=True)
    _as_changed(browser, divert)
    operator.page.type(f"inspect {operator.capture(browser)}", since="LogoutRequest")
    line = "match_session_index = true"
    operator.page.say(
        "The note says what is wrong and which key of `school.toml` helps where the provider cannot be changed:"
    )
    operator.page.show("toml", line)
    operator.set(line)
    operator.log_in_and_out(divert=divert, at_idp=True)


def _as_changed(browser: Browser, divert: Callable[[str], str]) -> None:
    """Let the browser remember the requests as we got them."""
    for position, message in enumerate(browser.messages):
        if message.kind == "LogoutRequest" and message.binding == "redirect":
            query = divert(f"{message.to}?{message.query}").partition("?")[2]
            browser.messages[position] = message._replace(query=query)


def write(operator: Operator) -> None:
    """Play all of it."""
    page = operator.page
    page.say(
        "# A new operator and SimpleSAMLphp\n\n`python -m tests.interop.new_operator` wrote this page with a real "
        "SimpleSAMLphp 1.19, a browser and our commands. Nothing in the answers is made up; `[…]` stands for checks "
        "that passed or were not reached, and for attributes. [Finding out why](troubleshooting.md) explains the "
        "words.\n\n## From an empty folder to a logout that is proved"
    )
    operator.begin()
    page.type(f"connection add {NAME} --from {operator.idp.metadata_url} --yes")
    with operator.serving():
        operator.idp.register(f"{operator.origin}/saml/sp/{NAME}/metadata")
        page.say(
            f"The provider is given our metadata, `{operator.origin}/saml/sp/{NAME}/metadata`, and the server is "
            "started with `saml-slo serve`. A person signs in and logs out:"
        )
        operator.log_in_and_out()
        page.type(f"doctor --all {NAME}")
        page.type(f"explain --connection {NAME}")
        for fault in (the_endpoint, the_certificate, the_clock, the_name_id):
            fault(operator)


def main(arguments: Sequence[str]) -> int:
    """Write the page into a file, or print it."""
    library = os.environ.get("FAKETIME", "")
    if not Path(library).is_file():
        sys.stderr.write("FAKETIME names no libfaketime.so.1; the clock cannot be put wrong.\n")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="saml-slo-operator-"))
    clock = folder / "clock"
    clock.write_text("+0\n")
    wrong = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    try:
        install("simplesamlphp", "SimpleSAMLphp")
        os.environ.pop("FAKETIME")
        os.environ |= wrong
        with SimpleSamlPhp(folder / "ssp") as idp:
            for name in wrong:
                del os.environ[name]
            operator = Operator(folder / "slo", idp, clock)
            write(operator)
    except NotRunError as reason:
        sys.stderr.write(f"NOT RUN: {reason}\n")
        return 1
    finally:
        if not os.environ.get("KEEP"):
            shutil.rmtree(folder)
    if arguments:
        Path(arguments[0]).write_text(operator.page.text())
    else:
        sys.stdout.write(operator.page.text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
