"""Our key files under certs/: read, checked, made on the first start. Generated keys are never committed.

========================  =======================================================================================
file                      what
========================  =======================================================================================
signing.key, .crt         signs every message; RSA or EC
signing-next.key, .crt    published beside it during a rollover, before it signs (optional)
signing-old.key, .crt     still published after a rollover, no longer signs (optional)
encryption.key, .crt      peers encrypt to it
encryption-old.key, .crt  still decrypts during a rollover (optional)
secret.key                64 hex digits: keys principals in Redis and seals cookies; all nodes share it
========================  =======================================================================================
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from saml_slo.errors import ConfigurationError
from saml_slo.wire.encryption import DecryptionKeys
from saml_slo.wire.keys import OurKeys, decryption_key, load_certificate, new_private_key, self_signed, signing_key

_SECRET_HEX = 64


@dataclass(frozen=True, slots=True)
class Secret:
    """The installation's secret, from which each use derives its own key."""

    value: bytes

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose."""
        return hmac.new(self.value, purpose.encode(), hashlib.sha256).digest()

    def webhook(self, client_id: str, generation: int) -> bytes:
        """Return the 32 bytes with which the webhooks of one application are signed; the next generation rolls them."""
        return self.derive(f"webhook\0{client_id}\0{generation}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep everybody else from changing the folder for as long as the block runs."""
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_keys(folder: Path, common_name: str) -> tuple[str, ...]:
    """Make the key files that are missing and return their names.

    Several processes may call this at once; a start that was killed half-way is completed by the next one, because a
    certificate can be made for a key that is there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    with locked(folder):
        for name in ("signing", "encryption"):
            key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
            if not key.exists():
                if certificate.exists():
                    continue  # a certificate without its key is somebody's mistake; load_keys names the missing file
                made.append(write_key_file(key, new_private_key(), 0o600))
            if not certificate.exists():
                content = self_signed(key.read_bytes(), f"{common_name} {name}", datetime.now(UTC))
                made.append(write_key_file(certificate, content, 0o644))
        if not (folder / "secret.key").exists():
            made.append(write_key_file(folder / "secret.key", secrets.token_hex(32).encode() + b"\n", 0o600))
    return tuple(made)


def write_key_file(path: Path, content: bytes, mode: int) -> str:
    """Write a file of this folder whole or not at all; return its name."""
    draft = path.with_name(f".{path.name}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if os.geteuid() == 0:  # the server that must read it may be somebody else
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
    draft.replace(path)
    return path.name


def load_keys(folder: Path) -> OurKeys:
    """Return our keys, or raise ConfigurationError naming the file that is missing or wrong."""
    signing = signing_key(_read(folder / "signing.key"), _read(folder / "signing.crt"), str(folder / "signing"))
    following = folder / "signing-next.crt"
    published = [signing.certificate]
    beside = [path for path in (following, folder / "signing-old.crt") if path.exists()]
    published.extend(load_certificate(_read(path), str(path)) for path in beside)
    names = ["encryption"]
    if (folder / "encryption-old.key").exists():
        names.append("encryption-old")
    return OurKeys(
        signing=signing,
        published_signing=tuple(dict.fromkeys(published)),
        decryption=DecryptionKeys(
            tuple(decryption_key(_read(folder / f"{name}.key"), str(folder / f"{name}.key")) for name in names)
        ),
        # Peers shall encrypt to the newest key alone; the old one only decrypts what is under way.
        published_encryption=(load_certificate(_read(folder / "encryption.crt"), str(folder / "encryption.crt")),),
    )


def load_secret(folder: Path) -> Secret:
    """Return the installation's secret."""
    path = folder / "secret.key"
    text = _read(path).decode(errors="replace").strip()
    if len(text) != _SECRET_HEX or any(character not in "0123456789abcdef" for character in text):
        raise ConfigurationError(
            "the secret is not usable", file=path, expected=f"{_SECRET_HEX} hex digits", next_step="Restore the file."
        )
    return Secret(bytes.fromhex(text))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            "a key file cannot be read",
            file=path,
            got=error.strerror or str(error),
            setting="SLO_CERTS_DIR",
            next_step="Put the file there, or empty the folder to have new keys made.",
        ) from None
