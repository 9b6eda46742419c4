"""The applications of ../shared/lab: mod_auth_mellon, SimpleSAMLphp as service provider, node-saml and samlify.

Each registers the bridge's metadata as it is published. A cookie of theirs has a name of its own, because all are on
127.0.0.1 and cookies do not know ports. Whether somebody is signed in is asked without starting a sign-in.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Self

from tests.interop.bridge import Settings
from tests.interop.browser import Browser, Page
from tests.interop.lab import fetch, run
from tests.interop.node import Node
from tests.interop.ports import free_port


class Application(ABC):
    """A context manager. `folder` is its own; `idp` the URL of the bridge's metadata, `settings` its TOML."""

    def __init__(self, folder: Path, idp: str, **settings: str | bool) -> None:
        self.folder, self.idp = folder, idp
        self.settings: Settings = settings
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

    login, home, goodbye = "/secure/", "/secure/", "/loggedout.html"

    def start(self) -> None:
        """Start httpd."""
        idp = self.folder / "bridge.xml"
        idp.write_bytes(fetch(self.idp))
        run("mellon", self.folder, "start", "--idp-metadata", str(idp), "--port", str(self.port))

    def stop(self) -> None:
        """Stop httpd."""
        run("mellon", self.folder, "stop")

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

    def __init__(self, folder: Path, idp: str, store: str) -> None:
        # By SOAP it ends the session and answers with an HTML page; phpsession needs its cookie, which no frame gets.
        super().__init__(folder, idp, logout_binding="redirect", top_level=store == "phpsession")
        self._store = store

    def start(self) -> None:
        """Start it under `php -S`."""
        how = ("--port", str(self.port), "--idp", self.idp, "--store", self._store)
        run("simplesamlphp", self.folder, "sp", "start", "--name", "app1", *how)

    def stop(self) -> None:
        """Stop it."""
        run("simplesamlphp", self.folder, "stop")

    @property
    def metadata(self) -> bytes:
        """Its metadata: logout by Redirect and POST, with the sql store by SOAP as well."""
        return fetch(f"{self.origin}/simplesaml/module.php/saml/sp/metadata.php/app1")


class NodeSaml(Application):
    """@node-saml/node-saml; its own metadata offers logout by POST only, and it answers by Redirect."""

    script = "node-saml-sp.js"

    def __init__(self, folder: Path, idp: str, modules: Path) -> None:
        super().__init__(folder, idp, sign_response=True)
        self._modules = modules
        self._environment: dict[str, str] = {}
        self._node: Node | None = None

    def start(self) -> None:
        """Start it under node."""
        environment = {"IDP_METADATA": self.idp, "WORKDIR": str(self.folder), **self._environment}
        self._node = Node(self._modules / self.script, self.port, environment, self.folder / "node.log")

    def stop(self) -> None:
        """Stop it."""
        if self._node is not None:
            self._node.stop()

    def set(self, settings: Mapping[str, str]) -> None:
        """Change what its environment says, and start it again unless nothing changes."""
        if self._environment != settings:
            self.stop()
            self._environment = dict(settings)
            self.start()


class Samlify(NodeSaml):
    """samlify; `LOGOUT_OUT` (redirect, post) is how it sends logout messages, `SLO_BINDINGS` what it offers."""

    script = "samlify-sp.js"
