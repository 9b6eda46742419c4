"""What the pages of the console have in common: one page of a list, moments, and whom an operator means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request

from saml_slo.errors import ConfigurationError, Reason, RequestRefused
from saml_slo.house import House
from saml_slo.operations.whom import Whom
from saml_slo.protocol.moments import in_words, instant_of
from saml_slo.web.parameters import single

ON_A_PAGE = 50
_MAX_DIGITS = 6
_SESSION_ID = re.compile(r"[0-9a-f]{34}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Generic[T]):
    """One page of a list: `number` of `last`, both from 1 on, of `total` things."""

    items: tuple[T, ...]
    number: int
    last: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was typed into a search for a person, to be shown again and carried on from form to form."""

    by: str
    value: str
    peer: str


def slice_of(items: Sequence[T]) -> Slice[T]:
    """Return the page of a list that `page` in the query asks for; one beyond the end is the last one."""
    asked = single(request.args, "page") or ""
    last = max(1, -(-len(items) // ON_A_PAGE))
    known = asked.isascii() and asked.isdecimal() and len(asked) <= _MAX_DIGITS
    number = min(max(int(asked) if known else 1, 1), last)
    first = (number - 1) * ON_A_PAGE
    return Slice(items=tuple(items[first : first + ON_A_PAGE]), number=number, last=last, total=len(items))


def moment(milliseconds: int | None) -> str:
    """Return milliseconds as `2026-11-20 06:26:00 UTC`, empty for none."""
    return "" if milliseconds is None else in_words(instant_of(milliseconds))


def in_query(name: str) -> str:
    """Return a parameter of the query without spaces around it, empty where there is none."""
    return (single(request.args, name) or "").strip()


def in_form(name: str) -> str:
    """Return a field of the form without spaces around it, empty where there is none."""
    return (single(request.form, name) or "").strip()


def asked() -> Asked:
    """Return what a form for finding somebody says. It is a POST: names of people do not belong into addresses."""
    return Asked(by=in_form("by"), value=in_form("value"), peer=in_form("peer"))


def whom(house: House, about: Asked) -> Whom:
    """Return whom an operator means; raises ConfigurationError where that is nobody."""
    if not about.value:
        raise ConfigurationError("Nothing was typed", next_step="Type whom you look for.")
    peer = about.peer or None
    if about.by == "name_id":
        at_connection = peer is None or house.registry.connection(peer) is not None
        found = (
            Whom(name_id=about.value, connection=peer) if at_connection else Whom(name_id=about.value, application=peer)
        )
    elif about.by == "own_id":
        found = Whom(own_id=about.value, application=peer)
    elif about.by == "session":
        if not is_session_id(about.value):
            raise ConfigurationError("The id of a session here has 34 hex digits", next_step="Copy it from the audit.")
        found = Whom(session=about.value)
    else:
        found = Whom(user=about.value, application=peer)
    if found.problem:
        raise ConfigurationError(f"{found.problem[:1].upper()}{found.problem[1:]}.")
    return found


def is_session_id(text: str) -> bool:
    """Say whether a text could be the id of a session of ours, before it becomes part of a key."""
    return _SESSION_ID.fullmatch(text) is not None


def sentence(error: ConfigurationError) -> str:
    """Return an error as what a page says."""
    text = f"{error.message[:1].upper()}{error.message[1:]}"
    return f"{text}{'' if text.endswith(('.', '?', '!')) else '.'} {error.next_step}".rstrip()


def nobody_asked(host: str, _: int) -> list[tuple[str, int]]:
    """Look no name up: pages do not wait for name servers. Raises OSError."""
    raise OSError(f"{host} was not looked up")


def nothing_here(what: str, expected: str) -> RequestRefused:
    """Return the refusal of an address that leads to nothing."""
    return RequestRefused(
        f"There is no such {what} here",
        reason=Reason.NOT_FOUND,
        expected=expected,
        next_step="Go back to the console and look for it there.",
    )
