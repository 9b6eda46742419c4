"""What an operator can do about a refusal: for each reason word the setting that bears on it, and the next step."""

from __future__ import annotations

from saml_slo.errors import Reason

# reason: (setting, next step). docs/errors.md says the same in its own words.
ADVICE: dict[Reason, tuple[str, str]] = {
    Reason.MESSAGE_TOO_LARGE: ("", "Find out what the sender puts into it: attributes, groups, a photo."),
    Reason.DECODE_ERROR: ("", "Compare the binding that the sender uses with the one that our metadata offers."),
    Reason.XML_MALFORMED: ("", "Copy the message again, whole; if it is whole, the sender's software is to be mended."),
    Reason.XML_FORBIDDEN_CONSTRUCT: (
        "",
        "Look for a proxy that rewrites pages; no identity provider sends this.",
    ),
    Reason.SCHEMA_VIOLATION: ("", "What was got names the element: it is the sender's software that is to be mended."),
    Reason.UNEXPECTED_MESSAGE_TYPE: (
        "",
        "Correct the URL in the peer's configuration: each kind has its endpoint.",
    ),
    Reason.ASSERTION_COUNT: (
        "",
        "No product sends this: treat it as an attack until its sender explains it.",
    ),
    Reason.DUPLICATE_ID: ("", "No product sends this: treat it as an attack until its sender explains it."),
    Reason.SIGNATURE_MISSING: (
        "signed_part, unsigned_logout_response or requests_signed in the peer's file",
        "Let the peer sign; a preset says where a vendor is known not to (unsigned_logout_response).",
    ),
    Reason.SIGNATURE_INVALID: (
        "the peer's metadata file",
        "Fetch the peer's present metadata, where its certificate may be new: `saml-slo doctor --online` compares it.",
    ),
    Reason.SIGNATURE_PROFILE_VIOLATION: ("", "The signature has a shape that SAML does not allow: ask who made it."),
    Reason.ALGORITHM_NOT_ALLOWED: (
        "insecure_sha1, insecure_inclusive_c14n or insecure_aes_cbc in the peer's file",
        "Let the peer use RSA-SHA256 and exclusive C14N; the insecure_… switches are the last resort.",
    ),
    Reason.DECRYPT_FAILED: (
        "SLO_CERTS_DIR",
        "Give the peer our present metadata: it encrypts to a certificate whose key is not here.",
    ),
    Reason.BINDING_AMBIGUOUS: ("", "A parameter came twice: look for a proxy that adds them."),
    Reason.BINDING_MISMATCH: ("", "Let the peer use a binding that our metadata offers at this endpoint."),
    Reason.METHOD_NOT_ALLOWED: ("", "Let the identity provider send its Response by HTTP-POST, as our metadata says."),
    Reason.ISSUER_UNKNOWN: (
        "enabled and entity_id in the peer's file, SLO_METADATA_DIR",
        "Compare the Issuer with the entity ids that `saml-slo check` lists, to the letter.",
    ),
    Reason.ISSUER_MISMATCH: ("", "The peer uses the URL of another connection: give it the metadata of its own one."),
    Reason.DESTINATION_MISMATCH: (
        "SLO_PUBLIC_URL",
        "Make SLO_PUBLIC_URL the origin that the peer knows, or give the peer our present metadata.",
    ),
    Reason.RECIPIENT_MISMATCH: (
        "SLO_PUBLIC_URL",
        "Compare the ACS URL in the peer's configuration with the one that our metadata names.",
    ),
    Reason.AUDIENCE_MISMATCH: (
        "sp_entity_id in the connection's file",
        "Make the audience in the identity provider's configuration our entity id, or set sp_entity_id to what it is.",
    ),
    Reason.SUBJECT_INVALID: ("name_id_format in the connection's file", "Let the peer's claim rules issue a NameID."),
    Reason.STATUS_NOT_SUCCESS: (
        "",
        "Look into the identity provider's log; `saml-slo doctor --error` knows its codes.",
    ),
    Reason.EXPIRED: (
        "skew and max_age in the peer's file",
        "Compare both clocks (`saml-slo doctor --online`); for a message captured earlier, say --at.",
    ),
    Reason.NOT_YET_VALID: (
        "skew in the peer's file",
        "Compare both clocks (`saml-slo doctor --online`); a clock that is ahead is set right, not tolerated.",
    ),
    Reason.UNSOLICITED: (
        "idp_initiated_sign_in in the connection's file",
        "Let people start at our /login, or allow sign-ins that the identity provider starts.",
    ),
    Reason.IN_RESPONSE_TO_MISMATCH: ("", "Sign in anew in one tab; look whether cookies are kept."),
}


def advice(reason: Reason) -> tuple[str, str]:
    """Return the setting and the next step for a reason; both empty where there is nothing to do but to look."""
    return ADVICE.get(reason, ("", ""))
