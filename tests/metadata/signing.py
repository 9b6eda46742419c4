"""Metadata documents signed with the fixed test keys."""

from lxml import etree

from tests.attacks import forge
from tests.keys import pair
from tests.wire.idp_metadata import entity


def document(text=None, **how):
    """The root of a metadata document that a test may bend before it is signed."""
    root = etree.fromstring((text or entity(**how)).encode())
    if "ID" not in root.attrib:
        root.set("ID", "_metadata")
    return root


def signed(text=None, signer="idp", *, key_info=None, at=0, **how):
    """A metadata document (default: the made-up IdP's) signed as a whole; KeyInfo holds the signer's certificate."""
    root = document(text)
    forge.sign(root, signer=signer, key_info=forge.x509(signer) if key_info is None else key_info, at=at, **how)
    return etree.tostring(root).decode()


def signer_file(*names):
    """The PEM file that pins these signers."""
    return b"".join(pair(name).certificate_pem for name in names).decode()
