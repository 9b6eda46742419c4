"""/api/v1/sessions/{id}: an application's own sessions: register, touch, read, end (product A2)."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from saml_slo.application_sessions import Alive, ApplicationSessions, Over
from saml_slo.errors import Reason, RequestRefused
from saml_slo.protocol.moments import iso
from saml_slo.protocol.peer import Application
from saml_slo.protocol.session import check_after
from saml_slo.registration import Registration
from saml_slo.web.api.body import BodyRefused, model_of, read_object
from saml_slo.web.api.door import Door
from saml_slo.web.api.models import ABSENT, BoundSession, Nothing, UserSession, moment, registration_model
from saml_slo.web.errors import refusal


def blueprint(sessions: ApplicationSessions, door: Door, *, origin: str) -> Blueprint:
    """Return the endpoints; `origin` is our public one."""
    pages = Blueprint("api_sessions", __name__)
    pages.register_error_handler(BodyRefused, lambda error: refusal(error, status=error.status))

    @pages.put("/api/v1/sessions/<own_id:own_id>")
    def register(own_id: str) -> Response:
        application = door.enter(request)
        said = _registration(own_id)
        refuse_handle(sessions, application, said.user)
        found = sessions.register(application, said)
        if isinstance(found, Over):
            return _over(found, HTTPStatus.CONFLICT)
        return _alive(found, application, own_id)

    @pages.post("/api/v1/sessions/<own_id:own_id>/touch")
    def touch(own_id: str) -> Response:
        application = door.enter(request)
        model_of(Nothing, read_object(request, optional=True))
        return _looked(sessions.touch(application, own_id), application, own_id)

    @pages.get("/api/v1/sessions/<own_id:own_id>")
    def read(own_id: str) -> Response:
        application = door.enter(request)
        return _looked(sessions.read(application, own_id), application, own_id)

    @pages.delete("/api/v1/sessions/<own_id:own_id>")
    def leave(own_id: str) -> Response:
        application = door.enter(request)
        sessions.leave(application, own_id)
        return Response(status=HTTPStatus.NO_CONTENT)

    def _looked(found: Alive | Over | None, application: Application, own_id: str) -> Response:
        if found is None:
            raise _unknown(is_handle=sessions.of_handle(application, own_id) is not None)
        return _over(found, HTTPStatus.GONE) if isinstance(found, Over) else _alive(found, application, own_id)

    def _alive(found: Alive, application: Application, own_id: str) -> Response:
        session, subject = found.session, found.participant.subject
        handle = sessions.handle(application, session)
        keep = check_after(session, sessions.now())
        query = urlencode({"session": handle, "client_id": application.client_id})
        response = jsonify(
            id=own_id,
            handle=handle,
            user=None if subject is None else subject.user,
            active=True,
            ends_at=iso(session.hard_ends_at),
            idle_ends_at=iso(session.idle_ends_at),
            check_after=keep,
            logout_url=f"{origin}/v2/logout?{query}",
        )
        response.status_code = HTTPStatus.CREATED if found.created else HTTPStatus.OK
        response.headers["Cache-Control"] = f"private, max-age={keep}"
        return response

    return pages


def refuse_handle(sessions: ApplicationSessions, application: Application, user: str | None) -> None:
    """Refuse the handle of a session where a person's id belongs: no session of anybody would ever be found by it."""
    if sessions.of_handle(application, user) is not None:
        raise BodyRefused(
            "user holds the handle of a session",
            expected="the application's id of the person",
            got="what X-Slo-Session, slo_session or the member handle of an answer gave",
            setting="user",
            next_step="Send it in the field session instead.",
        )


def _unknown(*, is_handle: bool) -> RequestRefused:
    return RequestRefused(
        "This is the handle of a session, not the id of one" if is_handle else "There is no session of this id",
        reason=Reason.SESSION_UNKNOWN,
        expected="an id under which this application registered a session",
        next_step="Ask by the id under which you registered it; a handle is for the field session."
        if is_handle
        else "Register it, if the person is signed in.",
    )


def _registration(own_id: str) -> Registration:
    value = read_object(request)
    model = registration_model(value)
    if model is None:
        raise BodyRefused(
            "A session belongs either to a user or to a session of ours",
            expected="one of the fields user and session",
            got="both" if "user" in value else "neither",
            setting="user",
        )
    facts: UserSession | BoundSession = model_of(model, value)
    return Registration(
        own_id=own_id,
        user=facts.user if isinstance(facts, UserSession) else None,
        handle=facts.session if isinstance(facts, BoundSession) else None,
        signed_in_at=moment(facts.signed_in_at),
        expires_at=moment(facts.expires_at),
        issuer=facts.issuer or None,
        sub=facts.sub or None,
        sid=facts.sid or None,
        connection=getattr(facts, "connection", ABSENT) or None,
        id_token=getattr(facts, "id_token", ABSENT) or None,
        access_token=getattr(facts, "access_token", ABSENT) or None,
    )


def _over(over: Over, status: HTTPStatus) -> Response:
    error = RequestRefused(
        "This session is over",
        reason=Reason.SESSION_ENDED,
        expected="a session that was not ended, and a sign-in after the person's last logout",
        next_step="Sign the person out, and register a new session under a new id when they have signed in again.",
    )
    return refusal(error, status=status, reference=over.reference)
