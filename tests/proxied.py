"""An application behind a reverse proxy, and a person's browser that uses it.

The proxy does what docs/forward-auth.md says.
The tests that run everywhere use this one; `make proxy-test` uses real ones.
"""

import hashlib
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests import idp
from tests.running import ORIGIN, sent

SECRET = "s" * 43


def toml(host="wiki.example", more='connection = "idp"\n'):
    """The file of an application behind a proxy, which has the API secret SECRET too."""
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    return f'logout = "proxy"\nproxy_origins = ["https://{host}"]\napi_secrets = ["{digest}"]\n{more}'


def bearer(client_id="wiki", secret=SECRET):
    """The headers of an application's server."""
    return {"Authorization": f"Bearer {client_id}.{secret}"}


@dataclass
class Visit:
    """One browser: `here` holds its cookies for the bridge, `there` those for the application's host."""

    bridge: object
    client_id: str = "wiki"
    host: str = "wiki.example"
    here: object = None
    there: object = field(init=False)

    def __post_init__(self):
        self.here = self.here or self.bridge.browser()
        self.there = self.bridge.browser()

    # What the proxy does ---------------------------------------------------------------------------------------------

    def check(self, query="", **headers):
        """The proxy asks about a request of this browser; return the answer."""
        path = f"/session/status?client_id={self.client_id}{query}"
        return self.there.get(path, base_url=ORIGIN, headers={"X-Forwarded-Host": self.host, **headers})

    def through(self, path, **headers):
        """The browser asks for /_slo/<path> at the application's host."""
        asked = {"X-Forwarded-Host": self.host, **headers}
        return self.there.get(f"/forward/{self.client_id}/{path}", base_url=ORIGIN, headers=asked)

    def start(self, link="/", **headers):
        """The browser asked for a path, and the proxy was told 401."""
        return self.through("start", **{"X-Original-URI": link, **headers})

    # What the browser does -------------------------------------------------------------------------------------------

    def away(self, link="/"):
        """Ask for a path; return the address of ours to which the browser is sent."""
        response = self.start(link)
        assert response.status_code == 303, response.get_data(as_text=True)
        location = response.headers["Location"]
        assert location.startswith(f"{ORIGIN}/forward/{self.client_id}/sign-in?"), location
        return location

    def sign_in(self, location, **assertion):
        """Go to our origin, sign in at the identity provider where needed; return the address of the callback."""
        response = self.here.get(location)
        if response.headers["Location"].startswith(f"{ORIGIN}/login?"):
            request = sent(self.here.get(response.headers["Location"]))
            made = self.bridge.answer(request, **assertion)
            response = self.bridge.deliver(self.here, idp.post(made, endpoint=idp.ACS))
            assert response.headers["Location"].startswith(f"/forward/{self.client_id}/sign-in"), response.headers
            response = self.here.get(response.headers["Location"], base_url=ORIGIN)
        assert response.status_code == 303, response.get_data(as_text=True)
        location = response.headers["Location"]
        assert location.startswith(f"https://{self.host}/_slo/callback?code="), location
        return location

    def back(self, location, **headers):
        """Bring a code to the application's host."""
        return self.through(f"callback?{urlsplit(location).query}", **headers)

    def enter(self, link="/", **assertion):
        """Go the whole road to a path; return the last response, which leads there."""
        response = self.back(self.sign_in(self.away(link), **assertion))
        assert response.status_code == 303, response.get_data(as_text=True)
        return response

    def handle(self):
        """The handle of the session, as the application is told it."""
        return self.check().headers["X-Slo-Session"]


def code_of(location):
    """The code in the address of a callback."""
    return parse_qs(urlsplit(location).query)["code"][0]
