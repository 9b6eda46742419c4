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

The files are the truth: a server looks at them once a second and takes what changed as one set, without a restart.
`secret.key` alone is what it was at the start, because everything that rests in Redis and in browsers hangs on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saml_slo.errors import ConfigurationError
from saml_slo.wire.encryption import DecryptionKeys
from saml_slo.wire.keys import (
    OurKeys,
    decryption_key,
    is_certificate_of,
    load_certificate,
    new_private_key,
    self_signed,
    signing_key,
)

_SECRET_HEX = 64
_NEEDED = ("signing.key", "signing.crt", "encryption.key", "encryption.crt", "secret.key")
_LOOK_SECONDS = 1.0
_REST_SECONDS = 2.0
_SUFFIXES = (".key", ".crt")

# What tells one state of the folder from another: each file's name, times, size and inode, and the folder's own time.
_Stamps = tuple[tuple[str, int, int, int, int], ...]


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
    """Keep everybody else from changing the folder for as long as the block runs.

    Raises ConfigurationError where we may not change it either.
    """
    try:
        lock = (folder / ".lock").open("a")
    except OSError as error:
        raise ConfigurationError(
            "the folder of our keys cannot be written",
            file=folder,
            got=error.strerror or str(error),
            setting="SLO_CERTS_DIR",
            next_step="Run `saml-slo keys` as its owner, or change the keys where the folder comes from.",
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_keys(folder: Path, common_name: str) -> tuple[str, ...]:
    """Make the key files that are missing and return their names; a folder that is complete may be read-only.

    Several processes may call this at once; a start that was killed half-way is completed by the next one, because a
    certificate can be made for a key that is there.
    """
    if all((folder / name).exists() for name in _NEEDED):
        return ()
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder):
        return _made(folder, common_name)


def _made(folder: Path, common_name: str) -> tuple[str, ...]:
    made: list[str] = []
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
    """Return our keys, or raise ConfigurationError naming the file that is missing or wrong.

    Waits while somebody changes the folder, so that half of a step is never read.
    """
    with _unchanged(folder):
        return _load_keys(folder)


@contextmanager
def _unchanged(folder: Path) -> Iterator[None]:
    """Keep changes by `locked` away while the block reads; whoever copies files in by hand asks nobody."""
    try:
        lock = (folder / ".lock").open("rb")
    except OSError:  # nobody ever changed it here, or it is not ours to lock
        yield
        return
    with lock:
        with suppress(OSError):  # a file system without locks, on which nobody can have changed it by `locked` either
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _load_keys(folder: Path) -> OurKeys:
    signing = signing_key(_read(folder / "signing.key"), _read(folder / "signing.crt"), str(folder / "signing"))
    following = folder / "signing-next.crt"
    published = [signing.certificate]
    beside = [path for path in (following, folder / "signing-old.crt") if path.exists()]
    published.extend(load_certificate(_read(path), str(path)) for path in beside)
    names = ["encryption"]
    if (folder / "encryption-old.key").exists():
        names.append("encryption-old")
    decryption = tuple(decryption_key(_read(folder / f"{name}.key"), str(folder / f"{name}.key")) for name in names)
    encryption = load_certificate(_read(folder / "encryption.crt"), str(folder / "encryption.crt"))
    if not is_certificate_of(encryption, *decryption):
        raise ConfigurationError(
            "this is not the certificate of a key that decrypts here",
            file=folder / "encryption.crt",
            next_step="Put the matching pair there.",
        )
    return OurKeys(
        signing=signing,
        published_signing=tuple(dict.fromkeys(published)),
        decryption=DecryptionKeys(decryption),
        # Peers shall encrypt to the newest key alone; the old one only decrypts what is under way.
        published_encryption=(encryption,),
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


class KeyRing:
    """Our keys as they are in force now: what the folder has, or had when it was last good.

    Everybody asks `current` anew for each message or document, so that all of them change over at once. `report` hears
    of each set that came into force, and of each folder that cannot be used; `wall` is the time in seconds since 1970.
    Raises ConfigurationError where there is nothing good to begin with.
    """

    def __init__(
        self,
        folder: Path,
        *,
        report: Callable[[OurKeys | ConfigurationError], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._report = report
        self._wall = wall
        self._stopping = threading.Event()
        self._problem: ConfigurationError | None = None
        self._seen, rested = self._look()
        self._settled = rested
        self._keys, self.secret = load_keys(folder), load_secret(folder)

    def current(self) -> OurKeys:
        """Return the keys that are in force; whoever needs several of them takes them from one answer."""
        return self._keys

    def problem(self) -> ConfigurationError | None:
        """Return why the folder as it is now is not in force, None where it is."""
        return self._problem

    def start(self) -> None:
        """Look at the folder once a second, in a thread that ends with the process."""
        threading.Thread(target=self._run, name="keys", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            self.refresh()

    def refresh(self) -> None:
        """Take what changed, once it has rested for two seconds: somebody who copies files has then copied them all."""
        stamps, rested = self._look()
        if (stamps == self._seen and self._settled) or not rested:
            return
        self._seen, self._settled = stamps, True
        self.reload()

    def reload(self) -> None:
        """Read the folder again, changed or not; what cannot be used leaves the keys of before in force."""
        try:
            keys = load_keys(self.folder)
            self._same_secret()
        except ConfigurationError as error:
            if str(error) != str(self._problem):
                self._report(error)
            self._problem = error
            return
        mended, self._problem = self._problem is not None, None
        if mended or _facts(keys) != _facts(self._keys):
            self._keys = keys
            self._report(keys)

    def _look(self) -> tuple[_Stamps, bool]:
        found = []
        with suppress(OSError):  # reading the folder says what is wrong with it
            found.append(("", self.folder.stat()))
            with os.scandir(self.folder) as entries:
                found += [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(_SUFFIXES)]
        stamps = tuple(
            sorted((name, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino) for name, stat in found)
        )
        now = self._wall()
        return stamps, all(abs(now - stat.st_ctime) > _REST_SECONDS for _, stat in found)

    def _same_secret(self) -> None:
        if load_secret(self.folder) != self.secret:
            raise ConfigurationError(
                "the secret is not the one that this server started with, so the folder is not taken over",
                file=self.folder / "secret.key",
                next_step="Put the old secret back; or restart every server with the new one, which ends all sessions.",
            )


def _facts(keys: OurKeys) -> tuple[Any, ...]:
    """Return what tells two sets apart: private keys cannot be compared, their public halves can."""
    public = tuple(key.public_key().public_numbers() for key in keys.decryption.keys)
    return keys.signing.certificate, keys.published_signing, keys.published_encryption, public
