"""Explaining a logout: every precondition with its value, and the plan of the logout that is not made."""

import pytest

from saml_slo.diagnosis.explain import Explainer
from saml_slo.protocol.messages import NameId
from tests import idp
from tests.running import running_bridge
from tests.sp import Sp

SOAP = Sp("soap", "p256", ("SOAP",), soap_url="https://soap.example/slo")
SHOP = Sp("shop", "p384")
PUBLIC = [("93.184.216.34", 443)]


def _resolve(host, port):
    return [("10.0.0.7", port)] if host == "internal.example" else PUBLIC


@pytest.fixture
def start(tmp_path, redis_url):
    """Run a bridge with these settings; `explain()` explains the sessions of alice."""
    running = []

    def begin(**how):
        context = running_bridge(tmp_path, redis_url, **how)
        bridge = context.__enter__()
        running.append(context)

        def explain(**about):
            house = bridge.app.extensions["saml_slo"]
            explainer = Explainer(house=house, resolve=_resolve, **about)
            connection = house.registry.connection("idp")
            name_id = NameId(value="alice@corp.test", format=idp.PERSISTENT)
            who = house.journey.endings.principal(connection, name_id)
            found = house.store.find_principal(who, "", house.journey.now())
            return explainer.sessions(found.sessions, ("NameID at connection idp",))

        bridge.explain = explain
        return bridge

    yield begin
    for context in running:
        context.__exit__(None, None, None)


def _states(explanation, about):
    return {one.name: str(one.state) for one in explanation.conditions if one.about == about}


def test_every_precondition_of_a_usual_logout_holds(start):
    """With SessionIndex, a logout URL, keys in date and the policy, each line says so; the plan is ours first."""
    bridge = start(sps=(SHOP, SOAP))
    browser = bridge.browser()
    SHOP.sign_in(bridge, browser)
    SOAP.sign_in(bridge, browser)
    (explanation,) = bridge.explain()
    assert not explanation.fails
    assert _states(explanation, "connection idp") == {
        "SessionIndex of the sign-in": "holds",
        "in force": "holds",
        "endpoint": "holds",
        "binding": "holds",
        "our signing key": "holds",
        "its signing keys": "holds",
        "policy federated": "holds",
    }
    assert _states(explanation, "application soap")["egress to the SOAP logout endpoint"] == "holds"
    assert [(step.peer, step.how, step.channel) for step in explanation.plan] == [
        ("", "", ""),
        ("soap", "soap", "back"),
        ("shop", "redirect", "frame"),
        ("idp", "redirect", "window"),
    ]
    assert explanation.plan[-1].rung == "session_index"


def test_nothing_is_changed_and_nobody_is_asked(start):
    """The store is the same afterwards, octet for octet, and the person is signed in."""
    bridge = start(sps=(SHOP,))
    browser = bridge.browser()
    SHOP.sign_in(bridge, browser)
    before = bridge.keyspace()
    bridge.explain()
    bridge.explain(has_browser=False, federated=False)
    assert bridge.keyspace() == before
    assert bridge.is_signed_in(browser)


def test_the_plan_is_that_of_the_logout_itself(start):
    """What is explained is what a logout then does: the same peers in the same order with the same sources."""
    bridge = start(sps=(SHOP,))
    browser = bridge.browser()
    SHOP.sign_in(bridge, browser)
    (explanation,) = bridge.explain()
    response = bridge.logout(browser, federated="")
    receipt = bridge.receipt(browser, response)["sessions"]
    assert [(row["kind"], row["name"]) for row in receipt] == [(step.kind, step.name) for step in explanation.plan]


def test_whom_nobody_knows(start):
    """No session: the one condition fails, and says where was looked."""
    bridge = start()
    (explanation,) = bridge.explain()
    assert explanation.fails
    assert "NameID at connection idp" in explanation.conditions[0].next_step


@pytest.mark.parametrize(
    ("how", "asked", "line", "state"),
    [
        ({"bindings": ()}, {}, ("connection idp", "endpoint"), "weak"),
        ({"bindings": (), "toml": "login_url_fallback = false"}, {}, ("connection idp", "endpoint"), "fails"),
        ({}, {"federated": False}, ("connection idp", "policy federated"), "fails"),
        ({"federated": "ask"}, {}, ("connection idp", "policy federated"), "weak"),
        ({"federated": "never"}, {}, ("connection idp", "policy federated"), "fails"),
        ({}, {"has_browser": False}, ("connection idp", "binding"), "fails"),
        ({"propagation": "none"}, {}, ("application shop", "policy propagation"), "fails"),
        ({"sps": (Sp("shop", "p384", ()),)}, {}, ("application shop", "logout method"), "fails"),
        (
            {"sps": (Sp("shop", "p384", ("SOAP",), soap_url="https://internal.example/slo"),)},
            {},
            ("application shop", "egress to the SOAP logout endpoint"),
            "fails",
        ),
    ],
)
def test_what_does_not_hold_is_named(start, how, asked, line, state):
    """One broken precondition is one line with what it should be and what to do."""
    bridge = start(**{"sps": (SHOP,), **how})
    browser = bridge.browser()
    how.get("sps", (SHOP,))[0].sign_in(bridge, browser)
    (explanation,) = bridge.explain(**asked)
    (found,) = [one for one in explanation.conditions if (one.about, one.name) == line]
    assert found.state == state
    assert found.should_be
    assert found.next_step


def test_a_sign_in_without_session_index(start):
    """It is weak where the NameID alone will do, and fails where the provider demands one."""
    for toml, state in (("", "weak"), ("session_index_required = true", "fails")):
        bridge = start(toml=toml)
        statement = idp.authn_statement("X").replace('SessionIndex="X"', "")
        bridge.sign_in(bridge.browser(), statements=statement)
        (explanation,) = bridge.explain()
        assert _states(explanation, "connection idp")["SessionIndex of the sign-in"] == state
        bridge.redis.flushall()
        (bridge.settings.metadata_dir / "applications").rmdir()


def test_peers_are_explained_without_a_person(start):
    """A connection and an application by themselves, as far as that goes."""
    bridge = start(sps=(SHOP,))
    house = bridge.app.extensions["saml_slo"]
    explainer = Explainer(house=house, resolve=_resolve)
    connection = explainer.connection(house.registry.connection("idp"))
    assert {one.name for one in connection.conditions} >= {"endpoint", "binding", "our signing key"}
    application = explainer.application(house.registry.application("shop"))
    assert {one.name for one in application.conditions} >= {"logout method", "endpoint", "binding"}
    assert not connection.plan


def test_no_name_of_a_person_is_in_it(start):
    """Neither NameID nor SessionIndex stand in the explanation: how many there are is enough."""
    bridge = start(sps=(SHOP,))
    SHOP.sign_in(bridge, bridge.browser())
    text = str([explanation.as_json() for explanation in bridge.explain()])
    assert "alice" not in text
    assert "_s1" not in text
