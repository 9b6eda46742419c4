"""What a refused or failed request is told, and what the log keeps of it.

An unverified message: one generic page with a reference code, whatever was wrong (no oracle), and everything in the
log. A wrong parameter: the full story, because whoever built the link needs it. Ours: 5xx, with Retry-After where it
may pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import structlog
from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from saml_slo.errors import MessageRefused, OurFault, Reason, RequestRefused, SloError, StoreUnavailable, TryLater
from saml_slo.store.tokens import new_reference
from saml_slo.wire.bindings.redirect import MAX_QUERY_BYTES

_log = structlog.get_logger("saml_slo.web")
_RETRY_AFTER_SECONDS = 5
_STATUS = {
    Reason.MESSAGE_TOO_LARGE: 413,
    Reason.CONNECTION_UNKNOWN: 404,
    Reason.NOT_FOUND: 404,
    Reason.SESSION_UNKNOWN: 404,
    Reason.LOGOUT_UNKNOWN: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.LIMIT_REACHED: 409,  # not 429: waiting does not help
    Reason.RATE_LIMITED: 429,
    Reason.UNAUTHORISED: 401,
    Reason.CSRF_REJECTED: 403,
    Reason.SESSION_CONFLICT: 409,
    Reason.IDEMPOTENCY_CONFLICT: 422,  # both as draft-ietf-httpapi-idempotency-key-header 2.7 has them
    Reason.CALL_IN_PROGRESS: 409,
}
_API = "/api/"  # programs ask here: every answer is JSON, whatever they accept
_NO_CALL = (
    "There is no such call; all are in the document at /api/v1/openapi.json. The id of a session has 1 to 128 "
    "characters out of A-Z a-z 0-9 . _ ~ -, and no address ends in a slash."
)
_MAX_LOGGED = 500
# True of every message, and the same for all of them (security J226). Where a sign-out is under way a session has ended
# already, so that "nothing was changed" alone would be wrong; the start page knows the browser and says the rest.
_CHANGED_NOTHING = (
    "A sign-in or sign-out message came that cannot be used. It changed nothing: what had ended before stays ended, "
    "what was open stays open. The start page says whether you are signed in here, and goes on with a sign-out that is "
    "not complete. If it happens again, give your administrator the reference code."
)
_HANDLE = re.compile(r"([0-9a-f]{26})\.[A-Za-z0-9_-]{22}")  # tokens.receipt_handle
_REFUSED = "saml_slo.refused"
_OWN_ID = re.compile(r"(?<=^/api/v1/sessions/)[^/]+")  # an application's session id may be what its cookie holds


def install(app: Flask, refused: Callable[[Reason, str | None, str], None]) -> None:
    """Answer every error of this package, of werkzeug and of nobody with a page and a log line.

    `refused` counts them: the reason, the blueprint, the cause of a failed store.
    """
    app.extensions[_REFUSED] = refused
    app.register_error_handler(MessageRefused, _message_refused)
    app.register_error_handler(RequestRefused, _request_refused)
    app.register_error_handler(SloError, _our_fault)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)


def _message_refused(error: MessageRefused) -> Response:
    reference = _logged("message_refused", error)
    signed_out = error.reason is Reason.SESSION_ENDED  # true only of a message that passed every check
    long_url = error.reason is Reason.MESSAGE_TOO_LARGE and len(request.query_string) > MAX_QUERY_BYTES
    return _page(
        414 if long_url else _STATUS.get(error.reason, 400),
        reference,
        title="You signed out meanwhile" if signed_out else "This message was not accepted",
        text="You signed out while this sign-in was under way, so it was not used. Sign in again."
        if signed_out
        else _CHANGED_NOTHING,
    )


def _request_refused(error: RequestRefused) -> Response:
    return refusal(error)


def refusal(error: RequestRefused, *, status: int | None = None, reference: str | None = None) -> Response:
    """Return the answer to a request of ours that is refused, and log it; `status`: another one than its reason's.

    `reference`: that of a logout which is the cause of it, instead of a new one.
    """
    reference = _logged("request_refused", error, reference)
    title = "This call was refused" if request.path.startswith(_API) else "This link cannot be used"
    response = _page(status or _STATUS.get(error.reason, 400), reference, title=title, text=error.message, error=error)
    if error.reason is Reason.UNAUTHORISED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="saml_slo"'
    if isinstance(error, TryLater):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _our_fault(error: OurFault) -> Response:
    reference = _logged("failed", error)
    if isinstance(error, StoreUnavailable):
        response = _page(
            503,
            reference,
            title="Please try again in a moment",
            text="Our session store cannot be reached, so it is not certain what became of this request. If you were "
            "signing out, do not rely on it: try again.",
            reason=error.reason,
        )
        response.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
        return response
    text = "An administrator has to look at this."
    return _page(500, reference, title="Something is wrong here", text=text, reason=error.reason)


def _http(error: HTTPException) -> Response:
    too_large = isinstance(error, RequestEntityTooLarge)
    reason = (
        Reason.MESSAGE_TOO_LARGE
        if too_large
        else Reason.METHOD_NOT_ALLOWED
        if isinstance(error, MethodNotAllowed)
        else Reason.NOT_FOUND
        if error.code == 404  # noqa: PLR2004 - HTTP's own number
        else Reason.BAD_REQUEST
    )
    reference = new_reference()
    _count(reason)
    _log.info("request_refused", reason=reason, reference=reference, status=error.code, **_request_facts())
    text = error.description or ""
    if reason is Reason.NOT_FOUND and request.path.startswith(_API):
        text = _NO_CALL
    response = _page(error.code or 500, reference, title=error.name, text=text, reason=reason)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def _unforeseen(error: Exception) -> Response:
    reference = new_reference()
    _count(Reason.INTERNAL_ERROR)
    _log.error("crashed", reason=Reason.INTERNAL_ERROR, reference=reference, exc_info=error, **_request_facts())
    text = "It was logged. Please try again."
    return _page(500, reference, title="Something went wrong here", text=text, reason=Reason.INTERNAL_ERROR)


def _logged(event: str, error: SloError, reference: str | None = None) -> str:
    reference = reference or new_reference()
    facts = {name: getattr(error, name)[:_MAX_LOGGED] for name in ("message", "expected", "got", "setting")}
    cause = {"cause": error.cause} if isinstance(error, StoreUnavailable) else {}
    _count(error.reason, cause.get("cause", ""))
    _log.warning(event, reason=error.reason, reference=reference, **cause, **_request_facts(), **facts)
    return reference


def _count(reason: Reason, cause: str = "") -> None:
    current_app.extensions[_REFUSED](reason, request.blueprint, cause)


def _request_facts() -> dict[str, str]:
    # Whoever reads logs shall neither open receipts nor take over sessions.
    return {"method": request.method[:20], "path": _OWN_ID.sub("…", _HANDLE.sub(r"\1.…", request.path))[:200]}


def _for_programs() -> bool:
    if request.path.startswith(_API):
        return True
    return request.accept_mimetypes.best_match(("text/html", "application/json")) == "application/json"


def _page(
    status: int,
    reference: str,
    *,
    title: str,
    text: str,
    error: SloError | None = None,
    reason: Reason | None = None,
) -> Response:
    if _for_programs():
        body = {"error": title, "description": text, "reference": reference}
        if reason is not None:
            body["reason"] = reason
        if error is not None:
            body |= {name: getattr(error, name) for name in ("reason", "expected", "got", "setting", "next_step")}
        response = Response(status=status, mimetype="application/json")
        response.set_data(json.dumps(body))
        return response
    return Response(
        render_template("error.html", title=title, text=text, reference=reference, error=error),
        status=status,
    )
