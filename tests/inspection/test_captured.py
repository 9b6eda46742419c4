"""Messages that real software sent, pasted as a person would: inspect takes and refuses what the checks do."""

from dataclasses import dataclass, replace

import pytest

from saml_slo.inspection import Inspector, captured_in
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, Endpoint
from tests import idp
from tests.vectors.captures import vectors

LOGOUT = (Endpoint(binding=Binding.POST, location="https://sender.example/slo"),)
OF_IDPS = [vector for vector in vectors() if vector.type != "AuthnRequest"]


@dataclass
class OnePeer:
    """A registry that knows the sender of one message."""

    connection_here: Connection
    federation: str = ""

    def connections(self):
        """Return the one."""
        return (self.connection_here,)

    def connection(self, name):
        """Return it by its name."""
        return self.connection_here if name == self.connection_here.name else None

    def connection_of(self, entity_id):
        """Return it by its entity id."""
        return self.connection_here if entity_id == self.connection_here.entity_id else None

    def members(self, name):
        """Return it by the name of its federation."""
        return (self.connection_here,) if self.federation and name == self.federation else ()

    def service_providers(self):
        """Return nobody."""
        return ()

    def service_provider(self, _):
        """Return nobody."""
        return

    def service_provider_of(self, _):
        """Return nobody."""
        return


def _pasted(vector):
    """What a person copies of it: the URL of a redirect, the body of a form, the envelope of SOAP."""
    if vector.binding == "redirect":
        return f"{vector.endpoint}?{vector.query}".encode()
    return vector.request().body


@pytest.mark.parametrize("vector", OF_IDPS, ids=str)
def test_a_message_of_real_software(vector):
    """Taken, with the key that signed it; or refused for the reason that it is to be refused for."""
    registry = OnePeer(replace(vector.connection, single_logout=LOGOUT))
    inspector = Inspector(registry=registry, public_url="https://bridge.example", keys=None, clock=lambda: vector.now)
    (captured,) = captured_in(_pasted(vector))
    report = inspector.inspect(captured, peer="captured")
    assert report.kind == vector.type
    if vector.refusal is not None:
        assert report.failed.reason == vector.refusal
        return
    assert report.verdict == "accepted", report.summary
    assert any(signature.signer for signature in report.signatures)
    assert [fact.value for fact in report.facts if fact.name == "ID"] == [vector.facts["id"]]
    name = vector.facts.get("name_id") or vector.facts.get("assertion", {}).get("name_id") or {}
    assert not name or name["value"] not in str(report.as_json()) or len(name["value"]) < 4


def test_the_members_of_a_federation_share_an_endpoint():
    """By the URL, by the Issuer alone and by --peer, a member's message belongs to the federation's endpoint."""
    slo = "https://bridge.example/saml/sp/fed/slo"
    registry = OnePeer(replace(idp.CONNECTION, slo_url=slo, single_logout=LOGOUT), "fed")
    inspector = Inspector(registry=registry, public_url="https://bridge.example", keys=None, clock=lambda: idp.NOW)
    message = idp.logout_request(destination=slo)
    url = f"{slo}?{idp.query(idp.logout_request(destination=slo, signed=False))}".encode()
    for octets, peer in ((idp.octets(message), None), (idp.octets(message), "idp"), (url, None)):
        (captured,) = captured_in(octets)
        report = inspector.inspect(captured, peer=peer)
        assert (report.endpoint, report.peer, report.verdict) == (slo, "idp", "accepted")
