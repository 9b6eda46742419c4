"""Who lives where. The names end in .localhost, which browsers resolve to this machine and treat as different sites.

The C library does not resolve them, so calls from server to server go to 127.0.0.1 and carry the name in Host.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

CONNECTION = "demo"
SHOP, NEWS = "shop", "news"  # the client_ids
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Places:
    """The ports of the parties and the folder for everything that they keep."""

    bridge_port: int
    idp_port: int
    application_port: int
    shop_port: int
    news_port: int
    folder: Path

    @property
    def bridge(self) -> str:
        """The origin of the bridge."""
        return f"http://bridge.localhost:{self.bridge_port}"

    @property
    def idp(self) -> str:
        """The origin of the identity provider."""
        return f"http://idp.localhost:{self.idp_port}"

    @property
    def application(self) -> str:
        """The origin of the application."""
        return f"http://app.localhost:{self.application_port}"

    @property
    def shop(self) -> str:
        """The origin of the Shop, which is told by a webhook."""
        return f"http://{SHOP}.localhost:{self.shop_port}"

    @property
    def news(self) -> str:
        """The origin of the News, which are told by a frame."""
        return f"http://{NEWS}.localhost:{self.news_port}"

    @property
    def start(self) -> str:
        """The page to open first."""
        return f"{self.bridge}/demo"

    @property
    def metadata_dir(self) -> Path:
        """Where the bridge finds its connection and applications; those write it, as an operator would."""
        return self.folder / "metadata"

    @property
    def certs_dir(self) -> Path:
        """The bridge's keys."""
        return self.folder / "certs"

    @property
    def switches_file(self) -> Path:
        """The switches as they stand; the identity provider writes it, the start page reads it."""
        return self.folder / "switches.json"

    def dump(self) -> str:
        """Return this as text for another process."""
        return json.dumps(asdict(self) | {"folder": str(self.folder)})

    @classmethod
    def load(cls, text: str) -> Places:
        """Return what `dump` wrote."""
        facts = json.loads(text)
        return cls(**facts | {"folder": Path(facts["folder"])})
