"""IdPs whose LogoutRequests name people otherwise than their assertions: the SessionIndex alone decides (L7, S4)."""

import pytest

from tests import idp
from tests.running import OTHER_ENTITY_ID, running_bridge, sent
from tests.store.test_round_trips import counter

STRANGER = idp.NAME_ID.replace("alice@corp.test", "d3b07384-d9a0-4c1b-8f0e-1a2b3c4d5e6f")
MATCHING = "match_session_index = true"


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge whose connection `idp` matches by SessionIndex; `other-idp` does not."""
    with running_bridge(tmp_path, redis_url, toml=MATCHING) as running:
        yield running


def ask(bridge, *, name_id=STRANGER, indexes=("_s1",), identifier="_lr1", issued=None):
    """Let the IdP send a LogoutRequest through a browser without our cookie; return the status that it gets."""
    issued = issued or bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    request = idp.logout_request(
        name_id=name_id, indexes=indexes, identifier=identifier, issued=issued, signed=False, expires=idp.instant(600)
    )
    response = bridge.deliver(bridge.browser(), idp.redirect(request))
    return [code.get("Value").rpartition(":")[2] for code in sent(response).root.iter("{*}StatusCode")]


def signed_in(bridge, index="_s1", **assertion):
    """A browser with a session of this SessionIndex."""
    browser = bridge.browser()
    bridge.sign_in(browser, statements=idp.authn_statement(index), identifier=f"_a{index}{id(browser)}", **assertion)
    assert bridge.is_signed_in(browser)
    return browser


def test_another_name_and_the_right_index_end_the_session(bridge):
    """L7: the session that the SessionIndex names ends, whoever the NameID is, and no other of that person."""
    first, second = signed_in(bridge), signed_in(bridge, "_s2")
    assert ask(bridge) == ["Success"]
    assert not bridge.is_signed_in(first)
    assert bridge.is_signed_in(second)


def test_every_index_of_a_sign_in_finds_it(bridge):
    """S1: an assertion may have several AuthnStatements; each of their indexes names the session."""
    browser = bridge.browser()
    bridge.sign_in(browser, statements=idp.authn_statement("_s1") + idp.authn_statement("_s2"))
    assert ask(bridge, indexes=("_s2",)) == ["Success"]
    assert not bridge.is_signed_in(browser)


def test_several_indexes_end_several_sessions(bridge):
    """L7: one request, two sessions in whatever slots they live."""
    browsers = [
        signed_in(bridge, f"_s{number}", name_id=idp.NAME_ID.replace("alice", f"p{number}")) for number in (1, 2)
    ]
    assert ask(bridge, indexes=("_s1", "_s2")) == ["Success"]
    assert not any(bridge.is_signed_in(browser) for browser in browsers)


def test_the_same_request_again_gets_the_same_answer(bridge):
    """L7: and a new one about a session that is gone is a success too; an index that never was is nobody."""
    browser = signed_in(bridge)
    assert ask(bridge) == ask(bridge) == ["Success"]
    assert ask(bridge, identifier="_lr2") == ["Success"]
    assert not bridge.is_signed_in(browser)
    nobody = idp.NAME_ID.replace("alice", "nobody")
    assert ask(bridge, identifier="_lr3", name_id=nobody, indexes=("_never",))[-1] == "UnknownPrincipal"


def test_the_name_still_counts_where_it_is_right(bridge):
    """L7: without a SessionIndex the NameID selects, as everywhere."""
    browser = signed_in(bridge)
    assert ask(bridge, name_id=idp.NAME_ID, indexes=()) == ["Success"]
    assert not bridge.is_signed_in(browser)
    assert ask(bridge, identifier="_lr2", indexes=())[-1] == "UnknownPrincipal"


def test_an_index_means_nothing_at_another_idp(tmp_path, redis_url):
    """The rule ends at the connection that has it: one that has not is not asked by index, nor ended by another's."""
    with running_bridge(tmp_path, redis_url) as bridge:
        browser = signed_in(bridge)
        assert ask(bridge)[-1] == "UnknownPrincipal"
        assert bridge.is_signed_in(browser)


def test_an_index_of_another_connection_is_another(tmp_path, redis_url):
    """Two connections that both match by index do not find each other's sessions."""
    with running_bridge(tmp_path, redis_url, toml=MATCHING) as bridge:
        path = tmp_path / "metadata" / "connections" / "other-idp.toml"
        path.write_text(MATCHING)
        bridge.app.extensions["saml_slo"].registry.reload()
        browser = signed_in(bridge)
        request = idp.logout_request(
            name_id=STRANGER,
            issuer=OTHER_ENTITY_ID,
            destination="https://bridge.example/saml/sp/other-idp/slo",
            signed=False,
        )
        endpoint = "https://bridge.example/saml/sp/other-idp/slo"
        response = bridge.deliver(bridge.browser(), idp.redirect(request, endpoint=endpoint, signer="other-idp"))
        assert "UnknownPrincipal" in [
            c.get("Value").rpartition(":")[2] for c in sent(response).root.iter("{*}StatusCode")
        ]
        assert bridge.is_signed_in(browser)


def test_a_late_assertion_of_an_ended_index_is_refused(bridge):
    """L12: what the IdP issued before its LogoutRequest does not come in after it; a newer sign-in does."""
    browser = bridge.browser()
    request = bridge.start_sign_in(browser)
    late = idp.post(bridge.answer(request), endpoint=idp.ACS)
    bridge.clock.move(2)
    ask(bridge)
    assert bridge.deliver(browser, late).status_code == 400
    assert bridge.reasons() == ["session_ended"]
    assert not bridge.is_signed_in(browser)
    bridge.clock.move(1)
    assert bridge.is_signed_in(signed_in(bridge))


def test_a_logout_in_the_middle_of_the_sign_in_wins(bridge, monkeypatch):
    """H: the LogoutRequest finds the session listed and not yet there; the sign-in then sees that it is over."""
    house = bridge.app.extensions["saml_slo"]
    reserve = type(house.store)._reserve

    def reserve_after_the_logout(*arguments, **options):
        monkeypatch.setattr(type(house.store), "_reserve", reserve)
        assert ask(bridge)[-1] == "UnknownPrincipal"
        return reserve(*arguments, **options)

    monkeypatch.setattr(type(house.store), "_reserve", reserve_after_the_logout)
    browser = bridge.browser()
    bridge.sign_in(browser)
    assert not bridge.is_signed_in(browser)
    assert bridge.reasons() == ["session_ended"]


def test_round_trips(tmp_path, redis_url, monkeypatch):
    """A sign-in costs two more where the SessionIndex is listed, and nothing more anywhere else (test_round_trips)."""
    with running_bridge(tmp_path, redis_url, toml=MATCHING) as bridge:
        since = counter(bridge, monkeypatch)
        bridge.clock.move(1)
        browser = bridge.browser()
        request = bridge.start_sign_in(browser)
        bridge.deliver(browser, idp.post(bridge.answer(request), endpoint=idp.ACS))
        assert since() == 3
