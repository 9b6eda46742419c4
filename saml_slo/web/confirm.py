"""The page between /v2/logout and a logout: what will end, the choice of policy `ask` (product L2), unsaved work (A5).

It ends nothing. Its form goes to /v2/logout/confirm with a token that only we can make, for this session and these
parameters: no other site can answer for a person, and nobody can change what the page was about.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Response, render_template
from werkzeug.datastructures import MultiDict

from saml_slo.errors import Reason, RequestRefused
from saml_slo.logout.plan import Plan
from saml_slo.logout.transaction import Channel, Kind, State, Target
from saml_slo.question import Question
from saml_slo.web.parameters import single

# What the person chose, and whether the session at the identity provider ends too; `anyway` leaves it as it was asked.
FEDERATED = {"everywhere": True, "here": False}
CHOICES = (*FEDERATED, "anyway")
LOOKS_AGAIN = 30  # seconds until a page with unsaved work looks whether it is saved

_BY_CHANNEL = {
    Channel.BACK: "Told from server to server.",
    Channel.FRAME: "Told through this browser.",
    Channel.WINDOW: "Your browser goes there and comes back.",
    None: "It asks us about each request, and is refused from then on.",
}
_CANNOT_ANSWER = "Told through this browser; it has no way to answer."
_KEEPS = "Its sign-out page does not bring you back, so it comes last."
_FOR_THE_PERSON = {
    State.UNSUPPORTED: "There is no way to end it from here.",
    State.WAIVED: "It is not to be told, by your operator’s decision.",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """One session on the page: what it is, what will become of it, a word where it does not just end, and its looks."""

    name: str
    kind: str
    text: str
    word: str
    tone: str
    icon: str


class Confirmation:
    """Makes the page and reads its form. `key` (32 bytes) makes the token, `clock` returns aware UTC."""

    def __init__(self, key: bytes, clock: Callable[[], datetime]) -> None:
        """Take the key."""
        self._key = key
        self._clock = clock

    def page(self, question: Question, session: str | None, parameters: Mapping[str, str]) -> Response:
        """Return the page. `session` is the id that the cookie opens; `parameters` are those of /v2/logout."""
        again = "/v2/logout" + (f"?{urlencode(parameters)}" if parameters else "")
        return Response(
            render_template(
                "confirm.html",
                question=question,
                endings=_endings(question),
                stays=_names(question.plan, question.at_choice),
                today=self._clock().astimezone(UTC).date(),
                parameters=parameters,
                token=self._token(session, parameters),
                again=again,
                looks_again=LOOKS_AGAIN,
            )
        )

    def choice(self, form: MultiDict[str, str], session: str | None, parameters: Mapping[str, str]) -> str:
        """Return what the person chose; refused where the form is not the one that this browser was shown."""
        token, choice = single(form, "token") or "", single(form, "choice") or ""
        if not hmac.compare_digest(token.encode(), self._token(session, parameters).encode()):
            raise RequestRefused(
                "This form is not the one that this browser was shown",
                reason=Reason.BAD_REQUEST,
                expected="the page of this session, unchanged",
                next_step="Sign out again, and choose on the page that comes.",
            )
        if choice not in CHOICES:
            raise RequestRefused(
                "The form names none of the choices",
                reason=Reason.BAD_REQUEST,
                expected=" or ".join(CHOICES),
                got=repr(choice[:40]),
                setting="choice",
                next_step="Sign out again, and choose on the page that comes.",
            )
        return choice

    def _token(self, session: str | None, parameters: Mapping[str, str]) -> str:
        about = json.dumps([session, sorted(parameters.items())])
        return hmac.new(self._key, about.encode(), hashlib.sha256).hexdigest()


def _endings(question: Question) -> list[Ending]:
    """Return the sessions on the page: what ends, then what stays."""
    found = [_ending(target, question) for target in question.plan.targets]
    for kept in question.plan.kept:
        kind = "application" if kept.kind is Kind.APPLICATION else "identity provider"
        found.append(Ending(kept.name, kind, "It is left alone.", "Stays", "keep", "person"))
    return found


def _ending(target: Target, question: Question) -> Ending:
    if target.kind is Kind.SESSION:
        return Ending(target.name, "", "Ends first, at once.", "", "wait", "door")
    kind = "application" if target.kind is Kind.APPLICATION else "identity provider"
    if target.state in _FOR_THE_PERSON:
        text = target.reason or _FOR_THE_PERSON[target.state]
        return Ending(target.name, kind, text, "Stays", "keep", "person")
    request = target.request
    text = _BY_CHANNEL[target.channel]
    if request is not None and not request.returns:
        text = _KEEPS
    elif request is not None and not request.answers and target.channel is Channel.FRAME:
        text = _CANNOT_ANSWER
    if target.kind is Kind.IDP and target.peer in question.at_choice:
        return Ending(target.name, kind, text, "You choose", "told", "door")
    return Ending(target.name, kind, text, "", "wait", "door")


def _names(plan: Plan, at_choice: tuple[str, ...]) -> list[str]:
    """Return the titles of the identity providers about which the person decides."""
    idps = (target for target in plan.targets if target.kind is Kind.IDP)
    return list(dict.fromkeys(target.name for target in idps if target.peer in at_choice))
