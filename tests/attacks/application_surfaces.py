"""The doors at which applications' messages come in: single sign-on and their logout, by every binding of each.

The counterpart of surfaces.py, which has the doors of identity providers. `AppSurface.hostile` makes a message of an
application for business that is under way on the stage; `AppSurface.accepted` begins fresh business, finishes it, and
asserts that the bridge acted on the message.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

import pytest
from lxml import etree

from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.attacks.forge import thinned
from tests.attacks.invariants import deliver, open_stage
from tests.attacks.surfaces import ENVELOPE, someone
from tests.running import sent
from tests.sp import SLO, SSO, Sp, frames, receipt

ONE = Sp("one", "idp-next", ("HTTP-Redirect", "HTTP-POST"), more='connection = "idp"\nrequests_signed = true\n')
TWO = Sp("two", "other-idp", ("HTTP-POST",))
_numbers = count(1)


@dataclass(frozen=True)
class AppSurface:
    """A kind of message that the application `one` sends, and the binding by which it comes."""

    kind: str
    binding: str

    def __str__(self):
        """The name in a test's id."""
        return f"{self.kind}-{self.binding}"

    @property
    def endpoint(self):
        """Our endpoint for this kind of message."""
        return SSO if self.kind == "AuthnRequest" else SLO

    @property
    def parameter(self):
        """The name under which the message comes."""
        return "SAMLRequest" if self.kind.endswith("Request") else "SAMLResponse"

    def draft(self, bridge, told=None, answers=None):
        """A perfect message that nobody has signed; about what the application was told, or to what it was asked."""
        number = next(_numbers)
        if self.kind == "AuthnRequest":
            return ONE.authn_request(bridge, ID=f"_ar-{number}")
        if self.kind == "LogoutRequest":
            return ONE.logout_request(bridge, told, identifier=f"_lr-{number}")
        return idp.logout_response(
            in_response_to=answers, issuer=ONE.entity_id, destination=SLO, signed=False, identifier=f"_ls-{number}"
        )

    def seal(self, root, signer=ONE.signer):
        """Sign a draft in place as this surface wants it; return it as octets."""
        if self.binding != "redirect":
            idp.sign(root, signer)
        octets = etree.tostring(root)
        return ENVELOPE % octets if self.binding == "soap" else octets

    def hostile(self, stage, edit=None, **how):
        """A message for the stage's business, edited and then signed, as octets."""
        root = self.draft(stage.bridge, stage.told, stage.asked_one.id)
        if edit is not None:
            edit(root)
        return self.seal(root, **how)

    def hostile_with(self, stage, edit):
        """A sealed message for the stage's business that was edited afterwards, as octets."""
        root = etree.fromstring(self.hostile(stage))
        edit(root[0][0] if self.binding == "soap" else root)
        return etree.tostring(root)

    def request(self, octets, *, signer=ONE.signer, **how):
        """The request that carries octets; by Redirect the application signs the query over them."""
        if self.binding == "soap":
            body = ENVELOPE % octets if octets.startswith(b"<samlp:") else octets
            return HttpIn(method="POST", endpoint=self.endpoint, body=body, content_type="text/xml")
        if self.binding == "post":
            return idp.post(octets, endpoint=self.endpoint, parameter=self.parameter, **how)
        return idp.redirect(octets, endpoint=self.endpoint, parameter=self.parameter, signer=signer, **how)

    def accepted(self, bridge, edit=None, *, request=None, change=None):
        """Begin fresh business and finish it with a message that was edited, and then changed as octets."""
        browser, told = signed_in(bridge)
        asked = asked_of_one(bridge, browser) if self.kind == "LogoutResponse" else None
        root = self.draft(bridge, told, None if asked is None else asked.id)
        if edit is not None:
            edit(root)
        octets = self.seal(root)
        octets = octets if change is None else change(octets)
        bridge.log.clear()
        response = deliver(browser, (request or self.request)(octets))
        assert bridge.reasons() == []
        getattr(self, f"_{self.kind.lower()}_was_accepted")(bridge, browser, response, root)

    @staticmethod
    def _authnrequest_was_accepted(bridge, browser, response, root):
        assert response.status_code == 303
        issued = sent(bridge.get(browser, response.headers["Location"]))
        assert issued.location == f"{ONE.origin}/acs"
        assert issued.root.get("InResponseTo") == root.get("ID")

    def _logoutrequest_was_accepted(self, bridge, browser, response, root):
        assert not bridge.is_signed_in(browser)
        if self.binding == "soap":
            answer = etree.fromstring(response.get_data())[0][0]
            assert answer.get("InResponseTo") == root.get("ID")
        else:  # the identity provider is asked first, through the browser
            assert sent(response).root.tag.endswith("}LogoutRequest")

    @staticmethod
    def _logoutresponse_was_accepted(bridge, browser, response, _):
        assert response.status_code in (200, 303), response.status_code
        handle = browser.get_cookie("__Host-slo-logout", domain="bridge.example").value
        rows = receipt(bridge, browser, f"/logout/{handle}")["sessions"]
        assert [row["state"] for row in rows if row["name"] == "one"] == ["confirmed"]


def signed_in(bridge, sp=ONE):
    """A browser of somebody new who is signed in to an application; and what that was told."""
    browser = bridge.browser()
    assert bridge.sign_in(browser, name_id=someone(), sign_response=True).status_code == 303
    return browser, told_about(bridge, browser, sp)


def told_about(bridge, browser, sp=ONE):
    """What an application is told when it asks who is in a browser."""
    asked = idp.redirect(sp.authn_request(bridge), endpoint=SSO, signer=sp.signer)
    link = deliver(browser, asked).headers["Location"]
    return _Told(sent(bridge.get(browser, link)))


class _Told:
    """The NameID and SessionIndex of a Response, as `Sp.logout_request` takes them."""

    def __init__(self, message):
        self.name_id_xml = etree.tostring(next(message.root.iter("{*}NameID")), with_tail=False).decode()
        self.session_index = next(message.root.iter("{*}AuthnStatement")).get("SessionIndex")


def asked_of_one(bridge, browser):
    """Log a browser out; return the LogoutRequest that the application `one` gets in its frame."""
    page = bridge.logout(browser)
    shown = bridge.get(browser, page.headers["Location"]).get_data(as_text=True)
    (frame,) = frames(shown)
    return sent(bridge.get(browser, frame))


@contextmanager
def open_application_stage(folder, redis_url, canary):
    """A stage where alice uses the application, and somebody's logout waits for its LogoutResponse.

    Genuine messages of the application are accepted before and after.
    """
    with open_stage(folder, redis_url, canary, bindings=("Redirect", "POST"), sps=(ONE, TWO)) as stage:
        stage.told = told_about(stage.bridge, stage.alice)
        stage.person, _ = signed_in(stage.bridge)
        stage.asked_one = asked_of_one(stage.bridge, stage.person)
        for surface in SURFACES:
            surface.accepted(stage.bridge)
        yield stage
        if not stage.broken:
            for surface in SURFACES:
                surface.accepted(stage.bridge)


SURFACES = (
    AppSurface("AuthnRequest", "redirect"),
    AppSurface("AuthnRequest", "post"),
    AppSurface("LogoutRequest", "redirect"),
    AppSurface("LogoutRequest", "post"),
    AppSurface("LogoutRequest", "soap"),
    AppSurface("LogoutResponse", "redirect"),
    AppSurface("LogoutResponse", "post"),
)
REDIRECTS = tuple(surface for surface in SURFACES if surface.binding == "redirect")
POSTS = tuple(surface for surface in SURFACES if surface.binding == "post")

at_each_door = pytest.mark.parametrize("surface", SURFACES, ids=str)
by_redirect = pytest.mark.parametrize("surface", REDIRECTS, ids=str)
by_post = pytest.mark.parametrize("surface", POSTS, ids=str)
by_browser = pytest.mark.parametrize("surface", REDIRECTS + POSTS, ids=str)


def each(names, every=5, surfaces=SURFACES):
    """Parametrize by surface and name, every so many of them; all in a deep run."""
    members = [pytest.param(surface, name, id=f"{surface}-{name}") for name in names for surface in surfaces]
    return pytest.mark.parametrize(("surface", "name"), thinned(members, every))


def changed(request, old, new):
    """A request with a part of its query or body replaced."""
    part = "query" if request.query else "body"
    before = getattr(request, part)
    assert old in before, (old, before)
    return replace(request, **{part: before.replace(old, new, 1)})
