"""The steps of wire/signature.py, one by one: their order, what they leave of the document, and what they never do.

That they say what libxmlsec says of any document is test_same_as_libxmlsec.py.
"""

import base64
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DS, EXCLUSIVE_C14N, DigestAlgorithm, SignatureAlgorithm
from saml_slo.wire import signature as verification
from saml_slo.wire.algorithms import AllowedAlgorithms
from saml_slo.wire.signature import verify_enveloped
from saml_slo.wire.signature_profile import SIGNATURE, profiled_signature
from saml_slo.wire.xml import parse_message
from tests import idp
from tests.cost import costs_little
from tests.keys import pair
from tests.wire import libxmlsec

EVERYTHING = AllowedAlgorithms(frozenset(SignatureAlgorithm), frozenset(DigestAlgorithm), inclusive_c14n=True)
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
INCLUSIVE = ["http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11"]
KEY = [pair("idp").certificate]


def profiled(octets, name="LogoutRequest"):
    """The signature on the first element of a name, in a document parsed anew."""
    root = parse_message(octets)
    return profiled_signature(next(root.iter(f"{{*}}{name}")), EVERYTHING)


def words_of(octets, certificates=KEY):
    """What the refusal of a LogoutRequest says."""
    with pytest.raises(MessageRefused) as refused:
        verify_enveloped(profiled(octets), certificates)
    assert refused.value.reason == Reason.SIGNATURE_INVALID
    return refused.value.message


def text_of(root, name):
    """The first element of the signature with this name, to be changed."""
    return next(root.iter(f"{{{DS}}}{name}"))


def test_it_says_whose_key_it_was():
    """The place of the certificate in the list comes back."""
    octets = idp.octets(idp.logout_request())
    others = [pair("p256").certificate, pair("other-idp").certificate]
    assert verify_enveloped(profiled(octets), KEY + others) == 0
    assert verify_enveloped(profiled(octets), others + KEY) == 2


def test_a_wrong_key_is_told_from_changed_content():
    """Who reads the log need not guess which of the two it was."""
    octets = idp.octets(idp.logout_request())
    assert words_of(octets, []) == "the signature was made with no key that is trusted here"
    assert words_of(octets, [pair("attacker").certificate]) == "the signature was made with no key that is trusted here"
    assert words_of(octets.replace(b"_s1", b"_s2")) == "the content was changed after it was signed"


@pytest.mark.parametrize("name", ["SignatureValue", "DigestValue"])
@pytest.mark.parametrize("value", ["AAAA", "////", "AA==", "0" * 344])
def test_a_value_that_is_none_is_refused(name, value):
    """Base64 of any length, which the profile lets through, is no signature and no digest."""
    root = idp.logout_request()
    text_of(root, name).text = value
    assert words_of(idp.octets(root))


@pytest.mark.parametrize("name", ["SignatureValue", "DigestValue"])
@pytest.mark.parametrize("value", ["A", "AAA", "AAAAA", "AAAAA=", "AAAA==", "AA="])
def test_a_length_that_base64_never_has_is_refused(name, value):
    """Before any cryptography."""
    root = idp.logout_request()
    text_of(root, name).text = value
    with pytest.raises(MessageRefused) as refused:
        profiled(idp.octets(root))
    assert refused.value.reason == Reason.SIGNATURE_PROFILE_VIOLATION


def test_half_a_digest_is_none():
    """A DigestValue that is the beginning of the right one is refused, though the signature over it is good."""
    root = idp.logout_request(signed=False)
    libxmlsec.sign(root, "idp", 1, method=idp.RSA_SHA256)
    signature = profiled(idp.octets(root))
    signature.digest_value = signature.digest_value[:16]
    with pytest.raises(MessageRefused, match="changed after"):
        verify_enveloped(signature, KEY)


def test_nothing_of_the_content_is_looked_at_before_the_key_is_right(monkeypatch):
    """Whoever has no key has SignedInfo canonicalized and nothing else, and the document stays as it is."""
    seen = []
    octets_of = verification._octets
    monkeypatch.setattr(
        verification, "_octets", lambda element, how: seen.append(element.tag) or octets_of(element, how)
    )
    signature = profiled(idp.octets(idp.sign(idp.logout_request(signed=False), "attacker")))
    with pytest.raises(MessageRefused):
        verify_enveloped(signature, KEY * 8)
    assert seen == [f"{{{DS}}}SignedInfo"]
    assert signature.element.getparent() is signature.parent


def test_the_signature_is_off_the_tree_afterwards():
    """Nothing that stood in it can be read by mistake, and what is left is what was digested."""
    signature = profiled(idp.octets(idp.logout_request()))
    verify_enveloped(signature, KEY)
    assert not list(signature.parent.iter(SIGNATURE))
    assert verification._octets(signature.parent, signature.transform) == etree.tostring(
        signature.parent, method="c14n", exclusive=True
    )


@pytest.mark.parametrize("behind", ["", " ", "\n  ", "x", "&#13;"])
@pytest.mark.parametrize("before", ["", " ", "\n  ", "x", "&#13;"])
@pytest.mark.parametrize("issuer", ["", '<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>'])
def test_text_around_the_signature_stays_signed(issuer, before, behind):
    """The transform takes the Signature away and leaves the text on both sides of it."""
    place = "<!-- -->"
    text = f'<LogoutRequest ID="_a">{issuer}{before}{place}{behind}<y/></LogoutRequest>'
    root = etree.fromstring(text.replace(place, ""))
    signature = libxmlsec.sign(root, "p256", 1 if issuer else 0, method=f"{MORE}ecdsa-sha256")
    octets = text.replace(place, etree.tostring(signature, with_tail=False).decode()).encode()
    assert verify_enveloped(profiled(octets), [pair("p256").certificate]) == 0
    assert words_of(octets.replace(b"<y/>", b" <y/>"), [pair("p256").certificate])
    assert words_of(octets.replace(b"<ds:Signature ", b" <ds:Signature ", 1), [pair("p256").certificate])


def both_signed():
    """A Response with two signatures."""
    root = parse_message(idp.octets(idp.response(sign_response=True)))
    outer = profiled_signature(root, EVERYTHING)
    return outer, profiled_signature(next(root.iter("{*}Assertion")), EVERYTHING)


def test_the_outer_signature_is_over_the_inner_one():
    """Response first, then Assertion: both are good. What is verified first is off the tree for the other."""
    outer, inner = both_signed()
    assert (verify_enveloped(outer, KEY), verify_enveloped(inner, KEY)) == (0, 0)
    outer, inner = both_signed()
    assert verify_enveloped(inner, KEY) == 0
    with pytest.raises(MessageRefused, match="changed after"):
        verify_enveloped(outer, KEY)


def test_a_comment_does_not_hide_from_the_digest():
    """Even if a parser let one through: what is read would stop at it (CVE-2017-11427)."""
    for text in (b"alice@corp.test<!---->.evil.test", b"<!-- -->alice@corp.test"):
        octets = idp.octets(idp.logout_request()).replace(b"alice@corp.test", text)
        signature = profiled_signature(etree.fromstring(octets), EVERYTHING)
        with pytest.raises(MessageRefused, match="changed after"):
            verify_enveloped(signature, KEY)


@pytest.mark.parametrize("where", ["LogoutRequest", "Signature", "SignedInfo", "NameID"])
def test_what_has_no_canonical_form_is_refused(where):
    """A relative namespace: the canonicalizer gives up, and its empty answer is no document (CVE-2025-66475)."""
    text = re.sub(
        f"(<[a-z]+:{where})\\b", r'\1 xmlns:r="relative"', idp.octets(idp.logout_request()).decode(), count=1
    ).encode()
    assert b"relative" in text
    assert words_of(text) == "what was signed has no canonical form"


def test_nothing_is_not_digested(monkeypatch):
    """Should a canonicalizer ever answer with nothing, that is a refusal whatever the digest of nothing is."""
    signature = profiled(idp.octets(idp.logout_request()))
    monkeypatch.setattr(verification.etree, "tostring", lambda *_, **__: b"")
    with pytest.raises(MessageRefused, match="no canonical form"):
        verify_enveloped(signature, KEY)


@pytest.mark.parametrize(("signer", "bits"), [("p256", 256), ("p384", 384), ("p521", 512)])
def test_an_ecdsa_signature_is_a_plain_pair(signer, bits):
    """XMLDSig 6.4.3: r and s, each as long as the key's order. Not DER, as in URLs, and no other lengths."""
    root = idp.sign(idp.logout_request(signed=False), signer, f"{MORE}ecdsa-sha{bits}")
    certificates = [pair(signer).certificate]
    assert verify_enveloped(profiled(idp.octets(root)), certificates) == 0
    value = text_of(root, "SignatureValue")
    plain = base64.b64decode(value.text)
    r, s = plain[: len(plain) // 2], plain[len(plain) // 2 :]
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    padded = (b"\0" + r + b"\0" + s, r + b"\0\0" + s, plain + b"\0\0")
    for other in (der, *padded, plain[:-1], plain * 2, bytes(len(plain)), s + r):
        value.text = base64.b64encode(other).decode()
        assert "no key" in words_of(idp.octets(root), certificates)


# Without `xmlns=""`, which would show the parser of a new thread the prefix by which it knows the default namespace.
DEFAULTED = '<w xmlns="urn:d" xmlns:xs="urn:xs"><p:LogoutRequest xmlns:p="urn:p" ID="_a"><p:x/></p:LogoutRequest></w>'


@pytest.mark.parametrize("prefixes", ["#default", "xs #default", "xs", "", "nobody"])
@pytest.mark.parametrize("in_method", [None, "#default", "xs"])
@pytest.mark.parametrize("threads", [0, 1])
def test_prefixes_are_kept_from_around(prefixes, in_method, threads):
    """A PrefixList brings in what only ancestors declare, the default namespace too, in a new thread as well."""
    root = etree.fromstring(DEFAULTED)
    method, how = f"{MORE}ecdsa-sha256", {"canonicalization": (EXCLUSIVE_C14N, in_method)}
    libxmlsec.sign(root[0], "p256", 0, method=method, transform=(EXCLUSIVE_C14N, prefixes), **how)
    octets, certificates = etree.tostring(root), [pair("p256").certificate]
    assert libxmlsec.is_good(profiled(octets), certificates)
    if threads:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: verify_enveloped(profiled(octets), certificates)).result() == 0
    else:
        assert verify_enveloped(profiled(octets), certificates) == 0
    changed = octets.replace(b'xmlns="urn:d"', b'xmlns="urn:e"')
    if "#default" in f"{prefixes} {in_method}":
        assert words_of(changed, certificates)
    else:
        assert verify_enveloped(profiled(changed), certificates) == 0


@pytest.mark.parametrize("prefixes", ["xs  nobody", " xs nobody ", "xs nobody"])
def test_blanks_in_a_list_name_nothing(prefixes):
    """However many stand between two prefixes; an empty one would be the default namespace, as it is to libxmlsec."""
    root = etree.fromstring(DEFAULTED)
    libxmlsec.sign(root[0], "p256", 0, method=f"{MORE}ecdsa-sha256", transform=(EXCLUSIVE_C14N, prefixes))
    assert list(profiled(etree.tostring(root)).transform.prefixes) == ["xs", "nobody"]


# Inclusive C14N, which a connection has to opt in to ------------------------------------------------------------------


def inclusive(algorithm, text, place="transform"):
    """The octets of a document whose element `_a` was signed with inclusive C14N."""
    root = etree.fromstring(text)
    (target,) = root.xpath("descendant-or-self::*[@ID]")
    libxmlsec.sign(target, "p256", 0, method=f"{MORE}ecdsa-sha256", **{place: (algorithm, None)})
    return etree.tostring(root)


@pytest.mark.parametrize("algorithm", INCLUSIVE)
@pytest.mark.parametrize("place", ["transform", "canonicalization"])
def test_inclusive_c14n_inherits_namespaces(algorithm, place):
    """Whatever is declared around the element is signed with it, a default namespace that no name uses too."""
    text = '<w xmlns="urn:d" xmlns:a="urn:a"><a:LogoutRequest ID="_a"><a:x> <a:y/></a:x></a:LogoutRequest></w>'
    octets = inclusive(algorithm, text, place)
    certificates = [pair("p256").certificate]
    assert libxmlsec.is_good(profiled(octets), certificates)
    assert verify_enveloped(profiled(octets), certificates) == 0
    assert words_of(octets.replace(b'xmlns="urn:d"', b'xmlns="urn:e"'), certificates)


@pytest.mark.parametrize("name", ["CanonicalizationMethod", "Transform"])
@pytest.mark.parametrize(
    "algorithm",
    [
        f"{EXCLUSIVE_C14N}WithComments",
        f"{INCLUSIVE[0]}#WithComments",
        f"{INCLUSIVE[1]}#WithComments",
        "http://www.w3.org/2010/xml-c14n2",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "",
    ],
)
def test_no_other_canonicalization_is_let_in_with_it(algorithm, name):
    """The two versions of inclusive C14N, without comments, and nothing else."""
    root = etree.fromstring(inclusive(INCLUSIVE[0], '<LogoutRequest ID="_a"><y/></LogoutRequest>'))
    list(root.iter(f"{{{DS}}}{name}"))[-1].set("Algorithm", algorithm)
    with pytest.raises(MessageRefused) as refused:
        profiled(etree.tostring(root))
    assert refused.value.reason in {Reason.ALGORITHM_NOT_ALLOWED, Reason.SIGNATURE_PROFILE_VIOLATION}


@pytest.mark.parametrize("algorithm", INCLUSIVE)
@pytest.mark.parametrize("where", ["w", "LogoutRequest", "y"])
def test_inclusive_c14n_and_xml_attributes_do_not_go_together(algorithm, where):
    """They are inherited by rules in which the versions differ: refused, wherever one stands."""
    text = '<w><LogoutRequest ID="_a"><y/></LogoutRequest></w>'.replace(f"<{where}", f'<{where} xml:lang="de"')
    with pytest.raises(MessageRefused) as refused:
        profiled(inclusive(algorithm, text))
    assert refused.value.reason == Reason.SIGNATURE_PROFILE_VIOLATION
    assert "xml: attribute" in refused.value.message
    exclusive = profiled(inclusive(EXCLUSIVE_C14N, text))
    assert verify_enveloped(exclusive, [pair("p256").certificate]) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b">two<", b">three<"),
        (b"one<", b"two<"),
        (b"</y> ", b"</y>"),
        (b"<y/>", b""),
        (b"<y/>", b"<z/>"),
        (b' b="c"', b' b="d"'),
        (b' b="c"', b""),
        (b"<z><y/></z>", b"<z/><y/>"),
    ],
)
def test_what_was_digested_is_what_was_read(monkeypatch, old, new):
    """Inclusive C14N works on a copy: should the copy ever say something else, that is a refusal."""
    text = '<w><LogoutRequest ID="_a">one<y b="c">two</y> <z><y/></z></LogoutRequest>tail</w>'
    signature = profiled(inclusive(INCLUSIVE[0], text))
    monkeypatch.setattr(verification, "parse_message", lambda octets: parse_message(octets.replace(old, new)))
    with pytest.raises(MessageRefused, match="cannot be written as it was read"):
        verify_enveloped(signature, [pair("p256").certificate])


@pytest.mark.parametrize(("declarations", "elements"), [(2_000, 10), (400, 1_000), (100, 7_000)])
def test_inclusive_c14n_costs_little(declarations, elements):
    """Every declaration is looked up at every element: too many of both are refused before anything is worked on."""
    more = " ".join(f'xmlns:p{number}="u:{number}"' for number in range(declarations))
    text = f'<LogoutRequest {more} ID="_a">{"<y/>" * elements}</LogoutRequest>'
    octets = inclusive(EXCLUSIVE_C14N, text).replace(EXCLUSIVE_C14N.encode(), INCLUSIVE[0].encode())
    with costs_little(), pytest.raises(MessageRefused) as refused:
        profiled(octets)
    assert "too many namespace declarations" in refused.value.message


def test_inclusive_c14n_of_an_honest_message_is_no_cost():
    """Four thousand values, each with its type, are below the limit."""
    value = (
        '<y xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" x="1"/>'
    )
    text = f'<LogoutRequest xmlns:a="urn:a" xmlns:b="urn:b" ID="_a">{value * 1_000}{"<y/>" * 6_000}</LogoutRequest>'
    assert verify_enveloped(profiled(inclusive(INCLUSIVE[0], text)), [pair("p256").certificate]) == 0
