"""The messages of the Web SSO and Single Logout profiles as frozen values (Core 2 and 3).

Times are aware datetimes in UTC. Strings are the byte-exact text of the document: a NameID is never trimmed or folded,
because peers compare it as it stands (AD FS event 368, SimpleSAMLphp's sql store).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from saml_slo.protocol.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class NameId:
    """A name identifier with everything that distinguishes it (Core 2.2.3). Absent is None, which is not empty."""

    value: str
    format: str | None = None
    name_qualifier: str | None = None
    sp_name_qualifier: str | None = None
    sp_provided_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthnStatement:
    """One act of authentication (Core 2.7.2). `session_index` None: the IdP gave none, and none is invented.

    `authenticating_authorities` are the other IdPs that took part in it, by entity id (2.7.2.2).
    """

    authn_instant: datetime
    session_index: str | None = None
    session_not_on_or_after: datetime | None = None
    authn_context_class_ref: str | None = None
    authenticating_authorities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectConfirmation:
    """One SubjectConfirmation; `has_data` False when SubjectConfirmationData is absent (Core 2.4.1.1)."""

    method: str
    has_data: bool = False
    recipient: str | None = None
    not_before: datetime | None = None
    not_on_or_after: datetime | None = None
    in_response_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Validity of an assertion; each audience restriction is a list of which one must match, all must hold (2.5.1)."""

    not_before: datetime | None = None
    not_on_or_after: datetime | None = None
    audience_restrictions: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute statement entry: its name, name format, friendly name and text values."""

    name: str
    name_format: str | None = None
    friendly_name: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """One assertion about one principal (Core 2.3.3). `name_id` None: the subject carries no identifier."""

    id: str
    issue_instant: datetime
    issuer: str
    name_id: NameId | None
    confirmations: tuple[SubjectConfirmation, ...] = ()
    conditions: Conditions | None = None
    authn_statements: tuple[AuthnStatement, ...] = ()
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What every request and response carries (Core 3.2.1, 3.2.2). `issuer` None: absent, legal only in a Response."""

    id: str
    issue_instant: datetime
    destination: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthnRequest(Message):
    """Ask an IdP to authenticate somebody (Core 3.4.1); a Comparison that is not there is `exact` (3.3.2.2.1).

    `no_proxy`: Scoping's ProxyCount is 0, no other IdP may be asked; the answer is ProxyCountExceeded (3.4.1.2).
    """

    assertion_consumer_service_url: str | None = None
    assertion_consumer_service_index: int | None = None
    protocol_binding: str | None = None
    name_id_format: str | None = None
    sp_name_qualifier: str | None = None
    allow_create: bool | None = None
    force_authn: bool = False
    is_passive: bool = False
    authn_context_class_refs: tuple[str, ...] = ()
    authn_context_decl_refs: tuple[str, ...] = ()
    authn_context_comparison: str = "exact"
    no_proxy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Message):
    """The answer to an AuthnRequest, or an unsolicited one (Core 3.3.3). `assertion` None: it carried none."""

    status: Status
    in_response_to: str | None = None
    assertion: Assertion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedAssertion:
    """What we tell an application about a person who signed in, in plain words; response_writer.py makes it a Response.

    `recipient` is the application's ACS. `in_response_to` None: it has not asked. `session_index` is ours, by which it
    will name the session in a LogoutRequest. `authenticating_authorities` begin with the upstream IdP's entity id.
    """

    response_id: str
    assertion_id: str
    issued_at: datetime
    recipient: str
    in_response_to: str | None
    name_id: NameId
    session_index: str
    authn_instant: datetime
    session_not_on_or_after: datetime | None = None
    authn_context_class_ref: str | None = None
    authenticating_authorities: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    lifetime: timedelta = timedelta(seconds=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRequest(Message):
    """Ask a session participant or authority to end sessions (Core 3.7.1).

    `session_indexes` empty means every session of the principal. `asynchronous`: the sender wants no answer
    (SLO Async extension, `aslo:Asynchronous`).
    """

    name_id: NameId
    session_indexes: tuple[str, ...] = ()
    not_on_or_after: datetime | None = None
    reason: str | None = None
    asynchronous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutResponse(Message):
    """The answer to a LogoutRequest (Core 3.7.2)."""

    status: Status
    in_response_to: str | None = None
