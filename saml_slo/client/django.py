"""Django: a middleware that checks sessions, and a view that takes logout notices."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from saml_slo.client.receiver import MAX_BYTES, LogoutReceiver, Reply
from saml_slo.client.session_check import SessionCheck

View = Callable[[HttpRequest], HttpResponse]


def session_guard(
    check: SessionCheck,
    *,
    session_id: Callable[[HttpRequest], str | None],
    on_ended: Callable[[HttpRequest], HttpResponse],
    quiet: Callable[[HttpRequest], bool] = lambda _: False,
) -> Callable[[View], View]:
    """Return a middleware; name it in MIDDLEWARE by its dotted path, behind SessionMiddleware.

    `session_id` returns the id under which the application registered the session, None where nobody is signed in;
    `on_ended` clears the application's own session and returns a response, for instance a redirect to its sign-in.
    `quiet` says of a request that a page makes it by itself, such as by polling: it is refused as any other once the
    session is over, and does not keep it from ending idle.
    """

    def middleware(get_response: View) -> View:
        def handle(request: HttpRequest) -> HttpResponse:
            chosen = session_id(request)
            alive = chosen is None or check.is_alive(chosen, quiet=quiet(request))
            return get_response(request) if alive else on_ended(request)

        return handle

    return middleware


def logout_view(receiver: LogoutReceiver) -> View:
    """Return a view that takes notices; put it into urlpatterns. Django's protection against CSRF leaves it out."""

    def take_notice(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        too_large = not length.isdecimal() or int(length) > MAX_BYTES
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = (
            Reply(413, (("Cache-Control", "no-store"),), b"")
            if too_large
            else receiver.receive(request.method, headers, request.body)
        )
        return HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))

    exempt: View = csrf_exempt(take_notice)
    return exempt
