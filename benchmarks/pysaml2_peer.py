"""The same logout work by pysaml2, as a service provider: verify a LogoutRequest, answer with a signed LogoutResponse.

pysaml2 signs and verifies XML by starting `xmlsec1`. Where that program is not installed, a small backend on
python-xmlsec stands in, which spares pysaml2 the processes and its temporary files for them; the table says which.
"""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import xmlsec
from lxml import etree
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.sigver import CryptoBackend, RSACrypto, import_rsa_key_from_file
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256
from xmlsec import constants

from benchmarks import identity_provider as idp
from benchmarks.identity_provider import KeyPair

XMLSEC1 = shutil.which("xmlsec1")
BACKEND = "xmlsec1" if XMLSEC1 else "python-xmlsec"


# pysaml2 carries no types.
class PythonXmlsec(CryptoBackend):  # type: ignore[misc]
    """pysaml2's interface to XML signatures, answered inside this process."""

    @property
    def version(self) -> str:
        """Return something: only the backend for the program looks at it."""
        return "0"

    def sign_statement(self, statement: object, node_name: str, key_file: str, node_id: str) -> str:
        """Return the XML text with its signature template filled in."""
        del node_name
        root = etree.fromstring(statement if isinstance(statement, bytes) else str(statement).encode())
        self._run(root, node_id, _private_key(key_file), "sign")
        return etree.tostring(root, encoding="unicode")

    def validate_signature(
        self, signedtext: bytes | str, cert_file: str, cert_type: str, node_name: str, node_id: str
    ) -> bool:
        """Verify with the certificate in a file; raise xmlsec.Error when it does not."""
        del cert_type, node_name
        root = etree.fromstring(signedtext.encode() if isinstance(signedtext, str) else signedtext)
        self._run(root, node_id, xmlsec.Key.from_file(cert_file, constants.KeyDataFormatCertPem), "verify")
        return True

    @staticmethod
    def _run(root: etree._Element, node_id: str, key: xmlsec.Key, method: str) -> None:
        element = next(element for element in root.iter() if element.get("ID") == node_id)
        context = xmlsec.SignatureContext()
        context.key = key
        context.register_id(element, "ID")
        getattr(context, method)(element.find(f"{{{idp.DS}}}Signature"))


@lru_cache(maxsize=1)
def _private_key(key_file: str) -> xmlsec.Key:
    return xmlsec.Key.from_file(key_file, constants.KeyDataFormatPem)


class Pysaml2:
    """pysaml2's Saml2Client with our keys and the identity provider's metadata."""

    def __init__(self, ours: KeyPair, theirs: KeyPair, folder: Path) -> None:
        key_file, cert_file = folder / "sp.key", folder / "sp.crt"
        key_file.write_bytes(ours.key_pem)
        cert_file.write_bytes(ours.certificate_pem)
        slo = [(idp.SP_SLO_URL, BINDING_HTTP_REDIRECT), (idp.SP_SLO_URL, BINDING_HTTP_POST)]
        settings: dict[str, Any] = {
            "entityid": idp.SP_ENTITY_ID,
            "key_file": str(key_file),
            "cert_file": str(cert_file),
            "crypto_backend": "xmlsec1" if XMLSEC1 else "XMLSecurity",
            "service": {
                "sp": {
                    "endpoints": {
                        "assertion_consumer_service": [(idp.SP_ACS_URL, BINDING_HTTP_POST)],
                        "single_logout_service": slo,
                    }
                }
            },
            "metadata": {"inline": [_metadata(theirs)]},
        }
        if XMLSEC1:
            settings["xmlsec_binary"] = XMLSEC1
        config = SPConfig().load(settings)
        # Without this a service provider of pysaml2 takes an unsigned LogoutRequest.
        config.setattr("idp", "want_authn_requests_signed", True)
        self._client = Saml2Client(config)
        if not XMLSEC1:
            self._client.sec.crypto = PythonXmlsec()
            self._client.sec.sec_backend = RSACrypto(import_rsa_key_from_file(str(key_file)))

    def redirect(self, query: bytes) -> str:
        """Take the query of a LogoutRequest, return the URL of the signed answer."""
        parameters = {name: values[0] for name, values in parse_qs(query.decode()).items()}
        request = self._client.parse_logout_request(
            parameters["SAMLRequest"],
            BINDING_HTTP_REDIRECT,
            relay_state=parameters["RelayState"],
            sigalg=parameters["SigAlg"],
            signature=parameters["Signature"],
        )
        answer = self._client.create_logout_response(request.message, [BINDING_HTTP_REDIRECT])
        sent = self._client.apply_binding(
            BINDING_HTTP_REDIRECT,
            str(answer),
            idp.SLO_URL,
            parameters["RelayState"],
            response=True,
            sign=True,
            sigalg=SIG_RSA_SHA256,
        )
        return str(dict(sent["headers"])["Location"])

    def post(self, body: bytes) -> str:
        """Take the body of a LogoutRequest, return the page with the signed answer."""
        parameters = parse_qs(body.decode())
        request = self._client.parse_logout_request(parameters["SAMLRequest"][0], BINDING_HTTP_POST)
        answer = self._client.create_logout_response(
            request.message, [BINDING_HTTP_POST], sign=True, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256
        )
        sent = self._client.apply_binding(BINDING_HTTP_POST, str(answer), idp.SLO_URL, "", response=True)
        return str(sent["data"])


def _metadata(keys: KeyPair) -> str:
    certificate = "".join(keys.certificate_pem.decode().splitlines()[1:-1])
    services = "".join(
        f'<md:{service} Binding="{binding}" Location="{idp.SLO_URL}"/>'
        for service in ("SingleLogoutService", "SingleSignOnService")
        for binding in (BINDING_HTTP_REDIRECT, BINDING_HTTP_POST)
    )
    return (
        f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{idp.ENTITY_ID}">'
        '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        f'<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{idp.DS}"><ds:X509Data><ds:X509Certificate>'
        f"{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        f"{services}</md:IDPSSODescriptor></md:EntityDescriptor>"
    )
