"""Software that nobody here wrote, as readers of what we write: pysaml2 and signxml.

pysaml2 runs a program for signatures that is not everywhere, so it is given libxmlsec instead; the rest is its own.
"""

from base64 import b64encode
from urllib.parse import parse_qsl, urlsplit

import signxml
import xmlsec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from lxml import etree
from saml2 import sigver
from signxml.algorithms import DigestAlgorithm, SignatureMethod

from saml_slo.protocol.names import DS, XENC


class LibXmlSec(sigver.CryptoBackend):
    """A backend of pysaml2 on libxmlsec."""

    version = "1.3"

    def validate_signature(self, signedtext, cert_file, cert_type, node_name, node_id):
        """Say whether the element `node_name` with the ID `node_id` carries a good signature of this certificate."""
        namespace, name = node_name.rsplit(":", 1)
        root = etree.fromstring(signedtext.encode() if isinstance(signedtext, str) else signedtext)
        (element,) = [e for e in root.iter(f"{{{namespace}}}{name}") if e.get("ID") == node_id]
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(cert_file, xmlsec.KeyFormat.CERT_PEM)
        context.register_id(element, "ID")
        try:
            context.verify(element.find(f"{{{DS}}}Signature"))
        except xmlsec.Error:
            return False
        return True

    def decrypt(self, enctext, key_file):
        """The document with what is encrypted to one of these keys in clear; a DecryptError with none of them."""
        for name in [key_file] if isinstance(key_file, str) else key_file:
            root = etree.fromstring(enctext.encode() if isinstance(enctext, str) else enctext)
            manager = xmlsec.KeysManager()
            manager.add_key(xmlsec.Key.from_file(name, xmlsec.KeyFormat.PEM))
            try:
                xmlsec.EncryptionContext(manager).decrypt(next(root.iter(f"{{{XENC}}}EncryptedData")))
            except (xmlsec.Error, StopIteration):
                continue
            return etree.tostring(root).decode()
        raise sigver.DecryptError


class OnePeer:
    """Metadata as pysaml2 asks for it: one certificate, whoever it is."""

    def __init__(self, certificate):
        self.certificate = b64encode(certificate).decode()

    def certs(self, entity_id, descriptor, use="signing"):
        """The certificate of every entity."""
        assert use == "signing"
        return [("peer", self.certificate)]


def pysaml2_reads_post(xml, kind, certificate):
    """The message as pysaml2 reads it from a form, its signature and schema checked; raises where they are bad."""
    context = sigver.SecurityContext(LibXmlSec(), metadata=OnePeer(certificate), only_use_keys_in_metadata=True)
    return getattr(context, f"correctly_signed_{kind}")(xml, must=True)


def pysaml2_verifies_redirect(location, certificate):
    """Say whether pysaml2 finds the signature of a redirect good. It knows RSA only, and no space in a RelayState."""
    parameters = dict(parse_qsl(urlsplit(location).query, keep_blank_values=True, strict_parsing=True))
    return sigver.verify_redirect_signature(parameters, sigver.RSACrypto(None), b64encode(certificate).decode())


def signxml_reads(xml, certificate_pem):
    """The root of what signxml found signed by this certificate, in the strictest configuration; raises otherwise."""
    found = signxml.XMLVerifier().verify(
        xml,
        x509_cert=certificate_pem.decode(),
        id_attribute="ID",
        expect_config=signxml.SignatureConfiguration(
            require_x509=True,
            location="./",
            expect_references=1,
            signature_methods=frozenset(
                method for method in SignatureMethod if method.name.rpartition("_")[2] in ("SHA256", "SHA384", "SHA512")
            ),
            digest_algorithms=frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}),
            default_reference_c14n_method=signxml.CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        ),
    )
    return found.signed_xml


def cryptography_verifies(public_key, algorithm, signature, octets):
    """Say whether plain RSA or ECDSA (DER) finds a signature good; `algorithm` is the URI's fragment, rsa-sha256."""
    digest = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[algorithm[-6:]]
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, octets, padding.PKCS1v15(), digest)
        else:
            public_key.verify(signature, octets, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True
