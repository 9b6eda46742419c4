"""Decrypt EncryptedAssertion and EncryptedID (Core 2.2.4, 2.3.4; XML Encryption 1.1).

The structure is read by our own code and the primitives come from `cryptography`: libxmlsec would also follow a
CipherReference or RetrievalMethod. AES-GCM only; AES-CBC, which has no integrity, is a connection's `insecure_aes_cbc`
and then only inside an element that was verified before decryption. Key transport is RSA-OAEP only.

Every failure past the allow-lists is one and the same refusal, and a key that does not fit is replaced by a random one
instead of being reported, so that the answer is no decryption oracle (security C059).
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DS, XENC, XENC11
from saml_slo.wire.canonical import escaped_attribute
from saml_slo.wire.reader import child_of, children_of
from saml_slo.wire.xml import MAX_MESSAGE_BYTES, check_ids, parse_message

_GCM_KEY_BYTES = {XENC11 + "aes128-gcm": 16, XENC11 + "aes192-gcm": 24, XENC11 + "aes256-gcm": 32}
_CBC_KEY_BYTES = {XENC + "aes128-cbc": 16, XENC + "aes192-cbc": 24, XENC + "aes256-cbc": 32}
_OAEP_MGF1P = XENC + "rsa-oaep-mgf1p"
_OAEP = XENC11 + "rsa-oaep"
_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    DS + "sha1": hashes.SHA1(),  # noqa: S303 - inside OAEP, where collisions do not matter; the default of XMLEnc
    XENC + "sha256": hashes.SHA256(),
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384(),
    XENC + "sha512": hashes.SHA512(),
}
_MGFS: dict[str, hashes.HashAlgorithm] = {
    XENC11 + "mgf1sha1": hashes.SHA1(),  # noqa: S303 - as above
    XENC11 + "mgf1sha256": hashes.SHA256(),
    XENC11 + "mgf1sha384": hashes.SHA384(),
    XENC11 + "mgf1sha512": hashes.SHA512(),
}
_GCM_NONCE = 12
_GCM_TAG = 16
_BLOCK = 16


@dataclass(frozen=True, slots=True)
class DecryptionKeys:
    """Our live private keys, newest first; two during a rollover (product S7)."""

    keys: tuple[rsa.RSAPrivateKey, ...]


def decrypt_element(encrypted: _Element, keys: DecryptionKeys, *, aes_cbc: bool) -> _Element:
    """Return the one element inside an EncryptedAssertion or EncryptedID, in a document of its own.

    It stays there: among other declarations of the same namespaces lxml would give it their prefixes, which breaks the
    signature over it. No ID in it may be one of the message's.

    `aes_cbc`: the connection allows AES-CBC and the surrounding element was verified.
    """
    data, key_elements = _structure(encrypted)
    method = _algorithm(child_of(data, _xenc("EncryptionMethod")))
    sizes = {**_GCM_KEY_BYTES, **(_CBC_KEY_BYTES if aes_cbc else {})}
    if method not in sizes:
        raise MessageRefused(
            Reason.ALGORITHM_NOT_ALLOWED,
            "this block encryption is not allowed",
            expected="AES-GCM (AES-CBC: insecure_aes_cbc, inside a signed Response)",
            got=method[:200],
        )
    transports = [_transport(element) for element in key_elements]
    ciphertext = _cipher_value(data)
    for padding_, wrapped in transports:
        for key in keys.keys:
            content_key = _unwrap(key, padding_, wrapped, sizes[method])
            plaintext = _decrypt(content_key, ciphertext, gcm=method in _GCM_KEY_BYTES)
            # AES-CBC gives octets for a wrong key too, one time in sixteen: they are no XML, and the next key is tried.
            element = None if plaintext is None else _parsed(encrypted, plaintext)
            if element is not None:
                check_ids(encrypted, element)
                return element
    raise _failed()


def _xenc(name: str) -> str:
    return f"{{{XENC}}}{name}"


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"


def _structure(encrypted: _Element) -> tuple[_Element, list[_Element]]:
    """Return EncryptedData and every EncryptedKey, inside its KeyInfo or beside it (Core 2.2.4, Errata E43)."""
    children = list(encrypted)
    if not children or children[0].tag != _xenc("EncryptedData"):
        raise MessageRefused(Reason.SCHEMA_VIOLATION, "EncryptedData is missing")
    data = children[0]
    beside = children_of(children[1:], _xenc("EncryptedKey"))
    key_info = child_of(data, _ds("KeyInfo"))
    inside = [] if key_info is None else children_of(key_info, _xenc("EncryptedKey"))
    found = inside + beside
    limit = 8  # an IdP encrypts to each of our published keys, of which two are live; the rest is somebody's CPU bomb
    if not found or len(found) > limit or len(beside) != len(children) - 1:
        raise MessageRefused(
            Reason.SCHEMA_VIOLATION, "unusable EncryptedKey elements", expected=f"1 to {limit}", got=str(len(found))
        )
    return data, found


def _algorithm(element: _Element | None) -> str:
    return "" if element is None else element.get("Algorithm", "")


def _transport(element: _Element) -> tuple[padding.OAEP, bytes]:
    """Return the OAEP parameters and the wrapped key of an EncryptedKey; refuse everything that is not RSA-OAEP."""
    method = child_of(element, _xenc("EncryptionMethod"))
    algorithm = _algorithm(method)
    if algorithm not in (_OAEP_MGF1P, _OAEP):
        raise MessageRefused(
            Reason.ALGORITHM_NOT_ALLOWED, "this key transport is not allowed", expected="RSA-OAEP", got=algorithm[:200]
        )
    parameters = [] if method is None else list(method)
    digest_element, mgf_element = child_of(parameters, _ds("DigestMethod")), child_of(parameters, f"{{{XENC11}}}MGF")
    digest_uri = DS + "sha1" if digest_element is None else _algorithm(digest_element)
    mgf_uri = XENC11 + "mgf1sha1" if mgf_element is None else _algorithm(mgf_element)
    digest, mgf = _DIGESTS.get(digest_uri), _MGFS.get(mgf_uri)
    if digest is None or mgf is None or (algorithm == _OAEP_MGF1P and mgf_element is not None):
        raise MessageRefused(
            Reason.ALGORITHM_NOT_ALLOWED,
            "this OAEP digest or mask function is not allowed",
            expected="SHA-1 or SHA-2",
            got=f"{digest_uri} {mgf_uri}"[:200],
        )
    return padding.OAEP(mgf=padding.MGF1(mgf), algorithm=digest, label=None), _cipher_value(element)


def _cipher_value(element: _Element) -> bytes:
    data = child_of(element, _xenc("CipherData"))
    value = None if data is None else child_of(data, _xenc("CipherValue"))
    if value is None:
        # A CipherReference would make us fetch; the schema allows it, we do not.
        raise MessageRefused(Reason.SCHEMA_VIOLATION, "CipherValue is missing")
    try:
        return base64.b64decode("".join((value.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise _failed() from None


def _unwrap(key: rsa.RSAPrivateKey, padding_: padding.OAEP, wrapped: bytes, size: int) -> bytes:
    try:
        content_key = key.decrypt(wrapped, padding_)
    except ValueError:
        content_key = b""
    return content_key if len(content_key) == size else os.urandom(size)


def _decrypt(key: bytes, ciphertext: bytes, *, gcm: bool) -> bytes | None:
    if gcm:
        if len(ciphertext) < _GCM_NONCE + _GCM_TAG:
            return None
        try:
            return AESGCM(key).decrypt(ciphertext[:_GCM_NONCE], ciphertext[_GCM_NONCE:], None)
        except InvalidTag:
            return None
    if len(ciphertext) < 2 * _BLOCK or len(ciphertext) % _BLOCK:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.CBC(ciphertext[:_BLOCK])).decryptor()
    padded = decryptor.update(ciphertext[_BLOCK:]) + decryptor.finalize()
    fill = padded[-1]  # XMLEnc 5.2: the last octet counts the padding, the others are arbitrary
    return padded[:-fill] if 1 <= fill <= _BLOCK else None


def _parsed(encrypted: _Element, plaintext: bytes) -> _Element | None:
    """Parse the plaintext with the hardened parser, in the namespace context of the place where it stood (XMLEnc 4.3).

    The wrapper only lends namespace declarations. Plaintext that tries to close it is not well-formed any more.
    """
    declarations = "".join(
        f' xmlns{":" + prefix if prefix else ""}="{escaped_attribute(uri)}"' for prefix, uri in encrypted.nsmap.items()
    )
    if len(plaintext) > MAX_MESSAGE_BYTES:
        return None
    try:
        wrapper = parse_message(f"<w{declarations}>".encode() + plaintext + b"</w>")
    except MessageRefused:
        return None
    if len(wrapper) != 1 or (wrapper.text or "").strip() or (wrapper[0].tail or "").strip():
        return None
    return wrapper[0]


def _failed() -> MessageRefused:
    return MessageRefused(Reason.DECRYPT_FAILED, "the encrypted element cannot be decrypted with our live keys")
