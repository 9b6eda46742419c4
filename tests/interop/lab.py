"""The peers of ../shared/lab: SimpleSAMLphp under `php -S`, Auth0's samlp under node; each is stopped by process id."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from lxml import etree

from tests.interop.node import Node
from tests.interop.ports import free_port
from tests.interop.row import NotRunError

RETURN_TO = "https://shop.example.com/signed-out"
PROJECT = Path(__file__).resolve().parents[2]
LAB = PROJECT.parent / "shared" / "lab"
_INSTALL_SECONDS = 600


def fetch(url: str) -> bytes:
    """Return what a peer serves."""
    with urllib.request.urlopen(url, timeout=20) as response:  # noqa: S310 - a URL on this machine
        return response.read()


def without(metadata: bytes, *elements: str, binding: str = "") -> bytes:
    """Return metadata without its elements of these names (only those of one binding, by its last word)."""
    root = etree.fromstring(metadata)
    found = [element for name in elements for element in root.iter(f"{{*}}{name}")]
    for element in found:
        if element.get("Binding", "").endswith(binding):
            element.getparent().remove(element)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def run(peer: str, folder: Path, *arguments: str) -> None:
    """Let the lab's run.py of a peer do something; its state is in a folder."""
    environment = {**os.environ, "WORKDIR": str(folder)}
    command = [sys.executable, str(_script(peer)), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"run.py {' '.join(arguments)}: {done.stdout}{done.stderr}")


def install(peer: str, title: str) -> None:
    """Let the lab install a peer with apt unless it is there; this needs root."""
    command = [sys.executable, str(_script(peer)), "install"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    if done.returncode:
        why = "this user is not root, and apt needs root" if os.geteuid() else _last_line(done.stderr)
        raise NotRunError(f"{title} is not installed and could not be: {why}.")


def _script(peer: str) -> Path:
    script = LAB / peer / "run.py"
    if not script.is_file():
        raise NotRunError(f"{LAB} is absent: the {peer} of the lab is not here. Check it out beside this project.")
    return script


class SimpleSamlPhp:
    """SimpleSAMLphp as identity provider, and on request one more service provider beside the bridge.

    `logout` is how it tells its service providers: traditional (one after the other), iframe.
    """

    def __init__(self, folder: Path, logout: str = "traditional") -> None:
        self.folder, self._logout = folder, logout
        self.port, self._sp_port = free_port(), free_port()
        self.origin = f"http://127.0.0.1:{self.port}/simplesaml/saml2/idp"
        self.metadata_url = f"{self.origin}/metadata.php"
        self.sp = f"http://127.0.0.1:{self._sp_port}/app"
        self.sp_metadata_url = f"http://127.0.0.1:{self._sp_port}/simplesaml/module.php/saml/sp/metadata.php/sp1"
        self.key, self.certificate = (folder / "idp" / "cert" / f"signing.{kind}" for kind in ("key", "crt"))

    def __enter__(self) -> Self:
        self.folder.mkdir()
        try:
            how = ("--nameid", "persistent", "--logout", self._logout)
            self._run("idp", "start", "--port", str(self.port), *how)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._run("stop")

    def register(self, *metadata: str, settings: Mapping[str, object] | None = None) -> None:
        """Make these (URLs or paths) the service providers that it knows, with settings for each of them."""
        overrides = [f"--remote-set={key}={json.dumps(value)}" for key, value in (settings or {}).items()]
        self._run("idp", "register", "--sp", *metadata, *overrides)

    def registered(self) -> bytes:
        """Return the metadata of the first service provider as it was fetched."""
        return (self.folder / "idp" / "src" / "sp0.xml").read_bytes()

    def understood(self) -> str:
        """Return what SimpleSAMLphp's own parser made of the metadata: a PHP array."""
        return (self.folder / "idp" / "metadata" / "saml20-sp-remote.php").read_text()

    def start_sp(self) -> None:
        """Start one more service provider, with an application behind it."""
        self._run("sp", "start", "--name", "sp1", "--port", str(self._sp_port), "--idp", self.metadata_url)

    def stop_sp(self) -> None:
        """Stop it: from now on nobody answers there."""
        self._run("stop", "sp1")

    def log(self) -> str:
        """Return what it logged: every message, and an assertion before it was encrypted."""
        return (self.folder / "idp" / "log" / "simplesamlphp.log").read_text(errors="replace")

    def _run(self, *arguments: str) -> None:
        run("simplesamlphp", self.folder, *arguments)

    @property
    def logout_url(self) -> str:
        """Where a person logs out there."""
        return f"{self.origin}/initSLO.php?RelayState={RETURN_TO}"


class Samlp:
    """Auth0's samlp as identity provider; `binding` (redirect, post) is how it sends its logout messages."""

    def __init__(self, modules: Path, folder: Path, binding: str) -> None:
        self._modules, self._folder, self._binding = modules, folder, binding
        self._port = free_port()
        self.origin = f"http://127.0.0.1:{self._port}"
        self.metadata_url = f"{self.origin}/metadata"
        self.key, self.certificate = (folder / f"samlp-idp-{self._port}" / f"signing.{kind}" for kind in ("key", "crt"))

    @staticmethod
    def install(folder: Path) -> Path:
        """Copy the lab's node peers (their folder is read-only) and install what they need from the npm registry."""
        for program in ("node", "npm"):
            if shutil.which(program) is None:
                raise NotRunError(f"there is no {program} here")
        folder.mkdir()
        for file in (LAB / "node").iterdir():
            if file.is_file():
                shutil.copyfile(file, folder / file.name)
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
        if done.returncode:
            raise NotRunError(f"npm ci failed: {_last_line(done.stderr)}")
        return folder

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        environment = {"WORKDIR": str(self._folder), "LOGOUT_BINDING": self._binding}
        log = self._folder / f"samlp-{self._port}.log"
        self._node = Node(self._modules / "samlp-idp.js", self._port, environment, log)
        return self

    def __exit__(self, *_: object) -> None:
        self._node.stop()

    @property
    def logout_url(self) -> str:
        """Where a person logs out there."""
        return f"{self.origin}/logout"

    def register(self, metadata: str) -> list[str]:
        """Make this (a URL or path) the service provider that it knows; return the entity ids that it read."""
        request = urllib.request.Request(  # noqa: S310 - a URL on this machine
            f"{self.origin}/lab/sps",
            json.dumps({"sp": [metadata]}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - the same
            return json.load(response)

    def log(self) -> str:
        """Return what it logged."""
        return (self._folder / f"samlp-{self._port}.log").read_text(errors="replace")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1][:300]
