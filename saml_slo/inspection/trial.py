"""Take a message through what the server does with it, in its order and by its functions, and note each step.

The server goes decode → sender → checks → what the road itself asks (signin.py, peer_logout.py, bridge.py, sso.py).
What only the running server knows, because the browser or the store holds it, is a step that is not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from inspect import getdoc
from typing import Any, TypeVar

from saml_slo.errors import MessageRefused, Reason
from saml_slo.inspection.advice import advice
from saml_slo.inspection.place import Door, Place
from saml_slo.inspection.report import Step, StepState
from saml_slo.journey import answer_way
from saml_slo.peers.lookup import peer_of, provider_of
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import HttpIn, Verified
from saml_slo.protocol.peer import Peer
from saml_slo.signin import comes_in_a_form, correlate
from saml_slo.wire import bindings, checks
from saml_slo.wire.bindings.received import Received
from saml_slo.wire.encryption import DecryptionKeys
from saml_slo.wire.inspection import Inspection
from saml_slo.wire.outline import Element
from saml_slo.wire.signature_facts import copied

T = TypeVar("T")
P = TypeVar("P", bound=Peer)

_BROWSER = "Whether the browser that brings it made the request which it answers: only its cookie says so."
_STORE = "Whether it came before, or belongs to a session that was ended: only the running server's store says so."
_WAITING = "Whether a logout of ours waits for this answer: only the running server's store says so."
_SESSIONS = "Whose sessions it ends, if any: `saml-slo explain --user` looks them up."


class StoppedError(Exception):
    """A step refused the message; the ones after it are not made."""


class Trial:
    """One message on its way. `steps` is filled as it goes; what was learnt on the way is in the other attributes."""

    def __init__(self, registry: Registry, place: Place, keys: DecryptionKeys, now: datetime) -> None:
        self._registry = registry
        self._place = place
        self._keys = keys
        self._now = now
        self.steps: list[Step] = []
        self.received: Received | None = None
        self.peer: Peer | None = None
        self.assertion: Element | None = None
        self.assertion_as_it_came: Element | None = None  # in a copy of the document: the checks take signatures off

    def run(self, request: HttpIn) -> None:
        """Make every step until one refuses; what comes after it is noted as not reached."""
        try:
            self._step("method", "Take the HTTP methods that the endpoint is there for.", lambda: self._method(request))
            received = self.received = self._step("decode", _says(bindings.decode), lambda: bindings.decode(request))
            self._road(received)
        except StoppedError:
            return

    def _method(self, request: HttpIn) -> None:
        """Refuse what never reaches the road, because the ACS takes POST alone (web/saml.py)."""
        if self._place.door is Door.ACS and request.method != "POST":
            raise MessageRefused(
                Reason.METHOD_NOT_ALLOWED, "this endpoint takes POST alone", expected="POST", got=request.method[:20]
            )

    def _road(self, received: Received) -> None:
        match self._place.door:
            case Door.ACS:
                self._sign_in(received)
            case Door.SLO | Door.IDP_SLO:
                self._logout(received)
            case Door.IDP_SSO:
                provider = self._sender(lambda: provider_of(self._registry, checks.claimed_issuer(received)))
                self._checked(
                    checks.AUTHN_REQUEST_CHECKS,
                    lambda observe: checks.verify_authn_request(
                        received, provider, self._place.endpoint, self._now, observe=observe
                    ),
                )

    def _sign_in(self, received: Received) -> None:
        self._step("comes_in_a_form", _says(comes_in_a_form), lambda: comes_in_a_form(received))
        connection = self._sender(
            lambda: peer_of(self._registry, self._place.connection, checks.claimed_issuer(received))
        )
        verified = self._checked(
            checks.RESPONSE_CHECKS,
            lambda observe: checks.verify_response(received, connection, self._keys, self._now, observe=observe),
        )
        if verified.message.in_response_to is None:
            self._step("correlate", _says(correlate), lambda: correlate(verified, connection, {}, self._now, 0))
        else:
            self._only_the_server("correlate", _BROWSER)
        self._only_the_server("replay", _STORE)

    def _logout(self, received: Received) -> None:
        peer: Peer
        if self._place.door is Door.SLO:
            peer = self._sender(
                lambda: peer_of(self._registry, self._place.connection, checks.claimed_issuer(received))
            )
        else:
            peer = self._sender(lambda: provider_of(self._registry, checks.claimed_issuer(received)))
        if not checks.is_logout_request(received):
            self._checked(
                checks.LOGOUT_RESPONSE_CHECKS,
                lambda observe: checks.verify_logout_response(received, peer, self._now, observe=observe),
            )
            self._only_the_server("awaited", _WAITING)
            return
        verified = self._checked(
            checks.LOGOUT_REQUEST_CHECKS,
            lambda observe: checks.verify_logout_request(received, peer, self._keys, self._now, observe=observe),
        )
        if not verified.message.asynchronous:
            self._step("answer_way", _says(answer_way), lambda: answer_way(peer, verified.binding))
        self._only_the_server("sessions", _SESSIONS)

    def _sender(self, find: Callable[[], P]) -> P:
        """Find out whose keys the message must be verified with, by a function of peers/lookup.py."""
        peer = self._step("sender", "Know whose keys the message must be verified with.", find)
        self.peer = peer
        return peer

    def _checked(
        self,
        listed: Iterable[Callable[[Any], None]],
        verify: Callable[[checks.Observer], Verified[T]],
    ) -> Verified[T]:
        """Run `verify`, and note each check of its list as it is made."""
        waiting = list(listed)
        made: list[Callable[[Any], None]] = []

        def observe(name: str, inspection: Inspection[Any]) -> None:
            if inspection.assertion is not self.assertion:
                self.assertion = inspection.assertion
                self.assertion_as_it_came = None if self.assertion is None else copied(self.assertion)
            check = waiting.pop(0)
            if check.__name__ != name:
                msg = f"{name} was made where {check.__name__} stands in the list"
                raise RuntimeError(msg)
            if made:
                self.steps.append(_ok(made[-1].__name__, _says(made[-1])))
            made.append(check)

        try:
            verified = verify(observe)
        except MessageRefused as refused:
            self.steps.append(failed_step(made[-1].__name__, _says(made[-1]), refused))
            self.steps += [_not_reached(check.__name__, _says(check)) for check in waiting]
            raise StoppedError from None
        self.steps.append(_ok(made[-1].__name__, _says(made[-1])))
        return verified

    def _step(self, name: str, says: str, make: Callable[[], T]) -> T:
        try:
            value = make()
        except MessageRefused as refused:
            self.steps.append(failed_step(name, says, refused))
            self._rest_is_not_reached()
            raise StoppedError from None
        self.steps.append(_ok(name, says))
        return value

    def _rest_is_not_reached(self) -> None:
        """Note the checks that would have followed, where it is known which list is this message's."""
        lists: dict[Door, tuple[Callable[[Any], None], ...]] = {
            Door.ACS: checks.RESPONSE_CHECKS,
            Door.IDP_SSO: checks.AUTHN_REQUEST_CHECKS,
        }
        listed = lists.get(self._place.door)
        if listed is None and self.received is not None:
            asks = checks.is_logout_request(self.received)
            listed = checks.LOGOUT_REQUEST_CHECKS if asks else checks.LOGOUT_RESPONSE_CHECKS
        made = {step.name for step in self.steps}
        self.steps += [
            _not_reached(check.__name__, _says(check)) for check in listed or () if check.__name__ not in made
        ]

    def _only_the_server(self, name: str, says: str) -> None:
        self.steps.append(Step(name=name, says=says, state=StepState.NOT_CHECKED))


def _says(function: Callable[..., Any]) -> str:
    """Return what a check does, in the first line of its own words; Python may have left those out (-OO)."""
    words = getdoc(function) or function.__name__.strip("_").replace("_", " ")
    return words.partition("\n")[0]


def _ok(name: str, says: str) -> Step:
    return Step(name=name, says=says, state=StepState.OK)


def _not_reached(name: str, says: str) -> Step:
    return Step(name=name, says=says, state=StepState.NOT_REACHED)


def failed_step(name: str, says: str, refused: MessageRefused) -> Step:
    """Return a refusal as a step."""
    setting, next_step = advice(refused.reason)
    return Step(
        name=name,
        says=says,
        state=StepState.FAILED,
        reason=str(refused.reason),
        message=refused.message,
        expected=refused.expected,
        got=refused.got,
        setting=setting,
        next_step=next_step,
    )
