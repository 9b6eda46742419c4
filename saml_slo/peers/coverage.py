"""Who hears of a logout, and who does not: the coverage report (product A4).

An application that relies on our session and cannot be told of its end is blind: its people stay signed in there. Of
identity providers the report says whether a federated logout can reach them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from saml_slo.logout.endpoint import application_endpoint, idp_endpoint
from saml_slo.logout.transaction import Channel
from saml_slo.protocol.method import BACK_CHANNEL, LogoutMethod, Method
from saml_slo.protocol.peer import Application, Connection, EndpointSource
from saml_slo.protocol.upstream import Upstream

_NEEDS_A_BROWSER = "needs the person's browser, so a logout without one does not reach it"


class State(StrEnum):
    """What becomes of one peer at a logout."""

    COVERED = "covered"  # it is told, and its answer is heard
    FRAME_ONLY = "frame_only"  # it is told through the browser and cannot answer
    WAIVED = "waived"  # somebody decided that it is not told, until a day
    WAIVER_OVER = "waiver_over"
    BLIND = "blind"
    TAKES_NO_PART = "takes_no_part"  # no session of its own hangs on ours
    # Of identity providers alone.
    LOGIN_URL = "login_url"  # no logout URL: its login URL is tried
    PAGE_ONLY = "page_only"  # the browser visits its sign-out page, which says nothing to us
    OUT_OF_REACH = "out_of_reach"


# Those for which somebody has something to do.
UNCOVERED = (State.BLIND, State.WAIVER_OVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One application or identity provider. `where`: the URL, empty where there is none; `until`: of a waiver."""

    name: str
    title: str
    method: Method
    where: str
    state: State
    sentence: str
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All rows, each kind in the order of its names."""

    applications: tuple[Row, ...]
    providers: tuple[Row, ...]

    @property
    def uncovered(self) -> tuple[Row, ...]:
        """Return the applications whose people stay signed in after a logout although nobody wants that."""
        return tuple(row for row in self.applications if row.state in UNCOVERED)


def coverage(
    applications: Iterable[Application], connections: Iterable[Connection], upstreams: Iterable[Upstream], today: date
) -> Report:
    """Return who is told of a logout. `today` is the day in UTC."""
    providers = (*map(of_connection, connections), *map(of_upstream, upstreams))
    return Report(
        applications=tuple(of_application(application, today) for application in applications),
        providers=tuple(sorted(providers, key=lambda row: row.name)),
    )


def of_application(application: Application, today: date) -> Row:
    """Return how one application is told."""
    method = application.logout
    if not (application.provider or application.api_secrets or application.proxy_origins):
        kind = Method.NONE if method is None else method.kind
        return _row(application, kind, "", State.TAKES_NO_PART, "It has no session that hangs on ours.")
    if method is None or method.kind is Method.SAML:
        return _by_saml(application)
    if method.kind is Method.NONE:
        return _not_told(application, method, today)
    state, sentence = _told(method)
    return _row(application, method.kind, method.uri or "", state, sentence)


def _row(peer: Application, method: Method, where: str, state: State, sentence: str) -> Row:
    return Row(name=peer.client_id, title=peer.title, method=method, where=where, state=state, sentence=sentence)


def _told(method: LogoutMethod) -> tuple[State, str]:
    if method.kind is Method.PROXY:
        return State.COVERED, "It asks us about each request, and is refused after a logout."
    if method.kind in BACK_CHANNEL:
        return State.COVERED, "It is called from here and confirms; what fails is tried again."
    trusted = ", and by its setting counts as ended once it was sent" if method.trust_sent else ""
    return State.FRAME_ONLY, f"It is told by a frame, which cannot answer{trusted}; this {_NEEDS_A_BROWSER}."


def _by_saml(application: Application) -> Row:
    way, reason = (None, "") if application.provider is None else application_endpoint(application.provider)
    if way is None:
        sentence = reason or "It names no way to tell it of a logout."
        return _row(application, Method.SAML, "", State.BLIND, sentence)
    if way.channel is Channel.BACK:
        sentence = "It is called from here by SOAP and answers; what fails is tried again."
    else:
        sentence = f"It is told through the browser and answers; this {_NEEDS_A_BROWSER}."
    return _row(application, Method.SAML, way.location, State.COVERED, sentence)


def _not_told(application: Application, method: LogoutMethod, today: date) -> Row:
    waiver = method.waiver
    over = waiver is None or waiver.until < today
    until = "" if waiver is None else f" until {waiver.until}"
    why = "" if waiver is None else f": {waiver.why.rstrip('.')}"
    return Row(
        name=application.client_id,
        title=application.title,
        method=Method.NONE,
        where="",
        state=State.WAIVER_OVER if over else State.WAIVED,
        until=None if waiver is None else waiver.until,
        sentence=f"It {'was' if over else 'is'} not to be told{until}{why}.",
    )


def of_connection(connection: Connection) -> Row:
    """Return how a federated logout reaches an identity provider that speaks SAML."""
    way, reason = idp_endpoint(connection, has_browser=True)
    method, where, sentence = Method.SAML, "" if way is None else way.location, reason
    if way is None:
        state = State.OUT_OF_REACH
        if connection.logout_page is not None:
            method, where, state = Method.VENDOR_URL, connection.logout_page, State.PAGE_ONLY
            sentence = "It takes no LogoutRequest: the browser visits its sign-out page, which says nothing to us."
    elif way.source is EndpointSource.LOGIN_URL:
        state = State.LOGIN_URL
        sentence = "It has no logout URL: our request goes to its login URL, and not every one understands that there."
    else:
        state = State.COVERED
        sentence = "It is asked by a signed LogoutRequest and answers."
    return Row(name=connection.name, title=connection.title, method=method, where=where, state=state, sentence=sentence)


def of_upstream(upstream: Upstream) -> Row:
    """Return how a federated logout reaches an identity provider that does not speak SAML."""
    state, sentence = _sign_out(upstream)
    return Row(
        name=upstream.name,
        title=upstream.title,
        method=upstream.kind,
        where="" if state is State.OUT_OF_REACH else upstream.logout_url or "",
        state=state,
        sentence=sentence,
    )


def _sign_out(upstream: Upstream) -> tuple[State, str]:
    if upstream.kind is Method.NONE or upstream.logout_url is None:
        return State.OUT_OF_REACH, upstream.why or "There is no way to sign out there from here."
    if "client_id" in upstream.needs and not upstream.client_id:
        return State.OUT_OF_REACH, "Its sign-out needs a client_id, and the connection's file has none."
    needs = [need.replace("_", " ") for need in upstream.needs if need != "client_id"]
    needed = f" It needs the {' and the '.join(needs)} that the application's session brings." if needs else ""
    if upstream.return_proves:
        return State.COVERED, f"The browser is sent there and comes back to us, signed out.{needed}"
    comes_back = "the browser comes back, which proves nothing" if upstream.returns else "the browser stays there"
    return State.PAGE_ONLY, f"The browser visits its sign-out page; {comes_back}.{needed}"
