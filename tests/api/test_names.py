"""Whatever name we gave an application for a person or a session, its logout finds them by it, or says why not (A2)."""

import pytest

from saml_slo.store import keys
from tests import idp
from tests.api.calling import Caller, application, handle_of_browser, refused
from tests.proxied import SECRET, Visit, toml
from tests.running import running_bridge
from tests.sp import Sp
from tests.store.test_round_trips import counter

BOB = idp.NAME_ID.replace("alice", "bob")
SHARED = 'users = "staff"\n'


class Wiki(Caller):
    """The application `wiki`, behind a proxy, calling."""

    @property
    def authorization(self):
        """The header by which it is known."""
        return {"Authorization": f"Bearer {self.client_id}.{SECRET}"}


@pytest.fixture
def proxied(tmp_path, redis_url):
    """A bridge with `wiki` behind a proxy and `shop`, which shares its user ids."""
    files = {
        "wiki": toml(more=f'connection = "idp"\n{SHARED}'),
        "shop": application("shop", f'logout = "url"\nlogout_uri = "https://shop.example/out"\n{SHARED}'),
    }
    with running_bridge(tmp_path, redis_url, applications=files) as bridge:
        yield bridge, Wiki(bridge, "wiki")


def ended(answer):
    """Which sessions a logout ended, by name."""
    return sorted(row["name"] for row in answer.get_json()["sessions"])


def test_a_person_is_logged_out_by_the_name_in_the_proxys_header(proxied):
    """X-Slo-User names the person wherever the application says who: in every browser, and nobody else."""
    bridge, wiki = proxied
    one, two, other = Visit(bridge), Visit(bridge), Visit(bridge)
    one.enter()
    two.enter()
    other.enter(name_id=BOB)
    user = one.check().headers["X-Slo-User"]
    answer = wiki.logout(user=user)
    assert answer.status_code == 201
    assert ended(answer) == ["Session here"] * 2 + ["idp"] * 2 + ["wiki"] * 2
    assert [visit.check().status_code for visit in (one, two, other)] == [401, 401, 200]
    assert not bridge.is_signed_in(one.here)
    again = wiki.logout(user=user)
    assert (again.status_code, again.get_json()["id"]) == (200, None)


def test_sessions_of_its_own_under_that_name_end_in_the_same_logout(proxied):
    """One logout, one receipt: what it registered for this name, and what came through the proxy."""
    bridge, wiki = proxied
    visit = Visit(bridge)
    visit.enter()
    user = visit.check().headers["X-Slo-User"]
    wiki.register("phone-1", user=user)
    wiki.register("tab-1", session=visit.handle())
    answer = wiki.logout("key-1", user=user)
    assert ended(answer) == ["Session here", "Session here", "idp", "wiki", "wiki", "wiki"]
    assert wiki.logout("key-1", user=user).get_json()["id"] == answer.get_json()["id"]
    assert not wiki.is_alive("phone-1")
    assert visit.check().status_code == 401


def test_a_name_is_good_for_the_application_that_was_told_it(proxied):
    """Another application ends nothing by it, though the two share their user ids."""
    bridge, wiki = proxied
    visit = Visit(bridge)
    visit.enter()
    user = visit.check().headers["X-Slo-User"]
    assert Caller(bridge, "shop").logout(user=user).get_json()["id"] is None
    assert visit.check().status_code == 200
    assert wiki.logout(user=user).status_code == 201


def test_the_hint_of_a_name_counts_for_nothing_by_itself(proxied):
    """S4: the session says by which name an application knows the person; an index that says otherwise is stale."""
    bridge, wiki = proxied
    visit = Visit(bridge)
    visit.enter()
    session = visit.handle().partition(".")[0]
    secret = bridge.app.extensions["saml_slo"].secret.derive("principal")
    stray = keys.named(secret, "wiki", "somebody-else")
    bridge.redis.zadd(stray.sessions, {session: bridge.clock.now.timestamp() * 1000 + 10**6})
    assert wiki.logout(user="somebody-else").get_json()["id"] is None
    assert visit.check().status_code == 200


def test_a_saml_application_names_a_person_by_our_name_id(tmp_path, redis_url):
    """The NameID of our assertion is a name that we gave; so is the handle of the session."""
    sp = Sp("docs", "idp-next", more='connection = "idp"\n' + application("docs", 'logout = "saml"\n'))
    with running_bridge(tmp_path, redis_url, sps=(sp,)) as bridge:
        docs, browser = Caller(bridge, "docs"), bridge.browser()
        told = sp.sign_in(bridge, browser)
        answer = docs.logout(user=told.name_id)
        assert ended(answer) == ["Session here", "docs", "idp"]
        assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize("how", ["api", "browser", "proxy"])
def test_a_session_is_logged_out_by_its_handle(proxied, how):
    """A handle names a session of ours wherever a session is named: of an answer, of a sign-in link, of the header."""
    bridge, wiki = proxied
    visit = Visit(bridge)
    if how == "api":
        handle = wiki.register("w-1", user="alice").get_json()["handle"]
    elif how == "proxy":
        visit.enter()
        handle = visit.handle()
    else:
        bridge.sign_in(visit.here)
        handle = handle_of_browser(bridge, "wiki")
    first = wiki.logout("key-1", session=handle)
    assert (first.status_code, ended(first)[0]) == (201, "Session here")
    assert wiki.logout("key-1", session=handle).get_json()["id"] == first.get_json()["id"]
    assert wiki.logout(session=handle).get_json()["id"] is None
    assert not bridge.is_signed_in(visit.here)


def test_a_handle_is_no_persons_id(proxied):
    """It can name nobody, so whoever sends it as a user is told so, and nothing ends or is registered."""
    bridge, wiki = proxied
    visit = Visit(bridge)
    visit.enter()
    handle = visit.handle()
    for answer in (wiki.logout(user=handle), wiki.register("w-1", user=handle)):
        body = refused(answer, 400, "api_bad_request")
        assert (body["setting"], body["next_step"]) == ("user", "Send it in the field session instead.")
    assert visit.check().status_code == 200
    assert not wiki.is_alive("w-1")
    assert Caller(bridge, "shop").logout(user=handle).status_code == 200, "of no meaning to anybody else"


def test_a_session_is_not_read_by_its_handle_and_the_answer_says_so(proxied):
    """Several sessions of an application may have one handle; each is read by its own id."""
    _, wiki = proxied
    handle = wiki.register("w-1", user="alice").get_json()["handle"]
    for answer in (wiki.read(handle), wiki.touch(handle)):
        assert "handle" in refused(answer, 404, "session_unknown")["description"]
    assert "handle" not in refused(wiki.read("w-2"), 404, "session_unknown")["description"]


def test_round_trips_of_a_name(proxied, monkeypatch):
    """A logout by name costs one round trip more where the application is told names, and none elsewhere."""
    bridge, wiki = proxied
    shop, visit = Caller(bridge, "shop"), Visit(bridge)
    visit.enter()
    for caller in (shop, wiki):
        caller.register("warm", user="warm")
        caller.logout(user="warm")
    shop.register("s-1", user="alice")
    wiki.register("w-1", user="bob")
    round_trips = counter(bridge, monkeypatch)
    shop.logout(user="alice")
    assert round_trips() == 2
    wiki.logout(user="bob")
    assert round_trips() == 3
