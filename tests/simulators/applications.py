"""Applications as vendors make them: SimpleSAMLphp, node-saml, samlify and AWS Cognito as service providers.

`needs` is what the vendor wants in the application's file, the keys that stand for a preset there.
"""

from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace

from lxml import etree

from tests import idp
from tests.running import ORIGIN
from tests.simulators import rules
from tests.simulators.identity_provider import Session
from tests.simulators.message import Breach
from tests.simulators.times import written
from tests.sp import BRIDGE, SLO, Sp

_numbers = count(1)


@dataclass
class Application(Sp):
    """The road of a logout at one application; a subclass is a vendor."""

    signer: str = "idp-next"
    sessions: list = field(default_factory=list)
    bridge: object = None

    needs = ""
    rules = (rules.signed, rules.issuer, rules.destination, rules.logout_endpoint, rules.relay_state)
    answers_by = "redirect"
    authn_requests_signed = False

    @property
    def slo_url(self):
        """Where it takes LogoutRequests."""
        return f"{self.origin}/slo"

    @property
    def sp(self):
        """Who we are to it, under the word that the rules use."""
        return SimpleNamespace(entity_id=BRIDGE)

    @property
    def now(self):
        """Its clock is the bridge's."""
        return self.bridge.clock.now

    def meet(self, bridge, browser):
        """Take our metadata, then sign a person in."""
        self.bridge = bridge
        self.read_metadata(etree.fromstring(bridge.browser().get("/saml/idp/metadata", base_url=ORIGIN).data))
        told = self.sign_in(bridge, browser)
        self.accept(told)
        named = etree.fromstring(told.name_id_xml)
        self.sessions.append(Session((named.text, dict(named.attrib)), (told.session_index,)))
        return told

    def read_metadata(self, root):
        """Take what the vendor's administrator gives it."""

    def accept(self, told):
        """Take the Response of a sign-in, or raise Breach."""
        if told.status != ["Success"]:
            raise Breach("sign_in", str(told.status))

    def receive(self, message):
        """Take a LogoutRequest by the vendor's rules and return its answer, as what the browser delivers."""
        for rule in self.rules:
            rule(self, message)
        for session in self.meant(message):
            session.alive = False
        return self.response(message)

    def meant(self, message):
        """Return the sessions that a request is about."""
        wanted = set(message.session_indexes)
        return [one for one in self.sessions if not wanted or wanted & set(one.indexes)]

    def response(self, message, status=idp.SUCCEEDED):
        """Return a signed LogoutResponse."""
        made = idp.logout_response(
            in_response_to=message.id,
            issuer=self.entity_id,
            destination=SLO,
            status=status,
            identifier=f"_ls{next(_numbers)}app",
            issued=written(self.now),
            signed=False,
        )
        if self.answers_by == "post":
            return idp.post(idp.sign(made, self.signer), endpoint=SLO, relay_state=message.relay_state)
        return idp.redirect(made, endpoint=SLO, signer=self.signer, relay_state=message.relay_state)


class SimpleSamlPhpSp(Application):
    """SimpleSAMLphp with its sql store: without the identical NameID and a known SessionIndex it keeps the session.

    It says Success all the same, so whoever breaks this rule is told a lie. It answers by the binding that the IdP's
    metadata prefers, whatever it was asked by, and shows its errors as pages with HTTP status 200.
    """

    preferred = ""

    def read_metadata(self, root):
        """Remember the first binding of our SingleLogoutServices."""
        self.preferred = next(root.iter("{*}SingleLogoutService")).get("Binding").rpartition("-")[2].lower()

    def meant(self, message):
        """Return the sessions of this very name and index."""
        rules.same_name_id(self, message)
        rules.known_session_index(self, message)
        return super().meant(message)

    def response(self, message, status=idp.SUCCEEDED):
        """Answer by the binding that our metadata names first."""
        self.answers_by = self.preferred
        return super().response(message, status)


class NodeSaml(Application):
    """node-saml: wants the Response signed, reads the first SessionIndex, checks NotOnOrAfter, answers by Redirect."""

    needs = "sign_response = true\n"
    rules = (*Application.rules, rules.time_window, rules.with_session_index)

    def accept(self, told):
        """Refuse a Response that is only signed inside."""
        super().accept(told)
        if told.message.root.find("{*}Signature") is None:
            raise Breach("signed_response")

    def meant(self, message):
        """Return the session of the first SessionIndex."""
        return [one for one in self.sessions if message.session_indexes[0] in one.indexes]


class Samlify(Application):
    """samlify: refuses to start unless our WantAuthnRequestsSigned is its AuthnRequestsSigned; then always Success."""

    rules = (rules.signed,)  # it checks neither Issuer nor NotOnOrAfter nor Destination

    def read_metadata(self, root):
        """Compare the two flags (ERR_METADATA_CONFLICT_REQUEST_SIGNED_FLAG)."""
        wanted = next(root.iter("{*}IDPSSODescriptor")).get("WantAuthnRequestsSigned", "false")
        if (wanted in ("true", "1")) != self.authn_requests_signed:
            raise Breach("request_signed_flag", wanted)


class Cognito(Application):
    """AWS Cognito: asks by a signed Redirect, wants the answer by POST, keeps the first statement's SessionIndex."""

    answers_by = "post"

    def accept(self, told):
        """Keep the SessionIndex of the first AuthnStatement; there must be one."""
        super().accept(told)
        if not told.session_index:
            raise Breach("with_session_index")

    def take_answer(self, message):
        """Take the LogoutResponse to its own request."""
        if message.binding != "post":
            raise Breach("post_only", message.binding)
        rules.signed(self, message)
        rules.destination(self, message)
        if message.statuses != ["Success"]:
            raise Breach("success", str(message.statuses))
