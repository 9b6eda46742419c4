"""Group J on links that name a session: whoever has one made somebody else open it learns nothing of their logout.

`/v2/logout?session=…` ends the session of the link and the browser's own, in one logout. Its receipt, and the messages
that the browser carries, name everything in both; so the other session's browser must not be led into it.
"""

import pytest

from saml_slo.store import tokens
from tests import idp
from tests.api.calling import Caller, application, handle_of_browser
from tests.attacks.surfaces import twin
from tests.running import running_bridge, sent

VICTIM = idp.NAME_ID.replace("alice@", "victim@")


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with one application that registers sessions."""
    with running_bridge(tmp_path, redis_url, applications={"shop": application("shop")}) as running:
        yield running


def signed_in(bridge, name_id=idp.NAME_ID):
    """A browser of somebody who is signed in."""
    browser = bridge.browser()
    bridge.sign_in(browser, name_id=name_id, identifier=f"_a{len(bridge.redis.keys())}")
    return browser


def tempted(bridge, handle, **more):
    """A victim's browser, signed in, that opened the attacker's link; the handle of its logout."""
    victim = signed_in(bridge, VICTIM)
    assert bridge.logout(victim, federated="", session=handle, client_id="shop", **more).status_code == 303
    return victim, victim.get_cookie("__Host-slo-logout", domain="bridge.example").value


def logout_of(response):
    """The id of the logout into which a browser is led: on its page, or with the message that it is to carry."""
    location = response.headers["Location"]
    if location.startswith("/logout/"):
        return tokens.split_receipt_handle(location.split("/")[2])[0]
    return tokens.logout_id_of_message(sent(response).id)


def knows_nothing(bridge, browser, link, receipt):
    """Assert that this browser is signed out, and that no address of a logout leads it into somebody else's."""
    assert not bridge.is_signed_in(browser)
    for query in ({}, {"federated": ""}, link, {**link, "federated": "", "scope": "everywhere"}):
        answer = bridge.logout(browser, **query)
        assert answer.status_code == 200, answer.headers.get("Location")
        assert receipt not in answer.get_data(as_text=True)
        assert not any("logout" in cookie for cookie in answer.headers.getlist("Set-Cookie"))


@pytest.mark.parametrize("scope", ["browser", "everywhere"])
def test_the_attackers_browser_does_not_see_the_victims_logout(bridge, scope):
    """A link to the attacker's own session ends it; neither that browser nor their other one sees the victim's."""
    attacker = signed_in(bridge)
    handle = handle_of_browser(bridge)
    other = signed_in(bridge)
    link = {"session": handle, "client_id": "shop"}
    victim, receipt = tempted(bridge, handle, scope=scope)
    assert not bridge.is_signed_in(victim)
    knows_nothing(bridge, attacker, link, receipt)
    if scope == "everywhere":
        knows_nothing(bridge, other, link, receipt)
    else:
        assert bridge.is_signed_in(other)


def test_a_registered_session_is_no_way_in_either(bridge):
    """The same of a session that an application registered for its user, which no cookie opens."""
    registered = Caller(bridge, "shop").register("own-1", user="mallory").get_json()
    _, receipt = tempted(bridge, registered["handle"])
    assert not Caller(bridge, "shop").is_alive("own-1")
    knows_nothing(bridge, bridge.browser(), {"session": registered["handle"], "client_id": "shop"}, receipt)


def test_the_victims_browser_goes_on_with_it(bridge):
    """The browser whose logout it is goes on: with its receipt's cookie, and by a second click that has none yet."""
    signed_in(bridge)
    handle = handle_of_browser(bridge)
    victim = signed_in(bridge, VICTIM)
    second_click = twin(bridge, victim)
    link = {"federated": "", "session": handle, "client_id": "shop"}
    clicks = [bridge.logout(browser, **link) for browser in (victim, victim, second_click)]
    assert len({logout_of(click) for click in clicks}) == 1


def test_sessions_of_one_person_share_their_logout(bridge):
    """Of one person's two sessions, a link to the one that the other browser opens leads both into the logout."""
    elsewhere = signed_in(bridge)
    handle = handle_of_browser(bridge)
    here = signed_in(bridge)
    first = logout_of(bridge.logout(here, federated="", session=handle, client_id="shop"))
    assert not bridge.is_signed_in(elsewhere)
    assert logout_of(bridge.logout(elsewhere)) == first
