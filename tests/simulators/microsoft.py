"""Entra ID and AD FS."""

from tests.simulators import rules
from tests.simulators.identity_provider import PARTIAL, IdentityProvider, lower_case


class EntraId(IdentityProvider):
    """Microsoft Entra ID: one endpoint, Redirect alone, unsigned answers, lower-case percent-encoding."""

    preset = "entra"
    sso_path = slo_path = "/saml2"
    offers = ("Redirect",)
    rules = (
        rules.redirect_only,  # AADSTS75005 for a POST
        rules.identifier,
        rules.issuer,
        rules.plain_name_id,  # AADSTS7500530
        rules.known_name_id,
        rules.relay_state,
        rules.signed,  # not required, but what is signed must verify
    )
    signs_answers = False
    quoting = staticmethod(lower_case)


class AdFs(IdentityProvider):
    """AD FS: one endpoint, everything signed, the NameID to the letter, answers that are unsigned at times."""

    preset = "adfs"
    sso_path = slo_path = "/adfs/ls/"
    rules = (
        rules.signed,  # MSIS7084, MSIS1014
        rules.relay_state,  # MSIS7000 for an empty one
        rules.issuer,
        rules.destination,
        rules.plain_name_id,
        rules.same_name_id,  # event 368
        rules.with_session_index,
        rules.known_session_index,
    )
    signs_answers = False
    quoting = staticmethod(lower_case)


class AdFsWithOthers(AdFs):
    """AD FS after another relying party did not answer: Success with PartialLogout inside."""

    def __post_init__(self):
        super().__post_init__()
        self.outcome = (
            '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success">'
            f'<samlp:StatusCode Value="{PARTIAL}"/></samlp:StatusCode></samlp:Status>'
        )
