"""Messages made by hypothesis: every text that XML can carry, every choice of what is there and what is absent."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import strategies as st

from saml_slo.protocol.messages import (
    Assertion,
    Attribute,
    AuthnRequest,
    AuthnStatement,
    Conditions,
    LogoutRequest,
    LogoutResponse,
    NameId,
    Response,
    SubjectConfirmation,
)
from saml_slo.protocol.status import PARTIAL_LOGOUT, REQUESTER, RESPONDER, SUCCESS, Status

# XML 1.0, production 2, with the letters that escaping is about drawn often.
_CHARACTERS = st.one_of(
    st.sampled_from("\t\n\r &<>\"'];=#%+é€\u2028😀"),
    st.characters(min_codepoint=0x20, exclude_categories=("Cs",), exclude_characters="\ufffe\uffff"),
)
texts = st.text(_CHARACTERS, max_size=20)
some_text = st.text(_CHARACTERS, min_size=1, max_size=20)
ids = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]{0,20}", fullmatch=True)
uris = st.from_regex(r"(?:urn:[a-z0-9:]{1,20}|https://[a-z]{1,9}\.example(?:/[a-z&=~+\-]{0,9})?)", fullmatch=True)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2999, 12, 31)).map(  # noqa: DTZ001 - the next line gives it a zone
    lambda instant: instant.replace(microsecond=instant.microsecond // 1000 * 1000, tzinfo=UTC)
)


def maybe(strategy):
    """Absent, or something."""
    return st.none() | strategy


name_ids = st.builds(
    NameId,
    value=texts,
    format=maybe(uris),
    name_qualifier=maybe(texts),
    sp_name_qualifier=maybe(texts),
    sp_provided_id=maybe(texts),
)
statuses = st.builds(
    Status,
    code=st.sampled_from([SUCCESS, REQUESTER, RESPONDER]),
    nested=st.lists(st.just(PARTIAL_LOGOUT) | uris, max_size=4).map(tuple),
    message=maybe(texts),
)
_COMMON = {"id": ids, "issue_instant": instants, "destination": maybe(uris), "issuer": uris}

logout_requests = st.builds(
    LogoutRequest,
    **_COMMON,
    name_id=name_ids,
    session_indexes=st.lists(texts, max_size=4).map(tuple),
    not_on_or_after=maybe(instants),
    reason=maybe(texts),
    asynchronous=st.booleans(),
)
logout_responses = st.builds(LogoutResponse, **_COMMON, status=statuses, in_response_to=maybe(ids))
_contexts = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {
            "authn_context_class_refs": st.lists(uris, min_size=1, max_size=3).map(tuple),
            "authn_context_comparison": st.sampled_from(["exact", "minimum", "maximum", "better"]),
        }
    ),
    st.fixed_dictionaries({"authn_context_decl_refs": st.lists(uris, min_size=1, max_size=3).map(tuple)}),
)
authn_requests = st.builds(
    AuthnRequest,
    **_COMMON,
    assertion_consumer_service_url=maybe(uris),
    assertion_consumer_service_index=maybe(st.integers(0, 65535)),
    protocol_binding=maybe(uris),
    name_id_format=maybe(uris),
    sp_name_qualifier=maybe(texts),
    allow_create=maybe(st.booleans()),
    force_authn=st.booleans(),
    is_passive=st.booleans(),
    no_proxy=st.booleans(),
).flatmap(lambda message: _contexts.map(lambda context: replace(message, **context)))
messages = logout_requests | logout_responses | authn_requests


def few(strategy, least=0):
    """Up to three of something, as a tuple."""
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


confirmations = st.builds(SubjectConfirmation, method=uris) | st.builds(
    SubjectConfirmation,
    method=uris,
    has_data=st.just(value=True),
    recipient=maybe(uris),
    not_before=maybe(instants),
    not_on_or_after=maybe(instants),
    in_response_to=maybe(ids),
)
conditions = st.builds(
    Conditions,
    not_before=maybe(instants),
    not_on_or_after=maybe(instants),
    audience_restrictions=few(few(uris, 1)),
)
authn_statements = st.builds(
    AuthnStatement,
    authn_instant=instants,
    session_index=maybe(texts),
    session_not_on_or_after=maybe(instants),
    authn_context_class_ref=uris,
    authenticating_authorities=few(uris),
)
attributes = st.builds(Attribute, name=texts, name_format=maybe(uris), friendly_name=maybe(texts), values=few(texts))
assertions = st.builds(
    Assertion,
    id=ids.map("_a{}".format),  # never the ID of the Response around it
    issue_instant=instants,
    issuer=uris,
    name_id=maybe(name_ids),
    confirmations=few(confirmations),
    conditions=maybe(conditions),
    authn_statements=few(authn_statements, 1),
    attributes=few(attributes),
)
responses = st.builds(
    Response,
    **_COMMON | {"id": ids.map("_r{}".format)},
    status=statuses,
    in_response_to=maybe(ids),
    assertion=maybe(assertions),
)
