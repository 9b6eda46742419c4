"""Encrypt as identity providers do, well or badly (XML Encryption 1.1): the structure is text, nothing is checked."""

import os
from base64 import b64encode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from saml_slo.protocol.names import DS, SAML, XENC, XENC11
from tests.idp import octets
from tests.keys import pair

OAEP_MGF1P = XENC + "rsa-oaep-mgf1p"
OAEP = XENC11 + "rsa-oaep"
RSA_1_5 = XENC + "rsa-1_5"
SHA1 = DS + "sha1"
SHA256 = XENC + "sha256"
_HASHES = {
    SHA1: hashes.SHA1(),  # noqa: S303 - the default of XML Encryption
    SHA256: hashes.SHA256(),
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384(),
    XENC + "sha512": hashes.SHA512(),
    "http://www.w3.org/2001/04/xmldsig-more#md5": hashes.MD5(),  # noqa: S303 - to be refused
    XENC11 + "mgf1sha1": hashes.SHA1(),  # noqa: S303 - as above
    XENC11 + "mgf1sha256": hashes.SHA256(),
    XENC11 + "mgf1sha384": hashes.SHA384(),
    XENC11 + "mgf1sha512": hashes.SHA512(),
}
_KEY_BYTES = {"128": 16, "192": 24, "256": 32}


def gcm(key, plaintext):
    """AES-GCM as XML Encryption writes it: nonce, ciphertext, tag."""
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, None)


def cbc(key, plaintext, cipher=algorithms.AES):
    """AES-CBC with the padding of XMLEnc 5.2: arbitrary octets, then their number."""
    block = cipher.block_size // 8
    fill = block - len(plaintext) % block
    vector = os.urandom(block)
    encryptor = Cipher(cipher(key), modes.CBC(vector)).encryptor()
    return vector + encryptor.update(plaintext + os.urandom(fill - 1) + bytes([fill])) + encryptor.finalize()


def block_cipher(method, key, plaintext):
    """The ciphertext of one of the methods that a test may name by its URI."""
    if method.endswith("-gcm"):
        return gcm(key, plaintext)
    if method.endswith("-cbc") and "aes" in method:
        return cbc(key, plaintext)
    return os.urandom(8 * (len(plaintext) // 8 + 2))  # an algorithm that is refused before anything is decrypted


def wrapped(key, recipient, transport=OAEP_MGF1P, digest=SHA1, mgf=XENC11 + "mgf1sha1"):
    """A content key, encrypted to the recipient of this name."""
    public = pair(recipient).key.public_key()
    if transport == RSA_1_5:
        return public.encrypt(key, padding.PKCS1v15())
    return public.encrypt(key, padding.OAEP(mgf=padding.MGF1(_HASHES[mgf]), algorithm=_HASHES[digest], label=None))


def encrypted_key(value, transport=OAEP_MGF1P, digest=None, mgf=None):
    """An EncryptedKey as text; a digest or mask function of None is left out."""
    inside = "" if digest is None else f'<ds:DigestMethod xmlns:ds="{DS}" Algorithm="{digest}"/>'
    inside += "" if mgf is None else f'<xenc11:MGF xmlns:xenc11="{XENC11}" Algorithm="{mgf}"/>'
    return (
        f'<xenc:EncryptedKey xmlns:xenc="{XENC}"><xenc:EncryptionMethod Algorithm="{transport}">{inside}'
        f"</xenc:EncryptionMethod><xenc:CipherData>{cipher_value(value)}</xenc:CipherData></xenc:EncryptedKey>"
    )


def cipher_value(value):
    """A CipherValue as text."""
    return f"<xenc:CipherValue>{b64encode(value).decode()}</xenc:CipherValue>"


def assemble(name, method, data, *, inside="", beside=""):
    """An EncryptedAssertion or EncryptedID; `data` is the text in CipherData, the others are EncryptedKeys as text."""
    key_info = f'<ds:KeyInfo xmlns:ds="{DS}">{inside}</ds:KeyInfo>' if inside else ""
    return etree.fromstring(
        f'<saml:{name} xmlns:saml="{SAML}"><xenc:EncryptedData xmlns:xenc="{XENC}" Type="{XENC}Element">'
        f'<xenc:EncryptionMethod Algorithm="{method}"/>{key_info}<xenc:CipherData>{data}</xenc:CipherData>'
        f"</xenc:EncryptedData>{beside}</saml:{name}>"
    )


def encrypt(
    plain,
    name="EncryptedAssertion",
    *,
    method=XENC11 + "aes256-gcm",
    recipients=("bridge-encryption",),
    transport=OAEP_MGF1P,
    digest=None,
    mgf=None,
    beside=False,
    tamper=None,
):
    """Encrypt an element or bytes to every recipient; `tamper` may change the ciphertext's octets on the way."""
    key = os.urandom(_KEY_BYTES.get(method[-7:-4], 24))
    ciphertext = block_cipher(method, key, octets(plain))
    if tamper is not None:
        ciphertext = tamper(ciphertext)
    keys = "".join(
        encrypted_key(
            wrapped(key, recipient, transport, digest or SHA1, mgf or XENC11 + "mgf1sha1"), transport, digest, mgf
        )
        for recipient in recipients
    )
    place = {"beside": keys} if beside else {"inside": keys}
    return assemble(name, method, cipher_value(ciphertext), **place)
