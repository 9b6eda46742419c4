"""Identity providers that people run themselves: Keycloak, Shibboleth, SimpleSAMLphp, LemonLDAP::NG and others."""

from tests.simulators import rules
from tests.simulators.identity_provider import IdentityProvider
from tests.simulators.message import Breach


class Keycloak(IdentityProvider):
    """Keycloak: one endpoint; an EncryptedID without SessionIndex fails (#27695); its answer is always Success."""

    preset = "keycloak"
    sso_path = slo_path = "/realms/corp/protocol/saml"
    offers = ("POST", "Redirect")


class Shibboleth(IdentityProvider):
    """Shibboleth IdP: requests must be authenticated; logout has endpoints of its own, and may be switched off."""

    preset = "shibboleth"
    sso_path, slo_path = "/idp/profile/SAML2/Redirect/SSO", "/idp/profile/SAML2/Redirect/SLO"


class SimpleSamlPhp(IdentityProvider):
    """SimpleSAMLphp as an IdP: Issuer, signature and cookie decide; NameID and SessionIndex are not looked at."""

    preset = "simplesamlphp"
    sso_path, slo_path = "/saml2/idp/SSOService.php", "/saml2/idp/SingleLogoutService.php"
    rules = (rules.redirect_only, rules.logout_endpoint, rules.signed, rules.issuer, rules.relay_state)
    # Its cookie: the test's browser came through the browser, so it has one; a request by SOAP would not.

    def meant(self, message):
        """Return the session of the cookie, whomever the request names."""
        return self.sessions[-1:]

    def answer(self, message):
        """Answer with the RelayState of the request, which it hands back because it needs it itself."""
        if message.relay_state is None:
            raise Breach("relay_state_present")
        return super().answer(message)


class SimpleSamlPhpWithoutCookie(SimpleSamlPhp):
    """SimpleSAMLphp when its cookie did not come along: it ends nothing, and says Success."""

    def meant(self, message):
        """Find no session."""
        return []


class LemonLdap(IdentityProvider):
    """LemonLDAP::NG: rejects a LogoutRequest without SessionIndex."""

    preset = "lemonldap"
    rules = (*IdentityProvider.rules, rules.with_session_index)


class Wso2(IdentityProvider):
    """WSO2 Identity Server: the same rule; one endpoint for login and logout."""

    preset = "wso2"
    sso_path = slo_path = "/samlsso"
    rules = (*IdentityProvider.rules, rules.with_session_index)


class OpenAm(IdentityProvider):
    """OpenAM: the same rule; separate endpoints."""

    preset = "openam"
    sso_path, slo_path = "/SSORedirect/metaAlias/idp", "/IDPSloRedirect/metaAlias/idp"
    rules = (*IdentityProvider.rules, rules.with_session_index)


class Authentic2(IdentityProvider):
    """Authentic2: strict qualifiers; an empty RelayState is no part of what is signed there, so none may be sent."""

    preset = "saml"
    name_here = "authentic2"
    rules = (*IdentityProvider.rules, rules.same_name_id)

    def __post_init__(self):
        self.name = self.name or self.name_here
        super().__post_init__()


class Spid(Authentic2):
    """SPID, the Italian public identity: the same rules, and its metadata offers POST as well."""

    name_here = "spid"
    offers = ("POST", "Redirect")
