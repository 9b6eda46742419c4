"""Applications that share no code with saml_slo: they ask by text, xmlsec signs, lxml reads what comes back.

`Sp` is one application at the running bridge: it signs people in, asks for logouts, and answers LogoutRequests.
"""

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from itertools import count
from threading import Thread
from urllib.parse import quote

from lxml import etree
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests import idp
from tests.keys import pair
from tests.running import ORIGIN, sent

BRIDGE = f"{ORIGIN}/saml/idp/metadata"
SSO = f"{ORIGIN}/saml/idp/sso"
SLO = f"{ORIGIN}/saml/idp/slo"
BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_numbers = count(1)


@dataclass
class Sp:
    """One application: its client_id, its key, and by which bindings it takes logout messages."""

    name: str
    signer: str
    bindings: tuple = ("HTTP-Redirect",)
    soap_url: str = ""
    more: str = 'connection = "idp"\n'

    @property
    def entity_id(self):
        """Its entity id."""
        return f"https://{self.name}.example/saml"

    @property
    def origin(self):
        """Where it lives."""
        return f"https://{self.name}.example"

    @property
    def metadata(self):
        """Its metadata, as text."""
        armour = re.compile(rb"-----[A-Z ]+-----|\s")
        certificate = armour.sub(b"", pair(self.signer).certificate_pem).decode()
        slo = "".join(
            f'<md:SingleLogoutService Binding="{BINDING}{binding}" '
            f'Location="{self.soap_url if binding == "SOAP" else self.origin + "/slo"}"/>'
            for binding in self.bindings
        )
        return (
            f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{self.entity_id}">'
            '<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
            '<md:KeyDescriptor><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>'
            f"<ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>{slo}"
            f'<md:AssertionConsumerService index="0" Binding="{BINDING}HTTP-POST" Location="{self.origin}/acs"/>'
            "</md:SPSSODescriptor></md:EntityDescriptor>"
        )

    def files(self):
        """The files of this application under metadata/applications."""
        insecure = "insecure_http = true\n" if self.soap_url else ""
        return {f"{self.name}.toml": f"{insecure}{self.more}", f"{self.name}.xml": self.metadata}

    # Sign-in ---------------------------------------------------------------------------------------------------------

    def authn_request(self, bridge, content="", **attributes):
        """An AuthnRequest to the bridge, unsigned, as an element; `content` is XML text behind the Issuer."""
        issued = bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        values = {"ID": f"_{self.name}{next(_numbers)}", "Destination": SSO, "IssueInstant": issued, **attributes}
        written = " ".join(f'{key}="{value}"' for key, value in values.items())
        return etree.fromstring(
            f'<samlp:AuthnRequest xmlns:samlp="{idp.SAMLP}" xmlns:saml="{idp.SAML}" Version="2.0" {written}>'
            f"<saml:Issuer>{self.entity_id}</saml:Issuer>{content}</samlp:AuthnRequest>"
        )

    def ask(self, bridge, browser, content="", *, post=False, relay_state="back", **attributes):
        """Send an AuthnRequest and follow the bridge to where it sends the browser next; return that response."""
        request = self.authn_request(bridge, content, **attributes)
        if post:
            response = bridge.deliver(browser, idp.post(request, endpoint=SSO, relay_state=relay_state))
        else:
            query = f"SAMLRequest={quote(idp.deflated(request), safe='')}&RelayState={quote(relay_state, safe='')}"
            response = browser.get(f"/saml/idp/sso?{query}", base_url=ORIGIN)
        assert response.status_code == 303, response.get_data(as_text=True)
        return browser.get(response.headers["Location"], base_url=ORIGIN)

    def sign_in(self, bridge, browser, **attributes):
        """Sign the person in to this application, through the IdP where the bridge wants it; return the Response."""
        response = self.ask(bridge, browser, **attributes)
        if response.status_code == 303 and response.headers["Location"].startswith("/login"):
            request = sent(browser.get(response.headers["Location"], base_url=ORIGIN))
            response = bridge.deliver(browser, idp.post(bridge.answer(request), endpoint=idp.ACS))
            assert response.headers["Location"].startswith("/saml/idp/continue"), response.headers
            response = browser.get(response.headers["Location"], base_url=ORIGIN)
        return Told(self, sent(response))

    # Logout ----------------------------------------------------------------------------------------------------------

    def logout_request(self, bridge, told, *, indexes=None, **parts):
        """A LogoutRequest for what this application was told at sign-in, unsigned."""
        parts.setdefault("issued", bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return idp.logout_request(
            name_id=told.name_id_xml,
            indexes=(told.session_index,) if indexes is None else indexes,
            identifier=parts.pop("identifier", f"_lr{self.name}{next(_numbers)}"),
            issuer=self.entity_id,
            destination=SLO,
            signed=False,
            **parts,
        )

    def start_logout(self, bridge, browser, told, *, binding="redirect", relay_state="rs", **parts):
        """Ask the bridge to log out, through a browser or by SOAP; return its HTTP response."""
        request = self.logout_request(bridge, told, **parts)
        if binding == "soap":
            return self.soap(bridge, idp.sign(request, self.signer))
        if binding == "post":
            message = idp.post(idp.sign(request, self.signer), endpoint=SLO, relay_state=relay_state)
        else:
            message = idp.redirect(request, endpoint=SLO, signer=self.signer, relay_state=relay_state)
        return bridge.deliver(browser, message)

    @staticmethod
    def soap(bridge, message):
        """Post an envelope to the bridge and return its HTTP response."""
        body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{etree.tostring(message).decode()}</s:Body></s:Envelope>'
        return bridge.browser().post("/saml/idp/slo", data=body, content_type="text/xml", base_url=ORIGIN)

    def answer(self, bridge, browser, request, *, binding="redirect", status=idp.SUCCEEDED):
        """Answer a LogoutRequest of the bridge through a browser; return the bridge's response."""
        message = idp.logout_response(
            in_response_to=request.id,
            issuer=self.entity_id,
            destination=SLO,
            signed=False,
            status=status,
            issued=bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        if binding == "post":
            return bridge.deliver(browser, idp.post(idp.sign(message, self.signer), endpoint=SLO))
        return bridge.deliver(browser, idp.redirect(message, endpoint=SLO, signer=self.signer))


class Told:
    """What an application was told by a Response: the facts, and the XML they stood in."""

    def __init__(self, sp, message):
        self.sp, self.message, root = sp, message, message.root
        self.status = [code.get("Value").rpartition(":")[2] for code in root.iter("{*}StatusCode")]
        name_id = root.find(".//{*}NameID")
        self.name_id = None if name_id is None else name_id.text
        self.name_id_xml = None if name_id is None else etree.tostring(name_id, with_tail=False).decode()
        statement = root.find(".//{*}AuthnStatement")
        self.session_index = None if statement is None else statement.get("SessionIndex")


@dataclass
class SoapEndpoint:
    """A real HTTP server on loopback that answers the bridge's SOAP LogoutRequests as it is told."""

    signer: str = "p256"
    entity_id: str = ""
    status: str = idp.SUCCEEDED
    fail: bool = False
    delay: object = None
    asked: list = field(default_factory=list)
    clock: object = None

    def __enter__(self):
        self._server = make_server("127.0.0.1", 0, Request.application(self._handle), threaded=True)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self):
        """Where it is asked."""
        return f"http://127.0.0.1:{self._server.port}/soap"

    def _handle(self, request):
        message = etree.fromstring(request.get_data())[0][0]
        self.asked.append(message)
        if self.delay is not None:
            self.delay.wait(120)
        if self.fail:
            return Response("no", status=500)
        issued = (self.clock.now if self.clock else idp.NOW).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = idp.logout_response(
            in_response_to=message.get("ID"),
            issuer=self.entity_id,
            destination=SLO,
            signed=False,
            status=self.status,
            issued=issued,
            identifier=f"_ls{next(_numbers)}",
        )
        idp.sign(answer, self.signer)
        body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{etree.tostring(answer).decode()}</s:Body></s:Envelope>'
        return Response(body, content_type="text/xml")


def frames(page):
    """The frames that a progress page opens, as paths."""
    return [frame.get("src") for frame in etree.HTML(page).iter("iframe")]


def receipt(bridge, browser, location):
    """The JSON of the receipt at this path."""
    assert location.startswith("/logout/"), location
    return json.loads(bridge.get(browser, f"{location}.json").get_data(as_text=True))


def basic(octets):
    """Base64 text."""
    return b64encode(octets).decode()
