"""What is proved with Auth0's samlp as the identity provider."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.interop import steps
from tests.interop.bridge import RETURN_TO, Bridge
from tests.interop.browser import Browser
from tests.interop.lab import Samlp, fetch
from tests.interop.passthrough import without_session_index
from tests.interop.row import Row

NAME = "samlp"


@dataclass(frozen=True)
class Peers:
    """The bridge, and where samlp was installed; each row starts its own."""

    bridge: Bridge
    modules: Path
    folder: Path

    def samlp(self, binding: str) -> Samlp:
        """Return a samlp that is not started yet."""
        return Samlp(self.modules, self.folder, binding)

    def connect(self, idp: Samlp, row: Row, **toml: str) -> str:
        """Configure the connection and publish our metadata; samlp takes it as it is."""
        title = self.bridge.configure(NAME, fetch(idp.metadata_url), **toml)
        entity_id = self.bridge.metadata_url(NAME)
        row.expect(idp.register(entity_id), [entity_id], "service providers that samlp knows")
        return title


def federated_logout(binding: str, peers: Peers, row: Row) -> None:
    """Our metadata is taken unchanged, the sign-in recorded, the logout confirmed, samlp's session gone."""
    with peers.samlp(binding) as idp:
        title = peers.connect(idp, row, logout_binding=binding)
        row.did(f"our metadata imported unchanged; sign in; both sides log out by {binding}")
        browser = Browser()
        response = steps.sign_in(peers.bridge, browser, NAME)
        (assertion,) = response.root.iter("{*}Assertion")
        steps.check_record(peers.bridge, browser, row, assertion)
        page, messages = steps.log_out(peers.bridge, browser, row, steps.with_return())
        steps.check_request(row, messages, response, binding=binding, to=f"{idp.origin}/logout")
        row.expect(steps.last(messages, "LogoutResponse").binding, binding, "binding of the LogoutResponse")
        wanted = {"channel": binding, "endpoint_source": "metadata", "rung": "session_index"}
        receipt = peers.bridge.receipt(browser)
        steps.check_receipt(row, receipt, title, state="confirmed", ended=True, **wanted)
        row.expect(page.url, RETURN_TO, "where the person ended")
        _gone(peers, row, browser)


def local_logout(peers: Peers, row: Row) -> None:
    """The control: without `federated` samlp's session lives."""
    with peers.samlp("redirect") as idp:
        title = peers.connect(idp, row)
        row.did("sign in")
        browser = Browser()
        steps.sign_in(peers.bridge, browser, NAME)
        steps.log_out(peers.bridge, browser, row, "")
        steps.check_receipt(row, peers.bridge.receipt(browser), title, state="kept", ended=False)
        found = steps.idp_session(peers.bridge, browser, NAME)
        row.expect(found, steps.ALIVE, "the IdP's session afterwards")
        row.saw(found)


def no_session_index(peers: Peers, row: Row) -> None:
    """An IdP that refuses a request with the NameID alone never answers, and the receipt says so."""
    with peers.samlp("redirect") as idp:
        title = peers.connect(idp, row)
        row.did("SessionIndex taken out of the Response on its way, signed anew with samlp's own key; sign in")
        browser = Browser(rewrite=without_session_index(idp.key, idp.certificate))
        steps.sign_in(peers.bridge, browser, NAME)
        page, _ = steps.log_out(peers.bridge, browser, row, "?federated")
        row.saw(f"samlp's page (HTTP {page.status}): {page.words[:100]}")
        settled = peers.bridge.settled_receipt(browser)
        steps.check_receipt(row, settled, title, state="timed_out", ended=False, rung="name_id")
        row.saw(f"receipt: {settled['summary']}")
        found = steps.idp_session(peers.bridge, browser, NAME)
        row.expect(found, steps.ALIVE, "the IdP's session afterwards")
        row.saw(found)


def idp_initiated(peers: Peers, row: Row) -> None:
    """Our answer to samlp's LogoutRequest is true: Success if our session ended, an error if it lives."""
    with peers.samlp("redirect") as idp:
        peers.connect(idp, row)
        row.did("sign in; log out at samlp (/logout)")
        browser = Browser()
        steps.sign_in(peers.bridge, browser, NAME)
        before = len(browser.messages)
        page = browser.open(f"{idp.origin}/logout")
        row.passed(browser.messages[before:])
        answer = steps.last(browser.messages, "LogoutResponse")
        ended = not peers.bridge.signed_in(browser)
        row.informational = not ended
        row.expect(answer.status.startswith("Success"), ended, "our answer says Success exactly when our session ended")
        row.saw(
            f"the bridge answered {answer.status} and {'ended' if ended else 'kept'} its session",
            f"samlp's page (HTTP {page.status}): {page.words[:100] or page.text[:100]}",
        )


def _gone(peers: Peers, row: Row, browser: Browser) -> None:
    found = steps.idp_session(peers.bridge, browser, NAME)
    row.expect(found, steps.GONE, "the IdP's session afterwards")
    row.saw(found)


ROWS = (
    ("10a", "samlp: sign-in, federated logout by Redirect", partial(federated_logout, "redirect")),
    ("10b", "samlp: sign-in, federated logout by POST", partial(federated_logout, "post")),
    ("10c", "samlp: local logout", local_logout),
    ("10d", "samlp: no SessionIndex", no_session_index),
    ("10e", "samlp: logout begun at the IdP", idp_initiated),
)
