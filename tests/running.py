"""A whole bridge in the test's process: the real app on a real Redis, two connections, a clock that stands at NOW.

`bridge.browser()` is a person's browser; `bridge.sign_in()` and `bridge.logout()` take the whole road through it.
"""

import json
import re
import zlib
from base64 import b64decode
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import redis
import structlog
from lxml import etree

from saml_slo.app import create_app
from saml_slo.certs import ensure_keys
from saml_slo.config import Settings
from tests import idp
from tests.keys import pair

ORIGIN = "https://bridge.example"
OTHER_ENTITY_ID = "https://other-idp.example/saml"
SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"
DESCRIPTOR = """<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity_id}">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
{keys}{logout}
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{origin}/sso"/>
</md:IDPSSODescriptor></md:EntityDescriptor>"""
KEY = (
    '<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>'
    "<ds:X509Certificate>{0}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
)
SLO = '<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-{0}" Location="{1}/slo"/>'


def descriptor(entity_id, signers=("idp",), bindings=("Redirect",)):
    """Metadata of an IdP with these signing keys and SLO bindings, as text."""
    origin = entity_id.removesuffix("/saml")
    armour = re.compile(rb"-----[A-Z ]+-----|\s")
    keys = "".join(KEY.format(armour.sub(b"", pair(name).certificate_pem).decode()) for name in signers)
    logout = "".join(SLO.format(binding, origin) for binding in bindings)
    return DESCRIPTOR.format(entity_id=entity_id, origin=origin, keys=keys, logout=logout)


@dataclass
class Clock:
    """The time of day that the bridge sees; a test moves it."""

    now: object = idp.NOW

    def __call__(self):
        """Return the time."""
        return self.now

    def move(self, seconds):
        """Go on, or back."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Sent:
    """A message that the bridge sent through the browser."""

    location: str
    binding: str
    parameters: dict
    root: object

    @property
    def id(self):
        """Its ID."""
        return self.root.get("ID")

    def texts(self, name):
        """The texts of its child elements of this name, in the protocol namespace."""
        return [child.text for child in self.root.findall(f"{SAMLP}{name}")]


def sent(response):
    """Return the message in a redirect or auto-submitting form; fail when there is none."""
    if response.status_code in (302, 303):
        location, _, query = response.headers["Location"].partition("?")
        parameters = {name: values[0] for name, values in parse_qs(query).items()}
        raw = parameters.get("SAMLRequest") or parameters.get("SAMLResponse")
        assert raw, f"no SAML message in {response.headers['Location']}"
        return Sent(location, "redirect", parameters, etree.fromstring(zlib.decompress(b64decode(raw), -15)))
    page = etree.HTML(response.get_data(as_text=True))
    form = page.find(".//form[@data-submit]")
    assert form is not None, response.get_data(as_text=True)[:500]
    parameters = {field.get("name"): field.get("value") for field in form.iter("input")}
    raw = parameters.get("SAMLRequest") or parameters.get("SAMLResponse")
    return Sent(form.get("action"), "post", parameters, etree.fromstring(b64decode(raw)))


@dataclass
class Bridge:
    """The app, its Redis, its clock, and every line that it logged."""

    app: object
    settings: Settings
    redis: redis.Redis
    clock: Clock
    log: list = field(default_factory=list)

    def browser(self):
        """Return a new browser without cookies."""
        return self.app.test_client()

    def get(self, browser, url, **how):
        """Send a GET to a path or URL of ours."""
        return browser.get(url, base_url=ORIGIN, **how)

    def deliver(self, browser, request):
        """Let a browser deliver a message as tests.idp.post or .redirect built it."""
        path = urlsplit(request.endpoint).path
        if request.method == "GET":
            return browser.get(f"{path}?{request.query.decode()}", base_url=ORIGIN)
        return browser.post(path, data=request.body, content_type=request.content_type, base_url=ORIGIN)

    def start_sign_in(self, browser, connection="idp", **query):
        """Begin a sign-in and return our AuthnRequest."""
        response = browser.get("/login", query_string={"connection": connection, **query}, base_url=ORIGIN)
        assert response.status_code in (200, 303), response.get_data(as_text=True)
        return sent(response)

    def sign_in(self, browser, **assertion):
        """Sign a person in through the connection `idp`; return the ACS's response."""
        request = self.start_sign_in(browser)
        return self.deliver(browser, idp.post(self.answer(request, **assertion), endpoint=idp.ACS))

    def answer(self, request, *, sign_response=False, **assertion):
        """Return the IdP's Response to an AuthnRequest of ours."""
        made = idp.assertion(**{"identifier": f"_a{request.id[1:9]}", **assertion})
        for data in made.iter("{*}SubjectConfirmationData"):
            data.set("InResponseTo", request.id)
        issued = self.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        made.set("IssueInstant", issued)
        response = idp.response(made, sign_response=False, sign_assertion=True, issued=issued)
        response.set("InResponseTo", request.id)
        return idp.sign(response) if sign_response else response

    def is_signed_in(self, browser):
        """Ask the session probe."""
        status = self.get(browser, "/session/status").status_code
        assert status in (200, 401), status
        return status == 200

    def logout(self, browser, **query):
        """Call /v2/logout."""
        return browser.get("/v2/logout", query_string=query, base_url=ORIGIN)

    def receipt(self, browser, response):
        """Return the JSON of the receipt to which a response redirects."""
        assert response.status_code == 303, response.get_data(as_text=True)
        location = response.headers["Location"]
        assert location.startswith("/logout/"), location
        return json.loads(self.get(browser, f"{location}.json").get_data(as_text=True))

    def reasons(self):
        """Return the reasons of everything that was refused or failed since the last call, and forget them."""
        found = [str(line["reason"]) for line in self.log if line.get("reference")]
        self.log.clear()
        return found

    def keyspace(self):
        """Return every key with its content, for comparing before and after."""
        # Counters of status checks and of API calls come, and go by the clock of Redis, in the middle of a test.
        counters = (b"slo:{checks:", b"slo:{calls:")
        keys = sorted(key for key in self.redis.scan_iter(count=1000) if not key.startswith(counters))
        pipeline = self.redis.pipeline(transaction=False)
        for key in keys:
            pipeline.dump(key)
        return dict(zip(keys, pipeline.execute(), strict=True))


def write_connection(folder, name, toml, metadata):
    """Write one connection's files."""
    connections = folder / "connections"
    connections.mkdir(parents=True, exist_ok=True)
    (connections / f"{name}.toml").write_text(toml)
    (connections / f"{name}.xml").write_text(metadata)


def write_certs(folder):
    """Write the fixed test keys as the bridge's own."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, name in (
        ("signing", "bridge"),
        ("encryption", "bridge-encryption-next"),
        ("encryption-old", "bridge-encryption"),
    ):
        (folder / f"{file}.key").write_bytes(pair(name).key_pem)
        (folder / f"{file}.crt").write_bytes(pair(name).certificate_pem)
    ensure_keys(folder, "test")


@contextmanager
def running_bridge(
    folder, redis_url, *, toml="", bindings=("Redirect",), signers=("idp",), applications=None, sps=(), **settings
):
    """Run a bridge with the connections `idp` (whose TOML and SLO bindings a test may choose) and `other-idp`."""
    metadata = folder / "metadata"
    write_connection(metadata, "idp", toml, descriptor(idp.ENTITY_ID, signers, bindings))
    write_connection(metadata, "other-idp", "", descriptor(OTHER_ENTITY_ID, ("other-idp",)))
    (metadata / "applications").mkdir()
    for client_id, text in (applications or {}).items():
        (metadata / "applications" / f"{client_id}.toml").write_text(text)
    for sp in sps:
        for name, text in sp.files().items():
            (metadata / "applications" / name).write_text(text)
    write_certs(folder / "certs")
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    chosen = Settings(
        public_url=ORIGIN,
        metadata_dir=metadata,
        certs_dir=folder / "certs",
        data_dir=folder / "var",
        redis_url=redis_url,
        # Who waits for a processor on a busy machine is not away.
        **{"redis_timeout": 10, "back_channel_timeout": 20, **settings},
    )
    clock = Clock()
    log = []

    def capture(_logger, _method, event):
        log.append(event)
        raise structlog.DropEvent

    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    app = create_app(chosen, clock=clock)
    # A busy machine may take more than a second to tell an application that answers at once.
    object.__setattr__(app.extensions["saml_slo"].journey.patience, "grace", 6.0)
    try:
        yield Bridge(app, chosen, client, clock, log)
    finally:
        app.extensions["saml_slo"].stop()
        structlog.reset_defaults()
        client.close()
