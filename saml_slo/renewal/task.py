"""What the child process is told and what it says: one federation, one aggregate, one line of JSON each way."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from saml_slo.wire.aggregate import Wanted
from saml_slo.wire.metadata_signature import Signers


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Read one aggregate, from a file or by a conditional GET, and leave a cache.

    `source` is a path or a URL (`is_url`); `settings` is what the cache says it was made under; `not_before` is the
    validUntil of the cache in force (ISO 8601, empty where there is none): an older aggregate is refused.
    """

    source: str
    is_url: bool
    cache: str
    settings: str
    signers: Signers
    wanted: Wanted
    allowed: tuple[str, ...] = ()
    etag: str = ""
    last_modified: str = ""
    not_before: str = ""
    seconds: float = 300.0

    def encoded(self) -> bytes:
        """Return the task as JSON."""
        fields = asdict(self)
        fields["signers"]["certificates"] = [der.hex() for der in self.signers.certificates]
        fields["wanted"] = {name: sorted(entries) for name, entries in fields["wanted"].items()}
        return json.dumps(fields).encode()


def decode_task(data: bytes) -> Task:
    """Return the task that `encoded` wrote."""
    fields = json.loads(data)
    fields["signers"] = Signers(
        tuple(bytes.fromhex(der) for der in fields["signers"]["certificates"]), tuple(fields["signers"]["fingerprints"])
    )
    fields["wanted"] = Wanted(**{name: frozenset(entries) for name, entries in fields["wanted"].items()})
    fields["allowed"] = tuple(fields["allowed"])
    return Task(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended. `failure` is a sentence, empty when it went well; `refused`: something came and was not taken.

    `unchanged`: the publisher says that what we have is still good, and no cache was written.
    """

    failure: str = ""
    refused: bool = False
    unchanged: bool = False
    etag: str = ""
    last_modified: str = ""
    version: str = ""

    def encoded(self) -> bytes:
        """Return the outcome as JSON."""
        return json.dumps(asdict(self)).encode()


def decode_outcome(data: bytes) -> Outcome | None:
    """Return what a child said; None when it said nothing of the kind."""
    try:
        return Outcome(**json.loads(data))
    except (ValueError, TypeError):
        return None
