"""Records of whom we trust, without knowing where they came from.

A `Connection` is one upstream IdP. peers/registry.py makes it from `metadata/connections/<name>.toml` and the SAML
metadata beside it; nothing below knows about files.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from saml_slo.protocol.names import Binding, SignatureAlgorithm


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
class Connection:
    """One upstream identity provider with its metadata, keys and policy.

    Certificates are DER. Durations are seconds. `sp_entity_id`, `acs_url` and `slo_url` are our own name and endpoints
    toward this IdP: each connection has its own, so that a message for one cannot be used at another.
    """

    name: str
    entity_id: str
    sp_entity_id: str
    acs_url: str
    slo_url: str
    metadata_url: str
    single_sign_on: tuple[Endpoint, ...]
    single_logout: tuple[Endpoint, ...] = ()
    signing_certificates: tuple[bytes, ...]
    display_name: str = ""
    enabled: bool = True

    # What we send.
    logout_url: str | None = None
    logout_binding: Binding | None = None
    login_url_fallback: bool = True
    name_id_format: str | None = None
    signature_algorithm: SignatureAlgorithm = SignatureAlgorithm.RSA_SHA256
    first_session_index_only: bool = False
    logout_request_lifetime: int = 300

    # What we accept.
    skew: int = 180
    max_age: int = 300
    signed_part: SignedPart = SignedPart.EITHER
    idp_initiated_sign_in: bool = False
    unsigned_logout_response: bool = False
    insecure_sha1: bool = False
    insecure_aes_cbc: bool = False
    insecure_inclusive_c14n: bool = False

    # How long a session from here lives; None: the installation's setting.
    session_lifetime: int | None = None
    idle_lifetime: int | None = None

    @property
    def title(self) -> str:
        """Return the name that people see."""
        return self.display_name or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One downstream application: its `client_id` and the URLs to which it may send people after a logout (L13)."""

    client_id: str
    display_name: str = ""
    allowed_logout_urls: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return the name that people see."""
        return self.display_name or self.client_id
