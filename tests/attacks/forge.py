"""Signatures of every shape, over every surface: what a hostile peer, or a captured message, can put on the wire.

`sign` makes a signature as text and computes digest and value itself (lxml's canonicalization, `cryptography`'s keys),
so that nothing in it has to be what a library would write. Left alone it makes a signature that the bridge accepts
(test_forge.py proves it on each surface), so that whatever a case changes is the only reason for its refusal.
"""

import hashlib
import hmac
import os
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from tests import idp
from tests.attacks.surfaces import SURFACES
from tests.idp import RSA_SHA256
from tests.keys import pair

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DS + "enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_DIGESTS = {
    DS + "sha1": "sha1",
    "http://www.w3.org/2001/04/xmldsig-more#md5": "md5",
    "http://www.w3.org/2001/04/xmldsig-more#sha224": "sha224",
    SHA256: "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}

# The usual run tries each member of a large class once; `HYPOTHESIS_PROFILE=deep` tries every member at every door.
DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"


def in_turn(table, surfaces=SURFACES):
    """Each row of a table at one door in turn, in a deep run at every door: (surface, row) for parametrize."""
    return [
        pytest.param(surface, row, id=f"{name}-{surface}")
        for number, (name, row) in enumerate(table.items())
        for surface in (surfaces if DEEP else [surfaces[number % len(surfaces)]])
    ]


def thinned(members, every):
    """Every so many members, in a deep run all of them. `every` is a prime, so that no kind is left out."""
    return [member for number, member in enumerate(members) if DEEP or number % every == 0]


def draft(surface, stage):
    """A message for the stage's pending business without any signature, and the element in it that is to be signed."""
    root = surface.draft(stage.asked.id if surface.kind == "Response" else stage.pending.id)
    return root, root.find("{*}Assertion") if surface.signs == ("assertion",) else root


def canonical(element, algorithm=EXCLUSIVE):
    """The octets of an element; an algorithm that is no canonicalization counts as the exclusive one."""
    exclusive = "TR/2001/REC" not in algorithm and "c14n11" not in algorithm
    return etree.tostring(element, method="c14n", exclusive=exclusive, with_comments="WithComments" in algorithm)


def reference(octets, uri, *, transforms=(ENVELOPED, EXCLUSIVE), digest=SHA256, attributes="", inside=None):
    """A ds:Reference as text over these octets. `uri` None leaves the attribute out; transforms may be XML text."""
    value = b64encode(hashlib.new(_DIGESTS.get(digest, "sha256"), octets).digest()).decode()
    chain = "".join(t if t.startswith("<") else f'<ds:Transform Algorithm="{t}"/>' for t in transforms)
    chain = f"<ds:Transforms>{chain}</ds:Transforms>" if transforms else ""
    where = "" if uri is None else f' URI="{uri}"'
    content = inside or f'{chain}<ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue>{value}</ds:DigestValue>'
    return f"<ds:Reference{where}{attributes}>{content}</ds:Reference>"


def sign(
    target,
    *,
    signer="idp",
    references=None,
    c14n=EXCLUSIVE,
    method=RSA_SHA256,
    key_info="",
    secret=None,
    into=None,
    at=1,
    **how,
):
    """Put a Signature over `target` into `into` (default: the target) as child number `at` and return it.

    `references` are texts; without them there is one, whose `uri`, `transforms`, `digest` … are taken from `how`.
    `secret` makes it an HMAC. `c14n`, `method` and `key_info` may be XML text in the prefix ds.
    """
    if references is None:
        how.setdefault("uri", f"#{target.get('ID')}")
        uris = [uri for uri in how.get("transforms", ()) if "c14n" in uri]
        references = [reference(canonical(target, uris[-1] if uris else EXCLUSIVE), **how)]
    signature = idp.element(
        f"<ds:Signature><ds:SignedInfo>{_method('CanonicalizationMethod', c14n)}{_method('SignatureMethod', method)}"
        f"{''.join(references)}</ds:SignedInfo><ds:SignatureValue>AAAA</ds:SignatureValue>"
        f"{key_info and f'<ds:KeyInfo>{key_info}</ds:KeyInfo>'}</ds:Signature>"
    )
    (target if into is None else into).insert(at, signature)
    return sign_again(signature, signer, secret=secret)


def _method(name, algorithm):
    return algorithm if algorithm.startswith("<") else f'<ds:{name} Algorithm="{algorithm}"/>'


def sign_again(signature, signer="idp", *, secret=None):
    """Compute the SignatureValue anew, over the first SignedInfo as it stands now."""
    info = signature.find(f"{{{DS}}}SignedInfo")
    octets = canonical(info, info[0].get("Algorithm", ""))
    value = _value(octets, signer, info[1].get("Algorithm", ""), secret)
    signature.find(f"{{{DS}}}SignatureValue").text = b64encode(value).decode()
    return signature


def _value(octets, signer, method, secret):
    if secret is not None:
        return hmac.new(secret, octets, method.rpartition("-")[2]).digest()
    if method not in idp._METHODS:
        return bytes(256)  # an algorithm that is refused before anything is computed
    key = pair(signer).key
    if isinstance(key, rsa.RSAPrivateKey) != ("rsa-" in method):
        return bytes(256)
    value = idp.detached(octets, signer, method)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.key_size + 7) // 8
        value = b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(value))
    return value


def certificate_text(name):
    """A pair's certificate as ds:X509Certificate has it."""
    return b64encode(pair(name).certificate).decode()


def x509(*names):
    """KeyInfo content with these certificates, as text."""
    held = "".join(f"<ds:X509Certificate>{certificate_text(name)}</ds:X509Certificate>" for name in names)
    return f"<ds:X509Data>{held}</ds:X509Data>"


def slots(root):
    """Every place in a document where a child may be put: (the path to its parent, its index)."""
    found = []
    for element in root.iter("*"):
        path = path_of(element, root)
        found += [(path, index) for index in range(len(element) + 1)]
    return found


def path_of(element, top=None):
    """The indexes that lead from the root, or from another ancestor, to an element."""
    path = []
    while element is not top and (parent := element.getparent()) is not None:
        path.append(parent.index(element))
        element = parent
    return tuple(reversed(path))


def follow(root, path):
    """The element to which a path leads."""
    for index in path:
        root = root[index]
    return root


def named(root, path, index):
    """A slot in words: the local names on the way and the index."""
    names = [etree.QName(follow(root, path[:depth])).localname for depth in range(1, len(path) + 1)]
    return "/".join([*names, str(index)])
