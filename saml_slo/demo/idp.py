"""The identity provider without its pages: pysaml2 reads and writes the messages, this file keeps the sessions."""

from __future__ import annotations

import http.client
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, class_name, samlp
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.s_utils import error_status_factory, sid
from saml2.saml import NAMEID_FORMAT_PERSISTENT, AuthnStatement, NameID
from saml2.samlp import STATUS_PARTIAL_LOGOUT, STATUS_REQUEST_DENIED, STATUS_UNKNOWN_PRINCIPAL
from saml2.server import Server
from saml2.sigver import RSACrypto, import_rsa_key_from_file, pre_signature_part, signed_instance_factory
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from saml_slo.demo.places import CONNECTION, LOOPBACK, Places
from saml_slo.demo.signer import PythonXmlsec
from saml_slo.demo.switches import Switches, write_whole
from saml_slo.wire.keys import self_signed

USERS: Mapping[str, str] = {"alice": "Alice Archer", "bob": "Bob Baker", "carol": "Carol Cook"}
_BINDINGS = {"redirect": BINDING_HTTP_REDIRECT, "post": BINDING_HTTP_POST}
_INDEXES = {"none": 0, "one": 1, "three": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A SAML message as the browser brought it: `binding` is redirect or post, `parameters` are decoded."""

    binding: str
    parameters: Mapping[str, str]

    @property
    def relay_state(self) -> str | None:
        """Return what is to be given back with the answer."""
        return self.parameters.get("RelayState")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An answer for the browser to take along: a `location` to go to, or a form with `fields` to post there."""

    location: str
    fields: Mapping[str, str] | None = None


@dataclass(slots=True, kw_only=True)
class IdpSession:
    """One session of one user in one browser; `indexes` are the SessionIndex values that it was given out under."""

    id: str
    user: str
    since: datetime
    indexes: list[str] = field(default_factory=list)


class IdentityProvider:
    """Signs people in and out. Threads may share it: a lock makes everybody wait for everybody else."""

    def __init__(self, places: Places, switches: Switches) -> None:
        self.places = places
        self.switches = switches
        self.sessions: dict[str, IdpSession] = {}
        self.events: deque[str] = deque(maxlen=12)
        self.lock = threading.RLock()
        self._key, self._certificate = _key_files(places.folder)
        # The one that works takes a LogoutRequest at the login URL too, whatever the metadata says of it.
        self._server = Server(config=self._config(("sso", "slo"), tuple(_BINDINGS)))
        self._server.sec.crypto = PythonXmlsec()
        self._server.sec.sec_backend = RSACrypto(import_rsa_key_from_file(self._key))
        self._trusts_the_bridge = False
        self.turn(switches)

    # Metadata and switches -----------------------------------------------------------------------------------------

    def turn(self, switches: Switches) -> bool:
        """Set the switches and write what the bridge reads of them; say whether the bridge has something to read."""
        self.switches = switches
        folder = self.places.metadata_dir / "connections"
        accepts = "true" if switches.bridge_accepts == "unsigned" else "false"
        toml = f'display_name = "Demo identity provider"\nunsigned_logout_response = {accepts}\n'
        changed = write_whole(folder / f"{CONNECTION}.xml", self.metadata())
        changed |= write_whole(folder / f"{CONNECTION}.toml", toml)
        write_whole(self.places.switches_file, switches.dump())
        return changed

    def metadata(self) -> str:
        """Return the metadata as the switches want it."""
        logout = ("slo",) if self.switches.logout_endpoint == "own" else ()
        return str(entity_descriptor(self._config(logout, (self.switches.binding,))))

    def _config(self, logout: tuple[str, ...], bindings: tuple[str, ...]) -> IdPConfig:
        origin = self.places.idp
        endpoints = {
            "single_sign_on_service": [(f"{origin}/sso", _BINDINGS[name]) for name in bindings],
            "single_logout_service": [(f"{origin}/{path}", _BINDINGS[name]) for path in logout for name in bindings],
        }
        settings = {
            "entityid": f"{origin}/metadata",
            "key_file": self._key,
            "cert_file": self._certificate,
            "crypto_backend": "XMLSecurity",  # a stand-in that needs no program; PythonXmlsec takes its place
            "service": {"idp": {"endpoints": endpoints, "want_authn_requests_signed": True}},
            "metadata": {"inline": []},
        }
        return IdPConfig().load(settings)

    def _trust_the_bridge(self) -> None:
        """Read the bridge's metadata from the bridge, once it can be asked."""
        if self._trusts_the_bridge:
            return
        host = urlsplit(self.places.bridge).netloc
        connection = http.client.HTTPConnection(LOOPBACK, self.places.bridge_port, timeout=5)
        try:
            connection.request("GET", f"/saml/sp/{CONNECTION}/metadata", headers={"Host": host})
            document = connection.getresponse().read().decode()
        finally:
            connection.close()
        self._trusts_the_bridge = bool(self._server.reload_metadata({"inline": [document]}))

    # Sign-in -------------------------------------------------------------------------------------------------------

    def read_authn_request(self, incoming: Incoming) -> Any:  # noqa: ANN401 - pysaml2 carries no types
        """Return a verified AuthnRequest; raises whatever pysaml2 raises."""
        self._trust_the_bridge()
        request = self._server.parse_authn_request(incoming.parameters["SAMLRequest"], **_arguments(incoming)).message
        self._log(f"AuthnRequest by {incoming.binding.capitalize()}")
        return request

    def begin_session(self, user: str) -> IdpSession:
        """Sign somebody in."""
        session = IdpSession(id=sid(), user=user, since=datetime.now(UTC))
        self.sessions[session.id] = session
        return session

    def answer_sign_in(self, request: Any, session: IdpSession, relay_state: str | None) -> Outgoing:  # noqa: ANN401 - as above
        """Return the Response with a signed assertion."""
        wanted = _INDEXES[self.switches.session_index]
        session.indexes += [sid() for _ in range(wanted - len(session.indexes))]
        bridge = request.issuer.text
        _, location = self._server.pick_binding("assertion_consumer_service", [BINDING_HTTP_POST], "spsso", request)
        response = self._server.create_authn_response(
            {"displayName": [USERS[session.user]]},
            request.id,
            location,
            bridge,
            name_id=NameID(
                format=NAMEID_FORMAT_PERSISTENT,
                name_qualifier=self._server.config.entityid,
                sp_name_qualifier=bridge,
                text=f"{session.user}@idp.localhost",
            ),
            authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_instant": int(session.since.timestamp())},
            sign_assertion=False,
            sign_response=False,
        )
        (assertion,) = response.assertion if isinstance(response.assertion, list) else [response.assertion]
        (statement,) = assertion.authn_statement
        indexes: list[str | None] = [*session.indexes[:wanted]] or [None]
        assertion.authn_statement = [_statement(statement, index) for index in indexes]
        assertion.signature = pre_signature_part(
            assertion.id, self._server.sec.my_cert, 1, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256
        )
        xml = signed_instance_factory(response, self._server.sec, [(class_name(assertion), assertion.id)])
        self._log(f"Response for {session.user} with {wanted or 'no'} SessionIndex")
        return self._send(BINDING_HTTP_POST, xml, location, relay_state)

    # Logout --------------------------------------------------------------------------------------------------------

    def read_logout_request(self, incoming: Incoming) -> Any:  # noqa: ANN401 - as above
        """Return a verified LogoutRequest; raises whatever pysaml2 raises."""
        self._trust_the_bridge()
        request = self._server.parse_logout_request(incoming.parameters["SAMLRequest"], **_arguments(incoming)).message
        self._log(f"LogoutRequest by {incoming.binding.capitalize()}")
        return request

    def answer_logout(self, request: Any, incoming: Incoming) -> Outgoing | None:  # noqa: ANN401 - as above
        """End what is to be ended and return the LogoutResponse; None where no answer is to be given."""
        answer = self.switches.answer
        if answer in ("silent", "hangup"):
            self._log("keeps the session and does not answer")
            return None
        status = None
        if answer == "refuse":
            status = error_status_factory((STATUS_REQUEST_DENIED, "The demo's switch says so."))
        elif not self._end_sessions(request):
            status = error_status_factory((STATUS_UNKNOWN_PRINCIPAL, "No such session."))
        elif answer == "partial":
            status = samlp.Status(
                status_code=samlp.StatusCode(
                    value=samlp.STATUS_SUCCESS, status_code=samlp.StatusCode(value=STATUS_PARTIAL_LOGOUT)
                )
            )
        binding = _BINDINGS[incoming.binding]
        signed = self.switches.signature == "signed"
        in_xml = signed and binding == BINDING_HTTP_POST  # a Redirect is signed in its query
        response = self._server.create_logout_response(
            request, [binding], status=status, sign=in_xml, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256
        )
        _, location = self._server.pick_binding("single_logout_service", [binding], "spsso", request)
        self._log(f"answers {answer}, {self.switches.signature}")
        return self._send(binding, str(response), location, incoming.relay_state, signed=signed)

    def _end_sessions(self, request: Any) -> int:  # noqa: ANN401 - as above
        """End the sessions that a LogoutRequest names: by SessionIndex, or all of the person's where it names none."""
        named = {index.text for index in request.session_index}
        user = request.name_id.text.partition("@")[0]
        ended = [
            session
            for session in self.sessions.values()
            if session.user == user and (not named or named.intersection(session.indexes))
        ]
        for session in ended:
            del self.sessions[session.id]
        what = f"{len(named)} SessionIndex" if named else "the NameID alone"
        self._log(f"{user} by {what}: {len(ended)} session{'s' * (len(ended) != 1)} ended")
        return len(ended)

    # On the wire ---------------------------------------------------------------------------------------------------

    def _send(
        self, binding: str, xml: str, location: str, relay_state: str | None, *, signed: bool = False
    ) -> Outgoing:
        if binding == BINDING_HTTP_POST:
            fields = {"SAMLResponse": b64encode(xml.encode()).decode()}
            return Outgoing(location=location, fields=fields | ({"RelayState": relay_state} if relay_state else {}))
        sent = self._server.apply_binding(
            binding, xml, location, relay_state or "", response=True, sign=signed, sigalg=SIG_RSA_SHA256
        )
        return Outgoing(location=dict(sent["headers"])["Location"])

    def _log(self, sentence: str) -> None:
        self.events.appendleft(f"{datetime.now(UTC):%H:%M:%S} {sentence}")


def _arguments(incoming: Incoming) -> dict[str, str | None]:
    """Return a request as pysaml2 takes it."""
    parameters = incoming.parameters
    return {
        "relay_state": parameters.get("RelayState"),
        "sigalg": parameters.get("SigAlg"),
        "signature": parameters.get("Signature"),
        "binding": _BINDINGS[incoming.binding],
    }


def _statement(made: Any, index: str | None) -> Any:  # noqa: ANN401 - as above
    """Return an AuthnStatement like the one that pysaml2 made, under our SessionIndex."""
    return AuthnStatement(authn_instant=made.authn_instant, session_index=index, authn_context=made.authn_context)


def _key_files(folder: Path) -> tuple[str, str]:
    """Return the names of the files with our key and certificate; make them on the first start."""
    key, certificate = folder / "idp.key", folder / "idp.crt"
    if not certificate.exists():
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key.touch(mode=0o600)
        key.write_bytes(pem)
        certificate.write_bytes(self_signed(pem, "Demo identity provider", datetime.now(UTC)))
    return str(key), str(certificate)
