"""Group C, keys: only keys of the connection's metadata sign, whatever a message says of keys (C044 to C051, C082).

C048 (the same CA) and C082's removed key, C084 need metadata of their own: test_c_policy.py. The run of C082 with an
application's key waits for applications that have keys here; p256 is a key that nobody knows. AuthnRequests are no door
of surfaces.py yet: when they are, `everywhere` knocks there as well.
"""

import hmac
from base64 import b64encode
from itertools import product
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.attacks.forge import DS, certificate_text, draft, in_turn, sign, x509
from tests.attacks.surfaces import BOTH_SIGNED, by_redirect, everywhere
from tests.keys import pair

INVALID, PROFILE, ALGORITHM = "signature_invalid", "signature_profile_violation", "algorithm_not_allowed"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
DSIG11 = "http://www.w3.org/2009/xmldsig11#"
XENC = "http://www.w3.org/2001/04/xmlenc#"


@everywhere
@pytest.mark.parametrize("names", [("attacker",), ("attacker", "idp"), ("idp", "attacker"), ("idp",), ()])
def test_c044_attacker_key_in_key_info(stage, surface, names):
    """C044: what the attacker signed is not believed because its KeyInfo has a certificate, not even the IdP's."""
    root, target = draft(surface, stage)
    sign(target, signer="attacker", key_info=x509(*names) if names else "")
    stage.refused(surface.request(root), INVALID)


@by_redirect
def test_c044_attacker_key_over_the_query(stage, surface):
    """C044: nor is a query that the attacker signed, with or without a certificate in the XML."""
    root, target = draft(surface, stage)
    stage.refused(surface.request(root, signer="attacker"), INVALID)
    sign(target, signer="attacker", key_info=x509("attacker"))
    stage.refused(surface.request(root, signer="attacker"), INVALID)


def _numbers(name):
    numbers = pair(name).key.public_key().public_numbers()
    size = (numbers.n.bit_length() + 7) // 8
    return b64encode(numbers.n.to_bytes(size, "big")).decode(), b64encode(numbers.e.to_bytes(3, "big")).decode()


def _spki(name):
    return b64encode(pair(name).key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _point(name):
    public = pair(name).key.public_key()
    return b64encode(public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode()


RSA_KEY_VALUE = (
    f"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{_numbers('attacker')[0]}</ds:Modulus>"
    f"<ds:Exponent>{_numbers('attacker')[1]}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>"
)
DER_KEY_VALUE = f'<d:DEREncodedKeyValue xmlns:d="{DSIG11}">{_spki("attacker")}</d:DEREncodedKeyValue>'
EC_KEY_VALUE = (
    f'<ds:KeyValue><d:ECKeyValue xmlns:d="{DSIG11}"><d:NamedCurve URI="urn:oid:1.2.840.10045.3.1.7"/>'
    f"<d:PublicKey>{_point('p256')}</d:PublicKey></d:ECKeyValue></ds:KeyValue>"
)
KEY_VALUES = {
    "C045-rsa-key-value": RSA_KEY_VALUE,
    "C045-der-encoded-key-value": DER_KEY_VALUE,
    "C045-ec-key-value": EC_KEY_VALUE,
    "C045-after-x509": x509("idp") + RSA_KEY_VALUE,
    "C045-before-x509": RSA_KEY_VALUE + x509("idp"),
    "C045-after-key-name": "<ds:KeyName>idp</ds:KeyName>" + RSA_KEY_VALUE,
    "C045-dsa-key-value": "<ds:KeyValue><ds:DSAKeyValue><ds:Y>AAAA</ds:Y></ds:DSAKeyValue></ds:KeyValue>",
    "C045-empty": "<ds:KeyValue/>",
    "C045-foreign": '<ds:KeyValue><x:k xmlns:x="urn:x">AAAA</x:k></ds:KeyValue>',
    "C045-spki": "<ds:SPKIData><ds:SPKISexp>AAAA</ds:SPKISexp></ds:SPKIData>",
    "C045-pgp": "<ds:PGPData><ds:PGPKeyID>AAAA</ds:PGPKeyID></ds:PGPData>",
    "C045-mgmt": "<ds:MgmtData>AAAA</ds:MgmtData>",
    "C045-encrypted-key": f'<x:EncryptedKey xmlns:x="{XENC}"/>',
    "C045-agreement": f'<x:AgreementMethod xmlns:x="{XENC}" Algorithm="{XENC}dh"/>',
    "C045-in-x509-data": f"<ds:X509Data>{DER_KEY_VALUE}</ds:X509Data>",
    "C045-in-x509-data-key-value": f"<ds:X509Data>{RSA_KEY_VALUE}</ds:X509Data>",
    "C045-key-info-in-key-info": f"<ds:KeyInfo>{RSA_KEY_VALUE}</ds:KeyInfo>",
    "C045-text": "idp",
    "C045-text-after": x509("idp") + "idp",
}


@everywhere
@pytest.mark.parametrize("key_info", KEY_VALUES.values(), ids=KEY_VALUES)
def test_c045_key_values(stage, surface, key_info):
    """C045: a message that brings its key along is refused before any key is tried."""
    root, target = draft(surface, stage)
    sign(target, signer="attacker", key_info=key_info)
    stage.refused(surface.request(root), PROFILE)


@pytest.mark.parametrize(("surface", "key_info"), in_turn(KEY_VALUES))
def test_c045_generated_key_values_of_the_idp(stage, surface, key_info):
    """C045: the same where the IdP's own key signed it: what is in KeyInfo is not tried out either."""
    root, target = draft(surface, stage)
    sign(target, key_info=key_info)
    stage.refused(surface.request(root), PROFILE)


@everywhere
@pytest.mark.parametrize("name", ["idp", "idp-a", "", " ", "../../../../etc/passwd", "{canary}", "bridge", "default"])
def test_c049_key_names(stage, surface, name):
    """C049: a KeyName chooses no key and opens no file."""
    text = name.format(canary=stage.canary.file)
    root, target = draft(surface, stage)
    sign(target, signer="attacker", key_info=f"<ds:KeyName>{text}</ds:KeyName>")
    stage.refused(surface.request(root), INVALID)


@everywhere
@pytest.mark.parametrize(
    ("size", "reason"), [(150_000, INVALID), (1_000_000, "message_too_large")], ids=["C049-150-kb", "C049-1-mb"]
)
def test_c049_a_long_key_name(stage, surface, size, reason):
    """C049: a KeyName of any length is not looked at; one of a megabyte is over the limit of a message."""
    root, target = draft(surface, stage)
    sign(target, signer="attacker", key_info=f"<ds:KeyName>{'k' * size}</ds:KeyName>")
    stage.refused(surface.request(root), reason, status=413 if reason == "message_too_large" else None)


RETRIEVALS = {
    "C050-retrieval-http": '<ds:RetrievalMethod URI="{url}" Type="http://www.w3.org/2000/09/xmldsig#X509Data"/>',
    "C050-retrieval-file": '<ds:RetrievalMethod URI="file://{file}"/>',
    "C050-retrieval-path": '<ds:RetrievalMethod URI="{file}"/>',
    "C050-retrieval-raw": f'<ds:RetrievalMethod URI="{{url}}" Type="{DS}rawX509Certificate"/>',
    "C050-retrieval-same-document": '<ds:RetrievalMethod URI="#_k1"/>',
    "C050-retrieval-transforms": (
        '<ds:RetrievalMethod URI="#_k1"><ds:Transforms><ds:Transform '
        'Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>self::text()</ds:XPath></ds:Transform>'
        "</ds:Transforms></ds:RetrievalMethod>"
    ),
    "C050-key-info-reference-http": f'<d:KeyInfoReference xmlns:d="{DSIG11}" URI="{{url}}"/>',
    "C050-key-info-reference-file": f'<d:KeyInfoReference xmlns:d="{DSIG11}" URI="file://{{file}}"/>',
    "C050-key-info-reference-id": f'<d:KeyInfoReference xmlns:d="{DSIG11}" URI="#_k1"/>',
    "C050-in-x509-data": '<ds:X509Data><ds:RetrievalMethod URI="{url}"/></ds:X509Data>',
    "C050-encrypted-key-reference": (
        f'<x:EncryptedKey xmlns:x="{XENC}"><x:CipherData><x:CipherReference URI="{{url}}"/></x:CipherData>'
        "</x:EncryptedKey>"
    ),
}


@everywhere
@pytest.mark.parametrize("key_info", RETRIEVALS.values(), ids=RETRIEVALS)
def test_c050_retrieval(stage, surface, key_info):
    """C050: a KeyInfo that says where to fetch a key is refused; nothing is fetched, nothing is opened."""
    root, target = draft(surface, stage)
    sign(target, signer="attacker", key_info=key_info.format(url=stage.canary.url, file=stage.canary.file))
    stage.refused(surface.request(root), PROFILE)


HMACS = {
    f"{DS}hmac-sha1": "sha1",
    f"{MORE}hmac-sha256": "sha256",
    f"{MORE}hmac-sha384": "sha384",
    f"{MORE}hmac-sha512": "sha512",
    f"{MORE}hmac-md5": "md5",
}
SECRETS = {
    "C051-pem": lambda: pair("idp").certificate_pem,
    "C051-der": lambda: pair("idp").certificate,
    "C051-base64": lambda: certificate_text("idp").encode(),
    "C051-spki": lambda: pair("idp").key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "C051-empty": lambda: b"",
}


@everywhere
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_c051_hmac_with_the_public_key(stage, surface, secret):
    """C051: what everybody knows of the IdP's key is no secret; HMAC is on no list."""
    root, target = draft(surface, stage)
    sign(target, method=f"{MORE}hmac-sha256", secret=secret() or b"\0", key_info="<ds:KeyName>idp</ds:KeyName>")
    stage.refused(surface.request(root), ALGORITHM)


@pytest.mark.parametrize(
    ("surface", "row"),
    in_turn({f"{HMACS[method]}-{secret}": (method, secret) for method, secret in product(HMACS, SECRETS)}),
)
def test_c051_generated_hmac(stage, surface, row):
    """C051: nor is any other HMAC."""
    root, target = draft(surface, stage)
    sign(target, method=row[0], secret=SECRETS[row[1]]() or b"\0")
    stage.refused(surface.request(root), ALGORITHM)


@everywhere
@pytest.mark.parametrize("bits", ["0", "1", "8", "256"])
def test_c051_generated_truncated_hmac(stage, surface, bits):
    """C051: an HMACOutputLength cuts nothing short (CVE-2009-0217), under an HMAC or under RSA."""
    for method in (f"{MORE}hmac-sha256", idp.RSA_SHA256):
        root, target = draft(surface, stage)
        text = (
            f'<ds:SignatureMethod Algorithm="{method}"><ds:HMACOutputLength>{bits}</ds:HMACOutputLength>'
            "</ds:SignatureMethod>"
        )
        sign(target, method=text)
        stage.refused(surface.request(root), PROFILE, ALGORITHM)


@by_redirect
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_c051_hmac_over_the_query(stage, surface, secret):
    """C051: the same for the signature of a Redirect."""
    root, _ = draft(surface, stage)
    query = f"{surface.parameter}={quote(idp.deflated(root), safe='')}&SigAlg={quote(f'{MORE}hmac-sha256', safe='')}"
    value = quote(b64encode(hmac.digest(secret() or b"\0", query.encode(), "sha256")).decode(), safe="")
    request = HttpIn(method="GET", endpoint=surface.endpoint, query=f"{query}&Signature={value}".encode())
    stage.refused(request, ALGORITHM)


# Whoever has a key has it for something. The IdP's encryption key is that of test_c_policy.py's metadata.
ROLES = {
    "C082-other-idp": "other-idp",
    "C082-bridge": "bridge",
    "C082-bridge-encryption": "bridge-encryption",
    "C082-removed": "idp-next",
    "C082-unknown": "p256",
}


def _method_of(signer):
    return f"{MORE}ecdsa-sha256" if signer == "p256" else idp.RSA_SHA256


@everywhere
@pytest.mark.parametrize("signer", ROLES.values(), ids=ROLES)
def test_c082_wrong_key_role(stage, surface, signer):
    """C082: neither another IdP's key, nor ours, nor one that was taken out of the metadata signs for this IdP."""
    root, target = draft(surface, stage)
    sign(target, signer=signer, method=_method_of(signer), key_info=x509(signer))
    stage.refused(surface.request(root), INVALID)


@by_redirect
@pytest.mark.parametrize("signer", ROLES.values(), ids=ROLES)
def test_c082_wrong_key_role_over_the_query(stage, surface, signer):
    """C082: nor do they sign a Redirect."""
    root, _ = draft(surface, stage)
    stage.refused(surface.request(root, signer=signer, method=_method_of(signer)), INVALID)


@everywhere
def test_c082_generated_key_of_the_other_family(stage, surface):
    """C082: an algorithm of a family that no key of the metadata belongs to is invalid, not a crash."""
    for method in (f"{MORE}ecdsa-sha256", f"{MORE}ecdsa-sha384", f"{MORE}ecdsa-sha512"):
        root, target = draft(surface, stage)
        sign(target, method=method)
        stage.refused(surface.request(root), INVALID)


SPOILED = {
    "attacker": {"signer": "attacker"},
    "other-idp": {"signer": "other-idp"},
    "sha1": {"digest": f"{DS}sha1"},
    "uri": {"uri": "#_other"},
    "key-value": {"key_info": RSA_KEY_VALUE},
}


@pytest.mark.parametrize("which", ["assertion", "root"])
@pytest.mark.parametrize("how", SPOILED.values(), ids=SPOILED)
def test_generated_every_signature_must_be_good(stage, which, how):
    """A Response with two signatures, one of them good: the bad one is not made up for by the good one."""
    root, _ = draft(BOTH_SIGNED, stage)
    sign(root.find("{*}Assertion"), **(how if which == "assertion" else {}))
    sign(root, **(how if which == "root" else {}))
    stage.refused(BOTH_SIGNED.request(root), INVALID, ALGORITHM, PROFILE)
