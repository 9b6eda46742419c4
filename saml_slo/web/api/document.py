"""GET /api/v1/openapi.json: the API as an OpenAPI 3.1 document, made from the models that check it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic.json_schema import models_json_schema

from saml_slo import __version__
from saml_slo.web.api.models import (
    ABSENT,
    IDEMPOTENCY_KEY,
    LOGOUT_ID,
    OWN_ID,
    BoundSession,
    BoundSessionAtProvider,
    LogoutAnswer,
    LogoutOfSession,
    LogoutOfUser,
    Nothing,
    Problem,
    SessionAnswer,
    UserSession,
    UserSessionAtProvider,
    schemas,
)

Json = dict[str, Any]
_SCHEMAS = "#/components/schemas/"
_OWN_ID: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The application's own session id. The dot segments . and .. are none.",
    "schema": {"type": "string", "pattern": f"^{OWN_ID}$"},
}
_LOGOUT_ID: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The id of a logout that this application began.",
    "schema": {"type": "string", "pattern": f"^{LOGOUT_ID}$"},
}
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body begins one logout, however often it comes within 24 hours.",
    "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY}$"},
}
_PROBLEMS: dict[int, str] = {
    400: "The call is not what this document says; the description names the field.",
    401: "No API secret of an application.",
    404: "There is nothing of this name that belongs to this application.",
    409: "It would contradict what there is: an ended session, another session of this id, as many sessions of one "
    "user as there may be, or (with Retry-After) a call with this key that is still under way.",
    410: "The session is over.",
    413: "The body is larger than 16 KiB.",
    415: "The body is not JSON by its Content-Type.",
    422: "This key came with another body before.",
    429: "Too many calls; Retry-After says when there may be more.",
    503: "The store is not there; try again.",
}
_ALWAYS = (400, 401, 429, 503)
_RETRY_AFTER = {409: False, 429: True, 503: True}  # whether it is always there


def blueprint(origin: str) -> Blueprint:
    """Return the endpoint; `origin` is our public one."""
    pages = Blueprint("api_document", __name__)
    made = document(origin)

    @pages.get("/api/v1/openapi.json")
    def openapi() -> Response:
        return jsonify(made)

    return pages


def document(origin: str) -> Json:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "saml_slo: the logout service",
            "version": __version__,
            "description": "For applications that do not speak SAML: say which sessions there are, ask whether they "
            "are alive, log people out, and read what became of it.",
        },
        "servers": [{"url": origin}],
        "security": [{"application": []}],
        "paths": {
            "/api/v1/sessions/{id}": _session_paths(),
            "/api/v1/sessions/{id}/touch": {"parameters": [_OWN_ID], "post": _touch()},
            "/api/v1/logouts": {"post": _begin()},
            "/api/v1/logouts/{id}": {
                "parameters": [_LOGOUT_ID],
                "get": _operation(
                    "readLogout",
                    "Read what became of a logout",
                    {200: ("The logout as it stands.", LogoutAnswer)},
                    refusals=(404,),
                ),
            },
            "/api/v1/openapi.json": {
                "get": {
                    "operationId": "readDocument",
                    "summary": "This document",
                    "security": [],
                    "responses": {
                        "200": {
                            "description": "The document.",
                            "content": {"application/json": {"schema": {"type": "object"}}},
                        },
                        "400": _problem(400),
                    },
                }
            },
        },
        "components": {"schemas": _schemas(), "securitySchemes": {"application": _security()}},
    }


def _session_paths() -> Json:
    alive = "The session is alive."
    return {
        "parameters": [_OWN_ID],
        "put": _operation(
            "registerSession",
            "Register a session; the same again changes nothing, and what it leaves out stays as it was",
            {201: ("The session was opened.", SessionAnswer), 200: ("It is known.", SessionAnswer)},
            body=(UserSession, UserSessionAtProvider, BoundSession, BoundSessionAtProvider),
            refusals=(404, 409, 413, 415),
        ),
        "get": _operation(
            "readSession",
            "Ask whether a session is alive, moving nothing",
            {200: (alive, SessionAnswer)},
            refusals=(404, 410),
        ),
        "delete": _operation(
            "endSession",
            "Say that the application ended the session itself; nobody is told",
            {204: ("It is over.", None)},
            refusals=(404,),
        ),
    }


def _touch() -> Json:
    return _operation(
        "touchSession",
        "Say that the person is active, and ask whether the session is alive",
        {200: ("The session is alive.", SessionAnswer)},
        body=(Nothing,),
        body_required=False,
        refusals=(404, 410, 413, 415),
    )


def _begin() -> Json:
    begin = _operation(
        "beginLogout",
        "Log a session or a user out, without a browser",
        {
            201: ("The logout was begun.", LogoutAnswer),
            200: ("It was begun by an earlier call with this key, or there was nothing to end.", LogoutAnswer),
        },
        body=(LogoutOfSession, LogoutOfUser),
        refusals=(409, 413, 415, 422),
    )
    return begin | {"parameters": [_IDEMPOTENCY_KEY]}


def _operation(
    name: str,
    summary: str,
    answers: dict[int, tuple[str, type | None]],
    *,
    body: tuple[type, ...] = (),
    body_required: bool = True,
    refusals: tuple[int, ...] = (),
) -> Json:
    responses: Json = {}
    for status, (text, model) in answers.items():
        responses[str(status)] = {"description": text}
        if model is not None:
            responses[str(status)]["content"] = _content(_reference(model))
    responses |= {str(status): _problem(status) for status in sorted({*_ALWAYS, *refusals})}
    operation: Json = {"operationId": name, "summary": summary, "responses": responses}
    if body:
        schema = _reference(body[0]) if len(body) == 1 else {"oneOf": [_reference(model) for model in body]}
        operation["requestBody"] = {"required": body_required, "content": _content(schema)}
    return operation


def _problem(status: int) -> Json:
    problem: Json = {"description": _PROBLEMS[status], "content": _content(_reference(Problem))}
    if status == HTTPStatus.UNAUTHORIZED:
        problem["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
    if status in _RETRY_AFTER:
        header = {"required": _RETRY_AFTER[status], "schema": {"type": "string"}}
        problem["headers"] = {"Retry-After": header | {"description": "Seconds until it makes sense to try again."}}
    return problem


def _content(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _reference(model: type) -> Json:
    return {"$ref": f"{_SCHEMAS}{model.__name__}"}


def _schemas() -> Json:
    _, made = models_json_schema(
        [(model, "validation") for model in schemas()], ref_template=f"{_SCHEMAS}{{model}}", title=None
    )
    found: Json = made["$defs"]
    for schema in found.values():
        for field in schema.get("properties", {}).values():
            if field.get("default") == ABSENT:
                del field["default"]  # it may be left out, and has no value then
    return found


def _security() -> Json:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "<client_id>.<secret>",
        "description": "The application's file holds the SHA-256 digest of the secret (api_secrets); two may be live.",
    }
