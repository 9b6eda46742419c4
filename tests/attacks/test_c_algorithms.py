"""Group C, algorithms: what is not on the list is not computed (C054, C055, C073, C074), and the rule behind them.

What a connection may opt in to (SHA-1, inclusive C14N) is accepted where it does: test_forge.py and test_c_policy.py.
"""

from base64 import b64encode
from urllib.parse import quote

import pytest
from xmlsec import constants

from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.names import DigestAlgorithm, SignatureAlgorithm
from tests import idp
from tests.attacks.forge import DS, ENVELOPED, EXCLUSIVE, SHA256, draft, reference, sign
from tests.attacks.surfaces import SURFACES, by_redirect, everywhere

ALGORITHM, PROFILE, SCHEMA = "algorithm_not_allowed", "signature_profile_violation", "schema_violation"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N11 = "http://www.w3.org/2006/12/xml-c14n11"
COMMENTED = (f"{EXCLUSIVE}WithComments", f"{INCLUSIVE}#WithComments", f"{C14N11}#WithComments")

PLACES = {
    "transform": lambda uri: {"transforms": (ENVELOPED, uri)},
    "method": lambda uri: {"c14n": uri},
    "both": lambda uri: {"transforms": (ENVELOPED, uri), "c14n": uri},
}


def refused(stage, surface, *reasons, **how):
    """Sign a message in this way with the IdP's own key, and see it refused."""
    root, target = draft(surface, stage)
    sign(target, **how)
    stage.refused(surface.request(root), *reasons)


@everywhere
@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"method": f"{DS}rsa-sha1", "digest": f"{DS}sha1"}, id="C054"),
        pytest.param({"method": f"{DS}rsa-sha1"}, id="C054-method-alone"),
        pytest.param({"digest": f"{DS}sha1"}, id="C055"),
    ],
)
def test_sha1_in_the_xml(stage, surface, how):
    """C054, C055: SHA-1 is refused as method and as digest, each alone is enough; the connection did not opt in."""
    refused(stage, surface, ALGORITHM, **how)


@by_redirect
def test_c054_sha1_over_the_query(stage, surface):
    """C054: SHA-1 is refused as SigAlg, although the value is the IdP's."""
    root, _ = draft(surface, stage)
    stage.refused(surface.request(root, method=f"{DS}rsa-sha1"), ALGORITHM)


@everywhere
@pytest.mark.parametrize("place", PLACES.values(), ids=[f"C073-{place}" for place in PLACES])
@pytest.mark.parametrize("uri", COMMENTED, ids=["exclusive", "inclusive", "1.1"])
def test_c073_with_comments(stage, surface, place, uri):
    """C073: a canonicalization that keeps comments is refused wherever it is named."""
    refused(stage, surface, ALGORITHM, **place(uri))


@everywhere
@pytest.mark.parametrize("place", PLACES.values(), ids=[f"C074-{place}" for place in PLACES])
@pytest.mark.parametrize("uri", [INCLUSIVE, C14N11], ids=["1.0", "1.1"])
def test_c074_inclusive(stage, surface, place, uri):
    """C074: inclusive canonicalization is refused; the connection did not opt in."""
    refused(stage, surface, ALGORITHM, **place(uri))


# The rule ------------------------------------------------------------------------------------------------------------

# All that libxmlsec knows, and what it or another library may learn: RFC 6931 and 9231, xmldsig 1.1, GOST.
LIBXMLSEC = {
    transform.href
    for name, transform in vars(constants).items()
    if name.startswith("Transform") and getattr(transform, "href", None)
}
OTHERS = {
    "",
    "none",
    "urn:x",
    f"{DS}base64",
    f"{DS}hmac-sha256",
    f"{MORE}rsa-sha224",
    f"{MORE}sha3-256",
    f"{MORE}whirlpool",
    f"{MORE}ecdsa-whirlpool",
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "http://www.w3.org/2007/05/xmldsig-more#rsa-pss",
    "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
    "http://www.w3.org/2007/05/xmldsig-more#ecdsa-sha3-256",
    "http://www.w3.org/2009/xmldsig11#dsa-sha256",
    "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
    "http://www.w3.org/2021/04/xmldsig-more#xmss-sha2-10-256",
    "urn:ietf:params:xml:ns:cpxmlsec:algorithms:gostr34102012-gostr34112012-256",
    "http://www.w3.org/2002/07/decrypt#XML",
    "http://www.w3.org/2010/xml-c14n2",
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform",
    "http://www.w3.org/TR/1999/WD-xslt-19990813",
}


def _spellings(uri):
    """A URI that is on the list, as a careless comparison would also take it."""
    yield from (f"{uri} ", f" {uri}", uri.upper(), uri.replace("http:", "https:"), f"{uri}&#9;", f"{uri}#x")
    yield from (uri.replace("www.w3.org", "www.w3.org."), uri.replace("#", "%23"), uri.rstrip("#") + "/", f"x{uri}")


ALLOWED = {
    "c14n": {EXCLUSIVE},
    "transform": {EXCLUSIVE},
    "signature": set(SignatureAlgorithm) - {SignatureAlgorithm.RSA_SHA1},
    "digest": set(DigestAlgorithm) - {DigestAlgorithm.SHA1},
}
WRITTEN = {
    "c14n": lambda uri: {"c14n": f'<ds:CanonicalizationMethod Algorithm="{uri}"/>'},
    "transform": lambda uri: {"transforms": (ENVELOPED, f'<ds:Transform Algorithm="{uri}"/>')},
    "signature": lambda uri: {"method": f'<ds:SignatureMethod Algorithm="{uri}"/>'},
    "digest": lambda uri: {"digest": uri},
}
REASONS = {
    # A C14N that is not on the list is an algorithm; anything else in its place does not belong there.
    "c14n": (ALGORITHM, PROFILE),
    "transform": (ALGORITHM, PROFILE),
    "signature": (ALGORITHM,),
    "digest": (ALGORITHM,),
}


def _generated():
    number = 0
    for place, allowed in ALLOWED.items():
        spelled = {spelling for uri in (min(allowed),) for spelling in _spellings(uri)}
        for uri in sorted((LIBXMLSEC | OTHERS | spelled | set(SignatureAlgorithm) | set(DigestAlgorithm)) - allowed):
            # Each on one surface in turn: the same code reads the signatures of all.
            surface = SURFACES[number % len(SURFACES)]
            number += 1
            yield pytest.param(place, uri, surface, id=f"{place}-{uri}-{surface}")


@pytest.mark.parametrize(("place", "uri", "surface"), list(_generated()))
def test_generated_unlisted_algorithm(stage, place, uri, surface):
    """Whatever URI stands where an algorithm is named: what is not on the list to the letter is refused, not run."""
    refused(stage, surface, *REASONS[place], **WRITTEN[place](uri))


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("place", ALLOWED)
def test_generated_nameless_algorithm(stage, place, number):
    """An element without Algorithm, or with one of another namespace or case, names no default."""
    surface = SURFACES[number]
    other = ("", 'algorithm="{}"', 'x:Algorithm="{}" xmlns:x="urn:x"', 'Alg="{}"', 'Name="{}"', 'URI="{}"')[number]
    text = other.format(min(ALLOWED[place]))
    element = {
        "c14n": {"c14n": f"<ds:CanonicalizationMethod {text}/>"},
        "transform": {"transforms": (ENVELOPED, f"<ds:Transform {text}/>")},
        "signature": {"method": f"<ds:SignatureMethod {text}/>"},
        "digest": {},
    }[place]
    root, target = draft(surface, stage)
    if place == "digest":
        transforms = f'<ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{EXCLUSIVE}"/>'
        inside = f"{transforms}</ds:Transforms><ds:DigestMethod {text}/><ds:DigestValue>AAAA</ds:DigestValue>"
        element = {"references": [reference(b"", f"#{target.get('ID')}", inside=inside)]}
    sign(target, **element)
    stage.refused(surface.request(root), PROFILE, ALGORITHM, SCHEMA)


@by_redirect
@pytest.mark.parametrize(
    "uri",
    sorted(
        (LIBXMLSEC | OTHERS | {SHA256} | set(_spellings(idp.RSA_SHA256)))
        - ALLOWED["signature"]
        - {"", f"{idp.RSA_SHA256}&#9;"}
    ),
)
def test_generated_unlisted_sigalg(stage, surface, uri):
    """The same for SigAlg, over which the IdP's own key signed RSA-SHA256."""
    root, _ = draft(surface, stage)
    query = f"{surface.parameter}={quote(idp.deflated(root), safe='')}&SigAlg={quote(uri, safe='')}"
    value = quote(b64encode(idp.detached(query.encode())).decode(), safe="")
    stage.refused(
        HttpIn(method="GET", endpoint=surface.endpoint, query=f"{query}&Signature={value}".encode()), ALGORITHM
    )
