"""G142: to whom a message is addressed.

Decisions: scheme and host compare without case, all else of a Destination to the letter. It may be absent from a
Response that is itself unsigned and from a SOAP message, and nowhere else.

The doors of applications have the same parser and bindings; test_g_applications.py knocks there.
"""

import pytest

from tests import idp
from tests.attacks.forge import thinned
from tests.attacks.surfaces import BOTH_SIGNED, REQUEST_SOAP, RESPONSE, SURFACES

ALL = pytest.mark.parametrize("surface", [*SURFACES, BOTH_SIGNED], ids=str)
DESTINATIONS = {
    "empty": lambda _: "",
    "other-host": lambda url: url.replace("bridge.example", "evil.example"),
    "sub-domain": lambda url: url.replace("bridge.example", "a.bridge.example"),
    "host-as-prefix": lambda url: url.replace("bridge.example", "bridge.example.evil"),
    "other-port": lambda url: url.replace("bridge.example", "bridge.example:8443"),
    "default-port-spelled-out": lambda url: url.replace("bridge.example", "bridge.example:443"),
    "empty-port": lambda url: url.replace("bridge.example", "bridge.example:"),
    "http": lambda url: url.replace("https:", "http:"),
    "no-scheme": lambda url: url.removeprefix("https:"),
    "path-only": lambda url: url.removeprefix("https://bridge.example"),
    "origin-only": lambda _: "https://bridge.example",
    "slash-behind": lambda url: url + "/",
    "two-slashes": lambda url: url.replace("/saml", "//saml"),
    "upper-case-path": lambda url: url.replace("/saml", "/SAML"),
    "escaped-path": lambda url: url.replace("/saml", "/%73aml"),
    "dots": lambda url: url.replace("/saml", "/x/../saml"),
    "dot": lambda url: url.replace("/saml", "/./saml"),
    "query": lambda url: url + "?a=b",
    "empty-query": lambda url: url + "?",
    "fragment": lambda url: url + "#a",
    "user": lambda url: url.replace("://", "://user@"),
    "user-that-looks-like-us": lambda url: url.replace("://bridge.example", "://bridge.example@evil.example"),
    "backslash": lambda url: url.replace("/saml", "\\saml"),
    "space-before": lambda url: " " + url,
    "space-behind": lambda url: url + " ",
    "newline-behind": lambda url: url + "\n",
    "longer": lambda url: url + "2",
    "shorter": lambda url: url[:-1],
    "two": lambda url: f"{url} {url}",
    "wildcard": lambda _: "https://bridge.example/*",
    "dot-behind-host": lambda url: url.replace("bridge.example", "bridge.example."),
    "full-width-dot": lambda url: url.replace("bridge.example", "bridge\uff0eexample"),
    "bracket": lambda url: url.replace("bridge.example", "[bridge.example"),
    "acs-or-slo": lambda url: url[:-3] + ("slo" if url.endswith("acs") else "acs"),
    "metadata": lambda url: url[:-3] + "metadata",
    "other-connection": lambda url: url.replace("/sp/idp/", "/sp/other-idp/"),
    "issuer": lambda _: idp.ENTITY_ID,
    "entity-id": lambda _: idp.SP,
    "javascript": lambda _: "javascript:alert(1)",
    "very-long": lambda url: url + "/a" * 5_000,
}


MEMBERS = thinned(
    [pytest.param(how, surface, id=f"{how}-{surface}") for how in DESTINATIONS for surface in (*SURFACES, BOTH_SIGNED)],
    3,
)


@pytest.mark.parametrize(("how", "surface"), MEMBERS)
def test_g142_destination(stage, surface, how):
    """G142: a Destination that is not this endpoint, to the letter, is refused; on an unsigned Response as well."""

    def edit(root):
        root.set("Destination", DESTINATIONS[how](surface.endpoint))

    # The schema's type for URIs refuses the two that no parser of URLs takes.
    reasons = ("destination_mismatch", *(("schema_violation",) if how in {"bracket", "empty-port"} else ()))
    stage.refused(surface.request(surface.hostile(stage, edit)), *reasons)


def _no_destination(root):
    del root.attrib["Destination"]


@pytest.mark.parametrize("surface", [s for s in (*SURFACES, BOTH_SIGNED) if s not in (RESPONSE, REQUEST_SOAP)], ids=str)
def test_g142_no_destination(stage, surface):
    """G142: a message that is signed itself must have one."""
    stage.refused(surface.request(surface.hostile(stage, _no_destination)), "destination_mismatch")


@pytest.mark.parametrize("surface", [RESPONSE, REQUEST_SOAP], ids=str)
def test_g142_no_destination_where_it_may_be_absent(stage, surface):
    """G142: the control: around a signed Assertion, whose Recipient binds it, and by SOAP, which nobody carries on."""
    surface.accepted(stage.bridge, _no_destination)


@ALL
@pytest.mark.parametrize(
    "spelled",
    [
        lambda url: url.replace("bridge.example", "BRIDGE.EXAMPLE"),
        lambda url: url.replace("bridge.example", "Bridge.Example"),
        lambda url: url.replace("https", "HTTPS"),
    ],
    ids=["upper-case-host", "capitals", "upper-case-scheme"],
)
def test_g142_the_case_of_scheme_and_host(stage, surface, spelled):
    """G142: the control: scheme and host have no case, in Destination and in Recipient."""

    def edit(root):
        root.set("Destination", spelled(surface.endpoint))
        for data in root.iter("{*}SubjectConfirmationData"):
            data.set("Recipient", spelled(idp.ACS))

    surface.accepted(stage.bridge, edit)
