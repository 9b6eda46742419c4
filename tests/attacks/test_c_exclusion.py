"""Group C, signature exclusion: a message that nobody signed does nothing (C040 to C043).

AuthnRequests are no door of surfaces.py yet: when they are, `everywhere` knocks there as well.
What a connection may opt in to (C041's unsigned answers) is in test_c_policy.py.
"""

import os
from base64 import b64encode
from urllib.parse import quote

import pytest
from lxml import etree

from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.attacks.forge import DS, draft, sign
from tests.attacks.invariants import VICTIM_NAME_ID
from tests.attacks.surfaces import by_post, by_redirect, everywhere

MISSING, INVALID, LARGE = "signature_missing", "signature_invalid", "message_too_large"
PROFILE = "signature_profile_violation"
RSA_SHA256 = quote(idp.RSA_SHA256, safe="")


def test_c040_unsigned_logout_request(stage):
    """C040: an unsigned LogoutRequest about victim ends nothing."""
    stage.refused(idp.post(stage.logout_request(name_id=VICTIM_NAME_ID, signed=False)), MISSING)


def test_c041_unsigned_logout_response(stage):
    """C041: an unsigned LogoutResponse does not confirm the pending logout, which stays pending."""
    stage.refused(idp.post(stage.logout_response(signed=False)), MISSING)
    receipt = stage.bridge.get(stage.leaver, "/v2/logout")
    assert receipt.status_code == 303  # it is still running: the browser is sent on to the identity provider


@everywhere
def test_c040_unsigned_on_every_surface(stage, surface):
    """C040, C041: whatever comes without any signature, in the XML or in the query, is refused as unsigned."""
    root, _ = draft(surface, stage)
    if surface.binding == "post":
        stage.refused(surface.request(root), MISSING)
    else:
        stage.refused(redirect(surface, root, ""), MISSING)


def redirect(surface, root, rest, *, sign_it=True):
    """The browser's GET of a message with these further parameters; `{}` in them is the good signature's value."""
    query = f"{surface.parameter}={quote(idp.deflated(root), safe='')}"
    if "{}" in rest:
        value = idp.detached(f"{query}&SigAlg={RSA_SHA256}".encode())
        rest = rest.format(quote(b64encode(value).decode(), safe=""))
    return HttpIn(method="GET", endpoint=surface.endpoint, query=(query + rest).encode())


# What is missing is missing, however it is spelled; a good signature under another name is no signature.
PARTIAL = {
    "C042-a-none": "",
    "C042-b-sigalg-only": f"&SigAlg={RSA_SHA256}",
    "C042-c-signature-only": "&Signature={}",
    "C042-d-both-empty": "&SigAlg=&Signature=",
    "C042-e-signature-without-value": f"&SigAlg={RSA_SHA256}&Signature",
    "C042-signature-empty": f"&SigAlg={RSA_SHA256}&Signature=",
    "C042-sigalg-empty": "&SigAlg=&Signature={}",
    "C042-sigalg-without-value": "&SigAlg&Signature={}",
    "C042-lower-case": f"&sigalg={RSA_SHA256}&signature={{}}",
    "C042-other-case": f"&SIGALG={RSA_SHA256}&SIGNATURE={{}}",
    "C042-space-in-names": f"&SigAlg+={RSA_SHA256}&Signature+={{}}",
    "C042-brackets": f"&SigAlg[]={RSA_SHA256}&Signature[]={{}}",
    "C042-semicolons": f";SigAlg={RSA_SHA256};Signature={{}}",
}


@by_redirect
@pytest.mark.parametrize("rest", PARTIAL.values(), ids=PARTIAL)
def test_c042_partial_signature_parameters(stage, surface, rest):
    """C042: without SigAlg and Signature, each with a value, a Redirect is unsigned, not half signed."""
    root, _ = draft(surface, stage)
    # With semicolons all of it is the value of the message parameter, which then is no base64.
    stage.refused(redirect(surface, root, rest), "decode_error" if rest.startswith(";") else MISSING)


@by_redirect
@pytest.mark.parametrize("rest", PARTIAL.values(), ids=PARTIAL)
def test_c042_an_embedded_signature_does_not_help(stage, surface, rest):
    """C042: a genuine signature in the XML does not replace the one that the Redirect binding wants."""
    root, target = draft(surface, stage)
    sign(target)
    stage.refused(redirect(surface, root, rest), "decode_error" if rest.startswith(";") else MISSING)


GARBAGE = {
    "C043-AAAA": (b"AAAA", INVALID),
    "C043-one-octet": (b"AA==", INVALID),
    "C043-zero-octets": (b"", MISSING),  # a Signature without a value is a Signature that is missing (C042 e)
    "C043-padding-alone": (b"====", INVALID),
    "C043-not-base64": (b"!!!!", INVALID),
    "C043-not-utf-8": (b"\xff\xfe", INVALID),
    "C043-null": (b"\0", INVALID),
    "C043-zeros": (b64encode(bytes(256)), INVALID),
    "C043-ones": (b64encode(b"\xff" * 256), INVALID),
    "C043-random": (b64encode(os.urandom(256)), INVALID),
    "C043-short-by-one": (b64encode(os.urandom(255)), INVALID),
    "C043-long-by-one": (b64encode(os.urandom(257)), INVALID),
    "C043-40-kb": (b"A" * 40_000, INVALID),
    "C043-10-mb": (b"A" * 10_000_000, LARGE),  # the URL's own limit comes first
}


@by_redirect
@pytest.mark.parametrize(("value", "reason"), GARBAGE.values(), ids=GARBAGE)
def test_c043_garbage_signature(stage, surface, value, reason):
    """C043: a Signature that nobody's key made is invalid, whatever octets it is."""
    root, _ = draft(surface, stage)
    encoded = quote(value, safe="")
    status = 414 if reason == LARGE else None
    stage.refused(redirect(surface, root, f"&SigAlg={RSA_SHA256}&Signature={encoded}"), reason, status=status)


@by_redirect
@pytest.mark.parametrize("algorithm", [a for a in idp._METHODS if "sha1" not in a])
def test_c043_generated_signature_of_another_algorithm(stage, surface, algorithm):
    """C043: a good RSA-SHA256 value under another SigAlg is invalid, RSA or not."""
    root, _ = draft(surface, stage)
    query = f"{surface.parameter}={quote(idp.deflated(root), safe='')}&SigAlg={quote(algorithm, safe='')}"
    other = idp.RSA_SHA256 if algorithm != idp.RSA_SHA256 else f"{idp.RSA_SHA256[:-3]}512"
    value = quote(b64encode(idp.detached(query.encode(), "idp", other)).decode(), safe="")
    request = HttpIn(method="GET", endpoint=surface.endpoint, query=f"{query}&Signature={value}".encode())
    stage.refused(request, INVALID)


def _renamed(name):
    def change(signature):
        signature.tag = name

    return change


def _emptied(signature):
    for child in list(signature):
        signature.remove(child)


def _beheaded(signature):
    signature.remove(signature[0])


def _valueless(signature):
    signature.remove(signature[1])


def _value_emptied(signature):
    signature[1].text = None


# A Signature that is none: of another namespace it is an unknown element, which the schema refuses at that place.
NO_SIGNATURES = {
    "no-namespace": (_renamed("Signature"), ("schema_violation", MISSING)),
    "other-namespace": (_renamed("{urn:x}Signature"), ("schema_violation", MISSING)),
    "dsig11": (_renamed("{http://www.w3.org/2009/xmldsig11#}Signature"), ("schema_violation", MISSING)),
    "namespace-without-hash": (_renamed(f"{{{DS[:-1]}}}Signature"), ("schema_violation", MISSING)),
    "https-namespace": (_renamed(f"{{{DS.replace('http', 'https')}}}Signature"), ("schema_violation", MISSING)),
    "lower-case": (_renamed(f"{{{DS}}}signature"), ("schema_violation", MISSING)),
    "object": (_renamed(f"{{{DS}}}Object"), ("schema_violation", MISSING)),
    "empty": (_emptied, (PROFILE,)),
    "without-signed-info": (_beheaded, (PROFILE,)),
    "without-value": (_valueless, (PROFILE,)),
    "empty-value": (_value_emptied, (PROFILE,)),
}


@by_post
@pytest.mark.parametrize(("change", "reasons"), NO_SIGNATURES.values(), ids=NO_SIGNATURES)
def test_c040_generated_a_signature_that_is_none(stage, surface, change, reasons):
    """C040: what only looks like a Signature is none; nothing is skipped because it was not understood."""
    root, target = draft(surface, stage)
    change(sign(target))
    stage.refused(surface.request(etree.fromstring(etree.tostring(root))), *reasons)
