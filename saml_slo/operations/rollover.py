"""Our keys rolled over in three steps, none of which surprises a peer that honours our metadata (S7).

=========  ==============================================  ===================================================
stage      what the folder has                             next step, and from when on
=========  ==============================================  ===================================================
steady     one signing key, one encryption key             `prepare`, at any time
prepared   a new signing certificate published beside the  `switch`, when every peer has had time to read it
           active one; a new encryption key in force, the
           old one still decrypts
switched   the new key signs; the old certificate is still `finish`, when nobody encrypts to the old key any
           published, the old encryption key decrypts      more and nothing signed by the old one is under way
=========  ==============================================  ===================================================

A peer that honours validUntil has read our metadata anew within PUBLISHED_FOR; one that was given a file by hand has
not, and is for the operator to tell. The moments are those at which the files were written: servers take them over
within seconds (certs.KeyRing).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from saml_slo.certs import load_keys, locked, write_key_file
from saml_slo.errors import ConfigurationError
from saml_slo.wire.certificate_facts import CertificateFacts, certificate_facts
from saml_slo.wire.keys import load_certificate, load_private_key, new_private_key, self_signed, signing_key

PUBLISHED_FOR = timedelta(days=8)  # validUntil of what we publish (web/published.py)
UNDER_WAY = timedelta(days=1)  # signed receipts are shown for a day


class Stage(StrEnum):
    """Where a rollover stands; see the table above."""

    STEADY = "steady"
    PREPARED = "prepared"
    SWITCHED = "switched"


class Step(StrEnum):
    """What is done next; the words of the command."""

    NEXT = "next"
    SWITCH = "switch"
    FINISH = "finish"


NEXT_STEP = {Stage.STEADY: Step.NEXT, Stage.PREPARED: Step.SWITCH, Stage.SWITCHED: Step.FINISH}


@dataclass(frozen=True, slots=True, kw_only=True)
class OurCertificate:
    """One certificate of ours; `role` says what it is for now."""

    file: str
    role: str
    facts: CertificateFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollover:
    """Where it stands; `earliest` is from when on the next step is safe, None: at any time."""

    stage: Stage
    step: Step
    earliest: datetime | None
    certificates: tuple[OurCertificate, ...]


_ROLES = {
    "signing": "signs, and is published",
    "signing-next": "is published, and signs after the switch",
    "signing-old": "is published, and signed before the switch",
    "encryption": "is published, and decrypts",
    "encryption-old": "decrypts only",
}


def look(folder: Path) -> Rollover:
    """Return where the rollover stands, or raise ConfigurationError where the keys are not usable."""
    load_keys(folder)
    stage = _stage(folder)
    certificates = []
    for name, role in _ROLES.items():
        path = folder / f"{name}.crt"
        facts = certificate_facts(load_certificate(path.read_bytes(), str(path))) if path.exists() else None
        if facts is not None:
            certificates.append(OurCertificate(file=path.name, role=role, facts=facts))
    return Rollover(
        stage=stage, step=NEXT_STEP[stage], earliest=_earliest(folder, stage), certificates=tuple(certificates)
    )


def take(folder: Path, step: Step, *, common_name: str, now: datetime, force: bool = False) -> tuple[str, ...]:
    """Do a step and return what became of the files, in words; refuse one that is not the next, or too early.

    `force` does it early: peers that have not read our metadata yet then refuse what we sign, or encrypt to a key that
    is gone. Every file is replaced whole; a step that was cut off can be repeated.
    """
    with locked(folder):
        stage = _stage(folder)
        if NEXT_STEP[stage] is not step:
            raise ConfigurationError(
                f"the rollover is {stage}, so this is not its next step",
                file=folder,
                expected=f"saml-slo keys {NEXT_STEP[stage]}",
                got=f"saml-slo keys {step}",
            )
        earliest = _earliest(folder, stage)
        if earliest is not None and now < earliest and not force:
            raise ConfigurationError(
                "this is too early: peers may still have our metadata of before",
                file=folder,
                expected=f"not before {earliest:%Y-%m-%d %H:%M}Z",
                next_step="Wait until then, or add --force if every peer has read our metadata.",
            )
        acts = {Step.NEXT: _prepare, Step.SWITCH: _switch, Step.FINISH: _finish}
        return acts[step](folder, common_name, now)


def _stage(folder: Path) -> Stage:
    if (folder / "signing-next.crt").exists():
        return Stage.PREPARED
    old = ("signing-old.crt", "encryption-old.key")
    return Stage.SWITCHED if any((folder / name).exists() for name in old) else Stage.STEADY


def _earliest(folder: Path, stage: Stage) -> datetime | None:
    if stage is Stage.PREPARED:
        return _written(folder / "signing-next.crt") + PUBLISHED_FOR
    if stage is Stage.SWITCHED:
        moments = []
        if (folder / "encryption-old.key").exists():
            moments.append(_written(folder / "encryption.crt") + PUBLISHED_FOR)
        if (folder / "signing-old.crt").exists():
            moments.append(_written(folder / "signing-old.crt") + UNDER_WAY)
        return max(moments)
    return None


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _prepare(folder: Path, common_name: str, now: datetime) -> tuple[str, ...]:
    """Publish the certificate that signs next, and let peers encrypt to a new key while the old one decrypts."""
    signing = load_private_key((folder / "signing.key").read_bytes(), str(folder / "signing.key"))
    following = new_private_key(signing)
    encryption = new_private_key()
    # All that takes time is done before the first file changes.
    signing_crt = self_signed(following, f"{common_name} signing", now)
    encryption_crt = self_signed(encryption, f"{common_name} encryption", now)
    for suffix, mode in ((".crt", 0o644), (".key", 0o600)):
        content = (folder / f"encryption{suffix}").read_bytes()
        write_key_file(folder / f"encryption-old{suffix}", content, mode)
    # From here on both keys decrypt, whichever of the two certificates is published.
    write_key_file(folder / "encryption.key", encryption, 0o600)
    write_key_file(folder / "encryption.crt", encryption_crt, 0o644)
    write_key_file(folder / "signing-next.key", following, 0o600)
    write_key_file(folder / "signing-next.crt", signing_crt, 0o644)
    return (
        "signing-next.crt is published beside signing.crt, and does not sign yet",
        "encryption.crt is new; the old key still decrypts",
    )


def _switch(folder: Path, _: str, now: datetime) -> tuple[str, ...]:
    """Let the key sign that was published; the certificate of before stays published."""
    del now
    key, certificate = folder / "signing-next.key", folder / "signing-next.crt"
    if not key.exists():
        raise ConfigurationError(
            "the key of signing-next.crt is not here, so it cannot sign",
            file=key,
            next_step="Put it there, or remove signing-next.crt to begin anew.",
        )
    new = signing_key(key.read_bytes(), certificate.read_bytes(), str(folder / "signing-next"))
    del new  # it was read to see that the two belong together
    for suffix, mode in ((".key", 0o600), (".crt", 0o644)):
        old = folder / f"signing-old{suffix}"
        if not old.exists():  # a switch that was cut off has kept it already
            write_key_file(old, (folder / f"signing{suffix}").read_bytes(), mode)
    write_key_file(folder / "signing.key", key.read_bytes(), 0o600)
    write_key_file(folder / "signing.crt", certificate.read_bytes(), 0o644)
    certificate.unlink()
    key.unlink()
    return ("the new key signs; the certificate of before stays published as signing-old.crt",)


def _finish(folder: Path, _: str, now: datetime) -> tuple[str, ...]:
    """Remove what is old."""
    del now
    # Where a step was cut off, the certificate that peers encrypt to may still be the old key's.
    signing_key(
        (folder / "encryption.key").read_bytes(), (folder / "encryption.crt").read_bytes(), str(folder / "encryption")
    )
    gone = []
    for name in ("signing-old.crt", "signing-old.key", "encryption-old.crt", "encryption-old.key"):
        if (folder / name).exists():
            (folder / name).unlink()
            gone.append(name)
    return (f"removed {', '.join(gone)}",)
