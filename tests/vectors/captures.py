"""The captured messages of captured/*.json, as requests that the bridge can take; README.md describes the files."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.peer import Connection, ConsumerEndpoint, ServiceProvider
from saml_slo.wire import bindings, checks
from saml_slo.wire.encryption import DecryptionKeys
from tests.vectors.facts import moment

FOLDER = Path(__file__).parent / "captured"


def _certificates():
    held = json.loads((FOLDER / "certificates.json").read_text(encoding="utf-8"))
    return {name: b64decode(entry["certificate"]) for name, entry in held.items()}


CERTIFICATES = _certificates()


@dataclass(frozen=True, kw_only=True)
class Vector:
    """One message as it was sent. `refusal` is the reason for which it must be refused; without one it is accepted."""

    row: str
    name: str
    software: str
    type: str
    binding: str
    endpoint: str
    certificates: list[str]
    facts: dict
    xml: str
    query: str | None = None
    relay_state: str | None = None
    refusal: str | None = None
    trusted: tuple[bytes, ...] = field(default=())

    def __str__(self):
        """The name under which pytest shows it."""
        return f"{self.row}/{self.name}"

    @property
    def now(self):
        """Five seconds after the message was issued."""
        return moment(self.facts["issue_instant"]) + timedelta(seconds=5)

    @property
    def parameter(self):
        """The parameter that carried it."""
        return "SAMLRequest" if self.type.endswith("Request") else "SAMLResponse"

    @property
    def connection(self):
        """The sender as an identity provider that we trust, with the certificates of its metadata."""
        (audience,) = self.facts.get("assertion", {}).get("audiences", ["urn:nobody"])
        return Connection(
            name="captured",
            entity_id=self.facts["issuer"],
            sp_entity_id=audience,
            acs_url=self.endpoint,
            slo_url=self.endpoint,
            metadata_url="",
            single_sign_on=(),
            signing_certificates=self._keys,
        )

    @property
    def provider(self):
        """The sender as an application of ours, with the certificates and the ACS of its metadata."""
        consumer = self.facts.get("assertion_consumer_service_url")
        return ServiceProvider(
            name="captured",
            entity_id=self.facts["issuer"],
            idp_entity_id="https://bridge.example/idp",
            slo_url=self.endpoint,
            signing_certificates=self._keys,
            assertion_consumers=() if consumer is None else (ConsumerEndpoint(location=consumer, index=0),),
            requests_signed=self.is_signed,
        )

    @property
    def is_signed(self):
        """Whether it carries a signature, in the query or in the XML."""
        return "&Signature=" in (self.query or "") or "SignatureValue>" in self.xml

    @property
    def _keys(self):
        return self.trusted or tuple(CERTIFICATES[name] for name in self.certificates)

    def request(self, *, xml=None, query=None):
        """The browser's request, exactly as it was sent but for what a test changes."""
        if self.binding == "redirect":
            return HttpIn(method="GET", endpoint=self.endpoint, query=(query or self.query).encode())
        octets = self.xml.encode() if xml is None else xml
        if self.binding == "soap":
            return HttpIn(method="POST", endpoint=self.endpoint, body=octets, content_type="text/xml")
        body = f"{self.parameter}={quote(b64encode(octets).decode(), safe='')}"
        if self.relay_state is not None:
            body += f"&RelayState={quote(self.relay_state, safe='')}"
        return HttpIn(
            method="POST",
            endpoint=self.endpoint,
            body=body.encode(),
            content_type="application/x-www-form-urlencoded",
        )

    def receive(self, **changes):
        """The message, decoded and not verified."""
        return bindings.decode(self.request(**changes))

    def verify(self, peer=None, **changes):
        """The verified message, or MessageRefused; `peer` is who sent a logout message, if not an IdP."""
        received, keys = self.receive(**changes), DecryptionKeys(())
        if self.type == "Response":
            return checks.verify_response(received, self.connection, keys, self.now)
        if self.type == "AuthnRequest":
            return checks.verify_authn_request(received, self.provider, self.endpoint, self.now)
        if self.type == "LogoutRequest":
            return checks.verify_logout_request(received, peer or self.connection, keys, self.now)
        return checks.verify_logout_response(received, peer or self.connection, self.now)


def vectors():
    """Every captured message, in the order of the files."""
    return [
        Vector(row=path.stem, **entry)
        for path in sorted(FOLDER.glob("*.json"))
        if path.name != "certificates.json"
        for entry in json.loads(path.read_text(encoding="utf-8"))
    ]
