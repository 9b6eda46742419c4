"""Settings: read once at the start, from the environment (prefix `SLO_`) over a TOML file, and frozen.

`SLO_CONFIG_FILE` names the TOML file (default `saml_slo.toml` in the working directory, used when it is there). Unknown
keys are refused, so that a typing error is not a silent default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from saml_slo.errors import ConfigurationError

CONFIG_FILE_VARIABLE = "SLO_CONFIG_FILE"
_DEFAULT_FILE = Path("saml_slo.toml")


class Settings(BaseSettings):
    """What an installation is told. Durations are seconds.

    `public_url` is the one origin that people and peers see (`https://slo.example.com`); every URL in a message, every
    Destination that is accepted and every redirect is made from it, never from a Host header.
    """

    model_config = SettingsConfigDict(env_prefix="SLO_", extra="forbid", frozen=True)

    public_url: str
    metadata_dir: Path = Path("metadata")
    certs_dir: Path = Path("certs")
    data_dir: Path = Path("var")
    redis_url: str | None = None
    redis_timeout: Annotated[float, Field(gt=0, le=30)] = 1.0

    session_lifetime: Annotated[int, Field(ge=60, le=30 * 86400)] = 86400
    idle_lifetime: Annotated[int, Field(ge=60, le=30 * 86400)] = 8 * 3600
    sign_in_lifetime: Annotated[int, Field(ge=60, le=86400)] = 3600
    tell_expired: bool = True
    logout_timeout: Annotated[int, Field(ge=5, le=3600)] = 60

    federated: Annotated[str, Field(pattern="^(param|always|never|ask)$")] = "param"
    propagation: Annotated[str, Field(pattern="^(all|same_organisation|none)$")] = "all"
    back_channel_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    frame_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    preflight_timeout: Annotated[float, Field(gt=0, le=10)] = 1.0
    silent_sign_in: Annotated[str, Field(pattern="^(ask|allow)$")] = "ask"

    allowed_logout_urls: Annotated[tuple[str, ...], NoDecode] = ()
    sign_metadata: bool = False
    back_channel_allow: Annotated[tuple[str, ...], NoDecode] = ()  # see delivery/egress.py

    listen: str = "127.0.0.1:8000"
    workers: Annotated[int, Field(ge=1, le=128)] = 2
    status_rate: Annotated[int, Field(ge=1, le=1_000_000)] = 1000  # checks of one asker in a second
    api_rate: Annotated[int, Field(ge=1, le=1_000_000)] = 100  # calls of one application in a second, over ten
    metrics_listen: str = "127.0.0.1:9464"  # empty: nothing is counted
    audit_retention: Annotated[int, Field(ge=1, le=3650)] = 30  # days
    request_id_header: Annotated[str, Field(pattern="^[A-Za-z0-9-]{0,64}$")] = ""  # trusted as it comes
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"

    @property
    def copies_dir(self) -> Path:
        """Where our copies of metadata that others publish lie (peers/copies.py).

        Not under the name that `metadata_dir` has: in a folder that is both, copies would count instead of the files.
        """
        return self.data_dir / "fetched"

    @field_validator("public_url")
    @classmethod
    def _origin_only(cls, value: str) -> str:
        origin = value.rstrip("/")
        scheme, separator, host = origin.partition("://")
        if scheme not in ("https", "http") or not separator or not host or any(c in host for c in "/?#@\\ "):
            msg = "must be an origin such as https://slo.example.com, without a path"
            raise ValueError(msg)
        return f"{scheme}://{host.lower()}"

    @field_validator("allowed_logout_urls", "back_channel_allow", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever came
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then the TOML file."""
        del dotenv_settings, file_secret_settings
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _config_file()))


_EXAMPLES = {"public_url": "the origin under which people reach the bridge, such as https://slo.example.com"}


def _config_file() -> Path:
    return Path(os.environ.get(CONFIG_FILE_VARIABLE) or _DEFAULT_FILE)


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - each setting has its own type
    """Return the settings, or raise ConfigurationError naming the first setting that is wrong and where to set it."""
    named = os.environ.get(CONFIG_FILE_VARIABLE)
    if named and not Path(named).is_file():
        raise ConfigurationError(
            "the settings file is not there",
            file=Path(named),
            setting=CONFIG_FILE_VARIABLE,
            next_step="Correct the path.",
        )
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        missing = first["type"] == "missing"
        raise ConfigurationError(
            f"the setting {name} is missing"
            if missing
            else f"the setting {name or '?'} is wrong: {first['msg'].removeprefix('Value error, ')}",
            expected=_EXAMPLES.get(name, "") if missing else "",
            got="" if missing else repr(first.get("input"))[:100],
            setting=f"SLO_{name.upper()} in the environment, or {name} in {_config_file()}",
            next_step="Set it there, or run this in the folder that has the file." if missing else "Correct it there.",
        ) from None
    except ValueError as error:  # TOML that cannot be parsed
        raise ConfigurationError(
            "the settings file cannot be read", file=_config_file(), got=str(error)[:200]
        ) from None
