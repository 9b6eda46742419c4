"""The alarms of this folder ring: an attack suite whose traps are dead would pass for ever."""

import socket

import pytest
import xmlsec

from tests import idp
from tests.attacks import invariants
from tests.attacks.invariants import whole_json_line
from tests.keys import pair


def test_a_genuine_message_is_not_taken_for_a_refusal(stage):
    """`refused` fails on every kind of message that the bridge accepts; the store was written to, a cookie was set."""
    for request in (
        idp.post(stage.response(), endpoint=idp.ACS),
        idp.post(stage.logout_response()),
    ):
        with pytest.raises(AssertionError):
            stage.refused(request, "signature_missing")
        assert stage.broken


def test_the_right_refusal_for_the_wrong_reason_is_not_enough(stage):
    """I1: a message that is refused for something else than the attack proves nothing about the attack."""
    request = idp.post(stage.logout_request(signed=False))
    stage.refused(request, "signature_missing")
    with pytest.raises(AssertionError, match="signature_missing"):
        stage.refused(request, "signature_invalid")


@pytest.mark.parametrize("limit", ["MAX_CPU_SECONDS", "MAX_GROWTH_BYTES"])
def test_an_expensive_refusal_is_noticed(stage, monkeypatch, limit):
    """I7: what a refusal costs is measured in the application and held against the limit."""
    monkeypatch.setattr(invariants, limit, float("-inf"))  # memory in use may shrink meanwhile
    with pytest.raises(AssertionError):
        stage.refused(idp.post(stage.logout_request(signed=False)), "signature_missing")


def test_the_listener_hears_a_connection(canary):
    """I3: one connection is one hit, even when nothing is sent."""
    assert canary.touched() == []
    socket.create_connection(("127.0.0.1", canary.port)).close()
    while not canary.connections:
        pass
    assert canary.touched() == ["connection"]
    assert canary.touched() == []


def test_the_file_feels_libxmlsec(canary):
    """I3: libxmlsec opens what a Reference names; that is seen, though Python's audit hooks do not see it."""
    root = idp.logout_request(signed=False)
    signature = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256)
    xmlsec.template.add_reference(signature, xmlsec.Transform.SHA256, uri=canary.file.as_uri())
    root.insert(1, signature)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pair("idp").key_pem, xmlsec.KeyFormat.PEM)
    assert canary.touched() == []
    context.sign(signature)
    assert canary.touched() == ["open"]


@pytest.mark.parametrize("nasty", ["\n", "\r\n", "\x1b[2J", "\x00", "\u2028", "\x85", "\u202e", '"}\n{"event":"x'])
def test_control_characters_in_a_log_line_are_escaped(nasty):
    """I8: whatever a message holds, its log line stays one printable line of ASCII."""
    line = whole_json_line({"event": "message_refused", "reason": "x", "got": f"a{nasty}b"})
    assert nasty not in line
