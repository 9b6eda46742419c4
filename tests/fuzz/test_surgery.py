"""Invariant: whatever is accepted says exactly what its sender signed, and nothing but MessageRefused is ever raised.

Genuine signed messages go under the knife: elements, attributes, signatures and texts are moved, copied, deleted,
renamed and split, forgeries are planted, and the result knocks at every door of the bridge. HYPOTHESIS_PROFILE=deep
looks fifty times as long.
"""

from dataclasses import replace

import pytest
import xmlsec
from hypothesis import event, given, settings
from hypothesis import strategies as st
from lxml import etree

from saml_slo.protocol.names import DS, SAML
from saml_slo.protocol.peer import SignedPart
from tests import idp
from tests.fuzz.genuine import VICTIM, acceptable, genuine, verifications
from tests.fuzz.surgery import OPERATIONS, Patient, written
from tests.keys import pair

numbers = st.integers(0, 60)
plans = st.lists(st.tuples(st.sampled_from(OPERATIONS), numbers, numbers, numbers), min_size=1, max_size=6)
connections = st.builds(
    lambda part, sha1, c14n: replace(
        idp.CONNECTION, signed_part=part, insecure_sha1=sha1, insecure_inclusive_c14n=c14n, insecure_aes_cbc=sha1
    ),
    st.sampled_from(SignedPart),
    st.booleans(),
    st.booleans(),
)
more = settings(max_examples=settings().max_examples * 5)


def operated(name, plan, way=0):
    """A genuine message after a plan of operations, as it would be sent."""
    patient = Patient(etree.fromstring(genuine()[name]))
    for operation, *choices in plan:
        operation(patient, *choices)
    return written(patient.root, way)


@pytest.mark.parametrize("name", genuine())
@more
@given(
    plan=plans,
    way=numbers,
    connection=connections,
    parameter=st.sampled_from([None, None, None, "SAMLRequest", "SAMLResponse"]),
)
def test_no_surgery_changes_what_is_believed(name, plan, way, connection, parameter):
    """Whatever is done to a message, it is refused or says what was signed, at every door."""
    for message in verifications(operated(name, plan, way), parameter, connection):
        event("accepted")
        assert acceptable(message)


@pytest.mark.parametrize("name", genuine())
def test_an_untouched_message_is_accepted(name):
    """The control: each message as it stands is accepted once, in every way of writing it, and says what was signed."""
    for way in range(5):
        data = operated(name, (), way)
        (message,) = verifications(data, idp.parameter_of(genuine()[name]), idp.CONNECTION)
        assert acceptable(message)


def careless(data):
    """What a verifier would read that trusts any signature in the document and then searches the document again."""
    root = etree.fromstring(data)
    signature = root.find(f".//{{{DS}}}Signature")
    if signature is None:
        return None
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pair("idp").certificate_pem, xmlsec.KeyFormat.CERT_PEM)
    try:
        for element in root.iter():
            if element.get("ID"):
                context.register_id(element, "ID")
        context.verify(signature)
    except (xmlsec.Error, ValueError):
        return None
    return root.findtext(f".//{{{SAML}}}NameID")


@pytest.mark.parametrize("name", ["assertion signed", "logout request"])
def test_the_surgery_is_good_enough_to_fool_a_careless_verifier(name):
    """The fuzzer is no decoration: it finds signature wrapping where there is a hole for it."""

    @settings(max_examples=3_000, derandomize=True, database=None)
    @given(plan=plans)
    def target(plan):
        try:
            read = careless(operated(name, plan))
        except etree.XMLSyntaxError:
            return
        assert read != VICTIM

    with pytest.raises(AssertionError):
        target()
