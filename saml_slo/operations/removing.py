"""Take a connection or application away: which files go, and who still refers to it as far as that can be known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saml_slo.config import Settings
from saml_slo.errors import ConfigurationError
from saml_slo.operations.adding import PeerKind
from saml_slo.operations.draft import Draft
from saml_slo.peers.registry import Registry

_UNKNOWN = (
    "How many sessions it has part in cannot be told without reading every session. They live on until they end by "
    "themselves; a logout then says of it that it was removed, and does not tell it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """`files` go; `kept` are files beside them that others name as well. `applications` sign their people in by it."""

    draft: Draft
    files: tuple[Path, ...]
    kept: tuple[Path, ...]
    applications: tuple[str, ...]
    unknown: str = _UNKNOWN


def removal(settings: Settings, registry: Registry, kind: PeerKind, name: str) -> Removal:
    """Return what taking a peer away would do, or raise ConfigurationError where there is no such file."""
    folder = settings.metadata_dir / kind.folder
    path = folder / f"{name}.toml"
    if path.parent != folder or not path.exists():
        raise ConfigurationError(
            f"there is no {kind} {name} here", file=path, next_step=f"`saml-slo {kind} list` lists them."
        )
    file = registry.connection_file(name) if kind is PeerKind.CONNECTION else registry.application_file(name)
    beside = [] if file is None else [file.metadata_path, *file.also]
    beside.append(folder / f"{name}.xml")
    named = {one for one in beside if one.parent == folder and one.exists() and one != path}
    kept = {one for one in named if _is_named_elsewhere(folder, path, one.name)}
    files = (path, *sorted(named - kept))
    applications = (
        ()
        if kind is PeerKind.APPLICATION
        else tuple(
            application.client_id
            for application in registry.applications()
            if name
            in (application.connection, None if application.provider is None else application.provider.connection)
        )
    )
    return Removal(
        draft=Draft({f"{kind.folder}/{one.name}": None for one in files}),
        files=files,
        kept=tuple(sorted(kept)),
        applications=applications,
    )


def _is_named_elsewhere(folder: Path, path: Path, name: str) -> bool:
    """Say whether another file of the folder names this one, or is the one whose metadata it is by its own name."""
    stem = name.rpartition(".")[0]
    if name.endswith(".xml") and stem != path.stem and (folder / f"{stem}.toml").exists():
        return True
    others = (other for other in folder.glob("*.toml") if other != path)
    return any(f'"{name}"' in other.read_text(encoding="utf-8", errors="replace") for other in others)
