"""The benchmark measures real work: its operations verify what they take, and what they send verifies."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks import identity_provider as idp
from benchmarks import ops, pysaml2_peer
from benchmarks.timing import measure
from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import PostForm, Redirect
from saml_slo.wire import xml
from saml_slo.wire.signature_profile import SIGNATURE

leaves_temporary_files = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",  # pysaml2 leaves certificates in open temporary files
    "ignore::ResourceWarning",
)


@pytest.fixture(scope="module")
def decryption() -> rsa.RSAPrivateKey:
    """Our decryption key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module", params=[idp.rsa_pair, idp.ec_pair], ids=["RSA", "EC"])
def sides(request, decryption):
    """An identity provider, the bridge and our keys, with keys of one family."""
    now = datetime.now(UTC)
    ours, theirs = request.param("slo.bridge.example"), request.param("login.idp.example")
    return idp.IdentityProvider(theirs, now), ops.Bridge(ours, theirs, decryption, now), ours


def tampered(octets: bytes) -> bytes:
    """Change the last octet of the signature, or of a message, to another of the base64 alphabet."""
    for length in range(len(octets) - 30, 0, -1):
        if octets[length : length + 1].isalpha():
            return octets[:length] + (b"A" if octets[length : length + 1] != b"A" else b"B") + octets[length + 1 :]
    raise AssertionError(octets)


def test_redirect_is_verified_and_answered_with_a_good_signature(sides):
    """The Redirect operation refuses a changed query, and its answer carries our signature over the raw query."""
    peer, bridge, ours = sides
    query = peer.redirect_logout_request()
    answer = bridge.redirect(ops.get(query))
    assert isinstance(answer, Redirect)
    signed, _, signature = urlsplit(answer.location).query.partition("&Signature=")
    ours.verify(base64.b64decode(parse_qs(f"s={signature}")["s"][0]), signed.encode())
    with pytest.raises(MessageRefused) as refused:
        bridge.redirect(ops.get(tampered(query)))
    assert refused.value.reason is Reason.SIGNATURE_INVALID


def test_post_is_verified_and_answered_with_a_signed_message(sides):
    """The POST operation refuses a message by another key, and its answer is a signed LogoutResponse."""
    peer, bridge, ours = sides
    answer = bridge.post(ops.form(idp.SP_SLO_URL, peer.post_logout_request()))
    assert isinstance(answer, PostForm)
    root = xml.parse_message(base64.b64decode(answer.fields["SAMLResponse"]))
    assert root.tag.endswith("}LogoutResponse")
    assert root.find(SIGNATURE) is not None
    with pytest.raises(MessageRefused) as refused:
        bridge.post(ops.form(idp.SP_SLO_URL, idp.IdentityProvider(ours, peer.now).post_logout_request()))
    assert refused.value.reason is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("signed", ["assertion", "response", "both"])
@pytest.mark.parametrize("encrypt", [False, True])
def test_a_sign_in_is_verified(sides, decryption, signed, encrypt):
    """The sign-in operation decrypts, verifies and reads a Response, and refuses one by another key."""
    peer, bridge, ours = sides
    shape = {
        "sign_response": signed != "assertion",
        "sign_assertion": signed != "response",
        "encrypt_to": decryption.public_key() if encrypt else None,
    }
    verified = bridge.sign_in(ops.form(idp.SP_ACS_URL, peer.post_response(**shape)))
    assert verified.signed
    assert verified.message.assertion is not None
    assert len(verified.message.assertion.attributes) == 5
    stranger = idp.IdentityProvider(ours, peer.now)
    with pytest.raises(MessageRefused) as refused:
        bridge.sign_in(ops.form(idp.SP_ACS_URL, stranger.post_response(**shape)))
    assert refused.value.reason is Reason.SIGNATURE_INVALID


@leaves_temporary_files
def test_pysaml2_is_made_to_verify_too(tmp_path: Path):
    """What pysaml2 is measured at includes verification: it refuses what another key signed."""
    ours, theirs = idp.rsa_pair("slo.bridge.example"), idp.rsa_pair("login.idp.example")
    now = datetime.now(UTC)
    peer, stranger = idp.IdentityProvider(theirs, now), idp.IdentityProvider(ours, now)
    client = pysaml2_peer.Pysaml2(ours, theirs, tmp_path)
    assert "SAMLResponse=" in client.redirect(peer.redirect_logout_request())
    assert "SAMLResponse" in client.post(peer.post_logout_request())
    for operation, message in (
        (client.redirect, stranger.redirect_logout_request()),
        (client.post, stranger.post_logout_request()),
    ):
        with pytest.raises(Exception, match="not signed correctly"):
            operation(message)


@leaves_temporary_files
def test_every_row_of_the_table_runs_and_is_told(tmp_path: Path):
    """A run measures every row, in one table with raw as 1, and the goals are judged."""
    table = ops.rows(tmp_path)
    figures = measure({row.name: row.operation for row in table}, base=ops.RAW, rounds=1, block_seconds=0)
    assert figures[ops.RAW].ratio == pytest.approx(1)
    text = ops.as_text(table, figures)
    assert text.count("\n") == len(table) + 1
    assert sum(line.rstrip(" |").endswith(("yes", "no")) for line in text.splitlines()) == 4
