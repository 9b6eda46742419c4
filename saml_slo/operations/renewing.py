"""Metadata that is fetched: look now, accept what waits, go back; each with what it changed, in sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from saml_slo.errors import ConfigurationError
from saml_slo.house import House
from saml_slo.operations.adding import PeerKind
from saml_slo.peers.copies import CopyState
from saml_slo.peers.remote_source import Remote
from saml_slo.renewal import verdict
from saml_slo.renewal.choices import Choices
from saml_slo.renewal.renewal import compared
from saml_slo.wire.metadata_changes import changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """What is known afterwards, and how what is in force differs from what was; `first`: nothing was in force."""

    state: CopyState
    differences: tuple[str, ...]
    first: bool


def refresh(house: House, kind: PeerKind, name: str) -> Renewed:
    """Fetch now. Raises ConfigurationError where the metadata is not fetched from anywhere."""
    return _compared(house, kind, name, Choices.refresh)


def accept(house: House, kind: PeerKind, name: str) -> Renewed:
    """Accept the metadata that waits."""
    return _compared(house, kind, name, Choices.accept)


def go_back(house: House, kind: PeerKind, name: str) -> Renewed:
    """Let the copy before count again."""
    return _compared(house, kind, name, Choices.go_back)


def state_of(house: House, kind: PeerKind, name: str) -> CopyState | None:
    """Return what is known of a copy here; None for a peer whose metadata is not fetched, or was never asked for."""
    return Choices(renewal=house.renewal).all().get((kind.folder, name))


def _compared(house: House, kind: PeerKind, name: str, choose: Callable[[Choices, str, str], CopyState]) -> Renewed:
    path = house.settings.metadata_dir / kind.folder / f"{name}.toml"
    if path.parent != house.settings.metadata_dir / kind.folder or not path.exists():
        raise ConfigurationError(f"there is no {kind} {name} here", next_step=f"`saml-slo {kind} list` lists them.")
    old = _in_force(house, kind, name)
    state = choose(Choices(renewal=house.renewal), kind.folder, name)
    new = _in_force(house, kind, name)
    told = () if old is None or new is None else tuple(change.text for change in changes(old.facts, new.facts))
    return Renewed(state=state, differences=told, first=old is None and new is not None)


def _in_force(house: House, kind: PeerKind, name: str) -> verdict.Kept | None:
    remote: Remote | None = house.renewal.sources.update(house.clock()).get((kind.folder, name))
    state = None if remote is None else remote.source.state()
    return None if remote is None or state is None else compared(remote, state, verdict.DOCUMENT)
