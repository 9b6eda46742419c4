"""L242, J223: other methods, content types and paths than the document's have no effect, and nobody's page may call."""

import pytest

from tests.attacks.callers import VICTIMS
from tests.running import ORIGIN

MINE = "/api/v1/sessions/mine-1"
METHODS = {
    MINE: {"GET", "PUT", "DELETE"},
    f"{MINE}/touch": {"POST"},
    "/api/v1/logouts": {"POST"},
    "/api/v1/logouts/" + "0" * 26: {"GET"},
    "/api/v1/openapi.json": {"GET"},
}
OTHERS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "FOO")


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize("path", METHODS)
def test_l242_another_method(door, path, method):
    """L242: 405, which names the methods that there are."""
    if method in METHODS[path]:
        return
    if method == "HEAD":  # has no body to look at
        assert door.bridge.browser().head(path, headers=door.shop.authorization, base_url=ORIGIN).status_code == 405
        return
    _, refusal = door.refused(method, path, 405, "method_not_allowed", json={"user": "victim"})
    assert METHODS[path] <= set(refusal.response.headers["Allow"].split(", "))
    assert door.shop.is_alive("mine-1")


@pytest.mark.parametrize("method", ["DELETE", "PUT", "POST"])
@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_l242_a_method_override_is_not_heard(door, name, method):
    """L242: a GET is a GET, whatever a header or parameter calls it."""
    headers = {**door.shop.authorization, name: method}
    answer = door.bridge.browser().get(f"{MINE}?_method={method}", headers=headers, base_url=ORIGIN)
    assert answer.status_code == 200
    assert door.shop.is_alive("mine-1")
    door.refused("POST", MINE, 405, "method_not_allowed", headers=headers, data={"_method": method})


TYPES = [
    *("", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
    *("application/jsonx", "xapplication/json", "application/json-patch+json", "application/vnd.api+json"),
    *("application/json; charset=utf-16", "application/json; charset=latin-1", "application/json;charset="),
    *("application/json, text/plain", "text/plain, application/json", "application/json; boundary=x", "*/*"),
    *("application/json\0", "application/json;" + " " * 5000 + "x"),
    # As long as a header may be: an expression that has more than one way to read this takes hours.
    *("application/json" + " " * 100_000 + "x", "application/json;" + " ;" * 50_000 + "x"),
]


@pytest.mark.parametrize("content_type", TYPES, ids=lambda text: repr(text[:40]))
@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/api/v1/sessions/evil"), ("POST", "/api/v1/logouts"), ("POST", f"{MINE}/touch")]
)
def test_l242_another_content_type(door, method, path, content_type):
    """L242, J223: 415; what a form of another site could send is no call."""
    environ = {"CONTENT_TYPE": content_type}
    data = b'{"user": "victim"}' if not path.endswith("touch") else b"{}"
    door.refused(method, path, 415, "api_bad_request", data=data, environ_overrides=environ)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "x"])
def test_l242_a_compressed_body(door, coding):
    """L241: nothing is unpacked, so nothing can be a bomb."""
    headers = {**door.shop.authorization, "Content-Encoding": coding}
    door.refused("POST", "/api/v1/logouts", 415, "api_bad_request", headers=headers, json={"user": "victim"})


@pytest.mark.parametrize(
    "content_type",
    [
        *(
            "application/json",
            "APPLICATION/JSON",
            "application/json;charset=UTF-8",
            'application/json; charset="utf-8"',
        ),
        *("application/json ; charset=utf-8 ; ", "application/json;", "application/json" + " " * 100_000),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_l242_json_as_it_is_sent(door, content_type):
    """The control: the type in any case, with or without its charset."""
    answer = door.shop.call("POST", "sessions/mine-1/touch", {}, content_type=content_type)
    assert answer.status_code == 200


# The server hands paths over decoded: %2f is a slash, and never part of an id.
PATHS = [
    *("/api/v1/sessions", "/api/v1/sessions/", "/api/v1/sessions/mine-1/", "/api/v1/sessions//mine-1"),
    *("/api/v1//sessions/mine-1", "/api//v1/sessions/mine-1", "/api/v1/logouts/", "/api/v1/sessions/%2e%2e"),
    *("/api/v1/sessions/.", "/api/v1/sessions/..", "/api/v1/sessions/../logouts", "/api/v1/sessions/./mine-1"),
    *("/api/v1/sessions/mine%2f1", "/api/v1/sessions/%2fmine-1", "/api/v1/sessions/..%2f..%2fv1%2flogouts"),
    *("/api/v1/sessions/mine-1%00", "/api/v1/sessions/mine-1%0a", "/api/v1/sessions/mine%201"),
    *("/api/v1/sessions/mine-1;x=y", "/api/v1/sessions/mine-1:touch", "/api/v1/sessions/%c3%b1"),
    *("/api/v1/sessions/%ff", "/api/v1/sessions/" + "x" * 129, "/api/v2/sessions/mine-1", "/api/v1/Sessions/mine-1"),
    *("/api/v1/sessions/mine-1/touch/", "/api/v1/sessions/mine-1/Touch", "/api/v1/sessions/mine-1/end", "/api/v1/"),
    *("/api/", "/api/v1/logouts/..", "/api/v1/logouts/a.b", "/api/v1/openapi.json/", "/api/v1/openapi"),
    *("/api/v1/sessions/*", "/api/v1/sessions/./touch", "/api/v1/sessions/../touch"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_l242_another_path(door, path, method):
    """L242: 404; no path is mended, no slash is forgiven, no redirect leads to another."""
    door.refused(method, path, 404, "not_found", json={"user": "victim"})
    assert door.shop.is_alive("mine-1")


@pytest.mark.parametrize("path", ["//api/v1/sessions/mine-1", "/API/v1/sessions/mine-1", "/./api/v1/sessions/mine-1"])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_l242_a_path_beside_the_api(door, path, method):
    """L242: these are no paths of the API at all."""
    answer = door.bridge.browser().open(
        "/", method=method, headers=door.shop.authorization, base_url=ORIGIN, environ_overrides={"PATH_INFO": path}
    )
    assert answer.status_code == 404
    assert door.shop.is_alive("mine-1")


@pytest.mark.parametrize("own_id", ["a", "A.b_c~d-e", "...", ".hidden", "~", "-", "x" * 128, "touch", "openapi.json"])
def test_l242_ids_as_they_may_be(door, own_id):
    """The control: every character that needs no escaping in a path."""
    assert door.shop.register(own_id, user="odd").status_code == 201
    assert door.shop.touch(own_id).status_code == 200
    assert door.shop.leave(own_id).status_code == 204


@pytest.mark.parametrize("method", ["PUT", "POST", "GET", "DELETE"])
def test_j223_no_page_of_another_site_may_call(door, method):
    """J223: a preflight gets 405 and no permission, and no answer lets a page read it."""
    headers = {
        "Origin": "https://evil.test",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    door.refused("OPTIONS", MINE, 405, "method_not_allowed", headers=headers)
    answer = door.bridge.browser().get(
        MINE, headers={**door.shop.authorization, "Origin": "https://evil.test"}, base_url=ORIGIN
    )
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]


def test_j223_our_cookie_is_no_key(door):
    """J223: being signed in as a person opens nothing of the API, so no page can use it."""
    browser = door.stage.alice
    answer = browser.delete(f"/api/v1/sessions/{VICTIMS}", base_url=ORIGIN)
    assert answer.status_code == 401
    assert door.blog.is_alive(VICTIMS)
