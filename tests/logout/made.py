"""Logouts made by hand: our session, and peers in the states that a test wants."""

from dataclasses import replace

from saml_slo.logout.heading import KEPT
from saml_slo.logout.receipt import receipt
from saml_slo.logout.transaction import Channel, Kept, Kind, Request, State, Target, Transaction
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.method import Method
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import EndpointSource

ALL = [*State, KEPT]
GOING_ON = (State.WAITING, State.SENT)


def target(
    state,
    *,
    kind=Kind.IDP,
    peer="idp",
    channel=Channel.WINDOW,
    reason="",
    source=EndpointSource.METADATA,
    indexes=("_s1",),
    retry_at=None,
    awaited=True,
    method=Method.SAML,
    **asks,
):
    """A target in a state; one that there is no way to ask has no request. `asks`: more of what the request says."""
    request = Request(
        channel=channel,
        method=method,
        answers=method is Method.SAML,
        **asks,
        patience=60_000,
        retry_until=90_000,
        binding=(Binding.SOAP if channel is Channel.BACK else Binding.REDIRECT) if method is Method.SAML else None,
        location="https://idp.example/slo",
        source=source,
        name_id=NameId(value="alice@corp.test"),
        session_indexes=indexes,
    )
    no_request = kind is Kind.SESSION or state in (State.UNSUPPORTED, State.WAIVED)
    return Target(
        id="_m1",
        kind=kind,
        name="Example Ltd",
        peer=peer,
        since=1_000,
        state=state,
        changed_at=2_000,
        reason=reason,
        retry_at=retry_at,
        awaited=awaited,
        request=None if no_request else request,
    )


OURS = target(State.CONFIRMED, kind=Kind.SESSION)
LEFT = Kept(name="Example Ltd", peer="idp", since=1_000, reason="It was left alone.")


def peers(states, kind=Kind.IDP):
    """A peer of its own for each of these states; what is kept is no target."""
    return [target(state, kind=kind, peer=f"{kind}{number}") for number, state in enumerate(states) if state != KEPT]


def logout(*states, ours=(OURS,), applications=()):
    """A logout of our session, with an IdP in each of these states or kept, and applications in those."""
    return Transaction(
        id="3f",
        secret="secret",
        reference="K7QX-3M9P",
        started_at=3_000,
        targets=(*ours, *peers(applications, Kind.APPLICATION), *peers(states)),
        kept=tuple(replace(LEFT, peer=f"idp{number}") for number, state in enumerate(states) if state == KEPT),
        return_to="https://app.example/bye",
    )


def heading(*states, applications=()):
    """The heading of such a logout."""
    return receipt(logout(*states, applications=applications)).summary
