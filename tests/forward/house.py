"""An application behind a real reverse proxy, the bridge that is asked, and a person's browser: live servers all.

The proxy asks the bridge by TLS, and checks its certificate, as the documentation has it.
"""

import re
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests import idp
from tests.forward.browser import Browser
from tests.forward.proxy import proxy
from tests.forward.tls import NAME, authority
from tests.proxied import toml
from tests.running import ORIGIN, running_bridge, sent

SITE = "wiki.example"
WIKI = f"https://{SITE}"
ALIAS = re.compile(r"HTTP_X[^A-Z]SLO")  # the names of our headers as CGI has them, with other characters between too


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.0"  # one request by each connection: once a server is down, nobody is answered any more

    def log(self, *_):
        """Say nothing."""


@contextmanager
def serving(app, port=0, tls=None):
    """Serve a WSGI application at a port of loopback; yield the port."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Handler, ssl_context=tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Wiki:
    """The application: it knows nothing of saml_slo but headers, and notes what reached it, and the last of those."""

    seen: list = field(default_factory=list)
    headers: dict = field(default_factory=dict)

    def __call__(self, environ, start_response):
        """Say who is there."""
        request = Request(environ)
        body = request.get_data(as_text=True)
        self.seen.append((request.method, request.full_path.rstrip("?"), body))
        self.headers = {name: value for name, value in request.headers.items() if "slo" in name.lower().split("-")}
        told = "".join(f"{name}={value}\n" for name, value in sorted(environ.items()) if ALIAS.match(name))
        return Response(f"{told}path={request.full_path.rstrip('?')}\n{body}")(environ, start_response)


@dataclass
class House:
    """All of it: `down` and `up` stop and start the bridge's server for the proxy; `asked` is what that sends there."""

    bridge: object
    wiki: Wiki
    bridge_port: int
    tls: object
    server: ExitStack
    tls_port: int = 0
    proxy: object = None
    asked: list = field(default_factory=list)

    def browser(self):
        """A browser that finds the wiki behind the proxy, and the bridge."""
        return Browser({WIKI: self.proxy.port, ORIGIN: self.bridge_port})

    def down(self):
        """Nobody answers at the bridge any more."""
        self.server.close()

    def up(self):
        """Somebody does again."""
        self.tls_port = self.server.enter_context(serving(self._named, self.tls_port, self.tls))

    def _named(self, environ, start_response):
        """The bridge under the name that the proxy has for it.

        What a proxy makes of the name in the URL of the documentation is our host; here the URL has to have another.
        """
        self.asked.append(environ)
        if environ["HTTP_HOST"] == f"{NAME}:{self.tls_port}":
            environ = {**environ, "HTTP_HOST": ORIGIN.removeprefix("https://")}
        return self.bridge.app(environ, start_response)

    def sign_in(self, browser, path="/", **assertion):
        """Open a page of the wiki; sign in at the identity provider; return the answer to the page in the end."""
        asked = browser.send(WIKI + path)
        to_idp = browser.follow(asked, "https://idp.example/sso")
        request = sent(_Redirect(to_idp))
        answer = idp.post(self.bridge.answer(request, **assertion), endpoint=idp.ACS)
        back = browser.send(answer.endpoint, "POST", answer.body, **{"Content-Type": answer.content_type})
        return browser.send(browser.follow(browser.send(browser.follow(back, f"{WIKI}/_slo/callback")), f"{WIKI}/"))


@dataclass
class _Redirect:
    """A redirect as tests.running.sent reads it."""

    location: str
    status_code: int = 303

    @property
    def headers(self):
        return {"Location": self.location}


@contextmanager
def wiki_behind(kind, folder, redis_url, *, impostor=False):
    """Run the wiki behind a proxy of a kind; with an `impostor`, the bridge's certificate is not of its authority."""
    with ExitStack() as stack:
        wiki, server = Wiki(), stack.enter_context(ExitStack())
        bridge = stack.enter_context(
            # A busy machine is no hung Redis.
            running_bridge(
                folder / "bridge", redis_url, applications={"wiki": toml()}, status_rate=10_000, redis_timeout=5
            )
        )
        trusted, tls = authority(folder / "tls")
        if impostor:
            trusted, _ = authority(folder / "other-tls")
        house = House(bridge, wiki, stack.enter_context(serving(bridge.app)), tls, server)
        house.up()
        house.proxy = stack.enter_context(
            proxy(
                kind,
                folder / kind.name,
                trusted=trusted,
                site=SITE,
                client_id="wiki",
                bridge=f"https://{NAME}:{house.tls_port}",
                bridge_host=ORIGIN.removeprefix("https://"),
                application=f"http://127.0.0.1:{stack.enter_context(serving(wiki))}",
            )
        )
        house.asked.clear()  # by whoever waited for it
        yield house
