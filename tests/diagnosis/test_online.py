"""`--online`: the servers of the peers are asked for their time and their certificates, and for nothing else."""

import threading
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from saml_slo.diagnosis.own_clock import kept_right
from saml_slo.peers.copies import CopyFiles, CopyState, replace_file, version_of
from tests import idp
from tests.running import descriptor


@pytest.fixture
def server(clinic):
    """A server on this machine whose clock a test sets; it notes what it was asked for."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            seen.append(f"{self.command} {self.path}")
            self.send_response_only(404)
            self.send_header("Date", format_datetime(clinic.at + timedelta(seconds=clinic.off), usegmt=True))
            self.end_headers()

        def do_GET(self):
            seen.append(f"{self.command} {self.path}")
            document = clinic.document.encode()
            self.send_response_only(clinic.statuses.get(self.path, 200 if document else 404))
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_):
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    clinic.off, clinic.document, clinic.statuses = 0, "", {"/sso": 400, "/slo": 400}
    running.seen = seen
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def _at(server, clinic, *, soap=False):
    origin = f"http://127.0.0.1:{server.server_port}"
    text = descriptor(idp.ENTITY_ID).replace("https://idp.example/s", f"{origin}/s")
    text = text.replace(f'"{origin}/saml"', f'"{idp.ENTITY_ID}"')
    if soap:
        text = text.replace(f'HTTP-Redirect" Location="{origin}/slo', f'SOAP" Location="{origin}/slo')
    clinic.connection("", text)
    clinic.settings |= {"back_channel_allow": ("127.0.0.1",)}


@pytest.mark.parametrize(("off", "severity"), [(0, "ok"), (60, "warning"), (-3600, "error")])
def test_the_clock_of_an_identity_provider(clinic, server, off, severity):
    """Its Date header is held against our clock: beyond `skew` nothing of it would be accepted."""
    clinic.off = off
    _at(server, clinic)
    finding = clinic.one("clock.peer", "idp", online=True)
    assert finding.severity == severity
    assert ("ahead" in finding.found, "behind" in finding.found) == (off > 0, off < 0)
    assert server.seen == ["HEAD /robots.txt", "GET /sso", "GET /slo"]


@pytest.mark.parametrize(
    ("kept_right", "words"),
    [(True, "theirs is likely wrong"), (False, "look at ours first"), (None, "Is ours right?")],
)
def test_whose_clock_is_wrong(clinic, server, kept_right, words):
    """With one peer nobody else can be asked; whether the system of this machine keeps its clock right is known."""
    clinic.off, clinic.kept_right = 60, kept_right
    _at(server, clinic)
    assert words in clinic.one("clock.peer", "idp", online=True).next_step


def test_whether_our_clock_is_kept_right_is_asked_of_the_system():
    """On every machine it is one of three answers, and never an error."""
    assert kept_right() in (True, False, None)


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize(("path", "what"), [("/sso", "login URL"), ("/slo", "logout URL")])
def test_a_page_that_is_not_there(clinic, server, status, path, what):
    """A typing error in the provider's own metadata: its server says that there is nothing, and doctor says where."""
    _at(server, clinic)
    clinic.statuses[path] = status
    finding = clinic.one("online.not_found", "idp", online=True)
    assert (finding.severity, f"{path}: {status}" in finding.found) == ("warning", True)
    assert f"its {what}" in finding.text


@pytest.mark.parametrize("status", [200, 302, 400, 403, 405, 500])
def test_a_page_that_wants_a_message_is_there(clinic, server, status):
    """Whatever it says to a visit without one: nothing of that is told as wrong."""
    _at(server, clinic)
    clinic.statuses |= {"/sso": status, "/slo": status}
    found = clinic.examine("idp", online=True)
    assert {one.severity for one in found if one.code.startswith("online.")} == {"ok"}


def test_a_page_for_both_is_visited(clinic, server):
    """Where the same URL takes redirects and forms; and nothing is said of a certificate where there is no TLS."""
    _at(server, clinic)
    path = clinic.metadata / "connections" / "idp.xml"
    sso = f'bindings:HTTP-Redirect" Location="http://127.0.0.1:{server.server_port}/sso"/>'
    post = sso.replace("Redirect", "POST")
    path.write_text(
        path.read_text().replace(sso, f'{sso}<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:{post}')
    )
    found = [one for one in clinic.examine("idp", online=True) if one.code == "online.reachable"]
    assert [one.text for one in found] == ["its login URL is reached", "its logout URL is reached"]
    assert "GET /sso" in server.seen


def test_a_page_for_forms_alone_is_not_visited(clinic, server):
    """It takes a POST: 404 is what some say to a GET there, and it would prove nothing."""
    _at(server, clinic)
    path = clinic.metadata / "connections" / "idp.xml"
    path.write_text(path.read_text().replace("HTTP-Redirect", "HTTP-POST"))
    clinic.statuses |= {"/sso": 404, "/slo": 404}
    found = clinic.examine("idp", online=True)
    assert {one.severity for one in found if one.code.startswith("online.")} == {"ok"}
    assert set(server.seen) == {"HEAD /robots.txt"}


def test_what_we_call_is_reached(clinic, server):
    """The server behind a SOAP endpoint is reached; the endpoint itself is not called."""
    _at(server, clinic, soap=True)
    assert clinic.one("online.reachable", "idp", online=True).severity == "ok"
    assert not any("/slo" in line for line in server.seen)


def test_what_cannot_be_reached_is_an_error(clinic, server):
    """A server that is not there, or speaks no TLS where TLS is wanted, is told with the reason."""
    _at(server, clinic, soap=True)
    path = clinic.metadata / "connections" / "idp.xml"
    path.write_text(path.read_text().replace("http://127.0.0.1", "https://127.0.0.1"))
    finding = clinic.one("online.unreachable", "idp", online=True)
    assert finding.severity == "error"
    assert "CA" in finding.next_step
    assert clinic.one("clock.peer_unknown", "idp", online=True).severity == "unchecked"


def test_without_it_nobody_is_asked(clinic, server):
    """Unless it is wanted no connection is opened."""
    _at(server, clinic, soap=True)
    clinic.examine()
    assert server.seen == []


def test_what_is_published_is_held_against_the_file(clinic, server):
    """A key or endpoint that the provider publishes and our file does not have is named; nothing of it is taken."""
    entity_id = f"http://127.0.0.1:{server.server_port}/metadata"
    clinic.settings |= {"back_channel_allow": ("127.0.0.1",)}
    ours = descriptor(idp.ENTITY_ID).replace(f'"{idp.ENTITY_ID}"', f'"{entity_id}"')
    clinic.connection("", ours)
    clinic.document = ours
    assert clinic.one("metadata.same", "idp", online=True).severity == "ok"
    clinic.document = descriptor(idp.ENTITY_ID, ("idp-next",)).replace(f'"{idp.ENTITY_ID}"', f'"{entity_id}"')
    finding = clinic.one("metadata.differs", "idp", online=True)
    assert finding.severity == "warning"
    assert "new signing key" in finding.found
    assert "metadata_url" in finding.next_step
    assert (clinic.metadata / "connections" / "idp.xml").read_text() == ours
    for nothing in ("", "<html/>", clinic.document.replace(entity_id, "https://somebody.else.example/")):
        clinic.document = nothing
        assert not [one for one in clinic.examine("idp", online=True) if one.code == "metadata.differs"]


def test_a_fetched_copy_is_held_against_its_url(clinic, server):
    """Metadata that we fetch ourselves may have changed since: it is named, with the command that fetches it now."""
    url = f"http://127.0.0.1:{server.server_port}/published"
    ours = descriptor(idp.ENTITY_ID)
    clinic.settings |= {"back_channel_allow": ("127.0.0.1",)}
    (clinic.metadata / "connections" / "idp.xml").unlink()
    (clinic.metadata / "connections" / "idp.toml").write_text(f'metadata_url = "{url}"\n')
    files = CopyFiles(clinic.folder / "var" / "fetched", "connections", "idp")
    replace_file(files.document, ours.encode())
    replace_file(files.state, CopyState(url=url, version=version_of(ours.encode())).encoded())
    clinic.document = ours
    assert clinic.one("metadata.same", "idp", online=True).severity == "ok"
    clinic.document = descriptor(idp.ENTITY_ID, ("idp-next",))
    finding = clinic.one("metadata.differs", "idp", online=True)
    assert "new signing key" in finding.found
    assert url in finding.found
    assert "saml-slo connection refresh idp" in finding.next_step
    assert files.document.read_text() == ours


def test_a_logout_url_at_a_host_that_is_not_there(clinic, server):
    """A logout URL at another host than the sign-in is knocked at: a typing error there shows in no other way."""
    _at(server, clinic)
    published = (clinic.metadata / "connections" / "idp.xml").read_text()
    clinic.connection('logout_url = "http://127.0.0.1:9/slo"\ninsecure_http = true\n', published)
    finding = clinic.one("online.unreachable", "idp", online=True)
    assert (finding.severity, finding.found) == ("warning", "http://127.0.0.1:9/slo (refused)")
    assert "correct logout_url" in finding.next_step


def test_a_server_that_does_not_answer_is_told_once(clinic, server):
    """Its login and logout URL are at the same place."""
    _at(server, clinic)
    path = clinic.metadata / "connections" / "idp.xml"
    path.write_text(path.read_text().replace(f":{server.server_port}/", ":9/"))
    found = [one for one in clinic.examine("idp", online=True) if one.code == "online.unreachable"]
    assert [one.found for one in found] == ["http://127.0.0.1:9/sso (refused)"]
