"""Group C, policy: what a connection's own file and metadata decide (C041, C048, C054, C057, C058, C081, C082, C084).

Each test opens a bridge with settings of its own; that what is allowed goes through is asserted beside what is refused.
"""

import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from saml_slo.peers import registry
from tests import idp
from tests.attacks.forge import DS, draft, sign
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import (
    ANSWER_POST,
    ANSWER_REDIRECT,
    REQUEST_POST,
    RESPONSE,
    SIGNED_RESPONSE,
    SURFACES,
    everywhere,
    someone,
)
from tests.encrypting import encrypt
from tests.keys import pair
from tests.running import KEY, OTHER_ENTITY_ID, descriptor, sent

INVALID, MISSING, ALGORITHM = "signature_invalid", "signature_missing", "algorithm_not_allowed"
BOTH = ("Redirect", "POST")
_ARMOUR = re.compile(rb"-----[A-Z ]+-----|\s")


def metadata_of(stage, *certificates, keys=None, entity_id=idp.ENTITY_ID, name="idp"):
    """Give a connection metadata with these certificates (PEM), or with this text of KeyDescriptors, and load it."""
    texts = [KEY.format(_ARMOUR.sub(b"", certificate).decode()) for certificate in certificates]
    whole = descriptor(entity_id, (), BOTH).replace(
        "<md:SingleLogoutService", ("".join(texts) if keys is None else keys) + "<md:SingleLogoutService", 1
    )
    (stage.bridge.settings.metadata_dir / "connections" / f"{name}.xml").write_text(whole)
    stage.bridge.log.clear()
    stage.bridge.get(stage.bridge.browser(), "/session/status")


@pytest.fixture(autouse=True)
def _files_are_looked_at_by_every_request(monkeypatch):
    """A second need not pass until a changed file counts."""
    monkeypatch.setattr(registry, "_CHECK_EVERY_SECONDS", 0)


def accepted(stage, surface, signer):
    """Assert that a fresh message goes through that this key signed, in the XML or over the query."""
    bridge, name_id, browser = stage.bridge, someone(), stage.bridge.browser()
    answers = "_none"
    if surface.kind == "Response":
        answers = bridge.start_sign_in(browser).id
    elif surface.kind == "LogoutResponse":
        assert bridge.sign_in(browser, name_id=name_id).status_code == 303
        answers = sent(bridge.logout(browser, federated="")).id
    root = surface.draft(answers, name_id)
    octets = surface.seal(root, signer=signer)
    how = {"signer": signer} if surface.binding == "redirect" else {}
    bridge.log.clear()
    response = deliver(browser, surface.request(octets, **how))
    assert bridge.reasons() == []
    assert response.status_code in (200, 303)


def refused(stage, surface, signer, *reasons):
    """Assert that the same is refused."""
    octets = surface.seal(draft(surface, stage)[0], signer=signer)
    how = {"signer": signer} if surface.binding == "redirect" else {}
    stage.refused(surface.request(octets, **how), *reasons)


# C084 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: f"C084-{surface}")
@pytest.mark.parametrize("order", [("idp", "idp-next"), ("idp-next", "idp")], ids=["old-last", "old-first"])
def test_c084_key_roll_over(make_stage, surface, order):
    """C084: with two certificates in the metadata either key signs, by POST and Redirect; one taken out does not."""
    with make_stage(bindings=BOTH, signers=order) as stage:
        for signer in order:
            accepted(stage, surface, signer)
        refused(stage, surface, "attacker", INVALID)
        metadata_of(stage, pair("idp").certificate_pem)
        refused(stage, surface, "idp-next", INVALID)
        accepted(stage, surface, "idp")


def test_c084_many_keys(make_stage):
    """C084: the right key is found at any place among sixteen, and RSA beside EC disturbs nothing."""
    with make_stage(bindings=BOTH) as stage:
        others = [issued(f"other-{number}", pair("other-idp").key.public_key(), OTHER_CA) for number in range(7)]
        for place in (0, 4, 8):
            certificates = [pair(name).certificate_pem for name in ("p256", "p384", "p521", "idp-next")] + others[:4]
            certificates.insert(place, pair("idp").certificate_pem)
            metadata_of(stage, *certificates)
            for surface in SURFACES:
                accepted(stage, surface, "idp")
            refused(stage, REQUEST_POST, "attacker", INVALID)


# C048 -----------------------------------------------------------------------------------------------------------------


def name(text):
    """A distinguished name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issued(subject, public, ca, *, is_ca=False):
    """A certificate of a public key by a CA, given as (its name, its key), as PEM."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(ca[0]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(idp.NOW - timedelta(days=1))
        .not_valid_after(idp.NOW + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    return builder.sign(ca[1], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


CA = ("Test CA", pair("p384").key)
OTHER_CA = ("Other CA", pair("p521").key)


@everywhere
def test_c048_same_ca(make_stage, surface, tmp_path, monkeypatch):
    """C048: a certificate of the CA that issued the IdP's, one of the system's CAs, makes nobody the IdP."""
    ca = issued(CA[0], CA[1].public_key(), CA, is_ca=True)
    store = tmp_path / "system.pem"
    store.write_bytes(ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    idp_certificate, attacker_certificate = (issued(who, pair(who).key.public_key(), CA) for who in ("idp", "attacker"))
    with make_stage(bindings=BOTH) as stage:
        metadata_of(stage, idp_certificate)
        chain = b"".join(
            b"<ds:X509Certificate>%s</ds:X509Certificate>" % _ARMOUR.sub(b"", c) for c in (attacker_certificate, ca)
        )
        root, target = draft(surface, stage)
        sign(target, signer="attacker", key_info=f"<ds:X509Data>{chain.decode()}</ds:X509Data>")
        stage.refused(surface.request(root), INVALID)
        refused(stage, surface, "attacker", INVALID)
        accepted(stage, surface, "idp")


# C082 -----------------------------------------------------------------------------------------------------------------


@everywhere
def test_c082_encryption_key(make_stage, surface):
    """C082: a key that the metadata gives for encryption does not sign; without a use it is for both."""
    both = [KEY.format(_ARMOUR.sub(b"", pair(who).certificate_pem).decode()) for who in ("idp", "idp-next")]
    with make_stage(bindings=BOTH) as stage:
        metadata_of(stage, keys=both[0] + both[1].replace('use="signing"', 'use="encryption"'))
        refused(stage, surface, "idp-next", INVALID)
        accepted(stage, surface, "idp")
        metadata_of(stage, keys=both[0] + both[1].replace(' use="signing"', ""))
        accepted(stage, surface, "idp-next")


# C057 -----------------------------------------------------------------------------------------------------------------


def test_c057_weak_metadata_is_not_loaded(make_stage):
    """C057: metadata with a weak key is refused as a whole, and the last good one stays in force."""
    weak = issued("weak", rsa.generate_private_key(65537, 1024).public_key(), OTHER_CA)  # noqa: S505 - to be refused
    with make_stage(bindings=BOTH) as stage:
        metadata_of(stage, pair("attacker").certificate_pem, weak)
        (problem,) = [line for line in stage.bridge.log if line["event"] == "configuration_problem"]
        assert problem["reason"] == "metadata_invalid"
        for surface in SURFACES:
            refused(stage, surface, "attacker", INVALID)
            accepted(stage, surface, "idp")


def test_c057_a_new_connection_with_a_weak_key_is_not_there(make_stage):
    """C057: where there is no last good metadata there is no connection, and its endpoints believe nobody."""
    weak = issued("weak", rsa.generate_private_key(65537, 1024).public_key(), OTHER_CA)  # noqa: S505 - to be refused
    with make_stage(bindings=BOTH) as stage:
        (stage.bridge.settings.metadata_dir / "connections" / "weak.toml").write_text("")
        metadata_of(stage, weak, entity_id="https://weak.example/saml", name="weak")
        assert [line["reason"] for line in stage.bridge.log] == ["metadata_invalid"]
        slo = idp.SLO.replace("/idp/", "/weak/")
        message = idp.logout_request(issuer="https://weak.example/saml", destination=slo)
        stage.refused(idp.post(message, endpoint=slo), "issuer_unknown")


# C041, C054, C058, C074: what a connection may opt in to, and what it may not -----------------------------------------


@pytest.mark.parametrize("surface", [ANSWER_POST, ANSWER_REDIRECT], ids=lambda surface: f"C041-{surface}")
def test_c041_unsigned_answers_where_they_are_expected(make_stage, surface):
    """C041: where a connection expects unsigned answers, one counts as `answered`; a bad signature never does."""
    with make_stage(toml="unsigned_logout_response = true", bindings=BOTH) as stage:
        refused(stage, surface, "attacker", INVALID)
        root = surface.draft(stage.pending.id)
        octets = idp.octets(root)
        if surface.binding == "redirect":
            query = surface.request(octets).query
            for partial in (query.partition(b"&Signature=")[0], query.replace(b"&SigAlg=", b"&SigAlgo=")):
                request = surface.request(octets)
                object.__setattr__(request, "query", partial)
                stage.refused(request, MISSING)
            unsigned = surface.request(octets)
            object.__setattr__(unsigned, "query", query.partition(b"&SigAlg=")[0])
        else:
            unsigned = surface.request(octets)
        stranger = surface.draft("_" + "0" * 50)
        stage.refused(idp.post(idp.octets(stranger), endpoint=idp.SLO), "unsolicited")
        receipt = stage.bridge.receipt(stage.leaver, deliver(stage.leaver, unsigned))
        assert [row["state"] for row in receipt["sessions"] if row["kind"] == "idp"] == ["answered"]


def test_c040_no_switch_for_unsigned_requests(make_stage):
    """C040: what is said about answers does not make a LogoutRequest or a Response go through unsigned."""
    with make_stage(toml="unsigned_logout_response = true", bindings=BOTH) as stage:
        for surface in (REQUEST_POST, RESPONSE, SIGNED_RESPONSE):
            stage.refused(surface.request(draft(surface, stage)[0]), MISSING)


@everywhere
def test_c054_opting_in_is_for_one_connection(make_stage, surface):
    """C054, C055: a connection that opts in takes SHA-1, and another one of the same bridge does not."""
    sha1 = {"method": f"{DS}rsa-sha1", "digest": f"{DS}sha1"}
    with make_stage(toml="insecure_sha1 = true", bindings=BOTH) as stage:
        root, target = draft(surface, stage)
        sign(target, signer="attacker", **sha1)
        stage.refused(surface.request(root), INVALID)
        root = surface.draft(stage.asked.id if surface.kind == "Response" else stage.pending.id, someone())
        sign(root if target.tag == root.tag else root.find("{*}Assertion"), **sha1)
        stage.bridge.log.clear()
        assert deliver(stage.stranger, surface.request(root)).status_code in (200, 303)
        assert stage.bridge.reasons() == []

        slo = idp.SLO.replace("/idp/", "/other-idp/")
        foreign = idp.logout_request(issuer=OTHER_ENTITY_ID, destination=slo, signed=False)
        sign(foreign, signer="other-idp", **sha1)
        stage.refused(idp.post(foreign, endpoint=slo), ALGORITHM)


@pytest.mark.parametrize("method", ["aes128-cbc", "aes192-cbc", "aes256-cbc"])
def test_c058_aes_cbc_only_in_what_was_verified(make_stage, method):
    """C058: a connection that opts in to AES-CBC has it decrypted inside a signed Response, and nowhere else."""
    uri = f"http://www.w3.org/2001/04/xmlenc#{method}"
    with make_stage(toml="insecure_aes_cbc = true", bindings=BOTH) as stage:

        def response(**how):
            return stage.response(encrypt(idp.sign(stage.assertion()), method=uri), sign_assertion=False, **how)

        stage.refused(idp.post(response(), endpoint=idp.ACS), ALGORITHM)
        forged = idp.sign(response(), "attacker")
        stage.refused(idp.post(forged, endpoint=idp.ACS), INVALID)
        des = encrypt(idp.sign(stage.assertion()), method="http://www.w3.org/2001/04/xmlenc#tripledes-cbc")
        signed = stage.response(des, sign_assertion=False, sign_response=True)
        stage.refused(idp.post(signed, endpoint=idp.ACS), ALGORITHM)
        assert deliver(stage.stranger, idp.post(response(sign_response=True), endpoint=idp.ACS)).status_code == 303


# C081 -----------------------------------------------------------------------------------------------------------------

PARTS = {"assertion": (True, False), "response": (False, True), "both": (True, True), "none": (False, False)}
GOES_THROUGH = {
    "either": {"assertion", "response", "both"},
    "assertion": {"assertion", "both"},
    "response": {"response", "both"},
    "both": {"both"},
}


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("demanded", GOES_THROUGH, ids=lambda demanded: f"C081-{demanded}")
def test_c081_what_must_be_signed(make_stage, demanded, encrypted):
    """C081: a Response is refused unless the part that the connection names is signed; by default one of the two is."""
    with make_stage(toml=f'signed_part = "{demanded}"', bindings=BOTH) as stage:
        for signed, (sign_assertion, sign_response) in PARTS.items():
            browser = stage.bridge.browser()
            asked = stage.bridge.start_sign_in(browser)
            inside = idp.assertion(identifier=f"_a-{signed}", name_id=someone())
            for data in inside.iter("{*}SubjectConfirmationData"):
                data.set("InResponseTo", asked.id)
            if sign_assertion:
                idp.sign(inside)
            root = idp.response(encrypt(inside) if encrypted else inside, sign_assertion=False)
            root.set("InResponseTo", asked.id)
            request = idp.post(idp.sign(root) if sign_response else root, endpoint=idp.ACS)
            if signed in GOES_THROUGH[demanded]:
                assert deliver(browser, request).status_code == 303
                assert stage.bridge.is_signed_in(browser)
            else:
                stage.refused(request, MISSING, browser=browser)


def test_c081_the_default_is_either(make_stage):
    """C081: a connection's file that says nothing wants one of the two signed (docs: signed_part)."""
    with make_stage() as stage:
        assert deliver(stage.stranger, idp.post(stage.response(), endpoint=idp.ACS)).status_code == 303
        assert stage.bridge.is_signed_in(stage.stranger)
