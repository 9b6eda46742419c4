"""Every key family, one line each.

====================================  ======  =======================================================================
key                                   type    what
====================================  ======  =======================================================================
slo:{SS}:session:ID                   string  one browser session (codec.py), or `-` + logout id once it was ended
slo:{SS}:principal:DIGEST             zset    ids of the principal's sessions, scored by until when each may live
slo:{SS}:ended:DIGEST                 hash    tombstone of a principal: instants of its last logouts (see `Tombstone`)
slo:{SS}:asked:DIGEST                 string  mark of a peer's LogoutRequest; holds the id of its logout
slo:{SS}:over:DIGEST                  string  of a SessionIndex: up to which instant its IdP ended it (hints.py)
slo:{SS}:assertion:DIGEST             string  replay mark of an assertion; holds whose it is (open_session.lua)
slo:{SS}:answered:DIGEST              string  mark that an AuthnRequest of ours was answered; holds the same
slo:{SS}:logout:ID                    string  one running logout, afterwards its receipt
slo:{SS}:code:DIGEST                  string  mark that a code of a sign-in through a proxy was used
slo:{SS}:call:DIGEST                  hash    an API call with an idempotency key, and the logout that it began
slo:{calls:CLIENT_ID:SPAN}            string  how many API calls of a span of time an application has used up
slo:{checks:WHO}                      string  how often an application, or a browser, asked within a second
slo:{copy:KIND:NAME}                  hash    metadata that was fetched: `state`, `document`, `pending`, `previous`
slo:{copy:KIND:NAME}:lease            string  who fetches it now
slo:{SS}:audit                        stream  what happened in this shard (happened.py, record.lua)
slo:{SS}:reference:CODE               string  a logout's reference code: its id, then its entries in the audit
slo:{SS}:trail:KIND:NAME              string  entries of the audit about a person or a peer
slo:{SS}:trail:message:BB             string  entries about messages, each with a part of its ID's hash (64 lists)
slo:{SS}:due                          zset    `s:ID` and `l:ID`, scored by the moment at which the sweeper must look
slo:{SS}:waiting                      zset    ids of the logouts among them, for operators: a hint, scored alike
slo:{operators}                       hash    who may use the console: name and password hash; lives for ever
slo:{operators}:link                  string  hash of the link by which the next operator may be made
slo:{operators}:session:HASH          string  one session of the console: when it began, and whose it is
slo:{operators}:failures:HASH         string  failed attempts of a name or an address
slo:ready                             string  written by the readiness check to see that writes work
====================================  ======  =======================================================================

`SS` is the shard, two hex digits in a Redis Cluster hash tag: of a principal it is the start of its digest, and a
session lives in the shard of its first login's principal. Ids carry their shard, so a look-up knows its slot. No key
holds a NameID or a token in the clear (product S6): principals are keyed by HMAC, tokens by their hash. Every key but
`due`, which empties itself, and `{operators}` has a TTL.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass

from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import NameIdFormat
from saml_slo.protocol.peer import Connection, Peer

SHARDS = tuple(f"{number:02x}" for number in range(256))
READY = "slo:ready"
OPERATORS = "slo:{operators}"
CONSOLE_LINK = f"{OPERATORS}:link"
_DIGEST_CHARS = 32
_MESSAGE_LISTS = 64


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a NameID names, as a keyed digest; equal for equal principals (product L7: absent equals the default)."""

    digest: str

    @property
    def shard(self) -> str:
        """Return the shard of everything that belongs to this principal."""
        return self.digest[:2]

    @property
    def sessions(self) -> str:
        """Return the key of the index of the principal's sessions."""
        return f"slo:{{{self.shard}}}:principal:{self.digest}"

    @property
    def tombstone(self) -> str:
        """Return the key of the principal's tombstone."""
        return f"slo:{{{self.shard}}}:ended:{self.digest}"

    def assertion(self, assertion_id: str) -> str:
        """Return the key of the replay mark of one assertion about this principal."""
        return f"slo:{{{self.shard}}}:assertion:{_hash(self.digest, assertion_id)}"

    @property
    def over(self) -> str:
        """Return the key of the instant up to which assertions of a SessionIndex are void (see `idp_session`)."""
        return f"slo:{{{self.shard}}}:over:{self.digest}"

    def asked(self, request_id: str) -> str:
        """Return the key of the mark that a LogoutRequest about this principal was acted on."""
        return f"slo:{{{self.shard}}}:asked:{_hash(self.digest, request_id)}"

    @property
    def session_prefix(self) -> str:
        """Return what precedes a session id in the keys of this principal's slot."""
        return f"slo:{{{self.shard}}}:session:"

    def answered(self, request_id: str) -> str:
        """Return the key of the mark that an AuthnRequest was answered with this principal."""
        return f"slo:{{{self.shard}}}:answered:{_hash(request_id)}"


def principal(secret: bytes, peer: Peer, name_id: NameId) -> Principal:
    """Return the principal of a NameID between a peer and us.

    Of an IdP: value, Format and qualifiers, absent ones equal to their defaults (L7). Of an application: the value
    alone, because we issued it to that application and no two of ours are alike; samlify sends another Format back,
    samlp and others leave the qualifiers out.
    """
    parts = [peer.entity_id, peer.our_entity_id, name_id.value]
    if isinstance(peer, Connection):
        parts += [
            name_id.format or NameIdFormat.UNSPECIFIED,
            name_id.name_qualifier or peer.entity_id,
            name_id.sp_name_qualifier or peer.our_entity_id,
        ]
    return _principal(secret, parts)


def idp_session(secret: bytes, peer: Connection, session_index: str) -> Principal:
    """Return the principal under which an IdP's SessionIndex is found (product S4); its index is a hint."""
    return _principal(secret, ["idp session", peer.entity_id, peer.our_entity_id, session_index])


def user(secret: bytes, space: str, user_id: str) -> Principal:
    """Return the principal of a user id that applications of one space share (product A2)."""
    return _principal(secret, ["user", space, user_id])


def application_session(secret: bytes, client_id: str, own_id: str) -> Principal:
    """Return the principal under which an application's own session id is found (product S4); its index is a hint."""
    return _principal(secret, ["session", client_id, own_id])


def named(secret: bytes, client_id: str, name: str) -> Principal:
    """Return the principal under which sessions are found by what an application behind a proxy is told; a hint."""
    return _principal(secret, ["name", client_id, name])


def _principal(secret: bytes, parts: list[str]) -> Principal:
    digest = hmac.new(secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()
    return Principal(digest[:_DIGEST_CHARS])


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What a logout buries of a principal (product L12); every instant in milliseconds.

    `asked`: answers to AuthnRequests of ours sent up to `instant` (a logout begun here). `issued`: assertions issued up
    to it (a LogoutRequest of the IdP), `issued:…` those of one SessionIndex alone. `expired` buries nothing.
    """

    principal: Principal
    field: str
    instant: int


def asked_before(who: Principal, instant: int) -> Tombstone:
    """Return the tombstone of a logout begun here."""
    return Tombstone(who, "asked", instant)


def expired_at(who: Principal, instant: int) -> Tombstone:
    """Return the note that a session ended by itself: it refuses nothing, it only says that the person was here."""
    return Tombstone(who, "expired", instant)


def issued_before(who: Principal, instant: int, session_indexes: tuple[str, ...]) -> tuple[Tombstone, ...]:
    """Return the tombstones of a LogoutRequest issued at `instant`; without indexes it is about every session."""
    fields = index_fields(session_indexes) or ("issued",)
    return tuple(Tombstone(who, field, instant) for field in fields)


def index_fields(session_indexes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tombstone fields of SessionIndex values."""
    return tuple(f"issued:{_hash(index)}" for index in session_indexes)


def session_id(shard: str, token: str) -> str:
    """Return the id of the session that a browser's cookie token opens: the shard and a hash of the token."""
    return shard + _hash(token)


def registered_session_id(who: Principal, own: Principal) -> str:
    """Return the id of the session that an application registers for a user: always the same for the same two.

    So whoever registers it again finds it, also when it was ended. It lies in the user's slot, and no cookie opens it.
    """
    return who.shard + _hash(who.digest, own.digest)


def session(identifier: str) -> str:
    """Return the key of a session."""
    return f"slo:{{{identifier[:2]}}}:session:{identifier}"


def logout(identifier: str) -> str:
    """Return the key of a running logout or its receipt."""
    return f"slo:{{{identifier[:2]}}}:logout:{identifier}"


def checks(asker: str) -> str:
    """Return the key of the counter of one asker's status checks."""
    return f"slo:{{checks:{asker}}}"


def code(session_: str, nonce: str) -> str:
    """Return the key of the mark that a code about a session was used."""
    return f"slo:{{{session_[:2]}}}:code:{_hash(nonce)}"


def call(client_id: str, idempotency_key: str) -> str:
    """Return the key of the record of an API call; each application has idempotency keys of its own."""
    digest = _hash(client_id, idempotency_key)
    return f"slo:{{{digest[:2]}}}:call:{digest}"


def calls(client_id: str, span: int) -> str:
    """Return the key of the counter of an application's API calls in a span of time."""
    return f"slo:{{calls:{client_id}:{span}}}"


def copy(kind: str, name: str) -> str:
    """Return the key of a copy of metadata."""
    return f"slo:{{copy:{kind}:{name}}}"


def copy_lease(kind: str, name: str) -> str:
    """Return the key of the lease on a copy of metadata."""
    return f"{copy(kind, name)}:lease"


def shard_of(subject: str) -> str:
    """Return the shard of what belongs to no principal."""
    return _hash(subject)[:2]


def audit(shard: str) -> str:
    """Return the key of a shard's audit stream."""
    return f"slo:{{{shard}}}:audit"


def reference(shard: str, code: str) -> str:
    """Return the key of what a logout's reference code leads to."""
    return f"slo:{{{shard}}}:reference:{code}"


def trail_of_user(shard: str, digest: str) -> str:
    """Return the key of the audit entries of a shard about a principal."""
    return f"slo:{{{shard}}}:trail:user:{digest}"


def trail_of_idp(shard: str, name: str) -> str:
    """Return the key of the audit entries of a shard about a connection."""
    return f"slo:{{{shard}}}:trail:idp:{name}"


def trail_of_application(shard: str, client_id: str) -> str:
    """Return the key of the audit entries of a shard about an application."""
    return f"slo:{{{shard}}}:trail:application:{client_id}"


def trail_of_message(shard: str, message_id: str) -> tuple[str, str]:
    """Return the key of the audit entries of a shard about messages such as this, and what marks this one's there.

    Every sign-in has three messages, so each of them has no key of its own: 64 lists for a shard, which do not grow for
    ever (record.lua), are a quarter of a gibibyte at most.
    """
    digest = _hash(message_id)
    return f"slo:{{{shard}}}:trail:message:{int(digest[:2], 16) % _MESSAGE_LISTS:02x}", f":{digest[2:14]}"


def due(shard: str) -> str:
    """Return the key of a shard's due times."""
    return f"slo:{{{shard}}}:due"


def waiting(shard: str) -> str:
    """Return the key of a shard's logouts that wait for something."""
    return f"slo:{{{shard}}}:waiting"


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGEST_CHARS]


def console_session(token_hash: str) -> str:
    """Return the key of a session of the console."""
    return f"{OPERATORS}:session:{token_hash}"


def console_failures(whose: str) -> str:
    """Return the key under which failed attempts of a name or an address are counted."""
    return f"{OPERATORS}:failures:{_hash(whose)}"
