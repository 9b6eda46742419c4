"""The applications of ../shared/lab: mod_auth_mellon, SimpleSAMLphp as service provider, node-saml and samlify.

Each registers the bridge's metadata as it is published. A cookie of theirs has a name of its own, because all are on
127.0.0.1 and cookies do not know ports. Whether somebody is signed in is asked without starting a sign-in.
"""

import json
import os
import subprocess
import sys
import urllib.request
from abc import ABC, abstractmethod
from http import HTTPStatus
from pathlib import Path
from typing import Self

from tests.interop.bridge import Settings
from tests.interop.browser import Browser, Page
from tests.interop.lab import LAB, fetch
from tests.interop.node import Node
from tests.interop.ports import free_port
from tests.interop.row import NotRunError


class Application(ABC):
    """A context manager. `folder` is its own; `idp` the URL of the bridge's metadata, `settings` its TOML."""

    name: str
    settings: Settings

    def __init__(self, folder: Path, idp: str) -> None:
        self.folder, self.idp = folder, idp
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        folder.mkdir(exist_ok=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start it; again after `stop` with the same keys, on the same port."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it: from now on nobody answers there."""

    @property
    def metadata(self) -> bytes:
        """Its metadata."""
        return fetch(f"{self.origin}/metadata")

    login, logout, home, goodbye = "/app/login", "/app/logout", "/app/whoami", "/app/loggedout"

    def sign_in(self, browser: Browser) -> Page:
        """Sign a person in, with a password only where the identity provider asks for it."""
        return browser.open(self.origin + self.login)

    def sign_out(self, browser: Browser) -> Page:
        """Press the application's own button."""
        return browser.open(self.origin + self.logout)

    def signed_in(self, browser: Browser) -> bool:
        """Say whether this browser has a session here."""
        page = browser.peek(self.origin + self.home)
        return page.status == HTTPStatus.OK and json.loads(page.text)["authenticated"] is True

    def back_home(self, page: Page) -> bool:
        """Say whether the person came back to the application's own page after a logout, as it intends."""
        return page.status == HTTPStatus.OK and page.url.startswith(self.origin + self.goodbye)


class Mellon(Application):
    """mod_auth_mellon under Apache httpd."""

    name = "mellon"
    settings: Settings = {}
    login, home, goodbye = "/secure/", "/secure/", "/loggedout.html"

    @staticmethod
    def install() -> None:
        """Let the lab install it with apt unless it is there; this needs root."""
        done = subprocess.run(
            [sys.executable, str(LAB / "mellon" / "run.py"), "install"],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode:
            raise NotRunError(f"mod_auth_mellon is not installed and could not be: {done.stderr[-300:]}")

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, str(LAB / "mellon" / "run.py"), *arguments]
        environment = {**os.environ, "WORKDIR": str(self.folder)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"run.py {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start httpd."""
        idp = self.folder / "bridge.xml"
        idp.write_bytes(fetch(self.idp))
        self._run("start", "--idp-metadata", str(idp), "--port", str(self.port))

    def stop(self) -> None:
        """Stop httpd."""
        self._run("stop")

    @property
    def metadata(self) -> bytes:
        """Its metadata: logout by Redirect and SOAP."""
        return (self.folder / "sp-metadata.xml").read_bytes()

    @property
    def logout(self) -> str:  # type: ignore[override]
        """Its logout link; it must name where to return to."""
        return f"/mellon/logout?ReturnTo={self.origin}{self.goodbye}"

    def signed_in(self, browser: Browser) -> bool:
        """Say whether the protected page opens."""
        return browser.peek(self.origin + self.home).status == HTTPStatus.OK


class SimpleSamlPhpSp(Application):
    """SimpleSAMLphp as service provider; `store` is where it keeps sessions (sql, phpsession)."""

    name = "ssp-sp"

    def __init__(self, folder: Path, idp: str, store: str) -> None:
        super().__init__(folder, idp)
        self._store = store
        # By SOAP it ends the session and answers with an HTML page; by phpsession it needs its cookie, so no frame.
        self.settings = {"logout_binding": "redirect", **({"top_level": True} if store == "phpsession" else {})}

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, str(LAB / "simplesamlphp" / "run.py"), *arguments]
        environment = {**os.environ, "WORKDIR": str(self.folder)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"run.py {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start it under `php -S`."""
        self._run("sp", "start", "--name", "app1", "--port", str(self.port), "--idp", self.idp, "--store", self._store)

    def stop(self) -> None:
        """Stop it."""
        self._run("stop")

    @property
    def metadata(self) -> bytes:
        """Its metadata: logout by Redirect and POST, with the sql store by SOAP as well."""
        return fetch(f"{self.origin}/simplesaml/module.php/saml/sp/metadata.php/app1")


class NodeSaml(Application):
    """@node-saml/node-saml; its own metadata offers logout by POST only, and it answers by Redirect."""

    name = "node-saml"
    settings: Settings = {"sign_response": True}
    script = "node-saml-sp.js"

    def __init__(self, folder: Path, idp: str, modules: Path, **environment: str) -> None:
        super().__init__(folder, idp)
        self._modules, self._environment = modules, environment
        self._node: Node | None = None

    def start(self) -> None:
        """Start it under node."""
        environment = {"IDP_METADATA": self.idp, "WORKDIR": str(self.folder), **self._environment}
        self._node = Node(self._modules / self.script, self.port, environment, self.folder / f"{self.name}.log")

    def stop(self) -> None:
        """Stop it."""
        if self._node is not None:
            self._node.stop()

    def told(self, **settings: str) -> None:
        """Change environment settings and start again."""
        self.stop()
        self._environment |= settings
        self.start()

    def log(self) -> str:
        """Return what it logged since it was started."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")


class Samlify(NodeSaml):
    """samlify; `LOGOUT_OUT` (redirect, post) is how it sends logout messages, `SLO_BINDINGS` what it offers."""

    name = "samlify"
    script = "samlify-sp.js"
