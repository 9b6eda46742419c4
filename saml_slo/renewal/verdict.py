"""What becomes of what was fetched: it counts, it waits for the operator, or it does not count at all.

Pure: the state before, what came, and the time give the state after and the documents to be written with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from saml_slo.peers.copies import CopyState, version_of
from saml_slo.peers.metadata_source import Changes
from saml_slo.renewal.fetch import Fetched
from saml_slo.renewal.schedule import next_look, next_try
from saml_slo.wire.metadata_changes import changes
from saml_slo.wire.metadata_role import RoleMetadata

DOCUMENT, PENDING, PREVIOUS = "document", "pending", "previous"
_GONE = b""


@dataclass(frozen=True, slots=True)
class Kept:
    """A document and what it says."""

    document: bytes
    facts: RoleMetadata


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state after, and the documents by their part; an empty one is removed."""

    state: CopyState
    documents: Mapping[str, bytes] = field(default_factory=dict)


def failed(state: CopyState, sentence: str, now: int, *, luck: float, refused: bool) -> Verdict:
    """Nothing came, or (`refused`) something that does not count: what is in force stays in force."""
    failures = state.failures + 1
    return Verdict(
        replace(
            state,
            checked_at=now,
            next_at=next_try(now, failures, luck),
            failures=failures,
            failure=sentence,
            refused=refused,
        )
    )


def unchanged(state: CopyState, kept: Kept, now: int, *, luck: float) -> Verdict:
    """What we have is what is published."""
    return Verdict(_good(state, kept.facts, now, luck))


def came(
    state: CopyState, old: Kept | None, new: Kept, fetched: Fetched, now: int, *, policy: Changes, luck: float
) -> Verdict:
    """Verified metadata came. It counts, unless it says something else than `old` and somebody has to agree first.

    That is with the policy `ask`, after an operator went back to an earlier copy, and always with a grave change.
    """
    state = replace(
        _good(state, new.facts, now, luck), etag=fetched.etag, last_modified=fetched.last_modified, fetched_at=now
    )
    version = version_of(new.document)
    found = () if old is None else changes(old.facts, new.facts)
    sentences = tuple(change.text for change in found)
    if found and (policy is Changes.ASK or state.hold or any(change.grave for change in found)):
        return Verdict(replace(state, pending=version, changes=sentences), {PENDING: new.document})
    documents = {DOCUMENT: new.document, PENDING: _GONE}
    if old is not None and found:
        documents[PREVIOUS] = old.document
        state = replace(state, previous=state.version)
    return Verdict(replace(state, version=version, pending="", changes=()), documents)


def accepted(state: CopyState, old: Kept | None, pending: Kept, now: int) -> Verdict:
    """The operator takes what waited; it counts, and one can go back to what was in force."""
    documents = {DOCUMENT: pending.document, PENDING: _GONE}
    if old is not None:
        documents[PREVIOUS] = old.document
    after = replace(
        state,
        version=state.pending,
        previous=state.version if old is not None else state.previous,
        pending="",
        changes=(),
        hold=False,
        checked_at=now,
    )
    return Verdict(after, documents)


def went_back(state: CopyState, old: Kept, previous: Kept, now: int) -> Verdict:
    """The operator goes back: what was in force waits, and so does whatever differs from what is in force now."""
    after = replace(
        state,
        version=state.previous,
        previous="",
        pending=state.version,
        changes=tuple(change.text for change in changes(previous.facts, old.facts)),
        hold=True,
        checked_at=now,
    )
    return Verdict(after, {DOCUMENT: previous.document, PENDING: old.document, PREVIOUS: _GONE})


def _good(state: CopyState, facts: RoleMetadata, now: int, luck: float) -> CopyState:
    look = next_look(now, valid_until=facts.valid_until, cache_duration=facts.cache_duration, luck=luck)
    return replace(state, checked_at=now, next_at=look, failures=0, failure="", refused=False)
