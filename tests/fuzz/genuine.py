"""What an attacker has: genuine messages about himself, forgeries about his victim, and what they may be read as.

`acceptable` answers the one question of every fuzz target: does this message say only what its sender signed?
"""

from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from functools import cache

from lxml import etree

from saml_slo.errors import MessageRefused
from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.messages import AuthnRequest, LogoutRequest, LogoutResponse, Response
from saml_slo.protocol.names import DS
from saml_slo.wire import bindings, checks
from tests import application as app
from tests import idp
from tests.encrypting import encrypt
from tests.keys import decryption_keys, pair

VICTIM = "victim@corp.test"
KEYS = decryption_keys()
SOAP = b'<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Header/><S:Body>%s</S:Body></S:Envelope>'


def octets(element):
    """An element as the text that is sent; every use parses it anew."""
    return etree.tostring(element)


@cache
def genuine():
    """The messages that the identity provider has signed, by name."""
    advice = (
        f"<saml:AttributeStatement><saml:Attribute Name='mail'><saml:AttributeValue>{'a' * 9}</saml:AttributeValue>"
    )
    advice += "</saml:Attribute></saml:AttributeStatement>"
    return {
        "assertion signed": octets(idp.response(idp.assertion(identifier="_a1"), identifier="_r1")),
        "response signed": octets(
            idp.response(
                idp.assertion(identifier="_a2", more=advice), identifier="_r2", sign_assertion=False, sign_response=True
            )
        ),
        "both signed": octets(idp.response(idp.assertion(identifier="_a3"), identifier="_r3", sign_response=True)),
        "encrypted": octets(idp.response(encrypt(idp.sign(idp.assertion(identifier="_a4"))), identifier="_r4")),
        "logout request": octets(idp.logout_request(identifier="_lr1", indexes=("_s1", "_s2"))),
        "logout response": octets(idp.logout_response(identifier="_ls1")),
        "authn request": octets(app.authn_request(signed=True, ForceAuthn="true", ID="_ar1")),
        "soap request": SOAP % octets(idp.logout_request(identifier="_lr2", indexes=("_s3",))),
    }


@cache
def forged():
    """Fragments that name the victim: unsigned, signed by the attacker, or genuine and of another kind."""
    victim = idp.NAME_ID.replace("alice@corp.test", VICTIM)
    evil = {
        "assertion": idp.assertion(identifier="_evil", name_id=victim),
        "own assertion": idp.sign(idp.assertion(identifier="_own", name_id=victim), "attacker"),
        "encrypted assertion": encrypt(idp.assertion(identifier="_hidden", name_id=victim)),
        "response": idp.response(
            idp.assertion(identifier="_e1", name_id=victim), identifier="_e2", sign_assertion=False
        ),
        "logout request": idp.logout_request(identifier="_e3", name_id=victim, signed=False),
        "own logout request": idp.sign(idp.logout_request(identifier="_e4", name_id=victim, signed=False), "attacker"),
        "logout response": idp.logout_response(identifier="_e5", in_response_to="_pending", signed=False),
        "authn request": app.authn_request(acs="https://evil.example/acs", ID="_e6"),
        "own authn request": idp.sign(app.authn_request(acs="https://evil.example/acs", ID="_e7"), "attacker"),
        "name id": idp.element(victim),
        "encrypted id": encrypt(idp.element(victim), "EncryptedID"),
        "index": idp.element("<samlp:SessionIndex>_victims</samlp:SessionIndex>"),
        "object": idp.element("<ds:Object/>"),
        "extensions": idp.element("<samlp:Extensions/>"),
        "advice": idp.element("<saml:Advice/>"),
        "stranger": etree.fromstring("<x xmlns='urn:x'/>"),
        "plain": etree.fromstring("<x/>"),
    }
    fragments = [octets(element) for element in evil.values()]
    for message in genuine().values():
        root = etree.fromstring(message)
        fragments += [message, *(octets(signature) for signature in root.iter(f"{{{DS}}}Signature"))]
    return fragments


def verifications(data, parameter, connection):
    """What the bridge reads from a message at every door, by POST and by SOAP; refusals leave nothing."""
    by_soap = HttpIn(method="POST", endpoint=idp.SLO, body=data, content_type="text/xml")
    for request in (idp.post(data, parameter=parameter), by_soap):
        with suppress(MessageRefused):
            yield from _verifications(bindings.decode(request), connection)


def _verifications(received, connection):
    application = replace(
        app.PROVIDER,
        requests_signed=True,
        insecure_sha1=connection.insecure_sha1,
        insecure_inclusive_c14n=connection.insecure_inclusive_c14n,
    )
    for verify in (
        lambda: checks.verify_response(received, connection, KEYS, idp.NOW),
        lambda: checks.verify_logout_request(received, connection, KEYS, idp.NOW),
        lambda: checks.verify_logout_response(received, connection, idp.NOW),
        lambda: checks.verify_authn_request(received, application, app.SSO, idp.NOW),
    ):
        with suppress(MessageRefused):
            yield verify().message


@cache
def _facts():
    """The genuine messages as the bridge reads them; each one is accepted as it stands."""
    read = {}
    for name, data in genuine().items():
        (read[name],) = verifications(data, idp.parameter_of(data), idp.CONNECTION)
    return read


def acceptable(message):
    """Say whether a verified message says nothing but what was signed.

    Where the response was signed, it is that response to the last fact. Where only the assertion was, the assertion is:
    its envelope is anybody's, and everything that depends on it is taken from the assertion.
    """
    facts = _facts()
    if isinstance(message, Response):
        signed = {facts[name].assertion for name in ("assertion signed", "both signed", "encrypted")}
        return message.assertion in signed or message == facts["response signed"]
    if isinstance(message, LogoutRequest):
        return message in (facts["logout request"], facts["soap request"])
    if isinstance(message, AuthnRequest):
        return message == facts["authn request"]
    assert isinstance(message, LogoutResponse)
    return message == facts["logout response"]


def attackers_certificate():
    """The certificate that the attacker would like to be believed."""
    return b64encode(pair("attacker").certificate).decode()
