"""Who is told of a logout: the policies of the tenant, an organisation and an application (product L2, P)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Federated(StrEnum):
    """When a logout ends the session at the identity provider too (product L2)."""

    PARAM = "param"
    ALWAYS = "always"
    NEVER = "never"
    ASK = "ask"


class Propagation(StrEnum):
    """Which other applications hear of a logout."""

    ALL = "all"
    SAME_ORGANISATION = "same_organisation"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """One customer, which owns connections and applications; None where it leaves the choice to the tenant."""

    name: str
    display_name: str = ""
    federated: Federated | None = None
    propagation: Propagation | None = None

    @property
    def title(self) -> str:
        """Return the name that people see."""
        return self.display_name or self.name
