"""Browsers that come back from providers which do not speak SAML: only their own logout goes on (product P, L6)."""

import re

import pytest

from tests import elsewhere
from tests.running import ORIGIN, running_bridge, sent

OIDC = 'kind = "oidc"\nlogout_url = "https://{0}.example/end"'
SILENT = (
    'kind = "vendor_url"\nlogout_url = "https://silent.example/out"\nreturns = true\n[parameters]\nnext = "{return_to}"'
)


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with providers that answer by a return, and one whose return proves nothing."""
    for name in ("google", "other"):
        elsewhere.write_connection(tmp_path, name, OIDC.format(name))
    elsewhere.write_connection(tmp_path, "silent", SILENT)
    with running_bridge(tmp_path, redis_url, allowed_logout_urls=("https://app.example/*",)) as running:
        yield running


def asked(bridge, browser, connection="google", user="u-1", **query):
    """Sign in at a provider and begin the logout; return the state that it was sent."""
    elsewhere.sign_in(bridge, browser, connection, user=user)
    return re.search(r"_[0-9a-f]{50}", elsewhere.logout(bridge, browser, **query).headers["Location"])[0]


def back(bridge, browser, path):
    """Let a provider send the browser back; return the receipt's row about it, None for the plain page."""
    response = bridge.get(browser, path)
    if response.status_code == 200:
        page = response.get_data(as_text=True)
        assert "/logout/" not in page  # no handle of anybody
        assert "Set-Cookie" not in response.headers
        return None
    return bridge.receipt(browser, response)["sessions"][-1]


@pytest.mark.parametrize("path", ["/logout/return?state={0}", "/logout/return/{0}", "/logout/return?x=y&state={0}"])
def test_a_return_with_our_state_is_an_answer(bridge, path):
    """T1 `answered`: the state is ours and unguessable, the browser the one that was sent; it is told as unsigned."""
    browser = bridge.browser()
    state = asked(bridge, browser)
    row = back(bridge, browser, path.format(state))
    assert (row["state"], row["ended"]) == ("answered", True)
    assert row["reason"] == "It sent the browser back after its sign-out; such an answer is not signed."


def test_the_browser_goes_where_it_wanted_to_go(bridge):
    """L6: after the last provider comes the return URL; a reload of the return changes nothing more."""
    browser = bridge.browser()
    state = asked(bridge, browser, returnTo="https://app.example/bye")
    for _ in range(2):
        response = bridge.get(browser, f"/logout/return?state={state}")
        assert response.headers["Location"] == "https://app.example/bye"


def test_a_return_that_proves_nothing_only_goes_on(bridge):
    """T1 `sent`: it is where it was, nobody waits for it any longer, and it does not count as ended."""
    browser = bridge.browser()
    elsewhere.sign_in(bridge, browser, "silent")
    assert elsewhere.logout(bridge, browser).headers["Location"].startswith("https://silent.example/out?next=")
    row = back(bridge, browser, "/logout/return")
    assert (row["state"], row["ended"], row["open"]) == ("sent", False, False)


def test_a_return_without_a_state_is_no_answer_where_one_is_due(bridge):
    """T1: a provider that ought to bring the state back and did not has not answered; its late answer still counts."""
    browser = bridge.browser()
    state = asked(bridge, browser)
    row = back(bridge, browser, "/logout/return")
    assert (row["state"], row["ended"]) == ("sent", False)
    assert back(bridge, browser, f"/logout/return?state={state}")["state"] == "answered"


def test_the_next_provider_is_asked_after_the_return(bridge):
    """L6: one hop after the other, in the order of sign-in: here a SAML IdP comes next."""
    browser = bridge.browser()
    elsewhere.sign_in(bridge, browser, "google")
    bridge.sign_in(browser)
    state = re.search(r"_[0-9a-f]{50}", elsewhere.logout(bridge, browser).headers["Location"])[0]
    request = sent(bridge.get(browser, f"/logout/return?state={state}"))
    assert request.location == "https://idp.example/slo"
    # What an IdP that speaks SAML was sent is no state: its answer is a signed message, or nothing.
    before = bridge.keyspace()
    assert back(bridge, browser, f"/logout/return?state={request.id}") is None
    assert bridge.keyspace() == before


def test_only_the_browser_of_the_logout_answers(bridge):
    """Nobody else's return counts: without the cookie, with another logout's, with a handle whose secret is wrong."""
    alice, mallory, stranger = bridge.browser(), bridge.browser(), bridge.browser()
    state = asked(bridge, alice)
    asked(bridge, mallory, "other", "u-2")
    before = bridge.keyspace()
    assert back(bridge, stranger, f"/logout/return?state={state}") is None
    assert back(bridge, mallory, f"/logout/return?state={state}") is None
    forged = f"{state[1:27]}.{'A' * 22}"
    stranger.set_cookie("__Host-slo-logout", forged, domain=ORIGIN.removeprefix("https://"), secure=True)
    assert back(bridge, stranger, f"/logout/return?state={state}") is None
    assert bridge.keyspace() == before
    assert back(bridge, alice, f"/logout/return?state={state}")["state"] == "answered"


@pytest.mark.parametrize("state", ["x", "_", "_" + "0" * 50, "next", "%00", "a" * 2048, "..", "<b>"])
def test_a_state_that_is_not_ours_changes_nothing(bridge, state):
    """A guess, or another route's word: the plain page, whoever asks."""
    browser = bridge.browser()
    asked(bridge, browser)
    before = bridge.keyspace()
    assert back(bridge, browser, f"/logout/return/{state}") is None
    assert bridge.keyspace() == before


def test_a_state_that_comes_twice_is_refused(bridge):
    """F: which of the two is meant is not guessed."""
    browser = bridge.browser()
    state = asked(bridge, browser)
    assert bridge.get(browser, f"/logout/return?state={state}&state=x").status_code == 400
    assert bridge.reasons() == ["bad_request"]


def test_return_is_no_handle(bridge):
    """The page of receipts never gets this address, though a handle stands where the word does."""
    adapter = bridge.app.url_map.bind("bridge.example")
    assert adapter.match("/logout/return")[0] == "returned.returned"
    assert adapter.match("/logout/return/next")[0] == "returned.returned_by_path"
    assert adapter.match("/logout/abc")[0] == "receipts.page"


def test_an_answer_that_is_late_still_counts(bridge):
    """T1 `timed_out`: the person took long at the provider; when they come back the receipt changes."""
    browser = bridge.browser()
    state = asked(bridge, browser)
    bridge.clock.move(bridge.settings.logout_timeout + 1)
    assert back(bridge, browser, "/logout/return")["state"] == "timed_out"
    assert back(bridge, browser, f"/logout/return?state={state}")["state"] == "answered"
