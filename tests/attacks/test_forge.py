"""The forger's signatures are good ones until a case spoils them; otherwise every refusal would prove nothing."""

import pytest

from saml_slo.errors import MessageRefused
from tests import idp
from tests.attacks.forge import DS, draft, sign, x509
from tests.attacks.surfaces import REQUEST_POST, by_browser, everywhere
from tests.keys import pair

_INCLUSIVE = ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11")


@everywhere
@pytest.mark.parametrize("key_info", ["", x509("idp"), x509("attacker"), "<ds:KeyName>idp</ds:KeyName>"])
def test_a_forged_signature_is_a_good_one_until_it_is_spoiled(stage, surface, key_info):
    """What `sign` makes by default verifies on every surface, whatever tolerated thing is in KeyInfo."""
    root, target = draft(surface, stage)
    sign(target, key_info=key_info)
    assert idp.check(surface.request(root)).signed


@by_browser  # an envelope declares a namespace, which inclusive C14N signs as well
@pytest.mark.parametrize("algorithm", _INCLUSIVE)
def test_a_forged_inclusive_canonicalization_is_a_good_one(stage, surface, algorithm):
    """Where a connection opts in to inclusive C14N, the forger's digest and value are right (C074)."""
    root, target = draft(surface, stage)
    sign(target, c14n=algorithm, transforms=(f"{DS}enveloped-signature", algorithm))
    assert idp.check(surface.request(root), insecure_inclusive_c14n=True).signed


@everywhere
@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (f"{DS}rsa-sha1", f"{DS}sha1"),
        (f"{DS}rsa-sha1", "http://www.w3.org/2001/04/xmlenc#sha256"),
        (idp.RSA_SHA256, f"{DS}sha1"),
    ],
    ids=["both", "method", "digest"],
)
def test_a_forged_sha1_is_a_good_one(stage, surface, method, digest):
    """Where a connection opts in to SHA-1, the forger's digest and value are right (C054, C055)."""
    root, target = draft(surface, stage)
    sign(target, method=method, digest=digest)
    assert idp.check(surface.request(root), insecure_sha1=True).signed


@pytest.mark.parametrize(("signer", "name"), [("p256", "256"), ("p384", "384"), ("p521", "512")])
def test_a_forged_ecdsa_signature_is_a_good_one(stage, signer, name):
    """The forger's ECDSA signatures verify with the certificate that they belong to."""
    root, target = draft(REQUEST_POST, stage)
    sign(target, signer=signer, method=f"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha{name}")
    request = REQUEST_POST.request(root)
    assert idp.check(request, signing_certificates=(pair(signer).certificate,)).signed
    with pytest.raises(MessageRefused):
        idp.check(request)


@everywhere
def test_a_changed_content_is_noticed(stage, surface):
    """Nothing is accepted because nothing was looked at: one changed letter, and the signature is invalid."""
    root, target = draft(surface, stage)
    sign(target)
    target.find(f"{{{idp.SAML}}}Issuer").tail = " "
    stage.refused(surface.request(root), "signature_invalid")
