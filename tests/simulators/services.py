"""Identity providers that are services: Okta, Google Workspace, Salesforce, OneLogin, Ping, login.gov, Auth0."""

from tests import idp
from tests.simulators import rules
from tests.simulators.identity_provider import PARTIAL, IdentityProvider
from tests.simulators.message import Breach


class Okta(IdentityProvider):
    """Okta: separate endpoints; a LogoutRequest at the login URL would start a sign-in. Unsigned answers by POST."""

    preset = "okta"
    answers_by = "post"
    signs_answers = False


class GoogleWorkspace(IdentityProvider):
    """Google Workspace: no SAML logout; its login URL answers a LogoutRequest with malformed_request."""

    preset = "google-workspace"
    page = "https://accounts.google.com/Logout"

    def __post_init__(self):
        super().__post_init__()
        self.has_logout = False

    def check(self, message):
        """Refuse every LogoutRequest."""
        raise Breach("malformed_request", message.location)

    def visited(self, location):
        """End every Google session of the browser, and keep it."""
        if location != self.page:
            raise Breach("visit", location)
        for session in self.sessions:
            session.alive = False


class Salesforce(IdentityProvider):
    """Salesforce: needs the SessionIndex, keeps the first one alone, 512 characters of it; front channel, separate."""

    preset = "salesforce"
    rules = (
        *IdentityProvider.rules,
        rules.with_session_index,
        rules.first_session_index_only,
        rules.short_session_index,
    )


class SalesforceCommunity(Salesforce):
    """The same with a community's host name."""

    preset = "salesforce-community"
    sso_path, slo_path = "/community/idp/endpoint/HttpRedirect", "/community/services/auth/idp/saml2/logout"


class SalesforceSandbox(Salesforce):
    """The same with a sandbox's host name."""

    preset = "salesforce-sandbox"


class OneLogin(IdentityProvider):
    """OneLogin: requests by Redirect, unsigned answers, a response URL of its own; silent when its session is over."""

    preset = "onelogin"
    offers = ("Redirect",)
    response_path = "/slo/return"
    rules = (*IdentityProvider.rules, rules.redirect_only)
    signs_answers = False
    expired = False

    def answer(self, message):
        """Answer, unless the session had expired."""
        return None if self.expired else super().answer(message)


class OneLoginExpired(OneLogin):
    """OneLogin after its own session is over."""

    expired = True


class PingOne(IdentityProvider):
    """PingOne: the binding that is set there, POST by default, and a window of time."""

    preset = "pingone"
    rules = (*IdentityProvider.rules, rules.post_only)
    answers_by = "post"


class PingFederate(IdentityProvider):
    """PingFederate: separate endpoints; after one participant's error the answer is PartialLogout."""

    preset = "pingfederate"
    sso_path, slo_path = "/idp/SSO.saml2", "/idp/SLO.saml2"
    offers = ("POST", "Redirect")
    answers_by = "post"

    def __post_init__(self):
        super().__post_init__()
        self.outcome = idp.status(inside=f'<samlp:StatusCode Value="{PARTIAL}"/>')


class LoginGov(IdentityProvider):
    """login.gov: RSA-SHA256; answers by POST, unsigned."""

    preset = "login-gov"
    offers = ("POST", "Redirect")
    answers_by = "post"
    signs_answers = False


class Auth0(IdentityProvider):
    """Auth0 as an IdP: SessionIndex, NameID and Issuer must match, or it is HTTP 400 and no LogoutResponse."""

    preset = "auth0"
    sso_path, slo_path = "/samlp/client", "/samlp/client/logout"
    rules = (*IdentityProvider.rules, rules.with_session_index)


class Auth0Failing(Auth0):
    """Auth0 when a session participant fails: PartialLogout at the top level of the status."""

    def __post_init__(self):
        super().__post_init__()
        self.outcome = idp.status(PARTIAL)


class Auth0Expired(Auth0):
    """Auth0 after its own session is over: HTTP 400, no LogoutResponse, and the browser stays there."""

    def answer(self, message):
        """Answer nothing."""
        return
