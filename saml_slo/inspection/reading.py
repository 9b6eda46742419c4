"""A capture as the server would get it, and a lenient look at what the server would not even decode."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from saml_slo.errors import MessageRefused
from saml_slo.inspection.report import Signature, digest_of
from saml_slo.inspection.source import Captured, opened
from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.names import Binding
from saml_slo.wire import bindings, xml
from saml_slo.wire.algorithms import AllowedAlgorithms
from saml_slo.wire.bindings.received import (
    Received,
    decode_relay_state,
    percent_decoded,
    split_parameters,
    the_message,
)
from saml_slo.wire.certificate_facts import certificate_facts
from saml_slo.wire.outline import Element
from saml_slo.wire.signature_facts import signature_facts


def request_of(captured: Captured, endpoint: str) -> HttpIn:
    """Return the request in which the server would have got it, at this endpoint of ours."""
    return HttpIn(
        method=captured.method,
        endpoint=endpoint,
        query=captured.query,
        body=captured.body,
        content_type=captured.content_type,
    )


def binding_of(captured: Captured) -> Binding:
    """Return the binding by which it was sent."""
    if captured.method == "GET":
        return Binding.REDIRECT
    is_xml = captured.content_type.partition(";")[0].strip().lower() == "text/xml"
    return Binding.SOAP if is_xml else Binding.POST


def decoded(captured: Captured, endpoint: str) -> Received | None:
    """Return the message as the server decodes it, None where it does not."""
    try:
        return bindings.decode(request_of(captured, endpoint))
    except MessageRefused:
        return None


def look(captured: Captured) -> Element | None:
    """Return the root of the message, also where the server would refuse how it came; None where no XML can be seen."""
    received = decoded(captured, "")
    if received is not None:
        return received.root
    try:
        _, value = the_message(split_parameters(captured.query or captured.body))
        return xml.parse_message(opened(percent_decoded(value).replace(b" ", b"+")))
    except MessageRefused:
        return None


def relay_state_of(captured: Captured, *, reveal: bool) -> str | None:
    """Return RelayState, None where there is none; of a URL the query stays out unless it is to be revealed."""
    try:
        text = decode_relay_state(split_parameters(captured.query or captured.body))
    except MessageRefused as refused:
        return f"({refused.message})"
    if text is None or reveal:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return digest_of(text)
    if parts.scheme and (parts.query or parts.fragment):
        return f"{text.partition('?')[0].partition('#')[0]}?… ({len(text)} characters)"
    return text


def signatures_of(
    received: Received | None,
    certificates: Sequence[bytes],
    allowed: AllowedAlgorithms,
    assertion: Element | None,
) -> tuple[Signature, ...]:
    """Return every signature, each with the pinned key that made it; `certificates` (DER) are those of the sender."""
    if received is None:
        return ()
    found = []
    for facts in signature_facts(received, certificates, allowed, assertion):
        signer = None if facts.signer is None else certificate_facts(certificates[facts.signer])
        named = ""
        if signer is not None and facts.signer is not None:
            place = f"key {facts.signer + 1} of {len(certificates)}"
            named = f"{place}, {signer.short}, {signer.key}, valid until {signer.not_after:%Y-%m-%d}"
        found.append(
            Signature(
                where=facts.where,
                algorithm=_short(facts.algorithm),
                digest=_short(facts.digest),
                signer=named,
                problem=facts.problem,
                remark=facts.remark,
            )
        )
    return tuple(found)


def _short(uri: str) -> str:
    return uri.rpartition("#")[2] or uri
