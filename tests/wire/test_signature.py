"""Enveloped signatures: every algorithm on the list, keys from metadata alone, and a price that is known beforehand."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import xmlsec
from lxml import etree
from xmlsec import constants

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DS, EXCLUSIVE_C14N
from saml_slo.wire.signature_profile import ProfiledSignature
from tests import idp
from tests.cost import costs_little
from tests.keys import pair

MORE = "http://www.w3.org/2001/04/xmldsig-more#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"


def ds(name):
    """A name of the signature namespace, as lxml spells it."""
    return f"{{{DS}}}{name}"


def refusal_of(message, **changes):
    """The reason for which a posted LogoutRequest is refused."""
    with pytest.raises(MessageRefused) as refused:
        idp.check(idp.post(message), **changes)
    return refused.value.reason


def signed_by(signer, method=idp.RSA_SHA256, digest=constants.TransformSha256):
    """A LogoutRequest with this signature."""
    return idp.sign(idp.logout_request(signed=False), signer, method, digest=digest)


def find(message, name):
    """The first element of the signature with this name."""
    return next(message.iter(ds(name)))


@pytest.mark.parametrize(
    ("signer", "method"),
    [("idp", f"{MORE}rsa-sha{bits}") for bits in (256, 384, 512)]
    + [(curve, f"{MORE}ecdsa-sha{bits}") for curve in ("p256", "p384", "p521") for bits in (256, 384, 512)],
)
@pytest.mark.parametrize(
    "digest", [constants.TransformSha256, constants.TransformSha384, constants.TransformSha512], ids=lambda d: d.name
)
def test_every_algorithm_on_the_list_verifies(signer, method, digest):
    """RSA and ECDSA with SHA-2 on every curve, with every digest, as libxmlsec signs."""
    message = signed_by(signer, method, digest)
    assert idp.check(idp.post(message), signing_certificates=(pair(signer).certificate,)).signed


@pytest.mark.parametrize(
    ("method", "digest"), [(SHA1, constants.TransformSha256), (idp.RSA_SHA256, constants.TransformSha1)]
)
def test_sha1_is_a_connections_choice(method, digest):
    """SHA-1, as signature or as digest, needs `insecure_sha1` (C054, C055)."""
    message = signed_by("idp", method, digest)
    assert refusal_of(message) == Reason.ALGORITHM_NOT_ALLOWED
    assert idp.check(idp.post(message), insecure_sha1=True).signed


def inclusive(place):
    """A LogoutRequest whose signature uses inclusive C14N at one place."""
    message = idp.logout_request(signed=False)
    method = INCLUSIVE if place == "method" else EXCLUSIVE_C14N
    signature = xmlsec.template.create(
        message,
        constants.TransformInclC14N if method == INCLUSIVE else constants.TransformExclC14N,
        constants.TransformRsaSha256,
        ns="ds",
    )
    reference = xmlsec.template.add_reference(signature, constants.TransformSha256, uri="#_lr1")
    xmlsec.template.add_transform(reference, constants.TransformEnveloped)
    xmlsec.template.add_transform(
        reference, constants.TransformInclC14N if place == "transform" else constants.TransformExclC14N
    )
    message.insert(1, signature)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pair("idp").key_pem, constants.KeyDataFormatPem)
    context.register_id(message, "ID")
    context.sign(signature)
    return message


@pytest.mark.parametrize("place", ["method", "transform"])
def test_inclusive_c14n_is_a_connections_choice(place):
    """Inclusive C14N, as method or as transform, needs `insecure_inclusive_c14n` (C074)."""
    message = inclusive(place)
    assert refusal_of(message) == Reason.ALGORITHM_NOT_ALLOWED
    assert idp.check(idp.post(message), insecure_inclusive_c14n=True).signed


@pytest.mark.parametrize("signer", ["idp", "idp-next"])
@pytest.mark.parametrize("send", ["post", "redirect"])
def test_both_certificates_verify_during_a_rollover(signer, send):
    """Old and new certificate of an identity provider verify while metadata names both; a removed one not (C084)."""
    both = (pair("idp-next").certificate, pair("idp").certificate)
    request = (
        idp.post(signed_by(signer)) if send == "post" else idp.redirect(idp.logout_request(signed=False), signer=signer)
    )
    assert idp.check(request, signing_certificates=both).signed
    only = tuple(certificate for certificate in both if certificate != pair(signer).certificate)
    with pytest.raises(MessageRefused) as refused:
        idp.check(request, signing_certificates=only)
    assert refused.value.reason == Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("signer", ["attacker", "other-idp", "bridge", "bridge-encryption", "p256"])
def test_another_key_is_refused_whatever_key_info_says(signer):
    """A signature by any other key is refused, its certificate in KeyInfo or the right one or none (C044, C082)."""
    method = idp.RSA_SHA256 if signer != "p256" else f"{MORE}ecdsa-sha256"
    message = signed_by(signer, method)
    assert refusal_of(message) == Reason.SIGNATURE_INVALID
    find(message, "X509Certificate").text = find(signed_by("idp"), "X509Certificate").text
    assert refusal_of(message) == Reason.SIGNATURE_INVALID
    find(message, "Signature").remove(find(message, "KeyInfo"))
    assert refusal_of(message) == Reason.SIGNATURE_INVALID


def test_a_connection_without_certificates_believes_nobody():
    """No certificate in metadata: every signature is bad."""
    assert refusal_of(idp.logout_request(), signing_certificates=()) == Reason.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "text",
    [
        lambda text: text,
        lambda text: "\n" + text + "\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\t  "),
        lambda text: "  \n  " + text.replace("\n", "") + "  ",
        lambda text: "\n".join(text.replace("\n", "")),
    ],
    ids=range(6),
)
def test_a_value_may_be_broken_into_lines(text):
    """Line breaks and indentation in SignatureValue are tolerated, as lasso and Santuario write them."""
    message = idp.logout_request()
    value = find(message, "SignatureValue")
    value.text = text(value.text)
    assert idp.check(idp.post(message)).signed


@pytest.mark.parametrize("name", ["SignatureValue", "DigestValue"])
@pytest.mark.parametrize("text", ["", " ", "=", "A B", "AA==\nAA==", "AAAA-", "é", "AAA!", "\u2028AAAA", "<"])
def test_a_value_is_base64(name, text):
    """Anything else in SignatureValue or DigestValue is refused before any cryptography (C076)."""
    message = idp.logout_request()
    find(message, name).text = text
    assert refusal_of(message) == Reason.SIGNATURE_PROFILE_VIOLATION


def stuffed(prefixes, inside, more="", place="Transform"):
    """A LogoutRequest, badly signed, whose canonicalization lists prefixes and whose extension is large."""
    message = idp.logout_request(extensions=f"<samlp:Extensions>{inside}</samlp:Extensions>")
    *_, method = message.iter(ds(place))
    etree.SubElement(method, f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces").set("PrefixList", prefixes)
    find(message, "SignatureValue").text = "AAAA"
    return etree.tostring(message).replace(b" ID=", f" {more} ID=".encode(), 1)


@pytest.mark.parametrize(
    ("prefixes", "elements", "declarations"),
    [
        (["a"] * 50_000, 7_900, 0),
        ([f"p{number}" for number in range(20_000)], 7_900, 0),
        (["nobody"] * 4, 1_900, 2_000),
        (["nobody"], 7_900, 2_000),
        (["nobody"] * 1_000, 1, 2_000),
        ([], 8_000, 2_000),
    ],
    ids=["repeated", "different", "declared", "one", "few elements", "none"],
)
@pytest.mark.parametrize("place", ["Transform", "CanonicalizationMethod"])
def test_a_list_of_prefixes_costs_little(prefixes, elements, declarations, place):
    """However prefixes, elements and declarations are mixed, a signature by nobody takes no quarter of a second."""
    more = " ".join(f'xmlns:p{number}="u:{number}"' for number in range(declarations))
    message = stuffed(" ".join(prefixes), f'<x xmlns="urn:x">{"<y/>" * elements}</x>', more, place)
    with costs_little():
        assert refusal_of(message) in {Reason.SIGNATURE_INVALID, Reason.SIGNATURE_PROFILE_VIOLATION}


@pytest.mark.parametrize("number", [1, 8, 100])
def test_honest_prefixes_pass(number):
    """A list of prefixes as OpenSAML writes it is no reason for a refusal; many are, when the message is large."""
    message = idp.logout_request(signed=False)
    prefixes = " ".join(["xs", "xsi", "#default", "samlp", "saml", "ds", "a", "b"][:number])
    signature = xmlsec.template.create(message, constants.TransformExclC14N, constants.TransformRsaSha256, ns="ds")
    reference = xmlsec.template.add_reference(signature, constants.TransformSha256, uri="#_lr1")
    xmlsec.template.add_transform(reference, constants.TransformEnveloped)
    transform = xmlsec.template.add_transform(reference, constants.TransformExclC14N)
    etree.SubElement(transform, f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces").set("PrefixList", prefixes)
    message.insert(1, signature)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pair("idp").key_pem, constants.KeyDataFormatPem)
    context.register_id(message, "ID")
    context.sign(signature)
    assert idp.check(idp.post(message)).signed


@pytest.mark.parametrize(
    "text", ["A" * 100_000 + "!", "AAAA\n" * 40_000 + "!", " " * 200_000 + "!", "\n" * 200_000 + "!"]
)
@pytest.mark.parametrize("name", ["SignatureValue", "DigestValue"])
def test_a_long_value_costs_little(text, name):
    """A value that is almost base64 is refused in no time, whatever its length."""
    message = idp.logout_request()
    find(message, name).text = text
    with costs_little():
        assert refusal_of(message) == Reason.SIGNATURE_PROFILE_VIOLATION


@pytest.mark.parametrize(
    "uri",
    ["/etc/hostname", "file:///dev/zero", "http://127.0.0.1:9/x", "", "#", "#xpointer(/)", "_lr1", "#_LR1", " #_lr1"],
)
def test_a_reference_is_to_the_parent(uri):
    """The Reference is `#` and the parent's ID to the letter; nothing else reaches libxmlsec (C061 to C065)."""
    message = idp.logout_request()
    find(message, "Reference").set("URI", uri)
    assert refusal_of(message) == Reason.SIGNATURE_PROFILE_VIOLATION


def test_a_profiled_signature_is_made_by_checking():
    """Nobody hands libxmlsec a signature whose structure was not checked."""
    with pytest.raises(TypeError):
        ProfiledSignature()


def test_threads_verify_at_once():
    """Genuine and forged messages, verified at once in many threads, each get their own verdict."""
    genuine, forged = idp.post(idp.logout_request()), idp.post(signed_by("attacker"))

    def verdict(number):
        try:
            return idp.check(forged if number % 2 else genuine).signed and not number % 2
        except MessageRefused as refused:
            return refused.reason == Reason.SIGNATURE_INVALID and number % 2

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(verdict, range(200)))
