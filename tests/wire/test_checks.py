"""The ordered lists of checks: the only way to a `Verified`, in an order that believes nothing too early."""

import copy
import pickle

import pytest

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import Verified
from saml_slo.protocol.names import Binding
from saml_slo.wire import bindings, checks
from saml_slo.wire import message_checks as content
from saml_slo.wire import structure_checks as structure
from tests import idp

LISTS = [checks.RESPONSE_CHECKS, checks.LOGOUT_RESPONSE_CHECKS, checks.LOGOUT_REQUEST_CHECKS]


def test_verified_is_not_constructed():
    """`Verified` has no constructor: neither empty nor with what it holds, nor from a subclass."""
    genuine = idp.check(idp.post(idp.logout_request()))
    for arguments in ((), (genuine.message,), (genuine.message, idp.CONNECTION, Binding.POST, None)):
        with pytest.raises(TypeError):
            Verified(*arguments)

    class Forged(Verified):
        """An attempt."""

    with pytest.raises(TypeError):
        Forged()


def test_verified_says_how_it_came():
    """A verified message keeps its connection, binding and RelayState, and says that it was signed."""
    verified = idp.check(idp.redirect(idp.logout_request(signed=False), relay_state="_t1"))
    assert verified.peer == idp.CONNECTION
    assert (verified.binding, verified.relay_state, verified.signed) == (Binding.REDIRECT, "_t1", True)


@pytest.mark.parametrize("order", LISTS)
def test_the_order_is_structure_then_keys_then_content(order):
    """The kind comes first, then structure, then the signature, and only then is anything read or decrypted."""
    place = {check: number for number, check in enumerate(order)}
    assert len(place) == len(order)
    assert place[structure.message_type] == 0
    assert place[structure.signature_structure] < place[structure.schema_valid] < place[structure.root_signature]
    reading = min(number for check, number in place.items() if check.__module__ == content.__name__)
    assert all(check.__module__ == structure.__name__ for check in order[:reading])
    assert place[structure.root_signature] < reading
    for needed in (content.destination_is_here, content.issued_recently):
        assert place[needed] > reading
    for decrypting in (structure.decrypt_subject, structure.decrypt_assertion):
        assert place.get(decrypting, reading) > place[structure.root_signature]
    assert place.get(structure.decrypt_subject, reading) > place.get(structure.required_part_signed, 0)


@pytest.mark.parametrize("order", LISTS)
def test_every_check_names_its_rule(order):
    """Each check tells in one sentence what it requires or refuses."""
    for check in order:
        assert check.__doc__
        assert check.__doc__.split()[0] in {"Refuse", "Require", "Verify", "Decrypt", "Read"}


def test_a_broken_message_costs_no_cryptography(monkeypatch):
    """What breaks a structural rule never gets to a signature check."""
    monkeypatch.setattr(structure, "verify_enveloped", None)
    message = idp.logout_request()
    message.append(message[1])
    with pytest.raises(MessageRefused) as refused:
        idp.check(idp.post(message))
    assert refused.value.reason == Reason.SIGNATURE_PROFILE_VIOLATION


@pytest.mark.parametrize(
    ("message", "parameter"),
    [
        (idp.logout_request(), "SAMLResponse"),
        (idp.logout_response(), "SAMLRequest"),
        (idp.response(), "SAMLRequest"),
    ],
)
def test_a_message_under_the_wrong_name_is_refused(message, parameter):
    """A request in SAMLResponse and an answer in SAMLRequest are refused (B034)."""
    with pytest.raises(MessageRefused) as refused:
        idp.check(idp.post(message, parameter=parameter))
    assert refused.value.reason == Reason.UNEXPECTED_MESSAGE_TYPE


@pytest.mark.parametrize("message", [idp.logout_request(), idp.logout_response(), idp.response(sign_response=True)])
def test_a_message_at_the_wrong_door_is_refused(message):
    """Each verifier takes its own kind and no other."""
    received = bindings.decode(idp.post(message))
    accepted = 0
    for verify in (
        lambda: checks.verify_response(received, idp.CONNECTION, idp.decryption_keys(), idp.NOW),
        lambda: checks.verify_logout_request(received, idp.CONNECTION, idp.decryption_keys(), idp.NOW),
        lambda: checks.verify_logout_response(received, idp.CONNECTION, idp.NOW),
    ):
        try:
            verify()
        except MessageRefused as refused:
            accepted += refused.reason != Reason.UNEXPECTED_MESSAGE_TYPE
        else:
            accepted += 1
    assert accepted == 1


def test_an_unsigned_answer_is_accepted_only_where_it_is_expected():
    """`unsigned_logout_response` lets an unsigned LogoutResponse pass, and says so; a bad signature never passes."""
    unsigned = idp.post(idp.logout_response(signed=False))
    with pytest.raises(MessageRefused) as refused:
        idp.check(unsigned)
    assert refused.value.reason == Reason.SIGNATURE_MISSING
    assert idp.check(unsigned, unsigned_logout_response=True).signed is False
    assert idp.check(idp.post(idp.logout_response()), unsigned_logout_response=True).signed is True
    for request in (
        idp.post(idp.sign(idp.logout_response(signed=False), "attacker")),
        idp.redirect(idp.logout_response(signed=False), signer="attacker"),
    ):
        with pytest.raises(MessageRefused) as refused:
            idp.check(request, unsigned_logout_response=True)
        assert refused.value.reason == Reason.SIGNATURE_INVALID
    with pytest.raises(MessageRefused):
        idp.check(idp.post(idp.logout_request(signed=False)), unsigned_logout_response=True)


def test_claimed_issuer_is_a_direct_child():
    """The claimed Issuer is the message's own, not one that stands deeper; absent and empty differ."""

    def claimed(message):
        return checks.claimed_issuer(bindings.decode(idp.post(message)))

    assert claimed(idp.logout_request()) == idp.ENTITY_ID
    assert claimed(idp.logout_request(issuer="")) == ""
    assert claimed(idp.response(issuer=None)) is None


def test_a_verified_message_is_frozen():
    """What was verified is not changed afterwards, and survives being copied and stored."""
    message = idp.check(idp.post(idp.logout_request())).message
    with pytest.raises(AttributeError):
        message.id = "_other"
    assert copy.deepcopy(message) == message
    assert pickle.loads(pickle.dumps(message)) == message  # noqa: S301 - our own
