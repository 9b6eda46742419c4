"""One organisation: `organisations/<name>.toml` becomes an `Organisation`, which connections and applications name."""

from dataclasses import dataclass
from pathlib import Path

from saml_slo.errors import ConfigurationError
from saml_slo.peers import values
from saml_slo.peers.toml_file import Check, read_toml, shown
from saml_slo.protocol.policy import Federated, Organisation, Propagation

# Every key is a field of Organisation under the same name.
FIELDS: dict[str, Check] = {
    "display_name": values.text(100),
    "federated": values.one_of({str(policy): policy for policy in Federated}),
    "propagation": values.one_of({str(policy): policy for policy in Propagation}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationFile:
    """An organisation and where it came from."""

    path: Path
    organisation: Organisation


def read_organisation(path: Path) -> OrganisationFile:
    """Return what `<name>.toml` says, or raise ConfigurationError with the file and the line."""
    if not values.CONNECTION_NAME.fullmatch(path.stem):
        raise ConfigurationError(
            "the name of this file cannot be the name of an organisation",
            file=path,
            expected="lower-case letters, digits and hyphens, 63 at most, the first no hyphen",
            got=shown(path.stem),
            next_step="Rename the file.",
        )
    return OrganisationFile(path=path, organisation=Organisation(name=path.stem, **read_toml(path, FIELDS).values))
