"""The kinds of values that keys under metadata/ have: each checks one and says in words what it expects."""

import re
from collections.abc import Mapping
from datetime import date, datetime

from saml_slo.peers.toml_file import Check
from saml_slo.protocol.names import NameIdFormat
from saml_slo.wire.metadata_entity import MAX_ENTITY_ID_CHARS, check_entity_id

CONNECTION_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DAY = 86400
_MAX_NAMES = 200
_MAX_SECRETS = 2
_MAX_ORIGINS = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SPACE = re.compile(r"[a-z0-9-]{1,63}")
_MAX_NAME_CHARS = 256
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,123}\.xml")


def flag(value: object) -> bool:
    """Take true or false."""
    if isinstance(value, bool):
        return value
    raise ValueError("true or false, without quotation marks")


def seconds(minimum: int, maximum: int) -> Check:
    """Return a check for a whole number of seconds in a range, both ends included."""

    def check(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum:
            return value
        raise ValueError(f"a whole number of seconds from {minimum} to {maximum}")

    return check


# How long a session lives, as connections, applications and organisations may say.
lifetime = seconds(60, 31 * _DAY)


def whole(minimum: int, maximum: int) -> Check:
    """Return a check for a whole number in a range, both ends included."""

    def check(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum:
            return value
        raise ValueError(f"a whole number from {minimum} to {maximum}")

    return check


def day(value: object) -> date:
    """Take a date without a time, as TOML writes it."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError("a date such as 2027-06-30, without quotation marks")


def sentence(value: object) -> str:
    """Take a line of text that says something."""
    if isinstance(value, str) and value.strip() and len(value) <= _MAX_NAME_CHARS and value.isprintable():
        return value.strip()
    raise ValueError(f"one line of 1 to {_MAX_NAME_CHARS} characters")


def text(maximum: int) -> Check:
    """Return a check for one line of visible text of at most `maximum` characters."""

    def check(value: object) -> str:
        if isinstance(value, str) and len(value) <= maximum and value.isprintable():
            return value
        raise ValueError(f"one line of text of at most {maximum} characters")

    return check


def entity_id(value: object) -> str:
    """Take an entity id."""
    if isinstance(value, str) and check_entity_id(value) is None:
        return value
    raise ValueError(f"1 to {MAX_ENTITY_ID_CHARS} visible characters without spaces")


def one_of(choices: Mapping[str, object]) -> Check:
    """Return a check for one of some words, each of which stands for a value."""

    def check(value: object) -> object:
        if isinstance(value, str) and value in choices:
            return choices[value]
        raise ValueError("one of " + ", ".join(choices))

    return check


def name_id_format(value: object) -> str:
    """Take the short word of a format of Core 8.3 (email, persistent …) or any other format's URI."""
    words = {member.name.lower(): str(member) for member in NameIdFormat}
    if isinstance(value, str) and value in words:
        return words[value]
    if isinstance(value, str) and ":" in value and check_entity_id(value) is None:
        return value
    raise ValueError(f"one of {', '.join(words)}, or the URI of a format")


def organisation_name(value: object) -> str:
    """Take the name of an organisation; whether there is one is seen when all files are."""
    if isinstance(value, str) and CONNECTION_NAME.fullmatch(value):
        return value
    raise ValueError("the name of an organisation: lower-case letters, digits and hyphens")


def federation_name(value: object) -> str:
    """Take the name of a federation; whether there is one is seen when its cache is read."""
    if isinstance(value, str) and CONNECTION_NAME.fullmatch(value):
        return value
    raise ValueError("the name of a file in metadata/federations/: lower-case letters, digits and hyphens")


def user_space(value: object) -> str:
    """Take the name of a space of user ids."""
    if isinstance(value, str) and _SPACE.fullmatch(value):
        return value
    raise ValueError("1 to 63 lower-case letters, digits and hyphens")


def digest_list(value: object) -> tuple[str, ...]:
    """Take the SHA-256 digests of at most two secrets: the one in use, and one that is being rolled."""
    if isinstance(value, list) and len(value) <= _MAX_SECRETS and all(_is_digest(item) for item in value):
        return tuple(dict.fromkeys(value))
    raise ValueError(f"an array of up to {_MAX_SECRETS} SHA-256 digests, each 64 lower-case hex digits")


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def origin_list(value: object) -> tuple[str, ...]:
    """Take origins as an array of strings; what they are is checked elsewhere."""
    if isinstance(value, list) and 1 <= len(value) <= _MAX_ORIGINS and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(f"an array of 1 to {_MAX_ORIGINS} origins such as https://wiki.example.com")


def connection_name(value: object) -> str:
    """Take the name of a connection; whether there is one is seen when all files are."""
    if isinstance(value, str) and CONNECTION_NAME.fullmatch(value):
        return value
    raise ValueError("the name of a connection: lower-case letters, digits and hyphens")


def name_list(value: object) -> tuple[str, ...]:
    """Take the names of attributes as an array of strings; an empty one is none of them."""
    if isinstance(value, list) and len(value) <= _MAX_NAMES and all(_is_name(item) for item in value):
        return tuple(dict.fromkeys(value))
    raise ValueError(f"an array of up to {_MAX_NAMES} names, each one line of 1 to {_MAX_NAME_CHARS} characters")


def _is_name(value: object) -> bool:
    return (
        isinstance(value, str) and 1 <= len(value) <= _MAX_NAME_CHARS and value.isprintable() and value == value.strip()
    )


def file_name(value: object) -> str:
    """Take the plain name of an XML file, which keeps it inside its folder."""
    if isinstance(value, str) and _FILE_NAME.fullmatch(value):
        return value
    raise ValueError("the name of an .xml file in the same folder: letters, digits, dots, hyphens, no slash")


def url_list(value: object) -> tuple[str, ...]:
    """Take URLs as an array of strings or as one comma-separated string; what they are is checked elsewhere."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError("an array of URLs, or one string with commas between them")
