"""XML signatures for pysaml2 by libxmlsec in this process: its own way is to run a program that only apt installs."""

from __future__ import annotations

from importlib.metadata import version

import xmlsec
from lxml import etree
from saml2.sigver import CryptoBackend

_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"


class PythonXmlsec(CryptoBackend):  # type: ignore[misc]  # pysaml2 carries no types
    """What pysaml2 asks of a cryptographic backend, as far as an identity provider needs it."""

    @property
    def version(self) -> str:
        """Return the version of python-xmlsec."""
        return version("xmlsec")

    def sign_statement(self, statement: object, node_name: str, key_file: str, node_id: str) -> str:
        """Return the XML text with the signature template of the element `node_id` filled in."""
        root = etree.fromstring(statement if isinstance(statement, bytes) else str(statement).encode())
        context, signature = _context(
            root, node_name, node_id, xmlsec.Key.from_file(key_file, xmlsec.constants.KeyDataFormatPem)
        )
        context.sign(signature)
        return etree.tostring(root, encoding="unicode")

    def validate_signature(
        self, signedtext: bytes | str, cert_file: str, cert_type: str, node_name: str, node_id: str
    ) -> bool:
        """Say whether the element `node_id` carries a good signature of the certificate in a file."""
        del cert_type
        root = etree.fromstring(signedtext.encode() if isinstance(signedtext, str) else signedtext)
        key = xmlsec.Key.from_file(cert_file, xmlsec.constants.KeyDataFormatCertPem)
        context, signature = _context(root, node_name, node_id, key)
        try:
            context.verify(signature)
        except xmlsec.Error:
            return False
        return True


def _context(
    root: etree._Element, node_name: str, node_id: str, key: xmlsec.Key
) -> tuple[xmlsec.SignatureContext, etree._Element]:
    namespace, _, name = node_name.rpartition(":")
    (element,) = [found for found in root.iter(f"{{{namespace}}}{name}") if found.get("ID") == node_id]
    signature = element.find(_SIGNATURE)
    if signature is None:
        raise ValueError(f"{node_name} {node_id} has no signature")
    context = xmlsec.SignatureContext()
    context.key = key
    context.register_id(element, "ID")
    return context, signature
