"""The console's pages: what an operator finds on them, and what they do when a form is sent."""

import re

import pytest

from saml_slo.operations.trail import everything
from saml_slo.store.happened import LogoutBegun, OperatorActed
from tests import idp
from tests.console.operator import NAME, enrol, token_of
from tests.metadata.publisher import publishing
from tests.metadata.signing import signer_file
from tests.metadata.test_federation import PINNED, aggregate, member
from tests.operations.conftest import commands
from tests.running import ORIGIN, descriptor, running_bridge
from tests.sp import SoapEndpoint, Sp

ALICE = "alice@corp.test"
ANSWERABLE = 'api_secrets = ["{}"]\nlogout = "webhook"\nlogout_uri = "https://shop.example/hook"\n'.format("0" * 64)
OVER = 'logout = "none"\nwaived_until = 2026-01-01\nwaiver = "later"\napi_secrets = ["{}"]\n'.format("1" * 64)


@pytest.fixture
def endpoint():
    """An application's SOAP endpoint."""
    with SoapEndpoint(signer="idp-next", entity_id="https://back.example/saml") as running:
        yield running


@pytest.fixture
def bridge(tmp_path, redis_url, endpoint):
    """A bridge with an application by SOAP, one by webhook, and one whose waiver is over."""
    back = Sp("back", "idp-next", ("SOAP", "HTTP-Redirect"), soap_url=endpoint.url)
    with running_bridge(
        tmp_path,
        redis_url,
        sps=(back,),
        applications={"shop": ANSWERABLE, "old": OVER},
        back_channel_allow=("127.0.0.1",),
    ) as running:
        endpoint.clock, running.back = running.clock, back
        yield running


class Operator:
    """A browser in which an operator is signed in."""

    def __init__(self, bridge):
        self.bridge, self.browser = bridge, enrol(bridge)

    def get(self, path, status=200):
        """A page, as text without tags."""
        response = self.browser.get(path, base_url=ORIGIN)
        assert response.status_code == status, response.get_data(as_text=True)
        return text_of(response)

    def source(self, path):
        """A page as it is."""
        return self.browser.get(path, base_url=ORIGIN).get_data(as_text=True)

    def post(self, path, status=200, **form):
        """Send a form of the console; return the answer."""
        token = token_of(self.browser.get("/console", base_url=ORIGIN))
        response = self.browser.post(path, data={"form_token": token, **form}, base_url=ORIGIN)
        assert response.status_code == status, response.get_data(as_text=True)
        return response

    def acted(self):
        """What the audit trail says that operators did, after the sign-in."""
        house = self.bridge.app.extensions["saml_slo"]
        found = [entry.happened for entry in everything(house, 0, None)]
        return [(one.action, one.subject) for one in found if isinstance(one, OperatorActed)][2:]


def text_of(response):
    """What a page says, in one line; every icon on it is drawn."""
    source = response.get_data(as_text=True)
    assert 'd=""' not in source
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", source))


@pytest.fixture
def operator(bridge):
    """An operator."""
    return Operator(bridge)


def session_of(operator, **whom):
    """The id of the one session that a search finds."""
    page = operator.post("/console/sessions", **whom).get_data(as_text=True)
    (found,) = re.findall(r'href="/console/sessions/([0-9a-f]{34})"', page)
    return found


def test_the_overview_says_what_needs_somebody(bridge, operator):
    """A file that is wrong and an application that is blind; nothing of it, and the heading says so."""
    assert "Blind: its people stay signed in there" in operator.get("/console")
    (bridge.settings.metadata_dir / "connections" / "bad.toml").write_text('nonsense = "x"\n')
    bridge.app.extensions["saml_slo"].registry.reload()
    assert "bad.toml, line 1" in operator.get("/console")
    for name in ("connections/bad", "applications/old"):
        (bridge.settings.metadata_dir / f"{name}.toml").unlink()
    bridge.app.extensions["saml_slo"].registry.reload()
    assert "Nothing needs you" in operator.get("/console")


def test_lists_are_filtered_and_come_page_by_page(bridge, operator):
    """Fifty on a page; a filter looks into name, title and entity id; what is not in force is listed too."""
    folder = bridge.settings.metadata_dir / "applications"
    for number in range(60):
        (folder / f"app{number:02}.toml").write_text(f'display_name = "Number {number}"\n{ANSWERABLE}')
    (folder / "broken.toml").write_text("nonsense = 1\n")
    bridge.app.extensions["saml_slo"].registry.reload()
    assert "Page 1 of 2, 64 in all" in operator.get("/console/applications")
    assert "broken" in operator.get("/console/applications?page=2")
    assert "broken" in operator.get("/console/applications?page=999")
    assert "Number 42" in operator.get("/console/applications?q=number+42")
    attention = operator.get("/console/applications?show=attention")
    assert "broken" in attention
    assert "old" in attention
    assert "Number" not in attention
    assert "nonsense" in operator.get("/console/applications/broken")
    operator.get("/console/applications/nobody", 404)


def test_a_peer_shows_what_is_in_force_and_where_it_comes_from(operator):
    """Values with their file and line, what a logout uses, certificates, and what the doctor says."""
    page = operator.get("/console/connections/idp")
    for words in (
        idp.ENTITY_ID,
        "connections/idp.xml",
        "asked by a signed LogoutRequest",
        "RSA 2048",
        "What the doctor",
    ):
        assert words in page
    assert "digests, not shown" in operator.get("/console/applications/shop")
    assert "0" * 64 not in operator.get("/console/applications/shop")


def test_a_session_is_found_by_whatever_is_known_and_redacted(bridge, operator):
    """By NameID, by the application's NameID and by its id; names are shown when asked for, and that is audited."""
    bridge.back.sign_in(bridge, bridge.browser())
    identifier = session_of(operator, by="name_id", value=ALICE, peer="idp")
    assert session_of(operator, by="session", value=identifier) == identifier
    page = operator.get(f"/console/sessions/{identifier}")
    assert "back" in page
    assert ALICE not in page
    assert "application back: in force holds yes should be yes" in page
    assert operator.acted() == []
    assert ALICE in text_of(operator.post(f"/console/sessions/{identifier}", reveal="yes"))
    assert operator.acted() == [("session-revealed", identifier)]
    assert "There is no living session" in text_of(operator.post("/console/sessions", by="user", value="nobody"))


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"by": "name_id", "value": "x", "peer": ""}, "A NameID belongs to a connection or to an application"),
        ({"by": "name_id", "value": "x", "peer": "nobody"}, "There is no application nobody here"),
        ({"by": "own_id", "value": "x", "peer": ""}, "An own id belongs to an application"),
        ({"by": "session", "value": "{ops}", "peer": ""}, "34 hex digits"),
        ({"by": "user", "value": "", "peer": ""}, "Nothing was typed"),
    ],
)
@pytest.mark.parametrize("path", ["/console/sessions", "/console/logouts", "/console/audit", "/console/sessions/end"])
def test_a_search_that_names_nobody_says_why(operator, path, form, says):
    """In words, on the same page, with what was typed still there."""
    assert says in text_of(operator.post(path, 400, **form))


def test_a_forced_logout_is_looked_at_and_then_made(bridge, operator, endpoint):
    """The preview ends nothing; the end asks by SOAP, is audited under the operator, and has a timeline."""
    browser = bridge.browser()
    bridge.back.sign_in(bridge, browser)
    whom = {"by": "name_id", "value": ALICE, "peer": "idp"}
    preview = text_of(operator.post("/console/sessions/end", **whom))
    assert "Nothing has ended yet" in preview
    assert "is asked" in preview
    assert bridge.is_signed_in(browser)
    answer = operator.post("/console/sessions/end/now", 303, **whom, reason="user")
    assert not bridge.is_signed_in(browser)
    page = operator.get(answer.headers["Location"])
    assert f"By operator {NAME}" in page
    assert "back : signed out" in page
    house = bridge.app.extensions["saml_slo"]
    (begun,) = [one.happened for one in everything(house, 0, None) if isinstance(one.happened, LogoutBegun)]
    assert (begun.by, begun.reason) == (NAME, "user")
    assert "Nothing was left to end" in text_of(operator.post("/console/sessions/end/now", **whom))


def test_a_logout_is_found_by_code_message_person_and_peer(bridge, operator, endpoint):
    """Each leads to the one logout; an unknown code says where else to look."""
    browser = bridge.browser()
    bridge.back.sign_in(bridge, browser)
    code = bridge.receipt(browser, bridge.logout(browser))["reference"]
    for query in (code, code.lower(), endpoint.asked[0].get("ID")):
        found = operator.browser.get("/console/logouts", query_string={"q": query}, base_url=ORIGIN)
        assert found.headers["Location"] == f"/console/logouts/{code}", query
    assert code in operator.get("/console/logouts")
    assert code in operator.get("/console/logouts?application=back")
    assert code in text_of(operator.post("/console/logouts", by="name_id", value=ALICE, peer="idp"))
    assert "saml-slo receipt CODE" in operator.get("/console/logouts?q=K7QX-3M9P")
    operator.get("/console/logouts/22345-67892", 404)


def test_a_message_of_a_sign_in_leads_to_the_audit(bridge, operator):
    """Whoever looks for it among logouts is sent on; there it stands with a link to its session."""
    browser = bridge.browser()
    request = bridge.start_sign_in(browser)
    bridge.deliver(browser, idp.post(bridge.answer(request), endpoint=idp.ACS))
    where = operator.browser.get("/console/logouts", query_string={"q": request.id}, base_url=ORIGIN).headers[
        "Location"
    ]
    assert "signed in through idp: a new session" in operator.get(where)
    assert 'href="/console/sessions/' in operator.source(where)


def test_a_delivery_is_tried_again_or_given_up(bridge, operator, endpoint):
    """From the list, with the operator in the audit trail; what does not wait is said to."""
    endpoint.fail = True
    for _ in range(2):
        browser = bridge.browser()
        bridge.back.sign_in(bridge, browser)
        bridge.receipt(browser, bridge.logout(browser))
        bridge.clock.move(2)
    endpoint.fail = False
    ids = set(re.findall(r'name="id" value="(\w+)"', operator.source("/console/deliveries")))
    retried, dropped = sorted(ids)
    where = operator.post("/console/deliveries/retry", 303, id=retried).headers["Location"]
    assert "back Signed out" in operator.get(where).replace("application ", "")
    where = operator.post("/console/deliveries/drop", 303, id=dropped).headers["Location"]
    assert "An operator decided that it is not asked again." in operator.get(where)
    assert "None waits." in operator.get("/console/deliveries")
    assert operator.acted() == [("delivery-retried", f"back {retried}"), ("delivery-dropped", f"back {dropped}")]
    assert "does not wait" in text_of(operator.post("/console/deliveries/drop", 409, id=dropped))


def test_the_audit_goes_back_page_by_page(bridge, operator):
    """Fifty entries and a way to what is older; found by connection as well."""
    store = bridge.app.extensions["saml_slo"].store
    for number in range(70):
        store.note("olga", "did", f"thing {number}")
    page = operator.browser.get("/console/audit", base_url=ORIGIN).get_data(as_text=True)
    assert "did thing 69" in page
    assert "did thing 0<" not in page
    older = re.search(r'href="(\?before=[^"]+)"', page)[1]
    assert "did thing 0 " in operator.get(f"/console/audit{older}")
    bridge.sign_in(bridge.browser())
    assert "signed in through idp" in operator.get("/console/audit?connection=idp")
    assert "Nothing is recorded of this" in operator.get("/console/audit?q=K7QX-3M9P")
    assert "did thing 69" in operator.get("/console/audit?before=nonsense")


def test_a_message_is_inspected_redacted_unless_asked(bridge, operator):
    """Pasted or as a file; the NameID is a digest, and showing it is audited."""
    request = idp.redirect(idp.logout_request(), endpoint=f"{ORIGIN}/saml/sp/idp/slo")
    url = f"{request.endpoint}?{request.query.decode()}"
    page = text_of(operator.post("/console/inspector", message=url))
    assert "LogoutRequest" in page
    assert "sha256:" in page
    assert ALICE not in page
    assert operator.acted() == []
    assert ALICE in text_of(operator.post("/console/inspector", message=url, reveal="yes"))
    assert operator.acted() == [("message-revealed", "inspector")]
    assert "There is no message in this" in text_of(operator.post("/console/inspector", 400, message="hello"))


def test_changed_metadata_is_accepted_and_taken_back(tmp_path, redis_url, monkeypatch):
    """The differences in sentences; only the version that was shown is accepted; the operator is in the audit trail."""
    with publishing() as publisher, running_bridge(tmp_path, redis_url, back_channel_allow=("127.0.0.1",)) as bridge:
        publisher.documents["/idp.xml"] = descriptor("https://far.example/saml", ("idp-next",))
        path = bridge.settings.metadata_dir / "connections" / "far.toml"
        path.write_text(f'metadata_url = "{publisher.url()}"\nmetadata_changes = "ask"\n')
        run = commands(bridge, monkeypatch)
        run("connection", "refresh", "far")
        publisher.documents["/idp.xml"] = descriptor("https://far.example/saml", ("other-idp",))
        run("connection", "refresh", "far")
        bridge.app.extensions["saml_slo"].registry.take_copies()
        operator = Operator(bridge)
        assert "far" in operator.get("/console")
        page = operator.source("/console/connections/far")
        assert "new signing key" in page
        assert "Changed metadata waits for your decision" in operator.get("/console/connections")
        version = re.search(r'name="version" value="([0-9a-f]{64})"', page)[1]
        operator.post("/console/connections/far/accept", 400, version="0" * 64)
        operator.post("/console/connections/far/accept", 303, version=version)
        page = operator.source("/console/connections/far")
        assert "Accept these changes" not in page
        previous = re.search(r'name="version" value="([0-9a-f]{64})"', page)[1]
        operator.post("/console/connections/far/go-back", 303, version=previous)
        assert operator.acted() == [
            ("metadata-accepted", "connection far"),
            ("metadata-went-back", "connection far"),
        ]
        operator.post("/console/connections/idp/accept", 400, version="")


def test_what_expires_is_listed_soonest_first(operator):
    """Certificates of peers and of ours, and the waiver that is over."""
    page = operator.get("/console/expiry")
    assert page.index("waiver") < page.index("signing certificate")
    assert "Our own keys" in page


def test_federations_stand_above_the_connections(bridge, operator):
    """Whether an aggregate was read, and how many of its entities are kept."""
    folder = bridge.settings.metadata_dir / "federations"
    folder.mkdir()
    (folder / "signer.crt").write_text(signer_file("idp"))
    (folder / "edu.toml").write_text(PINNED)
    (folder / "edu.xml").write_text(aggregate(member("a"), member("b")))
    house = bridge.app.extensions["saml_slo"]
    house.registry.reload()
    assert "edu not read yet" in operator.get("/console/connections")
    house.renewal.look_at_federations()
    house.registry.reload()
    assert "edu 2 of 2 entities kept" in operator.get("/console/connections")
    assert "edu" not in operator.get("/console/connections?q=idp")
