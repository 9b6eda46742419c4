"""A person's browser for names that stand for ports of this machine; tabs share its cookies, as tabs do."""

import http.client
import json
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urljoin, urlsplit

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}


@dataclass
class Answer:
    """What came back from a URL."""

    url: str
    status: int
    headers: object
    body: bytes

    @property
    def location(self):
        """Where it leads, as an absolute URL."""
        return urljoin(self.url, self.headers["Location"])

    def json(self):
        """The JSON in it."""
        return json.loads(self.body)


@dataclass
class Browser:
    """`ports` says where the origins live; whatever else is asked for fails the test."""

    ports: dict
    jars: dict = field(default_factory=dict)

    def send(self, url, method="GET", body=None, **headers):
        """Send one request with this host's cookies and take those that come back; follow nothing."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        assert origin in self.ports, f"the browser was sent to {url}"
        jar = self.jars.setdefault(parts.hostname, {})
        sent = {"Host": parts.netloc, **NAVIGATION, **headers}
        if jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[origin], timeout=60)
        try:
            path = url.removeprefix(origin)
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            answer = Answer(url, response.status, response.headers, response.read())
        finally:
            connection.close()
        for text in answer.headers.get_all("Set-Cookie") or ():
            self._keep(jar, text)
        return answer

    @staticmethod
    def _keep(jar, text):
        """Take a cookie as browsers do: one named __Host- must be Secure, for the whole host, and for it alone."""
        for name, morsel in SimpleCookie(text).items():
            if name.startswith("__Host-"):
                assert morsel["secure"], text
                assert (morsel["path"], morsel["domain"]) == ("/", ""), text
            jar[name] = morsel.value
            if morsel["max-age"] == "0":
                del jar[name]

    def follow(self, answer, until):
        """Follow redirects until one leads to a URL that begins like this; return that URL."""
        for _ in range(10):
            assert answer.status in (302, 303), (answer.url, answer.status, answer.body[:300])
            if answer.location.startswith(until):
                return answer.location
            answer = self.send(answer.location)
        raise AssertionError(f"the way from {answer.url} does not lead to {until}")
