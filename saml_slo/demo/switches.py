"""What can be made to go wrong: one field for each switch, one word for each position, one sentence for each word."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

# The first word of each is how the well-behaved do it.
POSITIONS: Mapping[str, Mapping[str, str]] = {
    "session_index": {
        "one": "The assertion has one AuthnStatement with a SessionIndex.",
        "none": "It has no SessionIndex: the logout names the person alone.",
        "three": "It has three AuthnStatements: the logout names every SessionIndex.",
    },
    "binding": {
        "redirect": "Messages travel in the URL (HTTP-Redirect).",
        "post": "Messages travel in a form (HTTP-POST).",
    },
    "logout_endpoint": {
        "own": "The metadata has a SingleLogoutService.",
        "none": "It has none: the LogoutRequest goes to the login URL, which understands it here.",
    },
    "answer": {
        "success": "It ends its session and says so.",
        "refuse": "It refuses (Responder/RequestDenied) and keeps the session.",
        "partial": "It ends its session and says that others remain (PartialLogout).",
        "silent": "It shows a page of its own and never comes back; the session lives.",
        "hangup": "It drops the connection without a word; the session lives.",
    },
    "signature": {
        "signed": "Its LogoutResponse is signed.",
        "unsigned": "Its LogoutResponse is not signed.",
    },
    "bridge_accepts": {
        "signed": "The bridge takes signed LogoutResponses only.",
        "unsigned": "The bridge takes unsigned ones too (unsigned_logout_response = true).",
    },
    "shop": {
        "answers": "The Shop ends its session when a notice comes, and says so.",
        "slow": "It takes 8 seconds for that, and the bridge waits for 5.",
        "refuses": "It refuses notices (403) and keeps the session.",
        "down": "It drops the connection of each notice; the session lives.",
    },
    "news": {
        "ends": "The page in the frame ends the session of the cookie that came along.",
        "ignores": "It loads and ends nothing, which nobody can see from outside.",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """One position of every switch. Raises ValueError for a word that is none."""

    session_index: str = "one"
    binding: str = "redirect"
    logout_endpoint: str = "own"
    answer: str = "success"
    signature: str = "signed"
    bridge_accepts: str = "signed"
    shop: str = "answers"
    news: str = "ends"

    def __post_init__(self) -> None:
        for name, word in asdict(self).items():
            if word not in POSITIONS[name]:
                raise ValueError(f"{name} is {', '.join(POSITIONS[name])}, and not {word!r}")

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Switches:
        """Return the switches of a form; what it leaves out is as the well-behaved have it."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})

    def dump(self) -> str:
        """Return this as text for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Switches:
        """Return what `dump` wrote."""
        return cls.of(json.loads(text))

    @property
    def turned(self) -> dict[str, str]:
        """Return the switches that are not as the well-behaved have them."""
        usual = asdict(Switches())
        return {name: word for name, word in asdict(self).items() if word != usual[name]}

    def __str__(self) -> str:
        """Return what is turned, for people."""
        return ", ".join(f"{name.replace('_', ' ')}: {word}" for name, word in self.turned.items()) or "none"


def read_switches(path: Path) -> Switches:
    """Return the switches that a file holds, the usual ones when there is none yet."""
    try:
        return Switches.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Switches()


def write_whole(path: Path, text: str) -> bool:
    """Write a file at once, so that nobody reads half of it; say whether that changed anything."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return True
