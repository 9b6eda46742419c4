"""The doors at which an identity provider's messages come in, so that one attack can knock at each of them.

`Surface.hostile` makes a message for the stage's pending business: everything in it is genuine but what `edit` does to
the unsigned tree and what the caller does to the octets afterwards. `Surface.accepted` is the control beside it: it
begins fresh business, lets the same be done to its message, and asserts that the bridge acts on it.

A SOAP message is its whole envelope here: what an attack does to a document, it does to the envelope. The applications'
doors, single sign-on and their logout, have application_surfaces.py.
"""

from base64 import b64encode
from dataclasses import dataclass
from itertools import count
from urllib.parse import quote

import pytest
from lxml import etree

from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.attacks.invariants import deliver
from tests.running import sent

_TIMES = ("IssueInstant", "NotBefore", "NotOnOrAfter", "AuthnInstant", "SessionNotOnOrAfter")
_numbers = count(1)


def someone():
    """A NameID that no other test uses, as text."""
    return idp.NAME_ID.replace("alice@corp.test", f"someone-{next(_numbers)}@corp.test")


@dataclass(frozen=True)
class Surface:
    """A kind of message, the binding by which it comes, and what of a Response is signed."""

    kind: str
    binding: str
    signs: tuple = ("root",)

    def __str__(self):
        """The name in a test's id."""
        return f"{self.kind}-{self.binding}" + ("-" + "+".join(self.signs) if self.kind == "Response" else "")

    @property
    def endpoint(self):
        """Our endpoint for this kind of message."""
        return idp.ACS if self.kind == "Response" else idp.SLO

    @property
    def parameter(self):
        """The name under which the message comes."""
        return "SAMLRequest" if self.kind.endswith("Request") else "SAMLResponse"

    def draft(self, answers, name_id=idp.NAME_ID):
        """A perfect message that nobody has signed."""
        if self.kind == "LogoutRequest":
            return idp.logout_request(name_id=name_id, identifier=f"_lr-{next(_numbers)}", signed=False)
        if self.kind == "LogoutResponse":
            return idp.logout_response(in_response_to=answers, signed=False)
        assertion = idp.assertion(identifier=f"_a-{next(_numbers)}", name_id=name_id)
        for data in assertion.iter("{*}SubjectConfirmationData"):
            data.set("InResponseTo", answers)
        root = idp.response(assertion, sign_assertion=False)
        root.set("InResponseTo", answers)
        return root

    def seal(self, root, **how):
        """Sign a draft in place as this surface wants it; return it as octets. `how` are the options of idp.sign."""
        if self.kind == "Response" and "assertion" in self.signs:
            idp.sign(root.find("{*}Assertion"), **how)
        if "root" in self.signs and self.binding != "redirect":
            idp.sign(root, **how)
        octets = etree.tostring(root)
        return ENVELOPE % octets if self.binding == "soap" else octets

    def message_in(self, octets):
        """The message in sealed octets, as an element: the root, or what an envelope's Body holds."""
        root = etree.fromstring(octets)
        return root[0][0] if self.binding == "soap" else root

    def hostile(self, stage, edit=None, **how):
        """A message for the stage's pending business, edited and then signed, as octets."""
        root = self.draft(stage.asked.id if self.kind == "Response" else stage.pending.id)
        if edit is not None:
            edit(root)
        return self.seal(root, **how)

    def request(self, message, **how):
        """The request that carries a message; by Redirect the identity provider signs the query over it.

        By SOAP an envelope is sent as it is, and a message on its own gets one.
        """
        if self.binding == "soap":
            body = idp.octets(message)
            body = ENVELOPE % body if body.startswith(b"<samlp:") else body
            return HttpIn(method="POST", endpoint=self.endpoint, body=body, content_type="text/xml")
        make = idp.post if self.binding == "post" else idp.redirect
        return make(message, endpoint=self.endpoint, parameter=self.parameter, **how)

    def accepted(self, bridge, edit=None, *, change=None, request=None, name_id=None):
        """Begin fresh business and finish it with a message that was edited, and then changed as octets.

        Asserts that it is finished. `request` makes the HttpIn of the octets. Returns the browser, or our answer to a
        LogoutRequest.
        """
        name_id = name_id or someone()
        browser = bridge.browser()
        if self.kind == "Response":
            answers = bridge.start_sign_in(browser).id
        else:
            assert bridge.sign_in(browser, name_id=name_id).status_code == 303
            answers = sent(bridge.logout(browser, federated="")).id if self.kind == "LogoutResponse" else None
        root = self.draft(answers, name_id)
        if edit is not None:
            edit(root)
        octets = self.seal(root)
        octets = octets if change is None else change(octets)
        bridge.log.clear()
        response = deliver(browser, (request or self.request)(octets))
        assert bridge.reasons() == []
        return getattr(self, f"_{self.kind.lower()}_was_accepted")(bridge, browser, response, root)

    @staticmethod
    def _response_was_accepted(bridge, browser, response, _root):
        assert response.status_code == 303
        assert response.headers["Location"] == "/"
        assert bridge.is_signed_in(browser)
        return browser

    @staticmethod
    def _logoutresponse_was_accepted(bridge, browser, response, _root):
        receipt = bridge.receipt(browser, response)
        assert ("idp", "confirmed") in [(row["kind"], row["state"]) for row in receipt["sessions"]]
        return browser

    def _logoutrequest_was_accepted(self, bridge, browser, response, root):
        assert response.status_code in (200, 303), response.get_data(as_text=True)
        assert not bridge.is_signed_in(browser)
        if root.find("{*}Extensions/{*}Asynchronous") is not None:
            return None
        answer = etree.fromstring(response.get_data())[0][0] if self.binding == "soap" else sent(response).root
        assert answer.tag.endswith("}LogoutResponse")
        assert answer.get("InResponseTo") == root.get("ID")
        codes = [code.get("Value") for code in answer.iter("{*}StatusCode")]
        assert codes == [idp.SUCCESS]
        return answer


ENVELOPE = (
    b'<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>%s</soap:Body></soap:Envelope>'
)
RESPONSE = Surface("Response", "post", ("assertion",))
SIGNED_RESPONSE = Surface("Response", "post", ("root",))
BOTH_SIGNED = Surface("Response", "post", ("assertion", "root"))
REQUEST_POST = Surface("LogoutRequest", "post")
REQUEST_REDIRECT = Surface("LogoutRequest", "redirect")
REQUEST_SOAP = Surface("LogoutRequest", "soap")
ANSWER_POST = Surface("LogoutResponse", "post")
ANSWER_REDIRECT = Surface("LogoutResponse", "redirect")

BY_BROWSER = (RESPONSE, SIGNED_RESPONSE, REQUEST_POST, REQUEST_REDIRECT, ANSWER_POST, ANSWER_REDIRECT)
SURFACES = (*BY_BROWSER, REQUEST_SOAP)
POSTS = tuple(surface for surface in SURFACES if surface.binding == "post")
REDIRECTS = (REQUEST_REDIRECT, ANSWER_REDIRECT)

everywhere = pytest.mark.parametrize("surface", SURFACES, ids=str)
by_browser = pytest.mark.parametrize("surface", BY_BROWSER, ids=str)
by_post = pytest.mark.parametrize("surface", POSTS, ids=str)
by_redirect = pytest.mark.parametrize("surface", REDIRECTS, ids=str)


def twin(bridge, browser):
    """A browser with a copy of another one's cookies: a thief's, or the same one before it got an answer."""
    other = bridge.browser()
    other._cookies = dict(browser._cookies)
    return other


def recorded(bridge, browser):
    """The LogoutRequest that a federated logout of this browser sends: it shows what the sign-in recorded."""
    return sent(bridge.logout(browser, federated="")).root


def answered(bridge, browser, name_id, surface):
    """Begin a sign-in in a browser; return the request that brings the answer to it."""
    return surface.request(surface.seal(surface.draft(bridge.start_sign_in(browser).id, name_id)))


def answer_of_now(bridge, browser, name_id):
    """Begin a sign-in in a browser; return an answer that was issued when the bridge's clock says that it is."""
    root = RESPONSE.draft(bridge.start_sign_in(browser).id, name_id)
    after((bridge.clock() - idp.NOW).total_seconds())(root)
    return RESPONSE.request(RESPONSE.seal(root))


def after(seconds):
    """An edit that moves every time in a message by so many seconds."""

    def edit(root):
        for element in root.iter():
            for name in _TIMES:
                if element.get(name):
                    moved = idp.NOW.fromisoformat(element.get(name)).timestamp() + seconds
                    element.set(name, idp.instant(moved - idp.NOW.timestamp()))

    return edit


def replaced(octets, old, new, times=1):
    """The octets with a part replaced; the part must be there exactly so often."""
    assert octets.count(old) == times, (octets.count(old), octets)
    return octets.replace(old, new)


# Ways to write the name of a parameter; all are the same name once it is decoded.
SPELLED = {
    "plain": lambda name: name,
    "first-letter": lambda name: f"%{ord(name[0]):02X}{name[1:]}",
    "first-letter-lower": lambda name: f"%{ord(name[0]):02x}{name[1:]}",
    "last-letter": lambda name: f"{name[:-1]}%{ord(name[-1]):02X}",
    "all-letters": lambda name: "".join(f"%{ord(letter):02X}" for letter in name),
}


def signed_query(surface, value, *, relay_state=None, method=idp.RSA_SHA256, tail=""):
    """A Redirect request with this value of the message parameter, percent-encoded by the caller; signed as it is."""
    query = f"{surface.parameter}={value}"
    if relay_state is not None:
        query += f"&RelayState={relay_state}"
    query += f"&SigAlg={quote(method, safe='')}"
    signature = quote(b64encode(idp.detached(query.encode(), method=method)).decode(), safe="")
    return HttpIn(method="GET", endpoint=surface.endpoint, query=f"{query}&Signature={signature}{tail}".encode())


def form(surface, value, tail=""):
    """A POST request whose message parameter has this value, percent-encoded by the caller."""
    return HttpIn(
        method="POST",
        endpoint=surface.endpoint,
        body=f"{surface.parameter}={value}{tail}".encode(),
        content_type="application/x-www-form-urlencoded",
    )
