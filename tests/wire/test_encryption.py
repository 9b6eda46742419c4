"""EncryptedAssertion and EncryptedID: what is decrypted, with which keys, and that a failure tells nothing."""

import os
import socket

import pytest
import xmlsec
from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DS, SAML, XENC, XENC11
from tests import idp
from tests.encrypting import (
    OAEP,
    OAEP_MGF1P,
    RSA_1_5,
    SHA1,
    SHA256,
    assemble,
    cipher_value,
    encrypt,
    encrypted_key,
    gcm,
    wrapped,
)
from tests.keys import decryption_keys, pair

GCM = [f"{XENC11}aes{bits}-gcm" for bits in (128, 192, 256)]
CBC = [f"{XENC}aes{bits}-cbc" for bits in (128, 192, 256)]
NAME_ID = idp.element(idp.NAME_ID)
SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"


def signed_assertion(**how):
    """A signed assertion, to be encrypted."""
    return idp.sign(idp.assertion(**how))


def sent(encrypted, *, sign_response=False):
    """A Response that carries an EncryptedAssertion, as the browser posts it."""
    return idp.post(idp.response(encrypted, sign_response=sign_response), endpoint=idp.ACS)


def read(encrypted, *, sign_response=False, **how):
    """The assertion that the bridge reads from a Response with this EncryptedAssertion."""
    return idp.check(sent(encrypted, sign_response=sign_response), **how).message.assertion


def refusal_of(encrypted, *, sign_response=False, **how):
    """The refusal of a Response with this EncryptedAssertion."""
    with pytest.raises(MessageRefused) as refused:
        read(encrypted, sign_response=sign_response, **how)
    return refused.value


@pytest.mark.parametrize("method", GCM)
@pytest.mark.parametrize(
    ("transport", "digest", "mgf"),
    [
        (OAEP_MGF1P, None, None),
        (OAEP_MGF1P, SHA1, None),
        (OAEP_MGF1P, SHA256, None),
        (OAEP, None, None),
        (OAEP, SHA256, XENC11 + "mgf1sha256"),
        (OAEP, SHA384, XENC11 + "mgf1sha384"),
        (OAEP, XENC + "sha512", XENC11 + "mgf1sha512"),
        (OAEP, SHA256, XENC11 + "mgf1sha1"),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_an_assertion_is_decrypted(method, transport, digest, mgf, beside):
    """AES-GCM with RSA-OAEP in all its parameters, the EncryptedKey inside KeyInfo or beside the data (E43)."""
    encrypted = encrypt(signed_assertion(), method=method, transport=transport, digest=digest, mgf=mgf, beside=beside)
    assert read(encrypted).name_id.value == "alice@corp.test"


@pytest.mark.parametrize("recipient", ["bridge-encryption", "bridge-encryption-next"])
@pytest.mark.parametrize("live", [("bridge-encryption-next", "bridge-encryption"), ("bridge-encryption",)])
def test_both_keys_are_live_during_a_rollover(recipient, live):
    """Old and new key decrypt while both are live; a key that is not live does not."""
    encrypted = encrypt(signed_assertion(), recipients=(recipient,))
    if recipient in live:
        assert read(encrypted, keys=decryption_keys(*live)).id == "_a1"
    else:
        assert refusal_of(encrypted, keys=decryption_keys(*live)).reason == Reason.DECRYPT_FAILED


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(
    "recipients",
    [
        ("bridge-encryption", "bridge-encryption-next"),
        ("other-idp", "attacker", "bridge-encryption"),
        ("bridge-encryption", "other-idp"),
        ("other-idp",) * 7 + ("bridge-encryption",),
    ],
)
def test_one_key_of_several_is_enough(recipients, beside):
    """An IdP may encrypt to several keys; ours is found among them."""
    assert read(encrypt(signed_assertion(), recipients=recipients, beside=beside)).id == "_a1"


def test_the_number_of_keys_is_limited():
    """Nine EncryptedKeys are refused before any is tried."""
    encrypted = encrypt(signed_assertion(), recipients=("bridge-encryption",) * 9)
    assert refusal_of(encrypted).reason == Reason.SCHEMA_VIOLATION


def test_libxmlsec_encrypts_and_we_decrypt():
    """What another implementation encrypts is decrypted."""
    template = xmlsec.template.encrypted_data_create(
        etree.Element("x"), xmlsec.Transform.AES256_GCM, type=xmlsec.EncryptionType.ELEMENT, ns="xenc"
    )
    xmlsec.template.encrypted_data_ensure_cipher_value(template)
    key_info = xmlsec.template.encrypted_data_ensure_key_info(template, ns="ds")
    key = xmlsec.template.add_encrypted_key(key_info, xmlsec.Transform.RSA_OAEP)
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(pair("bridge-encryption").certificate_pem, xmlsec.KeyFormat.CERT_PEM))
    context = xmlsec.EncryptionContext(manager)
    context.key = xmlsec.Key.generate(xmlsec.KeyData.AES, 256, xmlsec.KeyDataType.SESSION)
    data = context.encrypt_xml(template, etree.fromstring(idp.octets(signed_assertion())))
    holder = etree.fromstring(f'<saml:EncryptedAssertion xmlns:saml="{SAML}"/>')
    holder.append(data)
    assert read(holder).name_id.value == "alice@corp.test"


def test_the_place_lends_its_namespaces():
    """A plaintext that declares nothing uses what is declared where it stands (XMLEnc 4.3), and verifies there."""
    assertion = idp.octets(signed_assertion()).decode()
    bare = assertion.replace(f' xmlns:saml="{SAML}"', "").replace(
        ' xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"', ""
    )
    assert "xmlns:saml" not in bare
    assert read(encrypt(bare.encode())).name_id.value == "alice@corp.test"


@pytest.mark.parametrize("space", [b"", b"\n  ", b"\r\n\t"])
def test_space_around_the_element_is_dropped(space):
    """White space around the encrypted element is tolerated."""
    assert read(encrypt(space + idp.octets(signed_assertion()) + space)).id == "_a1"


def request_with(encrypted, *, signed=True):
    """A LogoutRequest about an EncryptedID."""
    return idp.logout_request(name_id=etree.tostring(encrypted).decode(), signed=signed)


@pytest.mark.parametrize(
    "send", [lambda e: idp.post(request_with(e)), lambda e: idp.redirect(request_with(e, signed=False))]
)
def test_a_logout_request_may_name_its_principal_encrypted(send):
    """An EncryptedID in a LogoutRequest is the NameID that was encrypted, with every qualifier."""
    name_id = idp.check(send(encrypt(NAME_ID, "EncryptedID"))).message.name_id
    assert (name_id.value, name_id.format) == ("alice@corp.test", idp.PERSISTENT)
    assert (name_id.name_qualifier, name_id.sp_name_qualifier) == (idp.ENTITY_ID, idp.SP)


def test_an_assertion_may_name_its_subject_encrypted():
    """An EncryptedID in the Subject, and one inside an EncryptedAssertion, are decrypted."""
    encrypted = etree.tostring(encrypt(NAME_ID, "EncryptedID")).decode()
    assert read(idp.assertion(name_id=encrypted)).name_id.value == "alice@corp.test"
    assert read(encrypt(signed_assertion(name_id=encrypted))).name_id.value == "alice@corp.test"


@pytest.mark.parametrize(
    "plain",
    ["<saml:BaseID/>", "<saml:Issuer>x</saml:Issuer>", f'<saml:Assertion xmlns:saml="{SAML}"/>', "<NameID>x</NameID>"],
)
def test_an_encrypted_id_holds_a_name_id(plain):
    """Anything but a NameID inside an EncryptedID is refused."""
    with pytest.raises(MessageRefused) as refused:
        idp.check(idp.post(request_with(encrypt(plain.encode(), "EncryptedID"))))
    assert refused.value.reason == Reason.SUBJECT_INVALID


FAILURES = {
    "tag": {"tamper": lambda c: c[:-1] + bytes([c[-1] ^ 1])},
    "nonce": {"tamper": lambda c: bytes([c[0] ^ 1]) + c[1:]},
    "text": {"tamper": lambda c: c[:40] + bytes([c[40] ^ 1]) + c[41:]},
    "short": {"tamper": lambda c: c[:27]},
    "empty": {"tamper": lambda c: c[:0]},
    "cut": {"tamper": lambda c: c[:-5]},
    "other key": {"recipients": ("attacker",)},
    "no element": {"plain": b"text"},
    "nothing": {"plain": b""},
    "two elements": {"plain": b"<a/><b/>"},
    "malformed": {"plain": b"<a>"},
    "text before": {"plain": b"x<a/>"},
    "text behind": {"plain": b"<a/>x"},
    "closes its wrapper": {"plain": b"<a/></w><w>"},
    "closes and opens": {"plain": b'</w><w xmlns:saml="urn:x"><a/>'},
    "doctype": {"plain": b"<!DOCTYPE a><a/>"},
    "comment": {"plain": b"<a><!-- c --></a>"},
    "unbound prefix": {"plain": b"<nobody:a/>"},
    "declaration": {"plain": b'<?xml version="1.0"?><a/>'},
    "latin": {"plain": "<a>ü</a>".encode("latin-1")},
    "too deep": {"plain": b"<a>" * 70 + b"</a>" * 70},
}


@pytest.mark.parametrize("name", FAILURES)
def test_every_failure_is_the_same_refusal(name):
    """Bad tag, wrong key, short data, plaintext that is no single element: one reason and one text (C059)."""
    how = dict(FAILURES[name])
    encrypted = encrypt(how.pop("plain", None) or (b"" if "plain" in FAILURES[name] else signed_assertion()), **how)
    got, reference = refusal_of(encrypted), refusal_of(encrypt(signed_assertion(), recipients=("attacker",)))
    assert got.reason == Reason.DECRYPT_FAILED
    assert str(got) == str(reference)


@pytest.mark.parametrize(
    "value",
    [
        lambda key: wrapped(key, "bridge-encryption")[:-1],
        lambda key: b"\x00" + wrapped(key, "bridge-encryption"),
        lambda key: key * 8,
        lambda key: key[:0],
        lambda key: b"\xff" * 8 * len(key),
        lambda key: wrapped(key[:16], "bridge-encryption"),
        lambda key: wrapped(key + key, "bridge-encryption"),
        lambda key: wrapped(key[:0], "bridge-encryption"),
        lambda key: wrapped(key, "bridge-encryption", digest=SHA256),
        lambda key: wrapped(key, "bridge-encryption", RSA_1_5),
    ],
    ids=range(10),
)
def test_a_bad_key_is_the_same_refusal_too(value):
    """A wrapped key that is cut, padded otherwise or of another length is never told from a wrong one (C059)."""
    key = os.urandom(32)
    text = cipher_value(gcm(key, idp.octets(signed_assertion())))
    encrypted = assemble("EncryptedAssertion", GCM[2], text, inside=encrypted_key(value(key)))
    got, reference = refusal_of(encrypted), refusal_of(encrypt(signed_assertion(), recipients=("attacker",)))
    assert (got.reason, str(got)) == (Reason.DECRYPT_FAILED, str(reference))


@pytest.mark.parametrize("text", ["!", "AAA", "A A!", "=", "é"])
def test_a_value_that_is_no_base64_is_refused(text):
    """Octets that cannot be read are the schema's refusal or the same failure, nothing else."""
    encrypted = encrypt(signed_assertion())
    encrypted.find(f".//{{{XENC}}}EncryptedKey/{{{XENC}}}CipherData/{{{XENC}}}CipherValue").text = text
    assert refusal_of(encrypted).reason in {Reason.DECRYPT_FAILED, Reason.SCHEMA_VIOLATION}


@pytest.mark.parametrize("method", CBC)
@pytest.mark.parametrize("place", ["assertion", "assertion's subject", "request's subject"])
def test_aes_cbc_needs_the_switch_and_a_signature_around_it(method, place):
    """AES-CBC is decrypted with `insecure_aes_cbc`, and only inside what a verified signature covers (C058)."""

    def send(*, signed):
        if place == "assertion":
            return sent(encrypt(signed_assertion(), method=method), sign_response=signed)
        encrypted = encrypt(NAME_ID, "EncryptedID", method=method)
        if place == "request's subject":
            return idp.post(request_with(encrypted))
        assertion = idp.assertion(name_id=etree.tostring(encrypted).decode())
        return idp.post(idp.response(assertion, sign_assertion=True), endpoint=idp.ACS)

    assert idp.check(send(signed=True), insecure_aes_cbc=True).signed
    with pytest.raises(MessageRefused) as refused:
        idp.check(send(signed=True))
    assert refused.value.reason == Reason.ALGORITHM_NOT_ALLOWED
    if place == "assertion":
        with pytest.raises(MessageRefused) as refused:
            idp.check(send(signed=False), insecure_aes_cbc=True)
        assert refused.value.reason == Reason.ALGORITHM_NOT_ALLOWED


def test_a_rollover_with_aes_cbc_never_fails():
    """The key that does not fit gives garbage, sometimes with good padding: the key that fits still decides."""
    for _ in range(60):
        encrypted = encrypt(signed_assertion(), method=CBC[0], recipients=("other-idp", "bridge-encryption"))
        assert read(encrypted, sign_response=True, insecure_aes_cbc=True).id == "_a1"


@pytest.mark.parametrize(
    "tamper", [lambda c: c[:-1] + bytes([c[-1] ^ 0x40]), lambda c: c[:-3], lambda c: c[:16], lambda c: c[:0]]
)
def test_a_broken_aes_cbc_is_the_same_refusal(tamper):
    """Bad padding, cut blocks and plaintext that is no XML are one refusal, the same as a wrong key."""
    encrypted = encrypt(signed_assertion(), method=CBC[2], tamper=tamper)
    other = encrypt(signed_assertion(), method=CBC[2], recipients=("attacker",))
    got, reference = (refusal_of(item, sign_response=True, insecure_aes_cbc=True) for item in (encrypted, other))
    assert (got.reason, str(got)) == (Reason.DECRYPT_FAILED, str(reference))


@pytest.mark.parametrize("insecure", [False, True])
@pytest.mark.parametrize(
    "how",
    [
        {"method": XENC + "tripledes-cbc"},
        {"method": "urn:nobody"},
        {"method": ""},
        {"method": XENC11 + "aes256-gcm "},
        {"transport": RSA_1_5},
        {"digest": "http://www.w3.org/2001/04/xmldsig-more#md5"},
        {"transport": OAEP, "digest": SHA256, "mgf": "urn:nobody"},
        {"transport": OAEP_MGF1P, "digest": SHA256, "mgf": XENC11 + "mgf1sha256"},
    ],
    ids=str,
)
def test_a_weak_method_is_refused(how, insecure):
    """3DES, RSA-1.5, MD5 and what nobody knows are refused by name, whatever the connection says (C058)."""
    key = os.urandom(32)
    transport, digest, mgf = how.get("transport", OAEP_MGF1P), how.get("digest"), how.get("mgf")
    inside = encrypted_key(wrapped(key, "bridge-encryption"), transport, digest, mgf)
    data = cipher_value(gcm(key, idp.octets(signed_assertion())))
    encrypted = assemble("EncryptedAssertion", how.get("method", GCM[2]), data, inside=inside)
    assert refusal_of(encrypted, insecure_aes_cbc=insecure).reason == Reason.ALGORITHM_NOT_ALLOWED


@pytest.fixture(name="canary")
def listening():
    """A listener that nobody may call; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        yield f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("scheme", ["http", "file", "ftp", "path"])
@pytest.mark.parametrize("where", ["data", "key", "key info"])
def test_nothing_is_fetched(canary, tmp_path, scheme, where):
    """A CipherReference or RetrievalMethod is refused; no address is called and no file opened.

    The file is a named pipe: whoever opens it waits until the test's time is over.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    uri = {"http": f"http://{canary}/x", "ftp": f"ftp://{canary}/x", "file": f"file://{pipe}", "path": str(pipe)}[
        scheme
    ]
    key = os.urandom(32)
    reference = f'<xenc:CipherReference URI="{uri}"/>'
    data = cipher_value(gcm(key, idp.octets(signed_assertion())))
    inside = encrypted_key(wrapped(key, "bridge-encryption"))
    if where == "data":
        data = reference
    elif where == "key":
        inside = inside.replace(cipher_value(wrapped(key, "bridge-encryption")), reference)
        inside = inside[: inside.index("<xenc:CipherValue>")] + reference + inside[inside.index("</xenc:CipherData>") :]
    else:
        inside = f'<ds:RetrievalMethod URI="{uri}" Type="{XENC}EncryptedKey"/>'
    assert refusal_of(assemble("EncryptedAssertion", GCM[2], data, inside=inside)).reason == Reason.SCHEMA_VIOLATION


def test_a_reference_to_the_key_beside_the_data_is_harmless():
    """OpenSAML points from the data to the key beside it; the key is found without following anything."""
    key = os.urandom(32)
    data = cipher_value(gcm(key, idp.octets(signed_assertion())))
    beside = encrypted_key(wrapped(key, "bridge-encryption"))
    pointer = f'<ds:RetrievalMethod URI="#_k" Type="{XENC}EncryptedKey"/>'
    encrypted = assemble("EncryptedAssertion", GCM[2], data, inside=pointer, beside=beside)
    assert read(encrypted).id == "_a1"


def test_an_encrypted_assertion_must_be_signed_itself():
    """Whoever knows our public key can encrypt: a plaintext without a signature in an unsigned Response is refused."""
    assert refusal_of(encrypt(idp.assertion())).reason == Reason.SIGNATURE_MISSING
    assert read(encrypt(idp.assertion()), sign_response=True).id == "_a1"
    assert refusal_of(encrypt(idp.sign(idp.assertion(), "attacker"))).reason == Reason.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "plain",
    [
        lambda: encrypt(signed_assertion()),
        lambda: idp.element("<saml:Advice/>"),
        lambda: idp.assertion(
            more=f"<saml:Advice>{etree.tostring(signed_assertion(identifier='_a2')).decode()}</saml:Advice>"
        ),
    ],
    ids=["encrypted twice", "something else", "another assertion inside"],
)
def test_what_was_encrypted_is_one_assertion(plain):
    """The plaintext is exactly one assertion: nothing nested, nothing else."""
    assert refusal_of(encrypt(plain()), sign_response=True).reason == Reason.ASSERTION_COUNT


def test_ids_are_unique_after_decryption():
    """A decrypted assertion may not bring an ID that the Response has already."""
    assert refusal_of(encrypt(signed_assertion(identifier="_r1"))).reason == Reason.DUPLICATE_ID


def test_a_decrypted_assertion_obeys_the_same_rules():
    """Signature profile, schema and Version hold for what was encrypted."""
    misplaced = signed_assertion()
    misplaced.append(misplaced.find(f"{{{DS}}}Signature"))
    assert refusal_of(encrypt(misplaced)).reason == Reason.SIGNATURE_PROFILE_VIOLATION
    unknown = signed_assertion()
    unknown.append(idp.element("<saml:Nobody/>"))
    assert refusal_of(encrypt(unknown)).reason == Reason.SCHEMA_VIOLATION
    old = idp.assertion()
    old.set("Version", "1.1")
    assert refusal_of(encrypt(idp.sign(old))).reason == Reason.SCHEMA_VIOLATION
