"""The checks that make a message `Verified`: one visible, ordered list for each kind. Nothing else makes one.

The order matters: structure before cryptography (a misshapen signature costs no crypto and opens no file), cryptography
before content (nothing unverified is believed), and content from the element that was verified.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from saml_slo.protocol.envelope import Verified
from saml_slo.protocol.messages import AuthnRequest, LogoutRequest, LogoutResponse, Response
from saml_slo.protocol.peer import Connection, Peer, ServiceProvider
from saml_slo.wire import authn_request_checks as asked
from saml_slo.wire import message_checks as content
from saml_slo.wire import structure_checks as structure
from saml_slo.wire.bindings.received import REQUEST, RESPONSE, Received
from saml_slo.wire.encryption import DecryptionKeys
from saml_slo.wire.inspection import AuthnRequestInspection, Inspection, ResponseInspection
from saml_slo.wire.reader import child_of, saml, samlp

M = TypeVar("M")
Kind = TypeVar("Kind", bound=Inspection[Any])
# Is told of each check before it is made, by its name, with the state that the ones before it left (inspection/).
Observer = Callable[[str, Inspection[Any]], None]

RESPONSE_CHECKS: tuple[Callable[[ResponseInspection], None], ...] = (
    structure.message_type,  #                  Bindings 3.5.4
    structure.one_assertion,  #                 Profiles 4.1.4.2, tightened to one
    structure.signature_structure,  #           Core 5.4
    structure.one_message,  #                   Core 3.1
    structure.schema_valid,  #                  Core 1.2, 3.2.2
    structure.status_may_be_success,  #         Core 3.2.2.2
    structure.root_signature,  #                Core 5.4.2, Bindings 3.5.5.2
    structure.decrypt_assertion,  #             Core 2.3.4
    structure.assertion_signature,  #           Core 5.4.2
    structure.required_part_signed,  #          Profiles 4.1.3.5
    structure.decrypt_subject,  #               Core 2.2.4
    content.read_response,
    content.issuer_is_the_peer_or_absent,  #    Profiles 4.1.4.2
    content.destination_is_here,  #             Bindings 3.5.5.2
    content.issued_recently,  #                 Core 3.2.2
    content.assertion_issued_by_peer,  #        Profiles 4.1.4.2
    content.conditions_hold,  #                 Core 2.5.1
    content.subject_confirmed,  #               Profiles 4.1.4.2
    content.authenticated,  #                   Core 2.7.2
)

LOGOUT_RESPONSE_CHECKS: tuple[Callable[[Inspection[LogoutResponse]], None], ...] = (
    structure.message_type,  #                  Bindings 3.4.4, 3.5.4
    structure.no_assertion,
    structure.signature_structure,  #           Core 5.4
    structure.one_message,  #                   Core 3.1
    structure.schema_valid,  #                  Core 1.2, 3.7.2
    structure.root_signature,  #                Bindings 3.4.4.1, Core 5.4.2
    structure.root_signed_unless_expected,  #   Profiles 4.4.4.2
    content.read_logout_response,
    content.issuer_is_the_peer,  #              Profiles 4.4.4.2
    content.destination_is_here,  #             Bindings 3.4.5.2, 3.5.5.2
    content.issued_recently,  #                 Core 3.2.2
)

LOGOUT_REQUEST_CHECKS: tuple[Callable[[Inspection[LogoutRequest]], None], ...] = (
    structure.message_type,  #                  Bindings 3.4.4, 3.5.4
    structure.no_assertion,
    structure.signature_structure,  #           Core 5.4
    structure.one_message,  #                   Core 3.1
    structure.schema_valid,  #                  Core 1.2, 3.7.1
    structure.root_signature,  #                Bindings 3.4.4.1, Core 5.4.2
    structure.root_must_be_signed,  #           Profiles 4.4.4.1
    structure.decrypt_subject,  #               Core 2.2.4
    content.read_logout_request,
    content.issuer_is_the_peer,  #              Profiles 4.4.4.1
    content.destination_is_here,  #             Bindings 3.4.5.2, 3.5.5.2
    content.issued_recently,  #                 Core 3.2.1
    content.request_not_expired,  #             Core 3.7.1
)

AUTHN_REQUEST_CHECKS: tuple[Callable[[AuthnRequestInspection], None], ...] = (
    structure.message_type,  #                  Bindings 3.4.4, 3.5.4
    structure.no_assertion,
    structure.signature_structure,  #           Core 5.4
    structure.one_message,  #                   Core 3.1
    structure.schema_valid,  #                  Core 1.2, 3.4.1
    structure.root_signature,  #                Bindings 3.4.4.1, Core 5.4.2
    asked.signed_where_required,  #             Metadata 2.4.4, Profiles 4.1.4.1
    asked.read_authn_request,  #                Core 3.4.1.1
    content.issuer_is_the_peer,  #              Profiles 4.1.4.1
    content.destination_is_here,  #             Bindings 3.4.5.2, 3.5.5.2
    content.issued_recently,  #                 Core 3.2.1
    asked.consumer_is_registered,  #            Profiles 4.1.4.1
    asked.name_is_for_the_sender,  #            Core 3.4.1.1
)


def verify_response(
    received: Received,
    connection: Connection,
    keys: DecryptionKeys,
    now: datetime,
    *,
    observe: Observer | None = None,
) -> Verified[Response]:
    """Return the verified answer to an AuthnRequest; `now` is aware, in UTC. Raises MessageRefused.

    Whether it answers a request of ours, and for the first time, is decided by signin.py.
    """
    inspection = ResponseInspection(
        received=received,
        peer=connection,
        now=now,
        keys=keys,
        expected_tag=samlp("Response"),
        expected_parameter=RESPONSE,
        endpoint=connection.acs_url,
    )
    _run(RESPONSE_CHECKS, inspection, observe)
    return _sealed(inspection)


def verify_logout_response(
    received: Received, peer: Peer, now: datetime, *, observe: Observer | None = None
) -> Verified[LogoutResponse]:
    """Return the verified LogoutResponse; its `signed` is False only where that is expected of the peer."""
    inspection: Inspection[LogoutResponse] = Inspection(
        received=received,
        peer=peer,
        now=now,
        expected_tag=samlp("LogoutResponse"),
        expected_parameter=RESPONSE,
        endpoint=peer.slo_url,
    )
    _run(LOGOUT_RESPONSE_CHECKS, inspection, observe)
    return _sealed(inspection)


def verify_logout_request(
    received: Received, peer: Peer, keys: DecryptionKeys, now: datetime, *, observe: Observer | None = None
) -> Verified[LogoutRequest]:
    """Return the verified LogoutRequest."""
    inspection: Inspection[LogoutRequest] = Inspection(
        received=received,
        peer=peer,
        now=now,
        keys=keys,
        expected_tag=samlp("LogoutRequest"),
        expected_parameter=REQUEST,
        endpoint=peer.slo_url,
    )
    _run(LOGOUT_REQUEST_CHECKS, inspection, observe)
    return _sealed(inspection)


def verify_authn_request(
    received: Received, provider: ServiceProvider, endpoint: str, now: datetime, *, observe: Observer | None = None
) -> Verified[AuthnRequest]:
    """Return the verified AuthnRequest to `endpoint`, our single sign-on URL; `signed` only where it was.

    Its answer goes to `authn_request_checks.assertion_consumer` and nowhere else.
    """
    inspection = AuthnRequestInspection(
        received=received,
        peer=provider,
        now=now,
        expected_tag=samlp("AuthnRequest"),
        expected_parameter=REQUEST,
        endpoint=endpoint,
    )
    _run(AUTHN_REQUEST_CHECKS, inspection, observe)
    return _sealed(inspection)


def claimed_issuer(received: Received) -> str | None:
    """Return the Issuer that an unverified message claims, only to choose whose keys to try."""
    child = child_of(received.root, saml("Issuer"))
    return None if child is None else child.text or ""


def is_logout_request(received: Received) -> bool:
    """Say whether an unverified message at the SLO endpoint asks; everything else is held to be an answer."""
    return received.parameter == REQUEST


def _run(checks: tuple[Callable[[Kind], None], ...], inspection: Kind, observe: Observer | None) -> None:
    for check in checks:
        if observe is not None:
            observe(check.__name__, inspection)
        check(inspection)


def _sealed(inspection: Inspection[M]) -> Verified[M]:
    return Verified._seal(  # noqa: SLF001 - this module is the seal's only holder
        inspection.read,
        inspection.peer,
        inspection.received.binding,
        inspection.received.relay_state,
        signed=inspection.root_signed or inspection.assertion_signed,
    )
