"""One hostile request, and everything that must hold when it is refused.

A `Stage` is a running bridge in the middle of honest business: alice (the attacker's own account) and victim are signed
in, a stranger has a sign-in under way, and somebody's federated logout waits for its LogoutResponse. `Stage.refused`
delivers a hostile request and asserts I1 to I8. `Stage.accepts_genuine_messages` is the control: it runs before the
first and after the last attack of a module, so that a bridge which refuses everything passes no group.

Hostile messages are made from `Stage.response`, `.logout_request` and `.logout_response`, which are fresh, correctly
addressed, answer what is pending and are otherwise perfect.

What holds of every refusal: I1 the log has the reason that the attack is about; I2 nothing is written to the store; I3
nothing is called; I4 nobody is sent anywhere; I5 no cookie is set; I6 the honest stay signed in; I7 it costs little
time and memory; I8 the log stays whole lines of JSON.
"""

import json
import os
import time
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

import structlog

from saml_slo.app import configure_logging
from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.running import ORIGIN, running_bridge, sent

# Any of these is a right answer to a document that breaks several structural rules; a semantic reason never is.
WRAPPING = (
    "assertion_count",
    "duplicate_id",
    "signature_missing",
    "signature_profile_violation",
    "schema_violation",
    "xml_structure",
    "xml_forbidden_construct",
)
VICTIM = "victim@corp.test"
VICTIM_NAME_ID = idp.NAME_ID.replace("alice@corp.test", VICTIM)
# Many times what it may cost: processor time on a busy machine is no even measure, and what this is to find is
# work that grows faster than the message.
MAX_CPU_SECONDS = 3.0
MAX_GROWTH_BYTES = 32 * 1024 * 1024
_STATUS = {
    "message_too_large": 413,
    "method_not_allowed": 405,
    "not_found": 404,
    "connection_unknown": 404,
    "store_unavailable": 503,
}
_PAGE = os.sysconf("SC_PAGE_SIZE")
_numbers = count(1)


@dataclass(frozen=True)
class Refusal:
    """What a refused request left: the HTTP response, its log line, and what it cost in seconds of CPU and bytes."""

    response: object
    line: dict
    cpu: float
    growth: int

    @property
    def reason(self):
        """The one reason in the log."""
        return str(self.line["reason"])


class _Meter:
    """Counts what requests cost in the application alone: a browser of the tests may cost more than the bridge."""

    def __init__(self, app):
        self._app = app
        self.cpu = self.growth = 0

    def __call__(self, environ, start_response):
        """Let the application answer."""
        resident, cpu = _resident_bytes(), time.process_time()
        try:
            return self._app(environ, start_response)
        finally:
            self.cpu += time.process_time() - cpu
            self.growth += _resident_bytes() - resident


class Stage:
    """A bridge, the people on it, and the one way to attack it."""

    def __init__(self, bridge, canary):
        self.bridge, self.canary = bridge, canary
        self.broken = False
        self._meter = bridge.app.wsgi_app = _Meter(bridge.app.wsgi_app)
        self.alice, self.victim = self._signed_in(idp.NAME_ID), self._signed_in(VICTIM_NAME_ID)
        self.stranger = bridge.browser()
        self.asked = bridge.start_sign_in(self.stranger)
        self.leaver = self._signed_in(_name_id("leaver"))
        self.pending = sent(bridge.logout(self.leaver, federated=""))
        self._generic = None

    def _signed_in(self, name_id):
        browser = self.bridge.browser()
        # Response and Assertion are signed, so that it goes through whatever the connection wants signed (C081).
        assert self.bridge.sign_in(browser, name_id=name_id, sign_response=True).status_code == 303
        return browser

    # Genuine messages ------------------------------------------------------------------------------------------------

    def assertion(self, **parts):
        """An unsigned Assertion for alice that answers the stranger's AuthnRequest."""
        made = idp.assertion(**{"identifier": "_a1", **parts})
        for data in made.iter("{*}SubjectConfirmationData"):
            data.set("InResponseTo", self.asked.id)
        return made

    def response(self, inside=None, *, sign_assertion=True, sign_response=False, **parts):
        """A Response (ID `_r1`) that answers the stranger's AuthnRequest; `parts` are the Assertion's (ID `_a1`)."""
        inside = self.assertion(**parts) if inside is None else inside
        root = idp.response(inside, sign_assertion=sign_assertion)
        root.set("InResponseTo", self.asked.id)
        return idp.sign(root) if sign_response else root

    @staticmethod
    def logout_request(**parts):
        """A LogoutRequest (ID `_lr1`) for alice, signed unless told otherwise."""
        return idp.logout_request(**parts)

    def logout_response(self, **parts):
        """A LogoutResponse (ID `_ls1`) to the pending logout, signed unless told otherwise."""
        return idp.logout_response(**{"in_response_to": self.pending.id, **parts})

    # The control -----------------------------------------------------------------------------------------------------

    def accepts_genuine_messages(self):
        """Assert that a sign-in, a LogoutRequest and a LogoutResponse of the identity provider go through."""
        self.bridge.log.clear()
        browser = self._signed_in(_name_id("control"))
        assert self.bridge.is_signed_in(browser)
        for binding in ("post", "redirect"):
            genuine_logout_response_is_accepted(self.bridge, binding)
        genuine_logout_request_is_accepted(self.bridge)
        assert self.bridge.reasons() == []
        assert self.bridge.is_signed_in(self.alice)
        assert self.bridge.is_signed_in(self.victim)

    # The attack ------------------------------------------------------------------------------------------------------

    def refused(self, request, *reasons, browser=None, status=None, generic=True):
        """Deliver a hostile request, assert that it is refused for one of `reasons` and that I1 to I8 hold.

        `request` is an HttpIn, or a function of the browser that sends it and returns the response. The browser is the
        stranger's, unless another is given. `status` is 400, or what HTTP has for the reason. `generic` is False where
        the sender may be told more than the generic text.
        """
        assert reasons, "which reason?"
        self.broken = True  # until all of it holds
        refusal = self._deliver(request, browser or self.stranger)
        self._check_log(refusal, reasons)  # I1, I8
        expected = status or _STATUS.get(refusal.reason, 400)
        assert refusal.response.status_code == expected, (refusal.response.status_code, refusal.line)
        self._check_page(refusal, generic=generic)
        assert "Location" not in refusal.response.headers  # I4
        assert refusal.response.headers.getlist("Set-Cookie") == []  # I5
        assert self.canary.touched() == []  # I3
        assert self.bridge.is_signed_in(self.alice)  # I6
        assert self.bridge.is_signed_in(self.victim)
        assert refusal.cpu <= MAX_CPU_SECONDS, refusal.cpu  # I7
        assert refusal.growth <= MAX_GROWTH_BYTES, refusal.growth
        self.broken = False
        return refusal

    def _deliver(self, request, browser):
        self.bridge.log.clear()
        self.canary.touched()
        send = (lambda browser: deliver(browser, request)) if isinstance(request, HttpIn) else request
        before = self.bridge.keyspace()
        self._meter.cpu = self._meter.growth = 0
        response = send(browser)
        assert self.bridge.keyspace() == before, "the store was written to"  # I2
        lines = [line for line in self.bridge.log if line.get("reference")]
        assert len(lines) == 1, (response.status_code, response.headers, self.bridge.log)
        return Refusal(response, lines[0], self._meter.cpu, self._meter.growth)

    def _check_log(self, refusal, reasons):
        for line in self.bridge.log:
            whole_json_line(line)
        assert refusal.reason in reasons, refusal.line

    def _check_page(self, refusal, *, generic):
        """Require the generic page, octet for octet but for the reference code, which is that of the log line."""
        text = refusal.response.get_data(as_text=True)
        assert refusal.line["reference"] in text or refusal.line["method"] == "HEAD"
        if refusal.line["event"] == "message_refused" and generic:
            assert text.replace(refusal.line["reference"], "") == self._generic_page()
        else:
            # Whoever built a link is told the reason word; the sender of a message never is.
            assert refusal.line["event"] == "request_refused" or refusal.reason not in text
            assert "Traceback" not in text

    def _generic_page(self):
        if self._generic is None:
            response = deliver(self.bridge.browser(), idp.post(b"<", parameter="SAMLResponse", endpoint=idp.ACS))
            reference, text = self.bridge.log[-1]["reference"], response.get_data(as_text=True)
            assert reference in text
            self._generic = text.replace(reference, "")
            assert "This message was not accepted" in self._generic
        return self._generic


def deliver(browser, request):
    """Let a browser send an HttpIn; query and body go out octet for octet."""
    return browser.open(
        urlsplit(request.endpoint).path,
        method=request.method,
        data=request.body or None,
        content_type=request.content_type or None,
        base_url=ORIGIN,
        environ_overrides={"QUERY_STRING": request.query.decode("latin-1")},
    )


def genuine_logout_request_is_accepted(bridge):
    """Assert that a genuine LogoutRequest about somebody who is signed in is answered with a LogoutResponse to it.

    What its status says is not asserted: ending sessions for an IdP comes after refusing strangers who ask for it.
    """
    name_id = _name_id("control")
    assert bridge.sign_in(bridge.browser(), name_id=name_id, sign_response=True).status_code == 303
    request = idp.logout_request(name_id=name_id, identifier=f"_lr-{next(_numbers)}", signed=False)
    answer = sent(bridge.deliver(bridge.browser(), idp.redirect(request)))
    assert answer.root.tag.endswith("}LogoutResponse")
    assert answer.root.get("InResponseTo") == request.get("ID")


def genuine_logout_response_is_accepted(bridge, binding="redirect"):
    """Assert that the identity provider's signed LogoutResponse confirms a pending logout."""
    browser = bridge.browser()
    assert bridge.sign_in(browser, name_id=_name_id("control"), sign_response=True).status_code == 303
    pending = sent(bridge.logout(browser, federated=""))
    answer = idp.logout_response(in_response_to=pending.id, signed=binding == "post")
    request = idp.post(answer) if binding == "post" else idp.redirect(answer)
    receipt = bridge.receipt(browser, bridge.deliver(browser, request))
    assert ("idp", "confirmed") in [(row["kind"], row["state"]) for row in receipt["sessions"]]


@contextmanager
def open_stage(folder, redis_url, canary, **settings):
    """Run a bridge with people on it; genuine messages are accepted before and after. `settings`: running_bridge's."""
    with running_bridge(folder, redis_url, **settings) as bridge:
        stage = Stage(bridge, canary)
        stage.accepts_genuine_messages()
        yield stage
        if not stage.broken:
            stage.accepts_genuine_messages()


def evil(element, identifier="_evil"):
    """A copy of a message or assertion that speaks of victim, under another ID (None: the same one)."""
    copy = deepcopy(element)
    copy.tail = None
    for name_id in copy.iter(f"{{{idp.SAML}}}NameID"):
        name_id.text = VICTIM
    if identifier is not None:
        copy.set("ID", identifier)
    return copy


def whole_json_line(event):
    """Assert that the log renders an event as one whole line of JSON without a raw control character (I8)."""
    rendered = dict(event)
    for processor in _PROCESSORS:
        rendered = processor(None, "warning", rendered)
    assert rendered.isascii(), rendered
    assert rendered.isprintable(), rendered
    assert json.loads(rendered)["event"] == event["event"]
    return rendered


def _json_processors():
    """The processors that `configure_logging` installs; what was configured before is put back."""
    before = structlog.get_config()
    try:
        configure_logging("info")
        return structlog.get_config()["processors"]
    finally:
        structlog.configure(**before)


_PROCESSORS = _json_processors()


def _name_id(who):
    return idp.NAME_ID.replace("alice@corp.test", f"{who}-{next(_numbers)}@corp.test")


def _resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - a path object costs more than the read
        return int(statm.read().split()[1]) * _PAGE
