"""An identity provider as a vendor runs it: it signs in, takes LogoutRequests by its rules, and answers its way."""

import json
import re
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import quote

from lxml import etree

from tests import idp
from tests.keys import pair
from tests.running import ORIGIN, write_connection
from tests.simulators import rules
from tests.simulators.message import Breach, Message
from tests.simulators.times import written

BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-"
PARTIAL = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout"
_numbers = count(1)


@dataclass
class Session:
    """One session there: whom the assertion named, the SessionIndex values, and whether it is alive."""

    name_id: tuple
    indexes: tuple
    alive: bool = True


@dataclass
class Registered:
    """What the vendor's administrator took from our metadata."""

    entity_id: str
    logout: dict

    @classmethod
    def read(cls, bridge, name):
        """Read our metadata for a connection."""
        root = etree.fromstring(bridge.browser().get(f"/saml/sp/{name}/metadata", base_url=ORIGIN).data)
        services = root.iter("{*}SingleLogoutService")
        logout = {one.get("Binding").rpartition("-")[2].lower(): one.get("Location") for one in services}
        return cls(root.get("entityID"), logout)


def lower_case(text, safe=""):
    """Percent-encode as .NET does: hex digits in lower case."""
    return re.sub(r"%[0-9A-F]{2}", lambda escape: escape[0].lower(), quote(text, safe=safe))


@dataclass
class IdentityProvider:
    """The road of a logout at one vendor; a subclass is a vendor. `has_logout`: its metadata names a logout URL."""

    name: str = ""
    has_logout: bool = True
    outcome: str = idp.SUCCEEDED
    sessions: list = field(default_factory=list)
    received: list = field(default_factory=list)
    sp: Registered = None
    bridge: object = None

    preset = ""
    signer = "idp"
    sso_path, slo_path = "/sso", "/slo"
    offers = ("Redirect", "POST")
    response_path = ""
    rules = (
        rules.signed,
        rules.issuer,
        rules.destination,
        rules.logout_endpoint,
        rules.identifier,
        rules.plain_name_id,
        rules.known_name_id,
        rules.known_session_index,
        rules.relay_state,
        rules.time_window,
    )
    answers_by = "redirect"
    signs_answers = True
    quoting = staticmethod(quote)

    def __post_init__(self):
        self.name = self.name or self.preset or type(self).__name__.lower()

    # Where it lives ---------------------------------------------------------------------------------------------------

    @property
    def origin(self):
        """Its origin."""
        return f"https://{self.name}.example"

    @property
    def entity_id(self):
        """Its entity id."""
        return f"{self.origin}/saml"

    @property
    def slo_url(self):
        """Where it takes LogoutRequests."""
        return self.origin + self.slo_path

    @property
    def response_url(self):
        """Where it takes LogoutResponses."""
        return self.origin + (self.response_path or self.slo_path)

    @property
    def now(self):
        """Its clock is the bridge's."""
        return self.bridge.clock.now

    def metadata(self):
        """Its metadata, as text."""
        armour = re.compile(rb"-----[A-Z ]+-----|\s")
        certificate = armour.sub(b"", pair(self.signer).certificate_pem).decode()
        answers = f' ResponseLocation="{self.response_url}"' if self.response_path else ""
        logout = "".join(
            f'<md:SingleLogoutService Binding="{BINDING}{one}" Location="{self.slo_url}"{answers}/>'
            for one in self.offers
        )
        return (
            f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{self.entity_id}">'
            '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
            '<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>'
            f"<ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            f"{logout if self.has_logout else ''}"
            f'<md:SingleSignOnService Binding="{BINDING}Redirect" Location="{self.origin}{self.sso_path}"/>'
            "</md:IDPSSODescriptor></md:EntityDescriptor>"
        )

    def write(self, folder, toml):
        """Write the connection's files, before the bridge is started."""
        write_connection(folder / "metadata", self.name, toml, self.metadata())

    def meet(self, bridge):
        """Take our metadata from a running bridge."""
        self.bridge, self.sp = bridge, Registered.read(bridge, self.name)

    # Sign-in ----------------------------------------------------------------------------------------------------------

    def sign_in(self, browser, *, indexes=("_s1",), name_id=None):
        """Sign a person in through the bridge."""
        request = self.bridge.start_sign_in(browser, self.name)
        acs = f"{ORIGIN}/saml/sp/{self.name}/acs"
        name_id = name_id or idp.NAME_ID.replace(idp.ENTITY_ID, self.entity_id).replace(idp.SP, self.sp.entity_id)
        statements = "".join(idp.authn_statement(index) for index in indexes)
        conditions = (
            f'<saml:Conditions NotBefore="{idp.instant(-30)}" NotOnOrAfter="{idp.instant(900)}">'
            f"<saml:AudienceRestriction><saml:Audience>{self.sp.entity_id}</saml:Audience></saml:AudienceRestriction>"
            "</saml:Conditions>"
        )
        made = idp.assertion(
            identifier=f"_a{next(_numbers)}x",
            issuer=self.entity_id,
            name_id=name_id,
            statements=statements or idp.authn_statement("X").replace('SessionIndex="X"', ""),
            confirmations=idp.bearer(acs, 900),
            conditions=conditions,
        )
        made.set("IssueInstant", written(self.now))
        next(made.iter("{*}SubjectConfirmationData")).set("InResponseTo", request.id)
        response = idp.response(made, issuer=self.entity_id, destination=acs, issued=written(self.now))
        response.set("InResponseTo", request.id)
        answer = self.bridge.deliver(browser, idp.post(response, endpoint=acs))
        assert answer.status_code == 303, answer.get_data(as_text=True)
        named = idp.element(name_id)
        self.sessions.append(Session((named.text, dict(named.attrib)), tuple(indexes)))

    # A LogoutRequest of the bridge's ----------------------------------------------------------------------------------

    def receive(self, message):
        """Take a LogoutRequest by the vendor's rules; return its answer as what the browser delivers, None for none."""
        self.received.append(message)
        if message.kind != "LogoutRequest":
            raise Breach("kind", message.kind)
        self.check(message)
        for session in self.meant(message):
            session.alive = False
        return self.answer(message)

    def check(self, message):
        """Hold a message against every rule."""
        for rule in self.rules:
            rule(self, message)

    def meant(self, message):
        """Return the sessions that a request is about: those of its indexes, or all of the person."""
        wanted = set(message.session_indexes)
        return [one for one in self.sessions if not wanted or wanted & set(one.indexes)]

    def answer(self, message):
        """Answer as the vendor does, RelayState echoed."""
        location = self.sp.logout[self.answers_by]
        response = idp.logout_response(
            in_response_to=message.id,
            issuer=self.entity_id,
            destination=location,
            status=self.outcome,
            identifier=f"_ls{next(_numbers)}",
            issued=written(self.now),
            signed=False,
        )
        if self.answers_by == "post":
            if self.signs_answers:
                idp.sign(response, self.signer)
            return idp.post(response, endpoint=location, relay_state=message.relay_state)
        made = idp.redirect(
            response, endpoint=location, signer=self.signer, relay_state=message.relay_state, quoted=self.quoting
        )
        if not self.signs_answers:
            made = type(made)(method="GET", endpoint=location, query=made.query.partition(b"&SigAlg=")[0])
        return made

    # A whole logout ---------------------------------------------------------------------------------------------------

    def log_out(self, browser):
        """Let a person log out everywhere; return the receipt's row about this vendor."""
        response = self.bridge.logout(browser, federated="")
        for _ in range(5):
            at_the_end = response.status_code == 303 and response.headers["Location"].startswith("/logout/")
            if at_the_end or response.status_code >= 400:  # the page of an answer that the bridge refused
                break
            message = Message.of(response)
            delivered = self.visited(response.headers["Location"]) if message is None else self.receive(message)
            if delivered is None:
                break
            response = self.bridge.deliver(browser, delivered)
        return self.row(browser)

    def visited(self, location):
        """Take a browser that comes with no message."""
        raise Breach("visit", location)

    def row(self, browser):
        """Return the row about this vendor on the receipt of the browser's logout."""
        handle = browser.get_cookie("__Host-slo-logout", domain=ORIGIN.removeprefix("https://")).value
        found = json.loads(browser.get(f"/logout/{handle}.json", base_url=ORIGIN).data)
        return next(row for row in found["sessions"] if row["kind"] == "idp")

    # A LogoutRequest of the vendor's ----------------------------------------------------------------------------------

    def ask(self, browser, *, name_id=None, indexes=("_s1",), relay_state=None):
        """Send a LogoutRequest to the bridge by Redirect; return the bridge's answer, held to the vendor's rules."""
        location = self.sp.logout["redirect"]
        request = idp.logout_request(
            name_id=name_id or idp.NAME_ID.replace(idp.ENTITY_ID, self.entity_id).replace(idp.SP, self.sp.entity_id),
            indexes=indexes,
            issuer=self.entity_id,
            destination=location,
            identifier=f"_lr{next(_numbers)}x",
            issued=written(self.now),
            signed=False,
        )
        made = idp.redirect(
            request, endpoint=location, signer=self.signer, relay_state=relay_state, quoted=self.quoting
        )
        response = self.bridge.deliver(browser, made)
        assert response.status_code in (200, 303), response.get_data(as_text=True)
        message = Message.of(response)
        if message.kind != "LogoutResponse" or message.root.get("InResponseTo") != request.get("ID"):
            raise Breach("in_response_to")
        if message.location != self.response_url or message.root.get("Destination") != self.response_url:
            raise Breach("response_location", message.location)
        if message.relay_state != relay_state:
            raise Breach("relay_state_echoed", repr(message.relay_state))
        rules.signed(self, message)
        rules.issuer(self, message)
        return message
