"""What was decrypted stays as it was signed: in a document of its own, and of one message with what is around it."""

import pytest
from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DS
from tests import idp
from tests.encrypting import encrypt

XS = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
TYPED = (
    f'<saml:AttributeStatement><saml:Attribute Name="a"><saml:AttributeValue xmlns:x="{XS}" xmlns:i="{XSI}"'
    ' i:type="x:string">v</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>'
)


def opened(response):
    """The assertion that the bridge reads from a Response."""
    return idp.check(idp.post(response, endpoint=idp.ACS)).message.assertion


@pytest.mark.parametrize("sign_response", [False, True])
@pytest.mark.parametrize("prefix", ["", "saml2:", "saml:"])
def test_a_signed_assertion_keeps_its_prefixes(prefix, sign_response):
    """It was signed before it was encrypted, in prefixes that need not be those of the message around it."""
    text = etree.tostring(idp.assertion(more=TYPED)).decode()
    name = f"xmlns:{prefix.rstrip(':')}" if prefix else "xmlns"
    text = text.replace("<saml:", f"<{prefix}").replace("</saml:", f"</{prefix}").replace("xmlns:saml=", f"{name}=")
    response = idp.response(encrypt(idp.sign(etree.fromstring(text))))
    around = etree.tostring(response).replace(b" ID=", f' xmlns:xsd="{XS}" xmlns:xsi="{XSI}" ID='.encode(), 1)
    read = opened(idp.sign(etree.fromstring(around)) if sign_response else around)
    assert [attribute.values for attribute in read.attributes] == [("v",)]


def test_an_encrypted_id_in_an_encrypted_assertion_is_read():
    """Both are opened, the inner one after the signature over the outer one was verified."""
    inside = idp.assertion(name_id="<saml:NameID>gone</saml:NameID>")
    subject = inside[1]
    subject.replace(subject[0], encrypt(idp.element(idp.NAME_ID), "EncryptedID"))
    assert opened(idp.response(encrypt(idp.sign(inside)))).name_id.value == "alice@corp.test"


@pytest.mark.parametrize("name", ["_r1", "_data"])
def test_no_id_of_the_message_comes_again_inside(name):
    """Neither the Response's nor that of what was encrypted, though both documents are apart."""
    encrypted = encrypt(idp.sign(idp.assertion(identifier=name)))
    encrypted[0].set("Id", "_data")
    with pytest.raises(MessageRefused) as refused:
        opened(idp.response(encrypted))
    assert refused.value.reason == Reason.DUPLICATE_ID


def test_no_signature_stands_elsewhere_inside():
    """A Signature below the assertion, of the kind that the profile would take, is refused there too."""
    inside = idp.assertion(more=TYPED)
    value = next(inside.iter("{*}AttributeValue"))
    value.append(etree.fromstring(etree.tostring(idp.sign(idp.assertion(identifier="_x")).find(f"{{{DS}}}Signature"))))
    for child in (inside, idp.sign(inside)):
        with pytest.raises(MessageRefused) as refused:
            opened(idp.response(encrypt(child)))
        assert refused.value.reason == Reason.SIGNATURE_PROFILE_VIOLATION


def test_no_second_assertion_stands_inside():
    """An assertion in an encrypted one, signed or not, is one too many."""
    inside = idp.assertion(more=TYPED)
    next(inside.iter("{*}AttributeValue")).append(idp.assertion(identifier="_a2"))
    with pytest.raises(MessageRefused) as refused:
        opened(idp.response(encrypt(idp.sign(inside))))
    assert refused.value.reason == Reason.ASSERTION_COUNT
