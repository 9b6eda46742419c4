"""Messages that real software sent are read to the letter, and refused as soon as one octet or the key is another.

The facts beside each message were read by the standard library's parser when it was captured, not by the bridge.
"""

import hashlib
import re
from collections import Counter
from dataclasses import replace

import pytest

from saml_slo.errors import MessageRefused, Reason
from tests.keys import pair
from tests.vectors.captures import FOLDER, vectors
from tests.vectors.facts import as_read, facts_of

ALL = vectors()
ACCEPTED = [v for v in ALL if v.refusal is None]
GOOD = [v for v in ACCEPTED if v.is_signed]
REDIRECTED = [v for v in GOOD if v.binding == "redirect"]
EMBEDDED = [v for v in GOOD if v.binding != "redirect"]
SIGNED = ("SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature")
PLACE_OF_ISSUER = r"<(\w+:)?Issuer[^>]*>"
FLIPS = 40  # octets of each message with its signature inside that are changed, evenly spread

every = pytest.mark.parametrize


@every("vector", ACCEPTED, ids=str)
def test_a_captured_message_is_accepted_and_says_what_it_said(vector):
    """Every message verifies with its sender's certificate and gives exactly its facts.

    Unsigned are some AuthnRequests, and nothing else.
    """
    verified = vector.verify()
    assert verified.signed == vector.is_signed
    assert verified.signed or vector.type == "AuthnRequest"
    assert verified.relay_state == vector.relay_state
    assert facts_of(verified.message) == as_read(vector.facts)


@every("vector", [v for v in GOOD if v.type.startswith("Logout")], ids=str)
def test_a_captured_logout_message_of_an_application_is_accepted(vector):
    """Every logout message is accepted as well, and says the same, where its sender is an application of ours."""
    verified = vector.verify(vector.provider)
    assert verified.peer == vector.provider
    assert facts_of(verified.message) == as_read(vector.facts)


@every("vector", [v for v in GOOD if v.type == "AuthnRequest"], ids=str)
def test_an_authn_request_without_its_signature_is_refused(vector):
    """Where the application's metadata says that it signs, the signature cannot be left out."""
    assert refusal_of(vector, query=re.sub("&SigAlg=.*", "", vector.query)) == Reason.SIGNATURE_MISSING


@every("vector", [v for v in ALL if v.refusal], ids=str)
def test_a_captured_probe_is_refused(vector):
    """What was sent to see whether a peer refuses it, the bridge refuses, for the reason that the probe had in mind."""
    assert refusal_of(vector) == vector.refusal


@every("vector", GOOD, ids=str)
def test_another_key_is_refused(vector):
    """No captured message verifies with a certificate that is not its sender's."""
    assert refusal_of(replace(vector, trusted=(pair("attacker").certificate,))) == Reason.SIGNATURE_INVALID


@every(("vector", "name"), [(v, name) for v in REDIRECTED for name in SIGNED if f"{name}=" in v.query], ids=str)
def test_another_octet_in_the_query_is_refused(vector, name):
    """Each signed parameter of a Redirect counts to the octet: another spelling of it and the signature is refused."""
    if name.startswith("SAML"):  # another case of an escape's digits: the same message, in other octets
        changed = re.sub(f"({name}=[^&]*%[0-9])([A-F])", lambda found: found[1] + found[2].lower(), vector.query)
    elif name == "Signature":
        changed = vector.query.replace("&Signature=", "&Signature=AAAA")
    else:
        changed = re.sub(f"({name}=)", r"\1x", vector.query)
    expected = Reason.ALGORITHM_NOT_ALLOWED if name == "SigAlg" else Reason.SIGNATURE_INVALID
    assert changed != vector.query
    assert refusal_of(vector, query=changed) == expected


@every("vector", [v for v in REDIRECTED if v.relay_state is not None], ids=str)
def test_a_relay_state_taken_away_is_refused(vector):
    """A signed RelayState cannot be left out (F131)."""
    assert refusal_of(vector, query=re.sub("&RelayState=[^&]*", "", vector.query)) == Reason.SIGNATURE_INVALID


@every("vector", REDIRECTED, ids=str)
def test_a_relay_state_put_in_is_refused(vector):
    """Where none was signed none may be added, and an empty one is one (F131)."""
    if vector.relay_state is None:
        assert refusal_of(vector, query=vector.query + "&RelayState=") == Reason.SIGNATURE_INVALID
    else:
        assert refusal_of(vector, query=vector.query + "&RelayState=x") == Reason.BINDING_AMBIGUOUS


@every("vector", EMBEDDED, ids=str)
@every(
    "place",
    [r"DigestValue>\s*", r"SignatureValue>\s*", r"(?:Recipient|Destination|InResponseTo)=\"", r"<(\w+:)?Issuer[^>]*>"],
)
def test_another_letter_in_the_message_is_refused(vector, place):
    """The first letter of a signed value, of the digest or of the signature changed: the signature is refused."""
    *_, found = re.finditer(place, vector.xml)  # the last one stands in the assertion, where there is one
    start = found.end() if "Value" not in place else re.search(place, vector.xml).end()
    other = "A" if vector.xml[start] != "A" else "B"
    changed = vector.xml[:start] + other + vector.xml[start + 1 :]
    assert refusal_of(vector, xml=changed.encode()) == Reason.SIGNATURE_INVALID


@every("vector", EMBEDDED, ids=str)
def test_whatever_octet_is_changed_the_facts_stay(vector):
    """One octet changed anywhere: the message is refused, or (outside what is signed) says the same as before.

    Only the envelope of an assertion may say something else, where the assertion alone was signed.
    """
    octets = vector.xml.encode()
    for position in range(0, len(octets), max(1, len(octets) // FLIPS)):
        changed = bytearray(octets)
        changed[position] ^= 1
        try:
            message = vector.verify(xml=bytes(changed)).message
        except MessageRefused:
            continue
        told, expected = facts_of(message), as_read(vector.facts)
        assert told.get("assertion") == expected.get("assertion")
        if vector.type != "Response":
            assert told == expected, position


def test_the_vectors_are_broad():
    """Five programs, both sides, three bindings: nobody thins the captures out unnoticed."""
    kinds = Counter((v.software, v.type, v.binding) for v in ALL)
    assert len(ALL) >= 142
    assert len(kinds) >= 24


def test_the_vectors_are_unchanged():
    """Every capture has the octets that SHA256SUMS names: no test is made green by changing what was sent."""
    told = dict(reversed(line.split("  ")) for line in (FOLDER / "SHA256SUMS").read_text().splitlines())
    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.json")}


def refusal_of(vector, **changes):
    """The reason for which a message is refused."""
    with pytest.raises(MessageRefused) as refused:
        vector.verify(**changes)
    return refused.value.reason
