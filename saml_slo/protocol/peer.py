"""Records of whom we trust, without knowing where they came from.

A `Connection` is one upstream IdP, a `ServiceProvider` one downstream application that speaks SAML; both are a `Peer`.
peers/registry.py makes them from the files under metadata/; nothing below knows about files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

from saml_slo.protocol.method import LogoutMethod
from saml_slo.protocol.names import Binding, SignatureAlgorithm
from saml_slo.protocol.policy import Federated, Propagation


class SignedPart(StrEnum):
    """Which element of a Response must carry a signature. Every signature that is present must verify anyway."""

    EITHER = "either"
    ASSERTION = "assertion"
    RESPONSE = "response"
    BOTH = "both"


class EndpointSource(StrEnum):
    """Where a logout URL came from; the receipt says which (product L3)."""

    OPERATOR = "operator"
    METADATA = "metadata"
    LOGIN_URL = "login_url"
    PRESET = "preset"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint of a peer (Metadata 2.2.2). Answers go to `response_location` where it has one."""

    binding: Binding
    location: str
    response_location: str | None = None

    @property
    def answer_location(self) -> str:
        """Return the URL that takes responses."""
        return self.response_location or self.location


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer(ABC):
    """Whoever exchanges logout messages with us. Certificates are DER, durations seconds.

    `slo_url` is our endpoint toward this peer. `logout_url` is the operator's override of where requests go.
    """

    name: str
    entity_id: str
    slo_url: str
    single_logout: tuple[Endpoint, ...] = ()
    signing_certificates: tuple[bytes, ...]
    display_name: str = ""
    enabled: bool = True

    # What we send.
    logout_url: str | None = None
    logout_binding: Binding | None = None
    signature_algorithm: SignatureAlgorithm = SignatureAlgorithm.RSA_SHA256
    first_session_index_only: bool = False
    logout_request_lifetime: int = 300

    # What we accept.
    skew: int = 180
    max_age: int = 300
    unsigned_logout_response: bool = False
    insecure_sha1: bool = False
    insecure_aes_cbc: bool = False
    insecure_inclusive_c14n: bool = False

    @property
    def title(self) -> str:
        """Return the name that people see."""
        return self.display_name or self.name

    @property
    @abstractmethod
    def our_entity_id(self) -> str:
        """Return the name under which this peer knows us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection(Peer):
    """One upstream identity provider with its metadata, keys and policy.

    `sp_entity_id`, `acs_url` and `slo_url` are our own name and endpoints toward this IdP: each connection has its own,
    so that a message for one cannot be used at another. Those of one federation share theirs (peers/lookup.py).

    `logout_page` is the vendor's own sign-out page, for an IdP that knows no SAML logout; `logout_hint` what a person
    should know about it. `match_session_index`: its LogoutRequests name a person otherwise than its assertions did, so
    that within this connection the SessionIndex alone decides (product L7).
    """

    sp_entity_id: str
    acs_url: str
    metadata_url: str
    single_sign_on: tuple[Endpoint, ...]
    login_url_fallback: bool = True
    session_index_required: bool = False
    logout_page: str | None = None
    logout_hint: str = ""
    match_session_index: bool = False
    organisation: str | None = None
    name_id_format: str | None = None
    signed_part: SignedPart = SignedPart.EITHER
    idp_initiated_sign_in: bool = False

    # How long a session from here lives; None: the installation's setting.
    session_lifetime: int | None = None
    idle_lifetime: int | None = None

    @property
    def our_entity_id(self) -> str:
        """Return the name under which this IdP knows us."""
        return self.sp_entity_id


class NameIdKind(StrEnum):
    """How an application is told who a person is (product A1)."""

    TRANSIENT = "transient"
    PERSISTENT = "persistent"
    EMAIL = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerEndpoint:
    """One AssertionConsumerService of an application (Metadata 2.4.4); Responses go by HTTP-POST."""

    location: str
    index: int
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProvider(Peer):
    """One downstream application that relies on our session by SAML; `name` is its client_id.

    `idp_entity_id` is our name as its identity provider. `requests_signed`: its AuthnRequests must be. `connection` is
    the upstream IdP through which its people sign in, None where they choose. `attributes` names those that are passed
    on, None for all. `top_level`: its front-channel logout needs a hop of the whole window, after all frames.
    """

    idp_entity_id: str
    assertion_consumers: tuple[ConsumerEndpoint, ...]
    encryption_certificates: tuple[bytes, ...] = ()
    name_id: NameIdKind = NameIdKind.PERSISTENT
    requests_signed: bool = False
    sign_response: bool = False
    encrypt_assertion: bool = False
    connection: str | None = None
    attributes: tuple[str, ...] | None = None
    top_level: bool = False

    @property
    def our_entity_id(self) -> str:
        """Return the name under which this application knows us."""
        return self.idp_entity_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One downstream application: its `client_id`, and the URLs to which it may send people after a logout (L13).

    `provider` is its SAML side, None where it has none (yet). `logout` is how it is told, None: by SAML, or it takes
    no part in sessions. `api_secrets` are SHA-256 digests (hex) of its API secrets, two while one is rolled.
    `users` is the space of its user ids: applications that name the same one mean the same people by the same id.
    `proxy_origins` are the origins at which a reverse proxy asks us about each request (product A3). `preflight_url`
    is asked for unsaved work before a person's logout (A5). Lifetimes in seconds, None: the tenant's setting.
    `federated` and `propagation` are the policy of logouts that this application asks for.
    """

    client_id: str
    display_name: str = ""
    allowed_logout_urls: tuple[str, ...] = ()
    provider: ServiceProvider | None = None
    logout: LogoutMethod | None = None
    api_secrets: tuple[str, ...] = ()
    users: str = ""
    proxy_origins: tuple[str, ...] = ()
    connection: str | None = None
    preflight_url: str | None = None
    organisation: str | None = None
    federated: Federated | None = None
    propagation: Propagation | None = None
    session_lifetime: int | None = None
    idle_lifetime: int | None = None

    @property
    def user_space(self) -> str:
        """Return the space of its user ids: its own unless it shares one."""
        return self.users or self.client_id

    @property
    def title(self) -> str:
        """Return the name that people see."""
        return self.display_name or self.client_id
