"""The same small application in Flask, Django, WSGI and ASGI: a page, a session id in a header, a place for notices.

Each builder takes (check, receiver) and returns a function (method, path, headers, body) → (status, headers, body). The
header `X-Session` stands for an application's own session.
"""

import asyncio
import io

import django
import flask
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client as DjangoClient
from django.urls import path as django_path

from saml_slo.client import asgi, wsgi
from saml_slo.client import django as client_django
from saml_slo.client import flask as client_flask

NOTICES = "/slo/logout"


def in_flask(check, receiver):
    """Build it in Flask."""
    app = flask.Flask(__name__)
    app.register_blueprint(client_flask.logout_blueprint(receiver, NOTICES))
    client_flask.guard_sessions(
        app,
        check,
        session_id=lambda: flask.request.headers.get("X-Session"),
        on_ended=lambda: ("sign in again", 401),
        quiet=lambda: "X-Poll" in flask.request.headers,
    )

    @app.get("/page")
    def page():
        return "page"

    def ask(method, path, headers, body):
        answer = app.test_client().open(path, method=method, headers=headers, data=body)
        return answer.status_code, dict(answer.headers), answer.data

    return ask


class InDjango:
    """Django has one configuration in a process, so what it uses is looked up here. Stands for a receiver."""

    check = None
    receiver = None

    def receive(self, *request):
        """Receive by the receiver of this test."""
        return InDjango.receiver.receive(*request)


def session_of(request):
    """Return the session id of a request."""
    return request.headers.get("X-Session")


def sign_in_again(_request):
    """Answer somebody whose session has ended."""
    return HttpResponse("sign in again", status=401)


def page(_request):
    """Answer with the page."""
    return HttpResponse("page")


def guard(get_response):
    """Name of the middleware in MIDDLEWARE."""
    return client_django.session_guard(
        InDjango.check, session_id=session_of, on_ended=sign_in_again, quiet=lambda request: "X-Poll" in request.headers
    )(get_response)


urlpatterns = [
    django_path("page", page),
    django_path(NOTICES[1:], client_django.logout_view(InDjango())),
]


def in_django(check, receiver):
    """Build it in Django, with its protection against CSRF."""
    InDjango.check, InDjango.receiver = check, receiver
    if not django_settings.configured:
        django_settings.configure(
            ALLOWED_HOSTS=["testserver"],
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "tests.client.applications.guard"],
            ROOT_URLCONF="tests.client.applications",
            SECRET_KEY="of no worth",
        )
        django.setup()

    def ask(method, path, headers, body):
        kind = headers.get("content-type", "text/plain")
        client = DjangoClient(enforce_csrf_checks=True)
        answer = client.generic(method, path, body, content_type=kind, headers=headers)
        return answer.status_code, dict(answer.headers), answer.content

    return ask


def in_wsgi(check, receiver):
    """Build it as plain WSGI."""

    def page(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"page"]

    guarded = wsgi.SessionGuard(
        page,
        check,
        session_id=lambda environ: environ.get("HTTP_X_SESSION"),
        quiet=lambda environ: "HTTP_X_POLL" in environ,
    )
    notices = wsgi.LogoutApp(receiver)

    def ask(method, path, headers, body):
        environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        environ |= {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(body + b"next request")}
        environ |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": environ.pop("HTTP_CONTENT_TYPE", "")}
        started = []
        parts = (notices if path == NOTICES else guarded)(environ, lambda *said: started.append(said))
        ((status, answer_headers),) = started
        return int(status[:3]), dict(answer_headers), b"".join(parts)

    return ask


def in_asgi(check, receiver):
    """Build it as plain ASGI."""

    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    guarded = asgi.SessionGuard(page, check, session_id=asgi_session, quiet=asgi_is_poll)
    notices = asgi.LogoutApp(receiver)

    def ask(method, path, headers, body):
        sent = converse(
            notices if path == NOTICES else guarded,
            {"type": "http", "method": method, "path": path, "headers": octets(headers)},
            [{"type": "http.request", "body": body[:9], "more_body": True}, {"type": "http.request", "body": body[9:]}],
        )
        start, *bodies = sent
        answer_headers = {name.decode().title(): value.decode() for name, value in start["headers"]}
        return start["status"], answer_headers, b"".join(message["body"] for message in bodies)

    return ask


def octets(headers):
    """Return headers as ASGI has them."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def asgi_session(scope):
    """Return the session id of a scope."""
    return {name.lower(): value.decode() for name, value in scope["headers"]}.get(b"x-session")


def asgi_is_poll(scope):
    """Say whether a page makes this request by itself."""
    return any(name.lower() == b"x-poll" for name, _ in scope["headers"])


def converse(app, scope, messages):
    """Run an ASGI application on one scope with these messages, the last one for ever; return what it sent."""
    left, sent = list(messages), []

    async def receive():
        return left.pop(0) if len(left) > 1 else left[0]

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


BUILDERS = {"flask": in_flask, "django": in_django, "wsgi": in_wsgi, "asgi": in_asgi}
