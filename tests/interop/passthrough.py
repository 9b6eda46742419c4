"""Messages that are changed on their way through the browser.

Some identity providers send no SessionIndex and those of the lab cannot be told to: the Response is signed anew with
the identity provider's own key, which the lab leaves on disk. Where a signature is to break, nothing is signed anew.
"""

from collections.abc import Callable
from pathlib import Path

import xmlsec
from lxml import etree

DS = "{http://www.w3.org/2000/09/xmldsig#}"


def without_session_index(key: Path, certificate: Path) -> Callable[[bytes], bytes]:
    """Return a function that takes the SessionIndex out of a Response and renews each signature that it had."""

    def rewrite(xml: bytes) -> bytes:
        root = etree.fromstring(xml)
        for statement in root.iter("{*}AuthnStatement"):
            del statement.attrib["SessionIndex"]
        signed = [
            element for element in (root.find("{*}Assertion"), root) if element.find(f"{DS}Signature") is not None
        ]
        for element in signed:
            element.remove(element.find(f"{DS}Signature"))
        for element in signed:  # the assertion first: the Response's signature covers it
            _sign(element, key, certificate)
        return etree.tostring(root)

    return rewrite


def with_a_broken_signature(parameter: str, of: str) -> Callable[[str], str]:
    """Return a function that breaks the signature of what goes as `parameter` by Redirect to a path ending in `of`."""

    def divert(url: str) -> str:
        if not url.partition("?")[0].endswith(of) or f"{parameter}=" not in url:
            return url
        # One letter in the middle of the signature: still base64, still of the right length.
        head, _, signature = url.partition("&Signature=")
        middle = len(signature) // 2
        while signature[middle] == "%" or "%" in signature[middle - 2 : middle]:
            middle += 1
        letter = "A" if signature[middle] != "A" else "B"
        return f"{head}&Signature={signature[:middle]}{letter}{signature[middle + 1 :]}"

    return divert


def _sign(element: etree._Element, key: Path, certificate: Path) -> None:
    signature = xmlsec.template.create(element, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns="ds")
    reference = xmlsec.template.add_reference(signature, xmlsec.Transform.SHA256, uri=f"#{element.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    element.insert(1, signature)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(key), xmlsec.KeyFormat.PEM)
    context.key.load_cert_from_file(str(certificate), xmlsec.KeyFormat.PEM)
    context.register_id(element, "ID")
    context.sign(signature)
