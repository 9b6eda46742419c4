"""What changed between two versions of one peer's metadata, in sentences for whoever has to say yes to it.

Only what decides trust or where messages go is a change: identity, keys, endpoints, what must be signed, how people
are named, and the end of validity where it moves backwards. That metadata was made anew, with another ID, signature or
later validUntil, is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509

from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Endpoint
from saml_slo.wire import instants
from saml_slo.wire.algorithms import public_key_pem
from saml_slo.wire.metadata import IdpMetadata
from saml_slo.wire.metadata_entity import shown
from saml_slo.wire.metadata_role import RoleMetadata
from saml_slo.wire.metadata_signature import fingerprint
from saml_slo.wire.metadata_sp import SpMetadata

M = TypeVar("M", IdpMetadata, SpMetadata)


@dataclass(frozen=True, slots=True)
class Change:
    """One sentence. `grave`: it is never taken without an operator's yes, whatever the policy."""

    text: str
    grave: bool = False


def changes(old: RoleMetadata, new: RoleMetadata) -> tuple[Change, ...]:
    """Return how `new` differs from `old`, the gravest first; nothing where it says the same."""
    return (
        *_identity(old, new),
        *_validity(old, new),
        *_keys("signing", old.signing_certificates, new.signing_certificates),
        *_endpoints("SingleLogoutService", old.single_logout, new.single_logout),
        *_of_role(old, new),
        *_names(old, new),
    )


def _identity(old: RoleMetadata, new: RoleMetadata) -> Iterable[Change]:
    if old.entity_id != new.entity_id:
        text = f"it is of another entity: {shown(new.entity_id)}, was {shown(old.entity_id)}"
        yield Change(text, grave=True)


def _validity(old: RoleMetadata, new: RoleMetadata) -> Iterable[Change]:
    """Older metadata after newer is how a key that was withdrawn comes back (security K235)."""
    if old.valid_until is None:
        return
    until = instants.render(old.valid_until)
    if new.valid_until is None:
        yield Change(f"it no longer says until when it is valid; the one in force is until {until}", grave=True)
    elif new.valid_until < old.valid_until:
        text = f"it is older than the one in force: valid until {instants.render(new.valid_until)}, not {until}"
        yield Change(text, grave=True)


def _keys(use: str, old: Sequence[bytes], new: Sequence[bytes]) -> Iterable[Change]:
    old_keys, new_keys = {public_key_pem(der) for der in old}, {public_key_pem(der) for der in new}
    for der in new:
        if der not in old:
            known = public_key_pem(der) in old_keys
            what = f"the certificate of a {use} key is another one, the key the same" if known else f"new {use} key"
            yield Change(f"{what}: {_described(der)}")
    for der in old:
        if der not in new and public_key_pem(der) not in new_keys:
            yield Change(f"{use} key gone: {_described(der)}")


def _described(der: bytes) -> str:
    certificate = x509.load_der_x509_certificate(der)
    try:
        subject = certificate.subject.rfc4514_string() or "no subject"
    except ValueError:
        subject = "a subject that cannot be read"
    return f"{shown(subject)} until {certificate.not_valid_after_utc:%Y-%m-%d}, SHA-256 {fingerprint(der)}"


def _endpoints(service: str, old: Sequence[Endpoint], new: Sequence[Endpoint]) -> Iterable[Change]:
    for binding in Binding:
        before, after = ([_place(e) for e in side if e.binding is binding] for side in (old, new))
        if before != after:
            yield Change(f"{service} by {binding.short}: {_moved(before, after)}")


def _place(endpoint: Endpoint) -> str:
    answers = f" (answers to {shown(endpoint.response_location)})" if endpoint.response_location else ""
    return f"{shown(endpoint.location)}{answers}"


def _moved(before: Sequence[str], after: Sequence[str]) -> str:
    return f"now {', '.join(after) or 'none'}, was {', '.join(before) or 'none'}"


def _of_role(old: RoleMetadata, new: RoleMetadata) -> Iterable[Change]:
    if isinstance(old, IdpMetadata) and isinstance(new, IdpMetadata):
        yield from _endpoints("SingleSignOnService", old.single_sign_on, new.single_sign_on)
        yield from _flag("WantAuthnRequestsSigned", lambda role: role.want_authn_requests_signed, old, new)
    if isinstance(old, SpMetadata) and isinstance(new, SpMetadata):
        before, after = ([(e.index, e.location, e.is_default) for e in m.assertion_consumers] for m in (old, new))
        if before != after:
            places = ([f"{shown(place)} ({index})" for index, place, _ in side] for side in (before, after))
            yield Change(f"AssertionConsumerService: {_moved(*places)}")
        yield from _keys("encryption", old.encryption_certificates, new.encryption_certificates)
        yield from _flag("AuthnRequestsSigned", lambda role: role.authn_requests_signed, old, new)
        yield from _flag("WantAssertionsSigned", lambda role: role.want_assertions_signed, old, new)


def _flag(name: str, value: Callable[[M], bool], old: M, new: M) -> Iterable[Change]:
    if value(old) != value(new):
        yield Change(f"{name}: now {str(value(new)).lower()}, was {str(value(old)).lower()}")


def _names(old: RoleMetadata, new: RoleMetadata) -> Iterable[Change]:
    if old.name_id_formats != new.name_id_formats:
        before, after = (sorted(map(shown, m.name_id_formats)) for m in (old, new))
        yield Change(f"NameID formats: {_moved(before, after)}")
