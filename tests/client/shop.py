"""A real bridge behind a port of its own, with an application of each kind of back channel that uses the client."""

import contextlib
import hashlib
from dataclasses import dataclass

from saml_slo.certs import load_secret
from saml_slo.client import Client
from saml_slo.client.wsgi import LogoutApp
from saml_slo.peers.methods.webhook import secret_text
from tests.client.notices import Receiving
from tests.client.serving import serving
from tests.running import ORIGIN, Bridge, running_bridge

SECRETS = {"shop": "s" * 43, "blog": "b" * 43}
TOML = """
display_name = "{name}"
logout = "{method}"
logout_uri = "{address}"
api_secrets = ["{digest}"]
users = "staff"
allowed_logout_urls = ["https://{name}.example/"]
"""
METHODS = {"shop": "webhook", "blog": "oidc-backchannel"}


@dataclass
class Late:
    """A WSGI application that is put in when it is known."""

    app: object = None

    def __call__(self, environ, start_response):
        """Answer."""
        return self.app(environ, start_response)


@dataclass
class Party:
    """An application: its client, and what its receiver was told."""

    client: Client
    receiving: Receiving


@dataclass
class Place:
    """The bridge, where it is, and the two applications."""

    bridge: Bridge
    origin: str
    shop: Party
    blog: Party

    def client(self, credential):
        """Return a client with another credential."""
        return Client(self.origin, credential)


def behind_proxy(app):
    """Return the bridge's application as it is behind a proxy with TLS."""

    def answer(environ, start_response):
        host = ORIGIN.partition("://")[2]
        return app({**environ, "HTTP_HOST": host, "wsgi.url_scheme": "https"}, start_response)

    return answer


@contextlib.contextmanager
def running_place(folder, redis_url, **settings):
    """Run all of it: the application `shop` gets webhooks, `blog` logout tokens; both mean the same people."""
    late = {name: Late() for name in METHODS}
    with contextlib.ExitStack() as stack:
        addresses = {name: stack.enter_context(serving(app)) for name, app in late.items()}
        files = {
            name: TOML.format(
                name=name,
                method=method,
                address=addresses[name],
                digest=hashlib.sha256(SECRETS[name].encode()).hexdigest(),
            )
            for name, method in METHODS.items()
        }
        bridge = stack.enter_context(
            running_bridge(folder, redis_url, applications=files, back_channel_allow="127.0.0.1", **settings)
        )
        origin = stack.enter_context(serving(behind_proxy(bridge.app)))
        secret = secret_text(load_secret(bridge.settings.certs_dir).webhook("shop", 1))
        parties = {}
        for name, app in late.items():
            receiving = Receiving(
                origin, audience=name, secrets=(secret,), issuers=(ORIGIN,), clock=lambda: bridge.clock().timestamp()
            )
            app.app = LogoutApp(receiving.receiver)
            parties[name] = Party(Client(origin, f"{name}.{SECRETS[name]}", timeout=20), receiving)
        yield Place(bridge, origin, **parties)
