"""Parameters of our own endpoints, read strictly: a parameter that comes twice is ambiguous and refused."""

from __future__ import annotations

from werkzeug.datastructures import MultiDict

from saml_slo.errors import Reason, RequestRefused

_MAX_CHARACTERS = 2048


def single(values: MultiDict[str, str], name: str) -> str | None:
    """Return the one value of a parameter, None when absent."""
    found = values.getlist(name)
    if len(found) > 1:
        raise RequestRefused(
            f"The parameter {name} came {len(found)} times",
            reason=Reason.RETURN_URL_NOT_ALLOWED if name == "returnTo" else Reason.BAD_REQUEST,
            expected="once",
            got=str(len(found)),
            setting=name,
            next_step="Correct the link that leads here.",
        )
    if found and len(found[0]) > _MAX_CHARACTERS:
        raise RequestRefused(
            f"The parameter {name} is too long",
            reason=Reason.RETURN_URL_NOT_ALLOWED if name == "returnTo" else Reason.BAD_REQUEST,
            expected=f"at most {_MAX_CHARACTERS} characters",
            got=str(len(found[0])),
            setting=name,
            next_step="Correct the link that leads here.",
        )
    return found[0] if found else None
