"""What is made wrong at SimpleSAMLphp's side, and LogoutRequests of its that name somebody else on the way to us."""

import subprocess
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from urllib.parse import parse_qsl, quote_plus

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree

from tests.interop.lab import SimpleSamlPhp

_PHP_SECONDS = 3.5  # PHP looks at its files every two, in whole seconds


def register(idp: SimpleSamlPhp, metadata: str) -> None:
    """Make this (a URL or path) the service provider that SimpleSAMLphp knows."""
    idp.register(metadata)
    time.sleep(_PHP_SECONDS)


def new_key(idp: SimpleSamlPhp) -> None:
    """Give SimpleSAMLphp another signing key."""
    what = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=new.idp.example")
    where = ("-keyout", str(idp.key), "-out", str(idp.certificate))
    subprocess.run(["openssl", "req", *what, *where], capture_output=True, check=True)
    time.sleep(_PHP_SECONDS)


def moved_logout(idp: SimpleSamlPhp, location: str | None) -> None:
    """Let SimpleSAMLphp publish another logout URL than it has; None: its own again."""
    file = idp.folder / "idp" / "metadata" / "saml20-idp-hosted.php"
    text = file.read_text()
    begin, end = "    'SingleLogoutService' => '", "',\n"
    if begin in text:
        head, _, rest = text.partition(begin)
        text = head + rest.partition(end)[2]
    if location is not None:
        text = text.replace("    'host' =>", f"{begin}{location}{end}    'host' =>", 1)
    file.write_text(text)
    time.sleep(_PHP_SECONDS)


def another_session(idp: SimpleSamlPhp, change: Callable[[etree._Element], None]) -> Callable[[str], str]:
    """Return a browser's `divert`: SimpleSAMLphp's LogoutRequests to us are changed, and signed anew with its key."""
    key = serialization.load_pem_private_key(idp.key.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)

    def divert(url: str) -> str:
        to, _, query = url.partition("?")
        fields = dict(parse_qsl(query, keep_blank_values=True))
        if "SAMLRequest" not in fields or "Signature" not in fields or not to.endswith("/slo"):
            return url
        root = etree.fromstring(zlib.decompress(b64decode(fields["SAMLRequest"]), -zlib.MAX_WBITS))
        change(root)
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        fields["SAMLRequest"] = b64encode(packer.compress(etree.tostring(root)) + packer.flush()).decode()
        names = [name for name in ("SAMLRequest", "RelayState", "SigAlg") if name in fields]
        signed = "&".join(f"{name}={quote_plus(fields[name])}" for name in names)
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{to}?{signed}&Signature={quote_plus(b64encode(signature))}"

    return divert


def other_name_id(root: etree._Element) -> None:
    """Name the person by a mail address, as some identity providers do."""
    (name_id,) = root.iter("{*}NameID")
    name_id.text = "alice@school.example.com"
    name_id.set("Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")


def other_session_index(root: etree._Element) -> None:
    """Name a session of which nobody here has heard."""
    (index,) = root.iter("{*}SessionIndex")
    index.text = "_another-session-of-the-same-person"
