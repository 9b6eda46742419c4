"""One application: `applications/<client_id>.toml` becomes an `Application` and its list of return URLs."""

import re
from dataclasses import dataclass
from pathlib import Path

from saml_slo.errors import ConfigurationError
from saml_slo.peers import values
from saml_slo.peers.return_urls import ReturnUrls
from saml_slo.peers.toml_file import Check, read_toml, shown
from saml_slo.protocol.peer import Application

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_KEYS: dict[str, Check] = {"display_name": values.text(100), "allowed_logout_urls": values.url_list}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationFile:
    """An application, where it came from, and its allowed return URLs ready to be asked."""

    path: Path
    application: Application
    return_urls: ReturnUrls


def read_application(path: Path) -> ApplicationFile:
    """Return what `<client_id>.toml` says, or raise ConfigurationError with the file and the line."""
    if not _CLIENT_ID.fullmatch(path.stem):
        raise ConfigurationError(
            "the name of this file cannot be a client_id",
            file=path,
            expected="letters, digits, dots, underscores and hyphens, 128 at most, the first a letter or digit",
            got=shown(path.stem),
            next_step="Rename the file.",
        )
    file = read_toml(path, _KEYS)
    setting = f"allowed_logout_urls in {'/'.join(path.parts[-3:])}"  # metadata/applications/<client_id>.toml
    try:
        return_urls = ReturnUrls(file.values.get("allowed_logout_urls", ()), setting=setting)
    except ConfigurationError as error:
        error.file, error.line = path, file.lines.get("allowed_logout_urls")
        raise
    return ApplicationFile(
        path=path, application=Application(client_id=path.stem, **file.values), return_urls=return_urls
    )
