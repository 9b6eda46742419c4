"""/console/sessions: who is signed in, found by an index."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, g, request

from saml_slo.diagnosis.explain import Explainer
from saml_slo.diagnosis.explanation import Condition
from saml_slo.errors import ConfigurationError
from saml_slo.house import House
from saml_slo.operations.whom import digest_of, find
from saml_slo.protocol.session import Session
from saml_slo.web.console.door import Door, page
from saml_slo.web.console.shown import (
    ON_A_PAGE,
    Asked,
    asked,
    in_form,
    is_session_id,
    moment,
    nobody_asked,
    nothing_here,
    sentence,
    whom,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One login or participant of a session. `who`, `own_id`: a digest unless it was asked for."""

    peer: str
    title: str
    who: str
    own_id: str
    since: int
    indexes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One session as the page has it; times in milliseconds."""

    id: str
    since: int
    idle_ends_at: int
    ends_at: int
    logins: tuple[_Part, ...]
    participants: tuple[_Part, ...]


def blueprint(door: Door, house: House) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("console_sessions", __name__)

    @pages.get("/console/sessions")
    @door.operators_only
    def search() -> Response:
        return search_page(house)

    @pages.post("/console/sessions")
    @door.operators_only
    def found() -> Response:
        about = asked()
        try:
            result = find(house, whom(house, about))
        except ConfigurationError as error:
            return refused(house, about, error)
        shown = [_shown(house, session, reveal=False) for session in result.sessions[:ON_A_PAGE]]
        return search_page(house, about, sessions=shown, tried=result.tried, total=len(result.sessions), searched=True)

    @pages.route("/console/sessions/<identifier>", methods=["GET", "POST"])
    @door.operators_only
    def one(identifier: str) -> Response:
        session = house.store.read_session(identifier, house.journey.now()) if is_session_id(identifier) else None
        if not isinstance(session, Session):
            raise nothing_here("session", "the id of a session that lives")
        reveals = request.method == "POST" and in_form("reveal") == "yes"
        if reveals:
            house.store.note(g.operator, "session-revealed", session.id)
        about = Asked(by="session", value=session.id, peer="")
        return page(
            "session.html",
            session=_shown(house, session, reveal=reveals),
            about=about,
            revealed=reveals,
            conditions=_conditions(house, session),
            moment=moment,
        )

    return pages


def search_page(house: House, about: Asked | None = None, **facts: object) -> Response:
    """Return the search, with what was found where something was looked for."""
    backlog = None if about else house.store.backlog(house.journey.now())
    return page("sessions.html", **{"about": about, "backlog": backlog, "moment": moment, **facts})


def refused(house: House, about: Asked, error: ConfigurationError) -> Response:
    """Return the search with what was wrong about it."""
    response = search_page(house, about, told=sentence(error))
    response.status_code = 400
    return response


def _conditions(house: House, session: Session) -> list[Condition]:
    """Return what a logout of this session, begun in its browser, depends on; without what name servers would say."""
    explainer = Explainer(house=house, resolve=nobody_asked)
    found = explainer.sessions((session,), ())
    return [one for each in found for one in each.conditions if not one.name.startswith("egress")]


def _shown(house: House, session: Session, *, reveal: bool) -> _Shown:
    def words(value: str) -> str:
        return value if reveal else f"#{digest_of(house, value)}"

    titles = _Titles(house)
    return _Shown(
        id=session.id,
        since=session.created_at,
        idle_ends_at=session.idle_ends_at,
        ends_at=session.hard_ends_at,
        logins=tuple(
            _Part(
                peer=login.connection,
                title=titles.of_connection(login.connection),
                who=words(login.name_id.value),
                own_id="",
                since=login.recorded_at,
                indexes=len(login.session_indexes),
            )
            for login in session.logins
        ),
        participants=tuple(
            _Part(
                peer=part.application,
                title=titles.of_application(part.application),
                who=words(part.name_id.value),
                own_id="" if part.subject is None or part.subject.session is None else words(part.subject.session),
                since=part.since,
                indexes=None,
            )
            for part in session.participants
        ),
    )


@dataclass(frozen=True, slots=True)
class _Titles:
    """The titles of peers; a peer that was removed goes by its name."""

    house: House

    def of_connection(self, name: str) -> str:
        registry = self.house.registry
        found = registry.connection(name) or registry.upstream(name)
        return name if found is None else found.title

    def of_application(self, client_id: str) -> str:
        found = self.house.registry.application(client_id)
        return client_id if found is None else found.title
