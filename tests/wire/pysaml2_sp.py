"""pysaml2 as an application: a whole service provider that nobody here wrote, with its own checks of a Response."""

from base64 import b64encode

from saml2 import BINDING_HTTP_POST
from saml2.client import Saml2Client
from saml2.config import SPConfig

from tests.keys import pair
from tests.wire.others import LibXmlSec

_METADATA = """<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity_id}">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>
<ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{sso}"/>
</md:IDPSSODescriptor></md:EntityDescriptor>"""


class Pysaml2Sp:
    """One application with its own key for decryption, that trusts one identity provider's certificate."""

    def __init__(self, folder, *, entity_id, acs, idp, sso, certificate, **settings):
        self.acs = acs
        key = folder / "key.pem"
        key.write_bytes(pair("bridge-encryption").key_pem)
        crt = folder / "crt.pem"
        crt.write_bytes(pair("bridge-encryption").certificate_pem)
        metadata = _METADATA.format(entity_id=idp, sso=sso, certificate=b64encode(certificate).decode())
        service = {"endpoints": {"assertion_consumer_service": [(acs, BINDING_HTTP_POST)]}, "allow_unsolicited": False}
        config = {
            "entityid": entity_id,
            "crypto_backend": "XMLSecurity",  # a stand-in that needs no program; LibXmlSec takes its place
            "key_file": str(key),
            "cert_file": str(crt),
            "encryption_keypairs": [{"key_file": str(key), "cert_file": str(crt)}],
            "metadata": {"inline": [metadata]},
            "service": {"sp": service | settings},
            "allow_unknown_attributes": True,
            "accepted_time_diff": 0,
        }
        self.client = Saml2Client(SPConfig().load(config))
        self.client.sec.crypto = LibXmlSec()

    def read(self, field, request_id="_ar1"):
        """The Response in a form's field, as pysaml2 understands it after all of its checks; raises what it finds."""
        return self.client.parse_authn_request_response(field, BINDING_HTTP_POST, outstanding={request_id: "/"})
