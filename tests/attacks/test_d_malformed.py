"""D109: what is no XML, not quite XML, or not the message that belongs here. A 400 with the reason, never a 500.

The doors of applications have the same parser and bindings; test_d_applications.py knocks there.
"""

import json
import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saml_slo.errors import MessageRefused
from tests import idp
from tests.attacks.forge import thinned
from tests.attacks.surfaces import (
    ANSWER_POST,
    ANSWER_REDIRECT,
    BOTH_SIGNED,
    REQUEST_POST,
    REQUEST_REDIRECT,
    RESPONSE,
    SIGNED_RESPONSE,
    SURFACES,
    everywhere,
    replaced,
)


def _declared(declaration):
    return lambda octets: b"<?xml " + declaration + b"?>" + octets


def _in_name(junk):
    """Put octets into the middle of the Issuer, which every message has."""
    return lambda octets: octets.replace(b"https://idp", b"https://" + junk + b"idp", 1)


MALFORMED = {
    "two-roots": lambda octets: octets * 2,
    "root-behind": lambda octets: octets + b"<a/>",
    "root-before": lambda octets: b"<a/>" + octets,
    "text-behind": lambda octets: octets + b"a",
    "text-before": lambda octets: b"a" + octets,
    "cdata-behind": lambda octets: octets + b"<![CDATA[]]>",
    "nul-behind": lambda octets: octets + b"\0",
    "nul-before": lambda octets: b"\0" + octets,
    "space-before-declaration": lambda octets: b' <?xml version="1.0"?>' + octets,
    "newline-before-declaration": lambda octets: b'\n<?xml version="1.0"?>' + octets,
    "declaration-twice": lambda octets: b'<?xml version="1.0"?>' * 2 + octets,
    "attribute-twice": lambda octets: octets.replace(b' Version="2.0"', b' Version="2.0" Version="2.0"', 1),
    "attribute-unquoted": lambda octets: octets.replace(b'Version="2.0"', b"Version=2.0", 1),
    "attribute-without-value": lambda octets: octets.replace(b'Version="2.0"', b'Version="2.0" x', 1),
    "less-than-in-attribute": lambda octets: octets.replace(b'Version="2.0"', b'Version="2.0<"', 1),
    "unbound-prefix": lambda octets: octets.replace(b"xmlns:samlp=", b"xmlns:q=", 1),
    "end-tag-of-another": lambda octets: octets.replace(b"</saml:Issuer>", b"</saml:NameID>", 1),
    "end-tag-in-other-case": lambda octets: octets.replace(b"</saml:Issuer>", b"</saml:ISSUER>", 1),
    "end-tag-missing": lambda octets: octets.replace(b"</saml:Issuer>", b"", 1),
    "truncated-by-one": lambda octets: octets[:-1],
    "truncated-in-the-middle": lambda octets: octets[: len(octets) // 2],
    "truncated-to-one": lambda octets: octets[:1],
    "empty": lambda _: b"",
    "spaces": lambda _: b" \n\t",
    "nul": _in_name(b"\0"),
    "control": _in_name(b"\x01"),
    "vertical-tab": _in_name(b"\x0b"),
    "escape": _in_name(b"\x1b"),
    "lone-octet": _in_name(b"\xff"),
    "continuation": _in_name(b"\x80"),
    "overlong-slash": _in_name(b"\xc0\xaf"),
    "overlong-nul": _in_name(b"\xc0\x80"),
    "surrogate": _in_name(b"\xed\xa0\x80"),
    "surrogate-pair": _in_name(b"\xed\xa0\x80\xed\xb0\x80"),
    "beyond-unicode": _in_name(b"\xf4\x90\x80\x80"),
    "five-octets": _in_name(b"\xf8\x88\x80\x80\x80"),
    "cut-off": _in_name(b"\xe2\x82"),
    "not-a-character": _in_name(b"\xef\xbf\xbe"),
    "cdata-end-in-text": _in_name(b"]]>"),
    "version-1.1": _declared(b'version="1.1"'),
    "version-1.2": _declared(b'version="1.2"'),
    "version-2.0": _declared(b'version="2.0"'),
    "version-missing": _declared(b'encoding="UTF-8"'),
    "standalone-maybe": _declared(b'version="1.0" standalone="maybe"'),
    "latin-1": _declared(b'version="1.0" encoding="ISO-8859-1"'),
    "windows": _declared(b'version="1.0" encoding="windows-1252"'),
    "ascii": _declared(b'version="1.0" encoding="US-ASCII"'),
    "utf-16-declared-only": _declared(b'version="1.0" encoding="UTF-16"'),
    "utf-7-declared-only": _declared(b"version='1.0' encoding='UTF-7'"),
    "unknown-encoding": _declared(b'version="1.0" encoding="x-nobody"'),
    "empty-encoding": _declared(b'version="1.0" encoding=""'),
    "utf-16": lambda octets: octets.decode().encode("utf-16"),
    "utf-16-le": lambda octets: octets.decode().encode("utf-16-le"),
    "utf-16-be": lambda octets: octets.decode().encode("utf-16-be"),
    "utf-16-bom-be": lambda octets: b"\xfe\xff" + octets.decode().encode("utf-16-be"),
    "utf-32": lambda octets: octets.decode().encode("utf-32"),
    "utf-16-bom-only": lambda octets: b"\xff\xfe" + octets,
    "bom-twice": lambda octets: b"\xef\xbb\xbf" * 2 + octets,
    "bom-behind": lambda octets: octets + b"\xef\xbb\xbf",
    "ebcdic": lambda octets: octets.decode().encode("cp037"),
    "null": lambda _: b"null",
    "json": lambda octets: json.dumps({"SAMLResponse": octets.decode()}).encode(),
    "html": lambda _: b"<html><body>Error<br></body></html>",
    "text": lambda _: b"Internal Server Error",
    "pdf": lambda _: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "base64-again": b64encode,
    "escaped-once-more": lambda octets: octets.replace(b"<", b"&lt;"),
    "backslashes": lambda octets: octets.replace(b'"', b'\\"'),
}


MEMBERS = thinned([pytest.param(how, surface, id=f"{how}-{surface}") for how in MALFORMED for surface in SURFACES], 3)


@pytest.mark.parametrize(("how", "surface"), MEMBERS)
def test_d109_malformed(stage, surface, how):
    """D109: a genuine message that was made malformed is refused by the parser."""
    octets = MALFORMED[how](surface.hostile(stage))
    stage.refused(surface.request(octets), "xml_malformed")


WELL_FORMED = {
    "xhtml": b"<html><body>Error</body></html>",
    "nothing": b"<a/>",
    "metadata": b'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/saml"/>',
    "soap": b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>',
    "saml-1.1": b'<Response xmlns="urn:oasis:names:tc:SAML:1.0:protocol" MajorVersion="1" MinorVersion="1"/>',
    "ws-federation": b'<t:RequestSecurityTokenResponse xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust"/>',
    "artifact": b'<samlp:ArtifactResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1" Version="2.0"/>',
    "bare-assertion": b'<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1" Version="2.0"/>',
}


@everywhere
@pytest.mark.parametrize("how", WELL_FORMED)
def test_d109_well_formed_and_no_message(stage, surface, how):
    """D109: a well-formed document of another kind is refused for what it is."""
    reasons = ("unexpected_message_type", *(("binding_mismatch",) if surface.binding == "soap" else ()))
    stage.refused(surface.request(WELL_FORMED[how]), *reasons)


NAMESPACES = {
    "other": (b'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"', b'xmlns:samlp="urn:x"'),
    "saml-1": (
        b'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"',
        b'xmlns:samlp="urn:oasis:names:tc:SAML:1.0:protocol"',
    ),
    "slash": (b"SAML:2.0:protocol", b"SAML:2.0:protocol/"),
    "case": (b"SAML:2.0:protocol", b"saml:2.0:protocol"),
    "lower-name": None,
    "none": None,
}


@everywhere
@pytest.mark.parametrize("how", NAMESPACES)
def test_d109_local_names_do_not_count(stage, surface, how):
    """D109: the root's right name in another namespace, or in none, is another element."""
    octets = surface.hostile(stage)
    if how == "none":
        octets = re.sub(rb"samlp:(\w+)", rb"\1", octets.replace(b"xmlns:samlp=", b"xmlns:unused="))
    elif how == "lower-name":
        name = b"samlp:" + surface.kind.encode()
        octets = octets.replace(b"<" + name, b"<" + name.lower()).replace(b"/" + name, b"/" + name.lower())
    else:
        octets = replaced(octets, *NAMESPACES[how])
    # By SOAP nothing but the root's name tells a request from an answer, and answers do not come by SOAP.
    reasons = ("unexpected_message_type", *(("binding_mismatch",) if surface.binding == "soap" else ()))
    stage.refused(surface.request(octets), *reasons)


FOREIGN = [
    pytest.param(door, kind, id=f"{kind.kind}-at-{door}")
    for door in SURFACES
    for kind in (RESPONSE, REQUEST_POST, REQUEST_REDIRECT, ANSWER_POST, ANSWER_REDIRECT)
    if kind.kind != door.kind and kind.binding == door.binding
]


@pytest.mark.parametrize(("door", "kind"), FOREIGN)
@pytest.mark.parametrize("parameter", ["SAMLRequest", "SAMLResponse"])
def test_d109_at_the_wrong_door(stage, door, kind, parameter):
    """D109: a genuine, signed message of another kind is no message of this door, under either parameter."""
    if (kind.endpoint, kind.parameter) == (door.endpoint, parameter):
        parameter = door.parameter if door.parameter != kind.parameter else "SAMLRequest"
    make = idp.post if door.binding == "post" else idp.redirect
    request = make(kind.hostile(stage), endpoint=door.endpoint, parameter=parameter)
    stage.refused(request, "unexpected_message_type")


@everywhere
def test_d109_under_the_wrong_parameter(stage, surface):
    """D109: a request in SAMLResponse and a response in SAMLRequest are refused, though all else is right."""
    wrong = {"SAMLRequest": "SAMLResponse", "SAMLResponse": "SAMLRequest"}[surface.parameter]
    make = idp.post if surface.binding == "post" else idp.redirect
    request = make(surface.hostile(stage), endpoint=surface.endpoint, parameter=wrong)
    stage.refused(request, "unexpected_message_type")


@given(st.binary(max_size=300))
@pytest.mark.parametrize("surface", [RESPONSE, ANSWER_REDIRECT], ids=str)
def test_d109_any_octets(surface, octets):
    """D109: whatever octets come, they are refused in an orderly way or are a message; nothing else is raised."""
    with pytest.raises(MessageRefused):
        idp.check(surface.request(octets))


_GENUINE = {
    surface: surface.seal(surface.draft("_q1")) for surface in (SIGNED_RESPONSE, BOTH_SIGNED, REQUEST_POST, ANSWER_POST)
}


@given(st.data())
@pytest.mark.parametrize("surface", _GENUINE, ids=str)
def test_d109_any_octet_changed(surface, data):
    """D109: change, drop or add any octet of a signed message, and it is refused or says exactly what it said."""
    genuine = _GENUINE[surface]
    position = data.draw(st.integers(0, len(genuine) - 1))
    kept = data.draw(st.integers(0, 1))
    octets = genuine[:position] + data.draw(st.binary(max_size=2)) + genuine[position + kept :]
    try:
        verified = idp.check(surface.request(octets))
    except MessageRefused:
        return
    assert verified.message == idp.check(surface.request(genuine)).message
