"""What a page asks for by itself keeps nobody signed in, with the snippet of docs/forward-auth.md (S3, A3)."""

from tests.forward.house import WIKI


def test_polling_moves_no_idle_limit_and_is_refused_after_a_logout(house):
    """The proxy asks quietly about the paths of the snippet, and about no other: also where one only looks like it."""
    browser = house.browser()
    house.sign_in(browser)
    house.asked.clear()
    for path in ("/notifications/", "/notifications/new?since=1", "/pages/notifications/", "/page?to=/notifications/"):
        answer = browser.send(f"{WIKI}{path}")
        assert answer.status == 200
        assert b"HTTP_X_SLO_USER=" in answer.body, path
    checks = [one["QUERY_STRING"] for one in house.asked if one["PATH_INFO"] == "/session/status"]
    assert ["quiet" in query.split("&") for query in checks] == [True, True, False, False], checks
    assert all("client_id=wiki" in query.split("&") for query in checks)
    house.wiki.seen.clear()
    away = browser.send(f"{WIKI}/_slo/logout")
    browser.send(away.location)
    assert browser.send(f"{WIKI}/notifications/").status in (302, 303, 401)
    assert house.wiki.seen == []
