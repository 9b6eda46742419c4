"""A bridge, identity providers and applications as live servers on names under localhost, for a real browser.

The identity providers sign as tests/idp.py does and act as a test tells them: see `Provider.answers`. The clock stands
at NOW until a test moves it, and goes on counting for nobody.
"""

import threading
import zlib
from base64 import b64decode, b64encode
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import escape
from socket import AF_INET, SOCK_STREAM, socket

import structlog
from lxml import etree
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from saml_slo.app import create_app
from saml_slo.config import Settings
from tests import idp
from tests.browser.applications import cast
from tests.running import Clock, descriptor, write_certs, write_connection

DENIED = idp.status(
    "urn:oasis:names:tc:SAML:2.0:status:Responder",
    '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:RequestDenied"/>',
)
PARTIAL = idp.status(inside='<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:PartialLogout"/>')
ANSWERS = {"success": idp.SUCCEEDED, "refused": DENIED, "partial": PARTIAL}
SIGN_IN = """<!doctype html><title>Identity provider</title><form method="post" action="{action}">
<input type="hidden" name="SAMLResponse" value="{message}"><button>Sign in</button></form>"""

FRAMES = """<!doctype html><title>Logging out</title><iframe title="Bridge" src="{source}"></iframe>"""


@dataclass
class Provider:
    """One identity provider; `answers` is `success`, `refused`, `partial`, `unsigned` or `nothing`.

    At /frames it asks for a logout in a frame; `told` are the status codes of what it is answered there. `signing_in`
    are the AuthnRequests that came.
    """

    name: str
    port: int
    bridge: str
    answers: str = "success"
    session_indexes: tuple = ("_s1",)
    asked: list = field(default_factory=list)
    timeline: list = field(default_factory=list)
    told: list = field(default_factory=list)
    signing_in: list = field(default_factory=list)

    @property
    def origin(self):
        """Its origin, without a slash at the end."""
        return f"http://{self.name}.localhost:{self.port}"

    @property
    def entity_id(self):
        """Its entity id."""
        return f"{self.origin}/saml"

    def serve(self, request):
        """Answer a browser at /sso or /slo."""
        if request.path == "/frames":
            return Response(FRAMES.format(source=escape(self._logout_request())), mimetype="text/html")
        parameters = request.args if request.method == "GET" else request.form
        if "SAMLResponse" in parameters:
            told = etree.fromstring(zlib.decompress(b64decode(parameters["SAMLResponse"]), -15))
            self.told += [code.get("Value").rpartition(":")[2] for code in told.iter("{*}StatusCode")]
            return Response("<!doctype html><title>Done</title><h1>Done</h1>", mimetype="text/html")
        raw = b64decode(parameters["SAMLRequest"])
        message = etree.fromstring(zlib.decompress(raw, -15) if request.method == "GET" else raw)
        if request.path == "/sso" and message.tag.endswith("AuthnRequest"):
            self.signing_in.append(message)
            return self._sign_in(message)
        self.asked.append(message)
        self.timeline.append(self.name)
        if self.answers == "nothing":
            return Response("<!doctype html><title>Nothing</title><p>This page goes nowhere.", mimetype="text/html")
        return self._answer(message)

    def _logout_request(self):
        """The URL that asks the bridge to end Alice's sessions."""
        endpoint = f"{self.bridge}/saml/sp/{self.name}/slo"
        made = idp.logout_request(
            name_id="<saml:NameID>alice@corp.test</saml:NameID>",
            issuer=self.entity_id,
            destination=endpoint,
            signed=False,
        )
        return f"{endpoint}?{idp.query(made, signer=self.name)}"

    def _sign_in(self, message):
        sp = f"{self.bridge}/saml/sp/{self.name}"
        made = idp.assertion(
            identifier=f"_a{message.get('ID')[1:]}",
            issuer=self.entity_id,
            name_id="<saml:NameID>alice@corp.test</saml:NameID>",
            confirmations=idp.bearer(recipient=f"{sp}/acs"),
            conditions="<saml:Conditions><saml:AudienceRestriction>"
            f"<saml:Audience>{sp}/metadata</saml:Audience></saml:AudienceRestriction></saml:Conditions>",
            statements="".join(idp.authn_statement(index) for index in self.session_indexes)
            or idp.authn_statement().replace('SessionIndex="_s1"', ""),
        )
        for data in made.iter("{*}SubjectConfirmationData"):
            data.set("InResponseTo", message.get("ID"))
        idp.sign(made, self.name)
        response = idp.response(made, sign_assertion=False, issuer=self.entity_id, destination=f"{sp}/acs")
        response.set("InResponseTo", message.get("ID"))
        action, text = f"{sp}/acs", b64encode(etree.tostring(response)).decode()
        return Response(SIGN_IN.format(action=escape(action), message=text), mimetype="text/html")

    def _answer(self, message):
        endpoint = f"{self.bridge}/saml/sp/{self.name}/slo"
        answer = idp.logout_response(
            status=ANSWERS.get(self.answers, idp.SUCCEEDED),
            identifier=f"_ls{len(self.asked)}",
            in_response_to=message.get("ID"),
            signed=False,
            issuer=self.entity_id,
            destination=endpoint,
        )
        if self.answers == "unsigned":
            query = f"SAMLResponse={idp.quote(idp.deflated(answer), safe='')}"
        else:
            query = idp.query(answer, signer=self.name)
        return Response(status=303, headers={"Location": f"{endpoint}?{query}"})


@dataclass
class Stage:
    """Everything that stands on it; `bridge` is the bridge's origin, `timeline` who was told to log out, in order."""

    bridge: str
    idp: Provider
    other: Provider
    clock: Clock
    applications: dict = field(default_factory=dict)
    timeline: list = field(default_factory=list)
    revive: object = None
    app: object = None

    @property
    def application(self):
        """An application that only says hello; people may be sent to it."""
        return self.idp.origin.replace("idp", "app")

    def sign_in(self, page, *names):
        """Sign in through these connections, by hand."""
        for name in names or ("idp",):
            page.goto(f"{self.bridge}/login?connection={name}")
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{self.bridge}/")

    def sign_in_everywhere(self, page, *, by_hand=False):
        """Sign in at every application, in their order."""
        for application in self.applications.values():
            application.sign_in(page, by_hand=by_hand)

    def wait_for(self, page, *names):
        """Wait until these parties were told to log out; the browser goes on meanwhile."""
        for _ in range(200):
            if set(names) <= set(self.timeline):
                return
            page.wait_for_timeout(50)
        raise AssertionError(f"only {self.timeline} were told")

    def logout(self, page, query="federated"):
        """Call /v2/logout and wait until the browser rests somewhere."""
        page.goto(f"{self.bridge}/v2/logout?{query}")
        page.wait_for_load_state()


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        """Say nothing."""


@contextmanager
def _bound(*, listens=True):
    """A socket of loopback on a free port; while it does not listen, whoever knocks is refused."""
    with socket(AF_INET, SOCK_STREAM) as found:
        found.bind(("127.0.0.1", 0))
        if listens:
            found.listen(64)
        yield found


@contextmanager
def _serving(app, listener):
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet, fd=listener.fileno())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def stage(folder, redis_url, *, toml="", bindings=("Redirect",), applications=(), **settings):
    """Set the stage with the connections `idp`, whose TOML and SLO bindings a test may choose, and `other-idp`.

    `applications` are names of CAST, `settings` those of the bridge; `dead` is refused at its logout URL until
    `revive()` is called.
    """
    with ExitStack() as stack:
        ours, theirs = stack.enter_context(_bound()), stack.enter_context(_bound())
        nobody = stack.enter_context(_bound(listens=False))
        bridge = f"http://bridge.localhost:{ours.getsockname()[1]}"
        port = theirs.getsockname()[1]
        timeline = []
        made = Stage(
            bridge,
            Provider("idp", port, bridge, timeline=timeline),
            Provider("other-idp", port, bridge, timeline=timeline),
            Clock(),
            cast(applications, bridge=bridge, port=port, dead_port=nobody.getsockname()[1], timeline=timeline),
            timeline,
        )
        _write_metadata(folder / "metadata", made, toml, bindings)
        app = _app(folder, redis_url, made, settings)
        structlog.configure(processors=[_drop])
        stack.callback(structlog.reset_defaults)
        parties = {party.name: party for party in (made.idp, made.other, *made.applications.values())}

        @Request.application
        def other_parties(request):
            host = request.host.partition(":")[0]
            name = request.path.removeprefix("/soap/") if host == "127.0.0.1" else host.removesuffix(".localhost")
            return parties[name].serve(request) if name in parties else Response("Hello", mimetype="text/plain")

        def revive():
            nobody.listen(64)
            stack.enter_context(_serving(other_parties, nobody))

        made.revive, made.app = revive, app
        stack.enter_context(_serving(_whole(app), ours))
        stack.enter_context(_serving(other_parties, theirs))
        stack.callback(lambda: [application.answering.set() for application in made.applications.values()])
        yield made
        app.extensions["saml_slo"].stop()


def _write_metadata(metadata, made, toml, bindings):
    first = f'display_name = "Example Ltd"\n{toml}'.replace("{accounts}", made.idp.origin.replace("idp", "accounts"))
    write_connection(metadata, "idp", first, descriptor(made.idp.entity_id, ("idp",), bindings))
    second = 'display_name = "Contoso University Library"\n'
    write_connection(metadata, "other-idp", second, descriptor(made.other.entity_id, ("other-idp",)))
    (metadata / "applications").mkdir()
    for application in made.applications.values():
        for name, text in application.files().items():
            (metadata / "applications" / name).write_text(text)


def _app(folder, redis_url, made, more):
    write_certs(folder / "certs")
    settings = Settings(
        public_url=made.bridge,
        metadata_dir=folder / "metadata",
        certs_dir=folder / "certs",
        data_dir=folder / "var",
        redis_url=redis_url,
        allowed_logout_urls=(f"{made.application}/bye",),
        back_channel_allow=("127.0.0.1",),
        **more,
    )
    return create_app(settings, clock=made.clock)


def _whole(app):
    """Read every answer to its end before it is sent: a browser that hangs up must not leave a static file open."""

    def application(environ, start_response):
        parts = app(environ, start_response)
        try:
            return [b"".join(parts)]
        finally:
            getattr(parts, "close", lambda: None)()

    return application


def _drop(*_):
    raise structlog.DropEvent
