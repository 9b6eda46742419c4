"""URIs that the SAML 2.0 specifications define, under the names that they use."""

from __future__ import annotations

from enum import StrEnum

# Namespaces (Core 1.1, Metadata 2, XMLDSig, XMLEnc).
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
SOAP_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
XENC11 = "http://www.w3.org/2009/xmlenc11#"

VERSION = "2.0"
AUTHN_CONTEXT_UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
CONFIRMATION_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
REASON_USER = "urn:oasis:names:tc:SAML:2.0:logout:user"
REASON_ADMIN = "urn:oasis:names:tc:SAML:2.0:logout:admin"
REASON_GLOBAL_TIMEOUT = "urn:oasis:names:tc:SAML:2.0:logout:global-timeout"


class Binding(StrEnum):
    """How a message travels (Bindings 3)."""

    REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
    POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
    SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"

    @property
    def short(self) -> str:
        """Return the word that people use: redirect, post, soap."""
        return self.name.lower()


class NameIdFormat(StrEnum):
    """Name identifier formats (Core 8.3)."""

    UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
    EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
    PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"


class SignatureAlgorithm(StrEnum):
    """Signature methods that we know by name (XMLDSig 6.4, RFC 6931). RSA_SHA1 only where a connection opts in."""

    RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
    RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    RSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
    RSA_SHA512 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
    ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
    ECDSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
    ECDSA_SHA512 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"


class DigestAlgorithm(StrEnum):
    """Digest methods that we know by name. SHA1 only where a connection opts in."""

    SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
    SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
    SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
    SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"


EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED_SIGNATURE = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
