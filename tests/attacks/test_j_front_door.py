"""J221, J222: `/session/status` has two doors, and they read a request alike.

`FrontDoor` answers before Flask is asked. Whatever is odd about a request, it is answered there as Flask would have,
with the same status, headers and document; so nothing gets in, or is kept in a cache, by being odd.
"""

import re
from functools import reduce

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.proxied import Visit, bearer, toml
from tests.running import running_bridge

CODE = re.compile(r"[2-9A-HJKMNP-Z]{4}-[2-9A-HJKMNP-Z]{4}")
# Facts of a request, as a server hands them over (PEP 3333); what is not named is as in an ordinary one. SESSION, WIKI
# and HANDLE stand for what a person has: the cookie of our host, that of the application's, the application's handle.
ODD = {
    "nothing odd": {},
    "no cookie": {"HTTP_COOKIE": ""},
    "cookie twice": {"HTTP_COOKIE": "__Host-slo=x; __Host-slo=SESSION"},
    "cookie twice, the good one first": {"HTTP_COOKIE": "__Host-slo=SESSION; __Host-slo=x"},
    "cookie in quotes": {"HTTP_COOKIE": '__Host-slo="SESSION"'},
    "cookie without a space": {"HTTP_COOKIE": "a=b;__Host-slo=SESSION;c=d"},
    "cookie with spaces": {"HTTP_COOKIE": "  __Host-slo = SESSION "},
    "cookie joined by a comma": {"HTTP_COOKIE": "a=b, __Host-slo=SESSION"},
    "cookie in another case": {"HTTP_COOKIE": "__HOST-SLO=SESSION"},
    "cookie of 64 kB": {"HTTP_COOKIE": f"a={'x' * 65536}; __Host-slo=SESSION"},
    "cookie with octets": {"HTTP_COOKIE": "a=\xff\x00\x7f; __Host-slo=SESSION"},
    "cookie with a longer token": {"HTTP_COOKIE": "__Host-slo=SESSIONx"},
    "cookie encoded": {"HTTP_COOKIE": "__Host-slo=%53SESSION"},
    "slash behind": {"PATH_INFO": "/session/status/"},
    "two slashes": {"PATH_INFO": "//session/status"},
    "two slashes inside": {"PATH_INFO": "/session//status"},
    "dots": {"PATH_INFO": "/x/../session/status"},
    "a parameter of the path": {"PATH_INFO": "/session/status;x"},
    "another case": {"PATH_INFO": "/Session/Status"},
    "an octet behind": {"PATH_INFO": "/session/status\x00"},
    "below a prefix": {"SCRIPT_NAME": "/prefix"},
    "the path in the prefix": {"SCRIPT_NAME": "/session", "PATH_INFO": "/status"},
    "host in capitals": {"HTTP_HOST": "BRIDGE.EXAMPLE"},
    "host with the port": {"HTTP_HOST": "bridge.example:443"},
    "host with another port": {"HTTP_HOST": "bridge.example:444"},
    "host with an empty port": {"HTTP_HOST": "bridge.example:"},
    "host with a zero": {"HTTP_HOST": "bridge.example:0443"},
    "host with a dot": {"HTTP_HOST": "bridge.example."},
    "host with a space": {"HTTP_HOST": " bridge.example"},
    "two hosts": {"HTTP_HOST": "bridge.example,evil.test"},
    "a user in the host": {"HTTP_HOST": "bridge.example@evil.test"},
    "no host": {"HTTP_HOST": None, "SERVER_NAME": "bridge.example", "SERVER_PORT": "443"},
    "an empty host": {"HTTP_HOST": ""},
    "another host": {"HTTP_HOST": "evil.test"},
    "forwarded for another host": {"HTTP_X_FORWARDED_HOST": "evil.test", "HTTP_X_FORWARDED_PROTO": "http"},
    "head": {"REQUEST_METHOD": "HEAD"},
    "post": {"REQUEST_METHOD": "POST"},
    "options": {"REQUEST_METHOD": "OPTIONS"},
    "small letters": {"REQUEST_METHOD": "get"},
    "another method meant": {"HTTP_X_HTTP_METHOD_OVERRIDE": "POST"},
    "from a cache": {"HTTP_IF_NONE_MATCH": "*", "HTTP_IF_MODIFIED_SINCE": "Fri, 20 Nov 2026 06:00:00 GMT"},
    "a range": {"HTTP_RANGE": "bytes=0-1"},
    "prefetched": {"HTTP_SEC_PURPOSE": "prefetch"},
    "html is wanted": {"HTTP_ACCEPT": "text/html"},
    "of another origin": {"HTTP_ORIGIN": "https://evil.test", "HTTP_SEC_FETCH_MODE": "cors"},
    "with a body": {"CONTENT_LENGTH": "5", "CONTENT_TYPE": "application/x-www-form-urlencoded"},
    "a session that is none": {"QUERY_STRING": "session=x"},
    "a session without a key": {"QUERY_STRING": "session=HANDLE", "HTTP_AUTHORIZATION": ""},
    "by a server": {"QUERY_STRING": "session=HANDLE"},
    "by a server, encoded": {"QUERY_STRING": "%73ession=HANDLE"},
    "by a server, twice": {"QUERY_STRING": "session=HANDLE&session=x"},
    "by a server, twice encoded": {"QUERY_STRING": "session=HANDLE&%73ession=x"},
    "by a server, another's key": {
        "QUERY_STRING": "session=HANDLE",
        "HTTP_AUTHORIZATION": bearer("blog")["Authorization"],
    },
    "by a server, two keys": {"QUERY_STRING": "session=HANDLE", "HTTP_AUTHORIZATION": "KEY, KEY"},
    "by a server, octets": {"QUERY_STRING": "session=%ff%00"},
    "by a server, long": {"QUERY_STRING": f"session={'a' * 4000}"},
    "by a proxy": {"QUERY_STRING": "client_id=wiki"},
    "by a proxy, and a session": {"QUERY_STRING": "client_id=wiki&session=HANDLE"},
    "by a proxy, twice": {"QUERY_STRING": "client_id=wiki&client_id=blog"},
    "by another's proxy": {"QUERY_STRING": "client_id=blog"},
    "by a proxy of nobody": {"QUERY_STRING": "client_id=nobody"},
    "by a proxy of nothing": {"QUERY_STRING": "client_id="},
    "by a proxy of a path": {"QUERY_STRING": "client_id=../x"},
    "sent away": {"QUERY_STRING": "client_id=wiki&redirect", "HTTP_COOKIE": ""},
    "sent away by a script": {
        "QUERY_STRING": "client_id=wiki&redirect",
        "HTTP_COOKIE": "",
        "HTTP_SEC_FETCH_MODE": "no-cors",
    },
    "sent away to another site": {
        "QUERY_STRING": "client_id=wiki&redirect",
        "HTTP_COOKIE": "",
        "HTTP_X_FORWARDED_URI": "//evil.test/",
        "HTTP_X_FORWARDED_HOST": "evil.test",
    },
    "sent away with a line": {
        "QUERY_STRING": "client_id=wiki&redirect",
        "HTTP_COOKIE": "",
        "HTTP_X_FORWARDED_URI": "/a\r\nSet-Cookie: planted=1",
    },
}


@pytest.fixture(scope="module")
def person(tmp_path_factory, redis_url):
    """A bridge with applications behind proxies, and everything that a person who uses one has."""
    folder = tmp_path_factory.mktemp("bridge")
    with running_bridge(
        folder, redis_url, applications={"wiki": toml(), "blog": toml("blog.example")}, status_rate=100_000
    ) as bridge:
        visit = Visit(bridge)
        visit.enter()
        handle = visit.check().headers["X-Slo-Session"]
        session = visit.here.get_cookie("__Host-slo", domain="bridge.example").value
        wiki = visit.there.get_cookie("__Host-slo-app", domain="bridge.example").value
        yield bridge, {"SESSION": session, "HANDLE": handle, "KEY": bearer()["Authorization"], "WIKI": wiki}


def environ_of(facts, has):
    """What a server hands over of a request."""
    cookie, key = "__Host-slo=SESSION; __Host-slo-app=WIKI", "KEY"
    usual = {"HTTP_HOST": "bridge.example", "HTTP_COOKIE": cookie, "HTTP_AUTHORIZATION": key, "QUERY_STRING": ""}
    environ = EnvironBuilder("/session/status").get_environ()
    for name, text in {**usual, **facts}.items():
        environ.pop(name, None)
        if text is not None:
            environ[name] = reduce(lambda so_far, word: so_far.replace(word, has[word]), has, text)
    return environ


def answer_of(app, environ):
    """Status, headers and document; a reference code is another one each time."""
    body, status, headers = run_wsgi_app(app, environ, buffered=True)
    text = b"".join(body).decode()
    return int(status.split()[0]), sorted((name.lower(), value) for name, value in headers), CODE.sub("", text)


@pytest.mark.parametrize("name", ODD)
def test_both_doors_answer_alike(person, name):
    """J221, J222: with the front door and without it, an odd request gets the same answer."""
    bridge, has = person
    front = answer_of(bridge.app.wsgi_app, environ_of(ODD[name], has))
    flask = answer_of(bridge.app.wsgi_app._inner, environ_of(ODD[name], has))
    assert front == flask
    status, headers, _ = front
    assert status < 500
    names = dict(headers)
    assert "set-cookie" not in names
    assert "evil.test" not in names.get("location", "")
    if status == 200 and "session=" not in ODD[name].get("QUERY_STRING", "").replace("%73", "s"):
        assert names["cache-control"] == "no-store"


def test_what_opens_and_what_does_not(person):
    """The control: which of the odd requests find the session; none of them is anybody else's."""
    bridge, has = person
    found = {name for name, facts in ODD.items() if answer_of(bridge.app.wsgi_app, environ_of(facts, has))[0] == 200}
    assert {"nothing odd", "by a server", "by a proxy", "by a proxy, and a session"} <= found
    closed = {name for name in ODD if name.startswith(("no cookie", "by another's", "sent away", "a session"))}
    assert not closed & found


def test_a_head_with_a_session_moves_nothing(person):
    """J215: what is no check touches no session."""
    bridge, has = person
    before = bridge.keyspace()
    for name in ("head", "post", "options", "another host", "no cookie", "cookie with a longer token"):
        answer_of(bridge.app.wsgi_app, environ_of(ODD[name], has))
    assert bridge.keyspace() == before
