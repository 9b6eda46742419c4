"""An application that speaks SAML and shares no code with saml_slo; the sibling of tests/idp.py.

Every AuthnRequest is fresh at NOW and otherwise perfect, so that whatever a test changes in it is the only reason for a
refusal. `post()` and `redirect()` of tests/idp.py put it on the wire with `signer="idp-next"`, `check()` verifies it.
What runs against a bridge that is up stands in tests/sp.py.
"""

from dataclasses import replace

from lxml import etree

from saml_slo.protocol.names import SAML, SAMLP, Binding
from saml_slo.protocol.peer import ConsumerEndpoint, Endpoint, NameIdKind, ServiceProvider
from saml_slo.wire import bindings, checks
from tests import idp
from tests.idp import NOW
from tests.keys import pair

KEY = "idp-next"  # whose pair the application signs with; any pair is as good as another
ENTITY_ID = "https://app.example/saml"
IDP = "https://bridge.example/saml/idp/metadata"
SSO = "https://bridge.example/saml/idp/sso"
SLO = "https://bridge.example/saml/idp/slo"
ACS = "https://app.example/acs"
OTHER_ACS = "https://app.example/acs2?tenant=a"

PROVIDER = ServiceProvider(
    name="app",
    entity_id=ENTITY_ID,
    idp_entity_id=IDP,
    slo_url=SLO,
    single_logout=(Endpoint(binding=Binding.REDIRECT, location="https://app.example/slo"),),
    signing_certificates=(pair(KEY).certificate,),
    assertion_consumers=(
        ConsumerEndpoint(location=OTHER_ACS, index=7),
        ConsumerEndpoint(location=ACS, index=0, is_default=True),
    ),
    name_id=NameIdKind.EMAIL,
)


def authn_request(
    content="",
    *,
    issuer=ENTITY_ID,
    destination=SSO,
    issued=None,
    signed=False,
    acs=ACS,
    index=None,
    **attributes,
):
    """An AuthnRequest to our single sign-on endpoint; `content` is XML text behind the Issuer, None is absent."""
    attributes |= {
        "ID": attributes.get("ID", "_ar1"),
        "Destination": destination,
        "IssueInstant": issued or idp.instant(),
        "AssertionConsumerServiceURL": acs,
        "AssertionConsumerServiceIndex": index,
    }
    root = etree.fromstring(
        f'<samlp:AuthnRequest xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" Version="2.0">'
        f"{'' if issuer is None else f'<saml:Issuer>{issuer}</saml:Issuer>'}{content}</samlp:AuthnRequest>"
    )
    for name, value in attributes.items():
        if value is not None:
            root.set(name, value)
    return idp.sign(root, KEY) if signed else root


def post(message, **how):
    """The browser's POST of an AuthnRequest."""
    return idp.post(message, endpoint=SSO, **how)


def redirect(message, **how):
    """The browser's GET that carries an AuthnRequest, signed in the query."""
    return idp.redirect(message, endpoint=SSO, **{"signer": KEY} | how)


def check(request, *, now=NOW, **changes):
    """Decode a request and verify the AuthnRequest in it; `changes` are made to the application's settings."""
    return checks.verify_authn_request(bindings.decode(request), replace(PROVIDER, **changes), SSO, now)
