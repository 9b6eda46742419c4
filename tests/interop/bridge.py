"""The bridge as a process of its own: `saml-slo serve` with its embedded Redis; its files go when the run is over."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import redis

from saml_slo.house import utc_now
from saml_slo.journey import receipt_handle
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.session import Session
from saml_slo.store import tokens
from saml_slo.store.connect import connect
from saml_slo.store.store import Store
from saml_slo.web import cookies
from tests.interop.browser import Browser, Page
from tests.interop.lab import RETURN_TO
from tests.interop.ports import free_port

HOST = "127.0.0.2"  # not the identity provider's host: cookies do not know ports, and one host is never cross-site
LOGOUT_TIMEOUT = 5
FRAME_TIMEOUT = 3
Settings = Mapping[str, str | bool | list[str]]
_COMMAND = (str(Path(sys.executable).with_name("saml-slo")), "serve")
_START_SECONDS = 30
_STOP_SECONDS = 30
_RELOAD_SECONDS = 1.2  # metadata/README.md promises one


class Bridge:
    """A context manager. `folder` is made by it and holds everything: metadata, keys, Redis, log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port(HOST)
        self.origin = f"http://{HOST}:{self.port}"
        self._log = folder / "bridge.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._mark = 0
        self._changes = 0

    def __enter__(self) -> Self:
        (self._folder / "metadata" / "connections").mkdir(parents=True)
        (self._folder / "metadata" / "applications").mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLO_")}
        environment |= {
            "SLO_PUBLIC_URL": self.origin,
            "SLO_LISTEN": f"{HOST}:{self.port}",
            "SLO_METRICS_LISTEN": "",
            "SLO_METADATA_DIR": str(self._folder / "metadata"),
            "SLO_CERTS_DIR": str(self._folder / "certs"),
            "SLO_DATA_DIR": str(self._folder / "var"),
            "SLO_LOGOUT_TIMEOUT": str(LOGOUT_TIMEOUT),
            "SLO_ALLOWED_LOGOUT_URLS": RETURN_TO,
            "SLO_FRAME_TIMEOUT": str(FRAME_TIMEOUT),
            "SLO_BACK_CHANNEL_ALLOW": "127.0.0.1",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                _COMMAND, cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self.get("/healthz").status == http.client.OK:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"the bridge did not start:\n{self._log.read_text()[-3000:]}")

    def get(self, path: str) -> Page:
        """Fetch a page of the bridge without a browser."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Page(self.origin + path, response.status, response.read().decode())
        finally:
            connection.close()

    def configure(self, name: str, metadata: bytes, **settings: str | bool) -> str:
        """Write a connection's files, wait until they are in force, and return the title under which receipts show it.

        The title is new each time, so that a receipt proves that it was made under this configuration.
        """
        return self._write(self._folder / "metadata" / "connections", {name: (metadata, settings)})[0]

    def applications(self, applications: Mapping[str, tuple[bytes, Settings]]) -> list[str]:
        """Make these the applications, by client_id: metadata and settings; return their titles in that order."""
        folder = self._folder / "metadata" / "applications"
        for old in folder.iterdir():
            old.unlink()
        return self._write(folder, applications)

    def _write(self, folder: Path, peers: Mapping[str, tuple[bytes, Settings]]) -> list[str]:
        self._changes += 1
        titles = []
        for name, (metadata, settings) in peers.items():
            titles.append(f"{name} {self._changes}")
            told = {"display_name": titles[-1], **settings}
            (folder / f"{name}.xml").write_bytes(metadata)
            (folder / f"{name}.toml").write_text("".join(f"{key} = {json.dumps(told[key])}\n" for key in told))
        time.sleep(_RELOAD_SECONDS)
        return titles

    @property
    def idp_metadata_url(self) -> str:
        """Where the bridge publishes its metadata for applications."""
        return f"{self.origin}/saml/idp/metadata"

    def metadata_url(self, name: str) -> str:
        """Where the bridge publishes its SP metadata for a connection."""
        return f"{self.origin}/saml/sp/{name}/metadata"

    def metadata(self, name: str) -> bytes:
        """Return the SP metadata that the bridge publishes."""
        page = self.get(f"/saml/sp/{name}/metadata")
        if page.status != http.client.OK:
            raise RuntimeError(f"no metadata: HTTP {page.status} {page.words[:300]}; {self.refusals()}")
        return page.text.encode()

    def signed_in(self, browser: Browser) -> bool:
        """Ask the session probe."""
        return browser.open(f"{self.origin}/session/status").status == http.client.OK

    def recorded(self, browser: Browser) -> Session | None:
        """Return what Redis holds of the session that a browser's cookie opens."""
        identifier = tokens.session_id_of(browser.cookie(self.origin, cookies.SESSION))
        if identifier is None:
            return None
        with self._store() as (store, _):
            found = store.read_session(identifier, milliseconds(utc_now()))
        return found if isinstance(found, Session) else None

    @contextmanager
    def _store(self) -> Iterator[tuple[Store, redis.Redis]]:
        client = connect(f"unix://{self._folder / 'var' / 'redis' / 'redis.sock'}", timeout=2)
        try:
            yield Store(client), client
        finally:
            client.close()

    def last_receipt(self) -> dict[str, Any]:
        """Return the JSON of the receipt of the logout that began last, whoever began it; Redis knows its handle."""
        with self._store() as (store, client):
            identifiers = {key.rpartition(b":")[2].decode() for key in client.scan_iter("slo:*:logout:*", count=1000)}
            known = [found for one in identifiers if (found := store.read_logout(one)) is not None]
        return self._json(receipt_handle(max(known, key=lambda logout: logout.started_at)))

    def receipt(self, browser: Browser) -> dict[str, Any]:
        """Return the JSON of the receipt of a browser's last logout, wherever the browser is now."""
        return self._json(browser.cookie(self.origin, cookies.LOGOUT))

    def _json(self, handle: str | None) -> dict[str, Any]:
        page = self.get(f"/logout/{handle}.json")
        if page.status != http.client.OK:
            raise RuntimeError(f"no receipt: HTTP {page.status} {page.words[:300]}")
        return json.loads(page.text)

    def settled_receipt(self, browser: Browser) -> dict[str, Any]:
        """Return the receipt once nothing on it is open: at the latest when the time for answers is over."""
        deadline = time.monotonic() + LOGOUT_TIMEOUT + 5
        while not (receipt := self.receipt(browser))["settled"] and time.monotonic() < deadline:
            time.sleep(0.25)
        return receipt

    def refusals(self) -> list[str]:
        """Return why messages and requests were refused since the last call, as the log has it."""
        text = self._log.read_text()
        news, self._mark = text[self._mark :], len(text)
        found = []
        for line in news.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("reference") and entry.get("reason"):
                found.append(str(entry["reason"]))
        return found
