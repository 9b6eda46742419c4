"""Group C, encryption: weak methods are refused by name, and no failure to decrypt differs from another (C058, C059).

Every message is the identity provider's own and rightly signed; only the encryption is weak, or the ciphertext broken.
"""

import hashlib
import os
import statistics

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree
from xmlsec import constants

from saml_slo.protocol.names import DS, XENC, XENC11
from tests import idp
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import REQUEST_POST, REQUEST_REDIRECT
from tests.attacks.wrapping import post
from tests.encrypting import RSA_1_5, assemble, cipher_value, encrypt, encrypted_key, gcm, wrapped
from tests.keys import pair

ALGORITHM, FAILED, SCHEMA = "algorithm_not_allowed", "decrypt_failed", "schema_violation"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
GCM = f"{XENC11}aes256-gcm"


def assertion_encrypted(stage, make):
    """A Response with an encrypted, signed Assertion; `make` encrypts it."""
    return post(stage.response(make(idp.sign(stage.assertion()), "EncryptedAssertion"), sign_assertion=False))


def assertion_encrypted_in_a_signed_response(stage, make):
    """The same with the Response signed as well."""
    inside = make(idp.sign(stage.assertion()), "EncryptedAssertion")
    return post(stage.response(inside, sign_assertion=False, sign_response=True))


def _with_encrypted_id(root, make):
    name_id = root.find(f".//{{{idp.SAML}}}NameID")
    name_id.getparent().replace(name_id, make(name_id, "EncryptedID"))
    return root


def subject_encrypted(stage, make):
    """A signed Assertion with an EncryptedID."""
    return post(stage.response(idp.sign(_with_encrypted_id(stage.assertion(), make)), sign_assertion=False))


def request_encrypted_by_post(stage, make):
    """A signed LogoutRequest with an EncryptedID."""
    return REQUEST_POST.request(idp.sign(_with_encrypted_id(stage.logout_request(signed=False), make)))


def request_encrypted_by_redirect(stage, make):
    """The same by Redirect."""
    return REQUEST_REDIRECT.request(_with_encrypted_id(stage.logout_request(signed=False), make))


DOORS = [
    assertion_encrypted,
    assertion_encrypted_in_a_signed_response,
    subject_encrypted,
    request_encrypted_by_post,
    request_encrypted_by_redirect,
]
everywhere = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)


def encrypting(**how):
    """Encrypt in this way."""
    return lambda element, name: encrypt(element, name, **how)


def _mask(seed, length, digest):
    counter = range(length // hashlib.new(digest).digest_size + 1)
    return b"".join(hashlib.new(digest, seed + n.to_bytes(4, "big")).digest() for n in counter)[:length]


def _xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def oaep(message, digest):
    """Right OAEP (RFC 8017, 7.1.1) to our public key with a digest that libraries do not offer; the mask is SHA-1's."""
    numbers = pair("bridge-encryption").key.public_key().public_numbers()
    label, seed = hashlib.new(digest).digest(), os.urandom(hashlib.new(digest).digest_size)
    block = label + bytes(256 - len(message) - 2 * len(seed) - 2) + b"\1" + message
    masked = _xor(block, _mask(seed, len(block), "sha1"))
    padded = b"\0" + _xor(seed, _mask(masked, len(seed), "sha1")) + masked
    return pow(int.from_bytes(padded, "big"), numbers.e, numbers.n).to_bytes(256, "big")


def with_md5(transport):
    """Encrypt with OAEP that uses MD5."""

    def make(element, name):
        content_key = os.urandom(32)
        inside = encrypted_key(oaep(content_key, "md5"), transport, digest=f"{MORE}md5")
        return assemble(name, GCM, cipher_value(gcm(content_key, etree.tostring(element))), inside=inside)

    return make


def test_the_oaep_of_these_tests_is_right():
    """With SHA-1 our own key opens what `oaep` closed, so that MD5 is all that is wrong with the other."""
    sha1 = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - as XMLEnc
    assert pair("bridge-encryption").key.decrypt(oaep(b"key", "sha1"), sha1) == b"key"


WEAK = {
    "C058-aes128-cbc": encrypting(method=f"{XENC}aes128-cbc"),
    "C058-aes192-cbc": encrypting(method=f"{XENC}aes192-cbc"),
    "C058-aes256-cbc": encrypting(method=f"{XENC}aes256-cbc"),
    "C058-3des": encrypting(method=f"{XENC}tripledes-cbc"),
    "C058-rsa-1.5": encrypting(transport=RSA_1_5),
    "C058-rsa-1.5-cbc": encrypting(transport=RSA_1_5, method=f"{XENC}aes128-cbc"),
    "C058-oaep-md5": with_md5(f"{XENC}rsa-oaep-mgf1p"),
    "C058-oaep-1.1-md5": with_md5(f"{XENC11}rsa-oaep"),
}


@everywhere
@pytest.mark.parametrize("make", WEAK.values(), ids=WEAK)
def test_c058_weak_encryption(stage, door, make):
    """C058: AES-CBC, 3DES, RSA-1.5 and MD5 in OAEP are refused by name."""
    stage.refused(door(stage, make), ALGORITHM)


@everywhere
def test_the_same_encrypted_well_is_accepted(stage, door):
    """The control of C058: with AES-GCM and OAEP, the default of `encrypt`, the message is the usual one."""
    assert idp.check(door(stage, encrypting())).signed


KNOWN = {
    transform.href
    for name, transform in vars(constants).items()
    if name.startswith("Transform") and getattr(transform, "href", None)
}
OTHERS = {"", "urn:x", f"{XENC}rc4", f"{XENC11}aes256-ccm", f"{XENC}rsa-oaep", f"{MORE}chacha20-poly1305", "none"}
BLOCKS = {f"{XENC11}aes{bits}-gcm" for bits in (128, 192, 256)}
TRANSPORTS = {f"{XENC}rsa-oaep-mgf1p", f"{XENC11}rsa-oaep"}
OAEP_DIGESTS = {f"{DS}sha1", f"{XENC}sha256", f"{MORE}sha384", f"{XENC}sha512"}


@pytest.mark.parametrize("uri", sorted((KNOWN | OTHERS | TRANSPORTS) - BLOCKS))
def test_c058_generated_block_method(stage, uri):
    """C058: whatever else is named as block encryption is refused by name."""

    def make(element, name):
        key = encrypted_key(wrapped(os.urandom(32), "bridge-encryption"))
        return assemble(name, uri, cipher_value(os.urandom(64)), inside=key)

    stage.refused(assertion_encrypted(stage, make), ALGORITHM)


@pytest.mark.parametrize("uri", sorted((KNOWN | OTHERS | BLOCKS) - TRANSPORTS))
def test_c058_generated_key_transport(stage, uri):
    """C058: whatever else is named as key transport or key wrap is refused by name, before a private key is used."""

    def make(element, name):
        return assemble(name, GCM, cipher_value(os.urandom(64)), inside=encrypted_key(os.urandom(256), uri))

    stage.refused(assertion_encrypted(stage, make), ALGORITHM)


PARAMETERS = [("digest", uri) for uri in sorted((KNOWN | OTHERS) - OAEP_DIGESTS)]
PARAMETERS += [("mgf", uri) for uri in sorted(KNOWN | OTHERS | {f"{XENC11}mgf1sha224", f"{XENC11}mgf1md5"})]


@pytest.mark.parametrize(("place", "uri"), PARAMETERS)
def test_c058_generated_oaep_parameter(stage, place, uri):
    """C058: whatever else is named as digest or mask function of OAEP is refused by name."""

    def make(element, name):
        key = encrypted_key(os.urandom(256), f"{XENC11}rsa-oaep", **{place: uri})
        return assemble(name, GCM, cipher_value(os.urandom(64)), inside=key)

    stage.refused(assertion_encrypted(stage, make), ALGORITHM)


# What would make a decrypter fetch, loop or guess ---------------------------------------------------------------------


def _good_key():
    return encrypted_key(wrapped(bytes(32), "bridge-encryption"))


REFERENCE = '<xenc:CipherReference URI="{}">{}</xenc:CipherReference>'
TRANSFORMS = (
    f'<xenc:Transforms><ds:Transform xmlns:ds="{DS}" Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'
    "</xenc:Transforms>"
)
STRUCTURES = {
    "cipher-reference-http": lambda canary: (REFERENCE.format(canary.url, ""), _good_key()),
    "cipher-reference-file": lambda canary: (REFERENCE.format(canary.file.as_uri(), ""), _good_key()),
    "cipher-reference-transforms": lambda canary: (REFERENCE.format(canary.url, TRANSFORMS), _good_key()),
    "cipher-reference-same-document": lambda _: (REFERENCE.format("", TRANSFORMS), _good_key()),
    "key-cipher-reference": lambda canary: (
        cipher_value(gcm(bytes(32), b"x")),
        _good_key().partition("<xenc:CipherValue>")[0]
        + REFERENCE.format(canary.url, "")
        + "</xenc:CipherData></xenc:EncryptedKey>",
    ),
    "key-retrieval": lambda canary: (
        cipher_value(gcm(bytes(32), b"x")),
        f'<ds:RetrievalMethod xmlns:ds="{DS}" URI="{canary.url}"/>',
    ),
    "key-retrieval-file": lambda canary: (
        cipher_value(gcm(bytes(32), b"x")),
        f'<ds:RetrievalMethod xmlns:ds="{DS}" URI="{canary.file.as_uri()}"/>',
    ),
    "key-name-only": lambda _: (cipher_value(gcm(bytes(32), b"x")), f'<ds:KeyName xmlns:ds="{DS}">idp</ds:KeyName>'),
    "no-key": lambda _: (cipher_value(gcm(bytes(32), b"x")), ""),
    "nine-keys": lambda _: (cipher_value(gcm(bytes(32), b"x")), _good_key() * 9),
}


@everywhere
@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_c058_generated_structure_of_encrypted_data(stage, door, structure):
    """C058: a ciphertext or key that is elsewhere is not fetched; none, or a ninth key, is refused."""
    data, keys = structure(stage.canary)
    make = lambda _element, name: assemble(name, GCM, data, inside=keys)  # noqa: E731 - it is an argument
    stage.refused(door(stage, make), SCHEMA)


# C059 -----------------------------------------------------------------------------------------------------------------


def _encrypted(plaintext, *, key=None, value=None, tamper=None):
    key = os.urandom(32) if key is None else key
    ciphertext = gcm(key, plaintext)
    ciphertext = ciphertext if tamper is None else tamper(ciphertext)
    return cipher_value(ciphertext), encrypted_key(value or wrapped(key, "bridge-encryption"))


def _flip(ciphertext):
    return ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])


BROKEN = {
    "key-padding": lambda text: _encrypted(text, value=b"\0" + os.urandom(255)),
    "tag": lambda text: _encrypted(text, tamper=_flip),
    "not-xml": lambda text: _encrypted(b"\xff not XML" + text[11:]),
    "key-out-of-range": lambda text: _encrypted(text, value=b"\xff" * 256),
    "key-of-another": lambda text: (_encrypted(text)[0], encrypted_key(wrapped(os.urandom(32), "attacker"))),
    "key-length": lambda text: (_encrypted(text)[0], encrypted_key(wrapped(bytes(16), "bridge-encryption"))),
    "key-empty": lambda text: (_encrypted(text)[0], encrypted_key(wrapped(b"", "bridge-encryption"))),
    "key-value-short": lambda text: _encrypted(text, value=b"AAAA"),
    "truncated": lambda text: _encrypted(text, tamper=lambda c: c[:20]),
    "nothing": lambda text: _encrypted(text, tamper=lambda _: b""),
    "empty": lambda _: _encrypted(b""),
    "text": lambda _: _encrypted(b"alice"),
    "two-elements": lambda text: _encrypted(text + text),
    "text-after": lambda text: _encrypted(text + b"x"),
    "cut-off": lambda text: _encrypted(text[:-20]),
    "closing-the-wrapper": lambda text: _encrypted(b"</w>" + text + b"<w>"),
    "doctype": lambda text: _encrypted(b"<!DOCTYPE x>" + text),
    "comment": lambda text: _encrypted(b"<!-- -->" + text),
    "declaration": lambda text: _encrypted(b'<?xml version="1.0"?>' + text),
    "utf-16": lambda text: _encrypted(text.decode().encode("utf-16")),
    "entity": lambda text: _encrypted(text.replace(b"alice", b"&e;")),
}
THREE = ("key-padding", "tag", "not-xml")


def _broken(stage, how):
    text = etree.tostring(idp.sign(stage.assertion()))
    data, key = BROKEN[how](text)
    return post(stage.response(assemble("EncryptedAssertion", GCM, data, inside=key), sign_assertion=False))


@pytest.mark.parametrize("how", BROKEN, ids=[f"C059-{how}" for how in BROKEN])
def test_c059_one_failure(stage, how):
    """C059: whatever is wrong with a ciphertext, a key or what comes out, it is one failure: page, status and log."""
    refusal = stage.refused(_broken(stage, how), FAILED)
    assert refusal.line["message"] == stage.refused(_broken(stage, "tag"), FAILED).line["message"]


def test_c059_oracle_uniformity(stage):
    """C059: 200 times each, in turn: one page, one status, one set of headers, and less than 2 ms between the medians.

    The time is that of the processor in the application: the part of the latency that the input can change.
    """
    requests = {how: _broken(stage, how) for how in THREE}
    seen, times = set(), {how: [] for how in THREE}
    for _ in range(200):
        for how, request in requests.items():
            stage.bridge.log.clear()
            stage._meter.cpu = 0
            response = deliver(stage.stranger, request)
            times[how].append(stage._meter.cpu)
            (line,) = stage.bridge.log
            text = response.get_data(as_text=True).replace(line["reference"], "")
            seen.add((text, response.status_code, tuple(response.headers), str(line["reason"]), line["message"]))
    assert len(seen) == 1
    medians = [statistics.median(series) for series in times.values()]
    assert max(medians) - min(medians) < 0.002, medians


@pytest.mark.parametrize("value", [os.urandom(256), b"\0\2" + b"\1" * 253 + b"\0", bytes(256)])
def test_c059_rsa_1_5_is_no_oracle(stage, value):
    """C059: RSA-1.5 is refused by its name, with good padding and with bad, and no private key is used."""
    good = encrypting(transport=RSA_1_5)
    bad = lambda _element, name: assemble(  # noqa: E731 - it is an argument
        name, GCM, cipher_value(gcm(bytes(32), b"x")), inside=encrypted_key(value, RSA_1_5)
    )
    lines = [stage.refused(assertion_encrypted(stage, make), ALGORITHM).line for make in (good, bad)]
    assert len({(line["message"], line["got"]) for line in lines}) == 1
