"""What a captured message says, in the words of the capture files, from what the bridge has read."""

from datetime import UTC, datetime

from saml_slo.protocol import messages

PREFIX = "urn:oasis:names:tc:SAML:2.0:status:"
INSTANTS = {"issue_instant", "not_on_or_after", "not_before", "authn_instant", "session_not_on_or_after"}


def facts_of(message):
    """The facts of any message; what is absent has no entry."""
    common = {
        "id": message.id,
        "issue_instant": message.issue_instant,
        "destination": message.destination,
        "issuer": message.issuer,
    }
    return _present(common | _READERS[type(message)](message))


def _logout_request(message):
    return {
        "name_id": _name_id(message.name_id),
        "session_indexes": list(message.session_indexes),
        "not_on_or_after": message.not_on_or_after,
        "reason": message.reason,
    }


def _answer(message):
    codes = (message.status.code, *message.status.nested)
    return {
        "in_response_to": message.in_response_to,
        "status": [code.removeprefix(PREFIX) for code in codes],
        "status_message": message.status.message,
    }


def _response(message):
    return _answer(message) | {"assertion": _assertion(message.assertion)}


def _authn_request(message):
    return {
        "assertion_consumer_service_url": message.assertion_consumer_service_url,
        "protocol_binding": message.protocol_binding,
        "name_id_format": message.name_id_format,
        "allow_create": None if message.allow_create is None else str(message.allow_create).lower(),
        "force_authn": "true" if message.force_authn else None,
        "is_passive": "true" if message.is_passive else None,
        "authn_context_class_refs": list(message.authn_context_class_refs),
    }


_READERS = {
    messages.LogoutRequest: _logout_request,
    messages.LogoutResponse: _answer,
    messages.Response: _response,
    messages.AuthnRequest: _authn_request,
}


def _assertion(assertion):
    (restriction,) = assertion.conditions.audience_restrictions
    return _present(
        {
            "id": assertion.id,
            "issue_instant": assertion.issue_instant,
            "issuer": assertion.issuer,
            "name_id": _name_id(assertion.name_id),
            "confirmations": [
                _present(
                    {
                        "method": confirmation.method,
                        "recipient": confirmation.recipient,
                        "not_on_or_after": confirmation.not_on_or_after,
                        "in_response_to": confirmation.in_response_to,
                    }
                )
                for confirmation in assertion.confirmations
            ],
            "not_before": assertion.conditions.not_before,
            "not_on_or_after": assertion.conditions.not_on_or_after,
            "audiences": list(restriction),
            "authn_statements": [
                _present(
                    {
                        "authn_instant": statement.authn_instant,
                        "session_index": statement.session_index,
                        "session_not_on_or_after": statement.session_not_on_or_after,
                        "authn_context_class_ref": statement.authn_context_class_ref,
                    }
                )
                for statement in assertion.authn_statements
            ],
            "attributes": [[attribute.name, list(attribute.values)] for attribute in assertion.attributes],
        }
    )


def _name_id(name_id):
    return _present({name: getattr(name_id, name) for name in name_id.__slots__})


def _present(facts):
    return {name: _written(value) for name, value in facts.items() if value not in (None, [], {})}


def _written(value):
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def as_read(facts):
    """The facts of a capture file with their instants in the one form that `facts_of` gives."""
    if isinstance(facts, list):
        return [as_read(item) for item in facts]
    if not isinstance(facts, dict):
        return facts
    return {name: _written(moment(value)) if name in INSTANTS else as_read(value) for name, value in facts.items()}


def moment(text):
    """An instant as the standard library reads it; the bridge has a parser of its own."""
    return datetime.fromisoformat(text)
