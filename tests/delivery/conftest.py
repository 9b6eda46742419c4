"""A certificate authority that the system trusts while a test runs, and a channel that may speak to this machine."""

import time
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from saml_slo.delivery.back_channel import BackChannel
from saml_slo.delivery.failure import DeliveryFailed

PEM = serialization.Encoding.PEM


@cache
def _authority():
    key = ec.generate_private_key(ec.SECP256R1())
    return key, _certificate("saml_slo test authority", key, key, "saml_slo test authority", authority=True)


def _certificate(name, key, issuer_key, issuer, *, authority=False, days=(-1, 30)):
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def certificate(name, *, self_signed=False, days=(-1, 30)):
    """Return key and certificate of a server of this name, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = key if self_signed else _authority()[0]
    issuer = name if self_signed else "saml_slo test authority"
    made = _certificate(name, key, issuer_key, issuer, days=days)
    key_pem = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key_pem + made.public_bytes(PEM)


@pytest.fixture
def system_store(tmp_path, monkeypatch):
    """Let the system's certificate store consist of our test authority."""
    path = tmp_path / "authorities.pem"
    path.write_bytes(_authority()[1].public_bytes(PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return path


@pytest.fixture
def channel(system_store):
    """A back channel whose operator listed this machine."""
    return BackChannel(allowed_private=("127.0.0.0/8", "::1"))


def post(channel, url, *, within=60.0, body=b"<request/>", **how):
    """Post something; `within` is the deadline, in seconds from now."""
    return channel.post(url, body, content_type="text/xml", deadline=time.monotonic() + within, **how)


def failure(channel, url, **how):
    """Post something that fails; return the failure and the seconds that it took."""
    begun = time.monotonic()
    with pytest.raises(DeliveryFailed) as caught:
        post(channel, url, **how)
    return caught.value, time.monotonic() - begun
