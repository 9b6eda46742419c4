"""A bridge and two identity providers as live servers on names under localhost, for a real browser to walk through.

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
from tests.running import Clock, descriptor, write_certs, write_connection

DENIED = idp.status(
    "urn:oasis:names:tc:SAML:2.0:status:Responder",
    '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:RequestDenied"/>',
)
PARTIAL = idp.status(inside='<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:PartialLogout"/>')
ANSWERS = {"success": idp.SUCCEEDED, "refused": DENIED, "partial": PARTIAL}
SIGN_IN = """<!doctype html><title>Identity provider</title><form method="post" action="{action}">
<input type="hidden" name="SAMLResponse" value="{message}"><button>Sign in</button></form>"""


@dataclass
class Provider:
    """One identity provider; `answers` is `success`, `refused`, `partial`, `unsigned` or `nothing`."""

    name: str
    port: int
    bridge: str
    answers: str = "success"
    session_indexes: tuple = ("_s1",)
    asked: list = field(default_factory=list)

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
        parameters = request.args if request.method == "GET" else request.form
        raw = b64decode(parameters["SAMLRequest"])
        message = etree.fromstring(zlib.decompress(raw, -15) if request.method == "GET" else raw)
        if request.path == "/sso" and message.tag.endswith("AuthnRequest"):
            return self._sign_in(message)
        self.asked.append(message)
        if self.answers == "nothing":
            return Response("<!doctype html><title>Nothing</title><p>This page goes nowhere.", mimetype="text/html")
        return self._answer(message)

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
    """Everything that stands on it; `bridge` is the bridge's origin."""

    bridge: str
    idp: Provider
    other: Provider
    clock: Clock

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

    def logout(self, page, query="federated"):
        """Call /v2/logout and wait until the browser rests somewhere."""
        page.goto(f"{self.bridge}/v2/logout?{query}")
        page.wait_for_load_state()


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        """Say nothing."""


@contextmanager
def _listening():
    """A socket of loopback that listens on a free port."""
    with socket(AF_INET, SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener


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
def stage(folder, redis_url, *, toml="", bindings=("Redirect",)):
    """Set the stage with the connections `idp`, whose TOML and SLO bindings a test may choose, and `other-idp`."""
    with ExitStack() as stack:
        ours, theirs = stack.enter_context(_listening()), stack.enter_context(_listening())
        bridge = f"http://bridge.localhost:{ours.getsockname()[1]}"
        port = theirs.getsockname()[1]
        made = Stage(bridge, Provider("idp", port, bridge), Provider("other-idp", port, bridge), Clock())
        metadata = folder / "metadata"
        first = f'display_name = "Example Ltd"\n{toml}'
        write_connection(metadata, "idp", first, descriptor(made.idp.entity_id, ("idp",), bindings))
        second = 'display_name = "Contoso University Library"\n'
        write_connection(metadata, "other-idp", second, descriptor(made.other.entity_id, ("other-idp",)))
        write_certs(folder / "certs")
        app = create_app(
            Settings(
                public_url=bridge,
                metadata_dir=metadata,
                certs_dir=folder / "certs",
                data_dir=folder / "var",
                redis_url=redis_url,
                allowed_logout_urls=(f"{made.application}/bye",),
            ),
            clock=made.clock,
        )
        structlog.configure(processors=[_drop])
        stack.callback(structlog.reset_defaults)
        providers = {f"{provider.name}.localhost": provider for provider in (made.idp, made.other)}

        @Request.application
        def other_parties(request):
            name = request.host.partition(":")[0]
            return providers[name].serve(request) if name in providers else Response("Hello", mimetype="text/plain")

        stack.enter_context(_serving(_whole(app), ours))
        stack.enter_context(_serving(other_parties, theirs))
        yield made


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
