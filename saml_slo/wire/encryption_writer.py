"""Encrypt an assertion to an application's key (Core 2.3.4, XML Encryption 1.1).

One shape for everybody: AES-256-GCM with a fresh key, which RSA-OAEP-MGF1P with SHA-1 wraps, in one EncryptedKey inside
the KeyInfo of the EncryptedData. AES-CBC has no integrity and is never written. SimpleSAMLphp 1.19 (xmlseclibs 3.1)
and Lasso (libxmlsec) decrypt this; node-saml (xml-encryption) does as well, and reads no other place than this one and
no second EncryptedKey. The SHA-1 is OAEP's own, where collisions do not matter; xmlseclibs knows no other.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.protocol.names import DS, XENC, XENC11
from saml_slo.wire.algorithms import public_key
from saml_slo.wire.canonical import Element

_KEY_BITS = 256
_NONCE_BYTES = 12
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - see above


def encrypted_assertion(assertion: str, certificates: Sequence[bytes]) -> Element:
    """Return an EncryptedAssertion around a signed assertion that declares every namespace it uses.

    It is encrypted to the first RSA key of `certificates` (DER): a peer that rolls a key over has both, and publishes
    the one it wants first.
    """
    content_key, nonce = AESGCM.generate_key(_KEY_BITS), os.urandom(_NONCE_BYTES)
    wrapped = _recipient(certificates).encrypt(content_key, _OAEP)
    ciphertext = nonce + AESGCM(content_key).encrypt(nonce, assertion.encode(), None)
    encrypted_key = Element(
        "xenc:EncryptedKey",
        {},
        (
            _method(XENC + "rsa-oaep-mgf1p", Element("ds:DigestMethod", {"Algorithm": DS + "sha1"})),
            _cipher_data(wrapped),
        ),
    )
    data = Element(
        "xenc:EncryptedData",
        {"Type": XENC + "Element"},
        (
            _method(XENC11 + "aes256-gcm"),
            Element("ds:KeyInfo", {}, (encrypted_key,)),
            _cipher_data(ciphertext),
        ),
    )
    return Element("saml:EncryptedAssertion", {}, (data,))


def _recipient(certificates: Sequence[bytes]) -> rsa.RSAPublicKey:
    for certificate in certificates:
        key = public_key(certificate)
        if isinstance(key, rsa.RSAPublicKey):
            return key
    raise ConfigurationError(
        "The assertion for this application cannot be encrypted",
        reason=Reason.METADATA_INVALID,
        expected="an RSA certificate for encryption in the application's metadata",
        got=f"{len(certificates)} certificate(s)",
        setting="encrypt_assertion",
    )


def _method(algorithm: str, *content: Element) -> Element:
    return Element("xenc:EncryptionMethod", {"Algorithm": algorithm}, content)


def _cipher_data(octets: bytes) -> Element:
    value = base64.b64encode(octets).decode()
    return Element("xenc:CipherData", {}, (Element("xenc:CipherValue", {}, value),))
