"""A preset: what is known of one vendor, as data. Its values stand in for the keys that a connection's file leaves out.

Each is a TOML file in presets/ with the keys of a connection (metadata/connections/README.md); its first lines say
where its facts come from. docs/providers.md lists them all.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from saml_slo.peers.toml_file import Check, TomlFile, read_toml, shown
from saml_slo.protocol.method import Method

_FOLDER = Path(__file__).parent / "presets"
# What a connection of a kind is that names no preset: the specification's own request.
_OF_KIND = {Method.WSFED: "wsfed", Method.OIDC: "oidc"}


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of all presets in alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def preset_name(value: object) -> str:
    """Take the name of a preset."""
    if isinstance(value, str) and value in preset_names():
        return value
    raise ValueError("one of " + ", ".join(preset_names()))


def read_with_preset(path: Path, checks: Mapping[str, Check]) -> TomlFile:
    """Return the values of a connection's file over those of its preset, or raise ConfigurationError."""
    file = read_toml(path, checks)
    kind: Method | None = file.values.get("kind")
    name = file.values.get("preset") or (None if kind is None else _OF_KIND.get(kind))
    if name is None:
        return file
    known = read_preset(name, checks)
    its_kind = known.get("kind", Method.SAML)
    if kind is not None and kind is not its_kind:
        raise file.error(
            "kind",
            f"preset {name} is of kind {its_kind}",
            expected=str(its_kind),
            got=shown(str(kind)),
            next_step="Leave kind out, or name another preset or none.",
        )
    return TomlFile(file.path, {**known, **file.values}, file.lines)


def read_preset(name: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return the checked values of a preset; a mistake in one is ours, and told as in any other file."""
    return dict(read_toml(_FOLDER / f"{name}.toml", checks).values)
