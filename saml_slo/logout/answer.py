"""What a requester is answered, and whether a person has to be told something before they go on."""

from __future__ import annotations

from saml_slo.logout.transaction import State, Transaction
from saml_slo.protocol import status as codes
from saml_slo.protocol.status import Status


def answer_to(transaction: Transaction) -> Status:
    """Return what the requester is answered (product L10): PartialLogout when a session is not known to have ended.

    An upstream PartialLogout goes on downstream.
    """
    if transaction.unknown_principal:
        return Status(codes.REQUESTER, (codes.UNKNOWN_PRINCIPAL,))
    if transaction.others_remain or something_to_tell(transaction):
        return Status(codes.SUCCESS, (codes.PARTIAL_LOGOUT,))
    return Status(codes.SUCCESS)


def something_to_tell(transaction: Transaction) -> bool:
    """Say whether some target did not end as asked."""
    return any(not t.counts_as_ended or t.state is State.PARTIAL for t in transaction.targets)
