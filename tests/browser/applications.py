"""Applications on names under localhost that sign people in through the bridge and are told of logouts by it.

`answering` is cleared to make one slow; `fails` and `says` (a page instead of an answer) make one bad; at the logout
URL of one that is `dead` nobody listens. One whose `logout` is named is told by that method at /out, with no way to
answer; one that `edits` is asked for unsaved work, and answers with `busy`.
"""

import json
import threading
import zlib
from base64 import b64decode
from dataclasses import dataclass, field
from urllib.parse import quote

from lxml import etree
from werkzeug.wrappers import Response

from tests import idp
from tests.sp import SOAP, Sp


def _open():
    event = threading.Event()
    event.set()
    return event


@dataclass
class Application(Sp):
    """One application; `asked` holds the LogoutRequests that came, and whether its own cookie came with each."""

    signer: str = "idp-next"
    title: str = ""
    port: int = 0
    slo_port: int = 0
    bridge: str = ""
    asked: list = field(default_factory=list)
    timeline: list = field(default_factory=list)
    answering: threading.Event = field(default_factory=_open)
    fails: bool = False
    says: str = ""
    logout: str = ""
    edits: bool = False
    busy: dict = field(default_factory=dict)

    @property
    def entity_id(self):
        """Its entity id."""
        return f"{self.origin}/saml"

    @property
    def origin(self):
        """Where it lives."""
        return f"http://{self.name}.localhost:{self.port}"

    @property
    def metadata(self):
        """Its metadata; the logout URL may be at another port than the rest."""
        found = Sp.metadata.fget(self)
        return found.replace(f"{self.origin}/slo", f"http://{self.name}.localhost:{self.slo_port}/slo")

    def files(self):
        """The files of this application under metadata/applications."""
        toml = f'display_name = "{self.title}"\ninsecure_http = true\n{self.more}'
        if self.logout:
            toml += f'logout = "{self.logout}"\nlogout_uri = "{self.origin}/out"\n'
        if self.edits:
            toml += f'preflight_url = "{self.soap_url}"\n'
        return {f"{self.name}.toml": toml, f"{self.name}.xml": self.metadata}

    def serve(self, request):
        """Answer a browser at /login, /acs and /slo, and the bridge at /soap/<name>."""
        places = {"/login": self._login, "/acs": self._hello, "/out": self._out}
        if request.path in places:
            return places[request.path](request)
        if request.path.startswith("/soap/"):
            is_preflight = "preflight_token" in request.form
            return (
                Response(json.dumps(self.busy), content_type="application/json")
                if is_preflight
                else self._soap(request)
            )
        parameters = request.args if request.method == "GET" else request.form
        raw = b64decode(parameters["SAMLRequest"])
        message = etree.fromstring(zlib.decompress(raw, -15) if request.method == "GET" else raw)
        answer = self._answer(message, "session" in request.cookies)
        if self.says:
            return Response(self.says, mimetype="text/html")
        query = idp.query(answer, signer=self.signer)
        return Response(status=303, headers={"Location": f"{self.bridge}/saml/idp/slo?{query}"})

    def _hello(self, _):
        response = Response(f"<!doctype html><title>{self.title}</title><h1>Hello</h1>", mimetype="text/html")
        response.set_cookie("session", "1", samesite="Lax")
        return response

    def _login(self, _):
        request = (
            f'<samlp:AuthnRequest xmlns:samlp="{idp.SAMLP}" xmlns:saml="{idp.SAML}" Version="2.0" '
            f'ID="_login{self.name}" IssueInstant="{idp.instant()}" Destination="{self.bridge}/saml/idp/sso">'
            f"<saml:Issuer>{self.entity_id}</saml:Issuer></samlp:AuthnRequest>"
        )
        query = f"SAMLRequest={quote(idp.deflated(request.encode()), safe='')}"
        return Response(status=303, headers={"Location": f"{self.bridge}/saml/idp/sso?{query}"})

    def _answer(self, message, has_cookie):
        self.asked.append((message, has_cookie))
        self.timeline.append(self.name)
        self.answering.wait(20)
        return idp.logout_response(
            identifier=f"_ls{self.name}{len(self.asked)}",
            in_response_to=message.get("ID"),
            signed=False,
            issuer=self.entity_id,
            destination=f"{self.bridge}/saml/idp/slo",
        )

    def _out(self, request):
        """End the session of whoever comes, and say so on a page."""
        self.asked.append((request.query_string.decode(), "session" in request.cookies))
        self.timeline.append(self.name)
        self.answering.wait(20)
        return Response(f"<!doctype html><title>{self.title}</title><h1>Goodbye</h1>", mimetype="text/html")

    def _soap(self, request):
        answer = self._answer(etree.fromstring(request.get_data())[0][0], has_cookie=False)
        if self.fails:
            return Response("out of order", status=500)
        idp.sign(answer, self.signer)
        body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{etree.tostring(answer).decode()}</s:Body></s:Envelope>'
        return Response(body, content_type="text/xml")

    def sign_in(self, page, *, by_hand=False):
        """Sign in here through the bridge; `by_hand` where no script presses the buttons of forms."""
        page.goto(f"{self.origin}/login")
        if page.title() == "Identity provider":
            page.get_by_role("button", name="Sign in").click()
        if by_hand:
            page.get_by_role("button", name=f"Continue to {self.name}.localhost").click()
        page.get_by_role("heading", name="Hello").wait_for()


# What a stage may be set with: the title, the bindings, and what is special.
CAST = {
    "good": ("Expenses", ("HTTP-Redirect",)),
    "slow": ("Travel booking", ("HTTP-POST",)),
    "hangs": ("Time sheets", ("HTTP-Redirect",)),
    "dead": ("Old wiki", ("HTTP-Redirect",)),
    "back": ("Payroll", ("SOAP",)),
    "url": ("Wiki", (), {"logout": "url"}),
    "trusted": ("Canteen", (), {"logout": "url", "more": 'connection = "idp"\ntrust_sent = true\n'}),
    "wsfed": ("Intranet", (), {"logout": "wsfed"}),
    "oidc": ("Calendar", (), {"logout": "oidc-frontchannel"}),
    "editor": ("Invoices", ("HTTP-Redirect",), {"edits": True}),
}


def cast(names, *, bridge, port, dead_port, timeline):
    """The applications of these names, at home at `port`; what is dead is asked at `dead_port`."""
    found = {}
    for name in names:
        title, bindings, *special = CAST[name]
        found[name] = Application(
            name,
            title=title,
            bindings=bindings,
            soap_url=f"http://127.0.0.1:{port}/soap/{name}",
            port=port,
            slo_port=dead_port if name == "dead" else port,
            bridge=bridge,
            timeline=timeline,
            **(special[0] if special else {}),
        )
    return found
