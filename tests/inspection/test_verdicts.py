"""Would we accept it? The report says what the server would say, check by check, and what to do about it."""

import json
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.inspection.advice import ADVICE
from saml_slo.inspection.report import printable
from saml_slo.protocol.names import Binding
from saml_slo.wire import checks
from tests import idp
from tests.encrypting import encrypt
from tests.running import descriptor, write_connection

SSO = "https://bridge.example/saml/idp/sso"
UNSIGNED = {"signed": False}


def _post(message, **how):
    return idp.post(message, **how).body


def _authn_request(installation, **attributes):
    values = {"ID": "_q1", "Version": "2.0", "IssueInstant": idp.instant(), "Destination": SSO, **attributes}
    written = " ".join(f'{name}="{value}"' for name, value in values.items())
    return idp.element(
        f"<samlp:AuthnRequest {written}><saml:Issuer>{installation.sp.entity_id}</saml:Issuer></samlp:AuthnRequest>"
    )


def _names(listed):
    return [check.__name__ for check in listed]


def test_every_check_of_the_server_is_a_step_in_its_order(installation):
    """The steps of a good message are the lists of wire/checks.py, with what the roads add around them."""
    response = installation.look(_post(idp.response()))
    assert [step.name for step in response.steps] == [
        *("method", "decode", "comes_in_a_form", "sender"),
        *_names(checks.RESPONSE_CHECKS),
        *("correlate", "replay"),
    ]
    request = installation.look(_post(idp.logout_request()))
    assert [step.name for step in request.steps] == [
        *("method", "decode", "sender"),
        *_names(checks.LOGOUT_REQUEST_CHECKS),
        *("answer_way", "sessions"),
    ]
    answer = installation.look(_post(idp.logout_response()))
    assert [step.name for step in answer.steps] == [
        "method",
        "decode",
        "sender",
        *_names(checks.LOGOUT_RESPONSE_CHECKS),
        "awaited",
    ]
    asked = installation.look(_post(_authn_request(installation)))
    assert [step.name for step in asked.steps] == ["method", "decode", "sender", *_names(checks.AUTHN_REQUEST_CHECKS)]
    assert all(str(report.verdict) == "accepted" for report in (response, request, answer, asked))
    assert all(step.says for step in response.steps)


OTHER_AUDIENCE = (
    "<saml:Conditions><saml:AudienceRestriction><saml:Audience>urn:x</saml:Audience></saml:AudienceRestriction>"
    "</saml:Conditions>"
)
RESPONDER = idp.status("urn:oasis:names:tc:SAML:2.0:status:Responder")
OLD_ORIGIN = "https://old.example/saml/sp/idp/slo"
RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"


def _request(**how):
    return _post(idp.logout_request(**how))


def _failed_sign_in():
    response = idp.response(idp.element("<saml:Advice/>"), status=RESPONDER)
    response.remove(response[-1])
    return _post(response)


def _at(endpoint, message):
    return f"{endpoint}?{idp.query(message)}".encode()


# What is wrong with a message: the capture, the step that refuses it, the reason, a word of the setting or next step.
REFUSED = {
    "unsigned request": (lambda: _request(signed=False), "root_must_be_signed", "signature_missing", "sign"),
    "unsigned answer": (
        lambda: _post(idp.logout_response(signed=False)),
        "root_signed_unless_expected",
        "signature_missing",
        "unsigned_logout_response",
    ),
    "stranger's key": (
        lambda: _post(idp.sign(idp.logout_request(signed=False), "attacker")),
        "root_signature",
        "signature_invalid",
        "metadata",
    ),
    "SHA-1": (
        lambda: _post(idp.sign(idp.logout_request(signed=False), "idp", RSA_SHA1)),
        "signature_structure",
        "algorithm_not_allowed",
        "insecure_sha1",
    ),
    "old": (lambda: _request(issued=idp.instant(-900)), "issued_recently", "expired", "max_age"),
    "early": (lambda: _request(issued=idp.instant(900)), "issued_recently", "not_yet_valid", "skew"),
    "expired": (lambda: _request(expires=idp.instant(-600)), "request_not_expired", "expired", "skew"),
    "wrong endpoint": (lambda: _request(destination=idp.ACS), "message_type", "unexpected_message_type", "URL"),
    "old origin": (
        lambda: _request(destination=OLD_ORIGIN),
        "destination_is_here",
        "destination_mismatch",
        "SLO_PUBLIC_URL",
    ),
    "other audience": (
        lambda: _post(idp.response(idp.assertion(conditions=OTHER_AUDIENCE))),
        "conditions_hold",
        "audience_mismatch",
        "sp_entity_id",
    ),
    "other recipient": (
        lambda: _post(idp.response(idp.assertion(confirmations=idp.bearer("https://bridge.example/acs")))),
        "subject_confirmed",
        "recipient_mismatch",
        "ACS URL",
    ),
    "no sign-in": (_failed_sign_in, "status_may_be_success", "status_not_success", "log"),
    "by redirect": (lambda: _at(idp.ACS, idp.response()), "method", "method_not_allowed", "HTTP-POST"),
    "another's endpoint": (
        lambda: _at(idp.SLO.replace("idp/slo", "other-idp/slo"), idp.logout_request(signed=False)),
        "sender",
        "issuer_mismatch",
        "connection",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_step_reason_and_remedy(installation, name):
    """The failed check is the server's own, with its reason word, and says what to look at."""
    capture, step, reason, remedy = REFUSED[name]
    report = installation.look(capture())
    assert (report.verdict, report.failed.name, report.failed.reason) == ("refused", step, reason), report.summary
    assert remedy in f"{report.failed.setting} {report.failed.next_step}"
    after = [one.state for one in report.steps[report.steps.index(report.failed) + 1 :]]
    assert set(after) <= {"not reached"}
    assert report.facts, "a refused message is shown all the same"


def test_every_reason_of_a_message_has_advice():
    """No reason word that a check or a look-up gives leaves the operator without a next step."""
    house = Path(__file__).parent.parent.parent / "saml_slo"
    sources = [*(house / "wire").rglob("*.py"), house / "peers" / "lookup.py"]
    named = {name for path in sources for name in re.findall(r"Reason\.([A-Z_]+)", path.read_text(encoding="utf-8"))}
    of_files = {Reason.METADATA_INVALID, Reason.CONFIGURATION_INVALID, Reason.CONNECTION_UNKNOWN}
    assert {Reason[name] for name in named} - of_files <= ADVICE.keys()
    assert all(next_step for _, next_step in ADVICE.values())


def test_an_old_message_is_judged_at_its_own_time(installation):
    """The same capture is too old tomorrow and good at the time at which it came."""
    capture = _post(idp.logout_request())
    assert installation.look(capture, at=idp.NOW + timedelta(days=1)).failed.reason == "expired"
    assert installation.look(capture).verdict == "accepted"


def test_metadata_that_has_expired_since_is_in_force_at_that_time(installation):
    """The registry is that of the same moment, so that an old message meets the metadata that was valid then."""
    text = descriptor(idp.ENTITY_ID).replace("entityID=", f'validUntil="{idp.instant(3600)}" entityID=')
    write_connection(installation.metadata, "idp", "", text)
    capture = _post(idp.logout_request())
    assert installation.look(capture).verdict == "accepted"
    assert installation.look(capture, at=idp.NOW + timedelta(days=1)).failed.name == "sender"


def test_whom_a_message_concerns_stays_hidden_unless_asked_for(installation):
    """NameID, SessionIndex and attributes are digests; equal values have equal digests; --reveal shows them."""
    attribute = (
        '<saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue>secret@corp.test'
        "</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"
    )
    statements = idp.authn_statement("_index-of-alice") + attribute
    capture = _post(idp.response(idp.assertion(statements=statements)))
    hidden = json.dumps(installation.look(capture).as_json())
    for private in ("alice@corp.test", "_index-of-alice", "secret@corp.test"):
        assert private not in hidden
        assert private in json.dumps(installation.look(capture, reveal=True).as_json())
    report = installation.look(capture)
    other = installation.look(_post(idp.logout_request(indexes=("_index-of-alice",))))
    digests = [[fact.value for fact in one.facts if fact.name == "SessionIndex"] for one in (report, other)]
    assert digests[0] == digests[1]
    assert re.fullmatch(r"sha256:[0-9a-f]{8}", digests[0][0])


def test_the_query_of_a_relay_state_stays_hidden(installation):
    """A RelayState is shown; of one that is a URL, what may be a token is not."""
    capture = _post(idp.logout_request(), relay_state="https://app.example/back?token=s3cr3t")
    assert installation.look(capture).relay_state == "https://app.example/back?… (37 characters)"
    assert "s3cr3t" in installation.look(capture, reveal=True).relay_state


def test_an_encrypted_assertion_is_opened_with_our_key(installation):
    """What was decrypted is shown (redacted), and every signature is judged over the document as it came."""
    report = installation.look(_post(idp.sign(idp.response(encrypt(idp.assertion()), sign_assertion=False))))
    assert report.verdict == "accepted", report.summary
    assert any(fact.name == "NameID" for fact in report.facts)
    assert [bool(signature.signer) for signature in report.signatures] == [True] * len(report.signatures)


@pytest.mark.parametrize("sign_response", [False, True])
def test_every_signature_of_an_encrypted_assertion_is_told(installation, sign_response):
    """The assertion's own signature is judged too, though the checks have taken it off the document by then."""
    inside = encrypt(idp.sign(idp.assertion()))
    report = installation.look(_post(idp.response(inside, sign_assertion=False, sign_response=sign_response)))
    assert report.verdict == "accepted", report.summary
    where = ["the message", "the assertion"] if sign_response else ["the assertion"]
    assert [signature.where for signature in report.signatures] == where
    assert all(signature.signer and not signature.problem for signature in report.signatures)


def test_every_signature_of_a_message_is_told(installation):
    """Of a Response and its Assertion, each signed, both signatures are good, whichever is looked at first."""
    report = installation.look(_post(idp.response(sign_response=True)))
    assert [signature.where for signature in report.signatures] == ["the message", "the assertion"]
    assert all(signature.signer for signature in report.signatures)


@pytest.mark.parametrize(
    "spelled",
    [
        lambda value: re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(value, safe="")),
        lambda value: quote(value, safe="/:"),
    ],
)
def test_a_url_that_was_encoded_anew_is_recognised(installation, spelled):
    """Where the signature fails because a proxy spelled the URL otherwise, the report says so."""
    query = idp.query(idp.logout_request(**UNSIGNED), relay_state="a/b c")
    pairs = [pair.partition("=") for pair in query.split("&")]
    anew = "&".join(f"{name}={spelled(unquote(value))}" for name, _, value in pairs)
    assert anew != query
    report = installation.look(f"{idp.SLO}?{anew}")
    assert report.failed.reason == "signature_invalid"
    assert "encoded it anew" in report.signatures[0].remark
    assert "upper-case" in report.signatures[0].remark


def test_a_key_that_was_rolled_over_is_recognised(installation):
    """The signature brings a certificate that the metadata does not have: the report names it as a lead."""
    report = installation.look(_post(idp.sign(idp.logout_request(**UNSIGNED), "idp-next")))
    assert report.failed.reason == "signature_invalid"
    assert "rolled over" in report.signatures[0].remark


def test_a_changed_message_is_told_from_a_changed_key(installation):
    """The right certificate with a bad signature: the content was changed."""
    message = idp.octets(idp.logout_request()).replace(b"_s1", b"_s2")
    (signature,) = installation.look(_post(message)).signatures
    assert "changed after signing" in signature.remark
    assert signature.problem == "the content was changed after it was signed"


def test_nobody_we_know_and_who_looks_most_like_it(installation):
    """An Issuer with one character too many is refused with the entity id that was meant."""
    report = installation.look(
        _post(idp.logout_request(issuer=f"{idp.ENTITY_ID}/", destination="https://x.example/slo"))
    )
    assert (report.failed.name, report.failed.reason) == ("sender", "issuer_unknown")
    assert f"Did it mean {idp.ENTITY_ID}?" in report.failed.next_step
    at_ours = installation.look(_post(idp.logout_request(issuer=f"{idp.ENTITY_ID}/")))
    assert any(idp.ENTITY_ID in note for note in at_ours.notes)


def test_an_entity_with_two_roles_needs_a_name(installation):
    """Where a connection and an application have one entity id, --peer says whose message it is."""
    for name, text in installation.sp.files().items():
        changed = text.replace(installation.sp.entity_id, idp.ENTITY_ID)
        (installation.metadata / "applications" / name).write_text(changed)
    capture = _post(idp.logout_request(destination="https://elsewhere.example/slo"))
    with pytest.raises(ConfigurationError, match="both have this entity id"):
        installation.look(capture)
    assert installation.look(capture, peer="idp").endpoint == idp.SLO
    assert installation.look(capture, peer="shop").endpoint == "https://bridge.example/saml/idp/slo"
    with pytest.raises(ConfigurationError, match="no such peer"):
        installation.look(capture, peer="nobody")


def test_an_unsolicited_response_is_refused_as_the_server_does(installation):
    """Without InResponseTo the road's own rule decides, and the connection's switch is named."""
    response = idp.response(idp.assertion(confirmations=idp.bearer().replace('InResponseTo="_q1" ', "")))
    del response.attrib["InResponseTo"]
    report = installation.look(_post(response))
    assert (report.failed.name, report.failed.reason) == ("correlate", "unsolicited")
    assert "idp_initiated_sign_in" in report.failed.setting
    write_connection(installation.metadata, "idp", "idp_initiated_sign_in = true", descriptor(idp.ENTITY_ID))
    assert installation.look(_post(response)).verdict == "accepted"


def test_a_request_that_nobody_could_answer_is_refused(installation):
    """A LogoutRequest by Redirect of a peer that offers no endpoint for the answer fails at the last step."""
    write_connection(installation.metadata, "idp", "", descriptor(idp.ENTITY_ID, bindings=()))
    report = installation.look(_post(idp.logout_request()))
    assert (report.failed.name, report.failed.reason) == ("answer_way", "binding_mismatch")


def test_binding_and_times_are_told(installation):
    """The binding by which it came, and each time against the clock of the inspection."""
    report = installation.look(f"{idp.SLO}?{idp.query(idp.logout_request(expires=idp.instant(300), **UNSIGNED))}")
    assert report.binding == Binding.REDIRECT.short
    assert [(time.name, time.against_our_clock) for time in report.times] == [
        ("IssueInstant", "now"),
        ("NotOnOrAfter", "in 5 min"),
    ]


def test_nothing_of_a_stranger_steers_the_terminal():
    """Control and direction characters are written out."""
    assert printable("a\x1b[31mb\u202ec\n") == "a\\x1b[31mb\\u202ec\\n"
