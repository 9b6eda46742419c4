"""Keys that are too weak load nothing; what is odd about a certificate is told (security C057, K231)."""

from base64 import b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from saml_slo.wire.certificates import CertificateRefusedError, read_certificate
from tests.wire.idp_metadata import NOW, certificate, entity, key_descriptor, read, refused, role, usual_certificate


@pytest.mark.parametrize(
    "wrap",
    [
        "\n      {}\n    ",
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        "<!-- the new one -->{}<!-- until May -->",
        "<![CDATA[{}]]>",
    ],
)
def test_certificates_are_read_however_they_are_wrapped(wrap):
    """K231: white space, line breaks, PEM armour and comments around or inside a certificate do not matter."""
    text = b64encode(usual_certificate()).decode()
    broken = "\r\n".join(text[i : i + 64] for i in range(0, len(text), 64))
    for inside in (text, broken, text[:90] + "<!-- x -->" * ("CDATA" not in wrap) + text[90:]):
        metadata = read(entity(role(keys=key_descriptor(wrap.format(inside)))))
        assert metadata.signing_certificates == (usual_certificate(),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        "not base64!",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
    ],
)
def test_an_unreadable_certificate_loads_nothing(text):
    """K231: one unparsable certificate refuses the file, even beside a good one, and the error has its line."""
    keys = key_descriptor(usual_certificate()) + "\n\n" + key_descriptor(text)
    assert refused(entity(role(keys=keys))).line == 3


def rsa_certificate(bits, exponent=3):
    """A certificate of an RSA key that nobody could make: its modulus is just a number of that length."""
    key = rsa.RSAPublicNumbers(3, (1 << (bits - 1)) + 1).public_key()
    der = certificate(key, signer=ec.generate_private_key(ec.SECP256R1()))
    assert der.count(b"\x01\x02\x01\x03") == 1  # the end of the modulus and the exponent
    return der.replace(b"\x01\x02\x01\x03", bytes([1, 2, 1, exponent]))


@pytest.mark.parametrize(
    ("der", "got"),
    [
        (rsa_certificate(512), "RSA of 512 bits"),
        (rsa_certificate(1024), "RSA of 1024 bits"),
        (rsa_certificate(2047), "RSA of 2047 bits"),
        (rsa_certificate(16392), "RSA of 16392 bits"),
        (rsa_certificate(2048, 1), "e must be >= 3"),
        (rsa_certificate(2048, 4), "e must be odd"),
        (certificate(ec.generate_private_key(ec.SECP192R1())), "EC on secp192r1"),
        (certificate(ec.generate_private_key(ec.SECP224R1())), "EC on secp224r1"),
        (certificate(ec.generate_private_key(ec.SECP256K1())), "EC on secp256k1"),
        (certificate(ec.generate_private_key(ec.BrainpoolP256R1())), "EC on brainpoolP256r1"),
    ],
)
def test_a_weak_key_loads_nothing(der, got):
    """C057: RSA below 2,048 bits or with the exponent 1, P-192 and other curves refuse the whole file."""
    keys = key_descriptor(usual_certificate()) + key_descriptor(der)
    assert got in refused(entity(role(keys=keys))).got


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        *(ec.generate_private_key(curve()) for curve in (ec.SECP384R1, ec.SECP521R1)),
    ],
)
def test_a_strong_key_is_taken(key):
    """RSA of 2,048 bits, P-384 and P-521 pass without a word; P-256 is used all over these tests."""
    der = certificate(key)
    metadata = read(entity(role(keys=key_descriptor(der))))
    assert (metadata.signing_certificates, metadata.warnings) == ((der,), ())


def usage(**purposes):
    """A keyUsage extension with these purposes only."""
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only"
    )
    return x509.KeyUsage(**dict.fromkeys(names.split(), False) | purposes)


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ({"start": -10, "end": -1}, "expired on 2026-11-19"),
        ({"start": 1, "end": 10}, "is not valid before 2026-11-21"),
        ({"extensions": [usage(key_encipherment=True)]}, "keyUsage without digitalSignature"),
    ],
)
def test_what_is_odd_about_a_certificate_is_a_warning(options, warning):
    """C057: dates and keyUsage decide nothing, because the metadata vouches for the key; they are never silent."""
    der = certificate(**options)
    metadata = read(entity(role(keys=key_descriptor(der))))
    assert metadata.signing_certificates == (der,)
    assert [warning in sentence for sentence in metadata.warnings] == [True]
    serial = x509.load_der_x509_certificate(der).serial_number
    assert f"{serial:x}" in metadata.warnings[0]


def test_a_usual_certificate_is_not_talked_about():
    """A valid certificate whose keyUsage has digitalSignature gives no warning, however often it is named."""
    der = certificate(extensions=[usage(digital_signature=True)])
    assert read_certificate(b64encode(der).decode(), NOW).warnings == ()
    expired = certificate(end=-1, start=-2)
    assert len(read(entity(role(keys=key_descriptor(expired, expired)))).warnings) == 1


@pytest.mark.parametrize("key", [ed25519.Ed25519PrivateKey.generate()])
def test_a_key_of_another_kind_is_refused(key):
    """A key for which there is no signature method on the list is refused by its name."""
    with pytest.raises(CertificateRefusedError) as raised:
        read_certificate(b64encode(certificate(signer=ec.generate_private_key(ec.SECP256R1()), key=key)).decode(), NOW)
    assert raised.value.got == "Ed25519PublicKey"
