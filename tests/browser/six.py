"""Six applications of six kinds on one person's session: what step 3 of this product is for.

| who | how it signs people in | how it hears of a logout |
| --- | --- | --- |
| Expenses | SAML | SAML by a frame (HTTP-Redirect) |
| Payroll | SAML | SAML from server to server (SOAP) |
| Customers | our sign-in link, then the API | a logout token (OpenID Connect back channel) |
| Invoices | our sign-in link, then the API | a signed webhook |
| Wiki | knows nothing of us: behind a real nginx | it asks us about each request |
| News | our sign-in link, then the API | a plain URL in a frame, which cannot answer |

The SAML ones stand on the usual stage. The others are small servers of their own, made with saml_slo.client.
"""

import hashlib
import secrets
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from saml_slo.client import Client, LogoutReceiver, LogoutTokenVerifier, OidcSubject, WebhookVerifier
from saml_slo.peers.methods.webhook import secret_text
from tests.browser.stage import _bound, _serving
from tests.forward.proxy import NGINX, proxy
from tests.interop.ports import free_port

PAGE = """<!doctype html><html lang="en"><title>{title}</title><h1>{heading}</h1>
<p><a href="{sign_out}">Sign out everywhere</a></p></html>"""


@dataclass
class Shop:
    """An application that signs its people in by our link and registers their sessions by the API.

    `sessions` are its own living sessions by their id; a notice ends them. `at_home` is where nobody listens, if it is
    to be down.
    """

    name: str
    title: str
    method: str
    port: int
    hook_port: int
    bridge: str
    credential: str
    sessions: dict = field(default_factory=dict)
    notices: list = field(default_factory=list)
    gone: list = field(default_factory=list)
    receiver: LogoutReceiver | None = None

    @property
    def origin(self):
        """Where people see it."""
        return f"http://{self.name}.localhost:{self.port}"

    @property
    def toml(self):
        """Its file under metadata/applications."""
        uri = f"{self.origin}/out" if self.method == "url" else f"http://127.0.0.1:{self.hook_port}/{self.name}"
        digest = hashlib.sha256(self.credential.rpartition(".")[2].encode()).hexdigest()
        return (
            f'display_name = "{self.title}"\ninsecure_http = true\nlogout = "{self.method}"\nlogout_uri = "{uri}"\n'
            f'api_secrets = ["{digest}"]\nallowed_logout_urls = ["{self.origin}/*"]\n'
        )

    def take(self, notice):
        """End the session that a verified notice names."""
        self.notices.append(notice)
        name = notice.session or notice.sid
        self.gone.append(self.sessions.pop(name))

    def serve(self, request):
        """Answer a browser at /, /in and /out."""
        own = request.cookies.get("own", "")
        if request.path == "/in":
            own = secrets.token_urlsafe(12)
            handle = request.args["slo_session"]
            made = Client(self.bridge, self.credential).create_session(
                own, session=handle, subject=OidcSubject(sub="alice", sid=own)
            )
            self.sessions[own] = made
            response = Response(status=303, headers={"Location": "/"})
            response.set_cookie("own", own, httponly=True, samesite="Lax")
            return response
        if request.path == "/out":
            self.gone.append(self.sessions.pop(own, None))
        heading = "Hello" if own in self.sessions else "Nobody is signed in"
        sign_out = f"{self.bridge}/v2/logout?federated&client_id={self.name}"
        return Response(PAGE.format(title=self.title, heading=heading, sign_out=sign_out), mimetype="text/html")

    def hear(self, request):
        """Answer the bridge at the hook."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = self.receiver.receive(request.method, headers, request.get_data())
        return Response(reply.body, status=reply.status, headers=list(reply.headers))

    def sign_in(self, page):
        """Sign in here."""
        page.goto(f"{self.bridge}/login?connection=idp&client_id={self.name}&returnTo={self.origin}/in")
        if page.title() == "Identity provider":
            page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Hello").wait_for()


@dataclass
class Six:
    """All of it; `invoices_come_back` starts the server that was down."""

    stage: object
    customers: Shop
    invoices: Shop
    news: Shop
    wiki: str
    app: object
    invoices_come_back: object

    def sign_in(self, page):
        """Sign in at all six, in one browser."""
        self.stage.sign_in_everywhere(page)
        for shop in (self.customers, self.invoices, self.news):
            shop.sign_in(page)
        page.goto(f"{self.wiki}/pages/7?tab=b")
        if page.title() == "Identity provider":
            page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.wiki}/pages/7?tab=b")
        page.get_by_role("heading", name="Hello").wait_for()


@contextmanager
def localhost_names():
    """Let this process find the names under localhost, as a browser does and this machine's C library does not."""
    known = socket.getaddrinfo

    def find(host, *rest, **how):
        return known("127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **how)

    socket.getaddrinfo = find
    try:
        yield
    finally:
        socket.getaddrinfo = known


@contextmanager
def six_applications(stage, folder, app):
    """Add the four to a stage that has `good` and `back`; the invoices' server is down until it comes back."""
    with ExitStack() as stack:
        stack.enter_context(localhost_names())
        people, hooks = stack.enter_context(_bound()), stack.enter_context(_bound())
        down = stack.enter_context(_bound(listens=False))
        port = people.getsockname()[1]

        def shop(name, title, method, hook):
            return Shop(name, title, method, port, hook.getsockname()[1], stage.bridge, f"{name}.{name[0] * 43}")

        customers = shop("customers", "Customers", "oidc-backchannel", hooks)
        invoices = shop("invoices", "Invoices", "webhook", down)
        news = shop("news", "News", "url", hooks)
        moment = lambda: stage.clock().timestamp()  # noqa: E731 - the stage's clock, as the client wants it
        customers.receiver = LogoutReceiver(
            customers.take, logout_tokens=LogoutTokenVerifier(stage.bridge, "customers", clock=moment)
        )
        secret = secret_text(app.extensions["saml_slo"].secret.webhook("invoices", 1))
        invoices.receiver = LogoutReceiver(invoices.take, webhooks=WebhookVerifier(secret, clock=moment))
        shops = {one.name: one for one in (customers, invoices, news)}

        @Request.application
        def pages(request):
            return shops[request.host.partition(".")[0]].serve(request)

        @Request.application
        def hooked(request):
            return shops[request.path.removeprefix("/")].hear(request)

        @Request.application
        def wiki(request):
            heading = "Hello" if request.headers.get("X-Slo-User") else "Nobody"
            return Response(PAGE.format(title="Wiki", heading=heading, sign_out="/_slo/logout"), mimetype="text/html")

        stack.enter_context(_serving(pages, people))
        stack.enter_context(_serving(hooked, hooks))
        bare = stack.enter_context(_bound())
        stack.enter_context(_serving(wiki, bare))
        front = free_port()
        _write(folder, app, shops, front)
        stack.enter_context(
            proxy(
                NGINX,
                folder / "nginx",
                site=f"wiki.localhost:{front}",
                port=front,
                client_id="wiki",
                bridge=f"http://127.0.0.1:{urlsplit(stage.bridge).port}",
                bridge_host=urlsplit(stage.bridge).netloc,
                application=f"http://127.0.0.1:{bare.getsockname()[1]}",
            )
        )

        def come_back():
            down.listen(64)
            stack.enter_context(_serving(hooked, down))

        yield Six(stage, customers, invoices, news, f"http://wiki.localhost:{front}", app, come_back)


def _write(folder, app, shops, front):
    files = folder / "metadata" / "applications"
    for one in shops.values():
        (files / f"{one.name}.toml").write_text(one.toml)
    origin = f"http://wiki.localhost:{front}"
    (files / "wiki.toml").write_text(
        f'display_name = "Wiki"\nlogout = "proxy"\ninsecure_http = true\nproxy_origins = ["{origin}"]\n'
        f'connection = "idp"\nallowed_logout_urls = ["{origin}/*"]\n'
    )
    registry = app.extensions["saml_slo"].registry
    registry.reload()
    assert registry.problems() == (), registry.problems()
