"""What the bridge sent, decoded and verified without any code of the bridge."""

import zlib
from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

import xmlsec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from tests import idp
from tests.keys import pair


class Breach(Exception):  # noqa: N818 - named for what it is
    """The bridge broke a rule of a vendor; `rule` is its name."""

    def __init__(self, rule, detail=""):
        super().__init__(f"{rule}: {detail}" if detail else rule)
        self.rule = rule


@dataclass
class Message:
    """One SAML message through a browser. `query` is the raw query string of a redirect, None of a form."""

    location: str
    root: object
    parameters: dict
    query: str | None

    @classmethod
    def of(cls, response):
        """Read the redirect or form of a response; None when it carries no SAML message."""
        if response.status_code in (302, 303):
            location, _, query = response.headers["Location"].partition("?")
            parameters = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
            raw = parameters.get("SAMLRequest") or parameters.get("SAMLResponse")
            return raw and cls(location, etree.fromstring(zlib.decompress(b64decode(raw), -15)), parameters, query)
        form = etree.HTML(response.get_data(as_text=True)).find(".//form[@data-submit]")
        if form is None:
            return None
        parameters = {field.get("name"): field.get("value") for field in form.iter("input")}
        raw = parameters.get("SAMLRequest") or parameters.get("SAMLResponse")
        return cls(form.get("action"), etree.fromstring(b64decode(raw)), parameters, None)

    @property
    def binding(self):
        """The binding that it came by."""
        return "post" if self.query is None else "redirect"

    @property
    def kind(self):
        """LogoutRequest, LogoutResponse, AuthnRequest or Response."""
        return etree.QName(self.root).localname

    @property
    def id(self):
        """Its ID."""
        return self.root.get("ID")

    @property
    def issuer(self):
        """Its Issuer."""
        return self.root.findtext("{*}Issuer")

    @property
    def name_id(self):
        """Its NameID as (text, attributes), None without one."""
        found = self.root.find("{*}NameID")
        return None if found is None else (found.text, dict(found.attrib))

    @property
    def session_indexes(self):
        """Its SessionIndex values."""
        return tuple(found.text for found in self.root.findall("{*}SessionIndex"))

    @property
    def relay_state(self):
        """Its RelayState, None without one."""
        return self.parameters.get("RelayState")

    @property
    def statuses(self):
        """The status codes of a response, outermost first, without their prefix."""
        return [code.get("Value").rpartition(":")[2] for code in self.root.iter("{*}StatusCode")]

    @property
    def algorithm(self):
        """The URI of its signature algorithm, None without a signature."""
        if self.query is not None:
            return self.parameters.get("SigAlg")
        method = self.root.find("{*}Signature/{*}SignedInfo/{*}SignatureMethod")
        return None if method is None else method.get("Algorithm")

    def is_signed(self, signer="bridge"):
        """Say whether the signature of this key covers it: the raw query's octets, or the element in the XML."""
        if self.algorithm != idp.RSA_SHA256:
            return False
        return self._query_is_signed(signer) if self.query is not None else self._element_is_signed(signer)

    def _query_is_signed(self, signer):
        raw = dict(part.split("=", 1) for part in self.query.split("&"))
        name = "SAMLRequest" if "SAMLRequest" in raw else "SAMLResponse"
        names = [name, *(("RelayState",) if "RelayState" in raw else ()), "SigAlg"]
        signed = "&".join(f"{part}={raw[part]}" for part in names)
        signature = b64decode(unquote_plus(raw.get("Signature", "").replace("+", "%2B")))
        try:
            pair(signer).key.public_key().verify(signature, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def _element_is_signed(self, signer):
        signature = self.root.find("{*}Signature")
        reference = signature.find("{*}SignedInfo/{*}Reference")
        if reference.get("URI") != f"#{self.id}":
            return False
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(pair(signer).certificate_pem, xmlsec.KeyFormat.CERT_PEM)
        context.register_id(self.root, "ID")
        try:
            context.verify(signature)
        except xmlsec.Error:
            return False
        return True
