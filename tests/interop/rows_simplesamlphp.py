"""What is proved with SimpleSAMLphp as the identity provider. Each function is one row, with a browser of its own."""

from dataclasses import dataclass
from functools import partial

from lxml import etree

from tests.interop import steps
from tests.interop.bridge import RETURN_TO, Bridge
from tests.interop.browser import Browser
from tests.interop.lab import SimpleSamlPhp, fetch, without
from tests.interop.passthrough import with_a_broken_signature, without_session_index
from tests.interop.row import NotTrueError, Row

NAME = "simplesamlphp"


@dataclass(frozen=True)
class Parties:
    """The bridge and SimpleSAMLphp, both running."""

    bridge: Bridge
    idp: SimpleSamlPhp

    def connect(self, metadata: bytes | None = None, *, register: str = "", settings=None, **toml) -> str:
        """Configure the connection, publish our metadata to the IdP; return the title that receipts show."""
        title = self.bridge.configure(NAME, metadata or fetch(self.idp.metadata_url), **toml)
        self.idp.register(register or self.bridge.metadata_url(NAME), settings=settings)
        return title

    @property
    def slo(self) -> str:
        """The IdP's logout URL."""
        return f"{self.idp.origin}/SingleLogoutService.php"

    @property
    def sso(self) -> str:
        """The IdP's login URL."""
        return f"{self.idp.origin}/SSOService.php"


def metadata_is_imported(parties: Parties, row: Row) -> None:
    """SimpleSAMLphp's own parser takes our published metadata as it is."""
    row.did("let SimpleSAMLphp fetch the SP metadata that the bridge publishes, with no change to it")
    parties.connect()
    published = parties.bridge.metadata(NAME)
    row.require(parties.idp.registered() == published, "what SimpleSAMLphp read is what we publish")
    understood = parties.idp.understood()
    root = etree.fromstring(published)
    wanted = [root.get("entityID"), *root.xpath("//@Location")]
    wanted += ["".join(element.text.split()) for element in root.iter("{*}X509Certificate")]
    missing = [text for text in wanted if text not in understood]
    row.expect(missing, [], "entity id, endpoints and certificates that SimpleSAMLphp did not understand")
    # From here on it refuses every AuthnRequest whose signature it cannot verify.
    row.require("'validate.authnrequest' => true" in understood, "AuthnRequestsSigned was understood")
    row.saw(
        f"understood: entity id, {len(root.xpath('//@Location'))} endpoints, the signing and encryption certificates"
    )


def sign_in(name_id_format: str, parties: Parties, row: Row) -> None:
    """What the assertion says of the person is in Redis, byte for byte."""
    row.did(f"sign in as alice with name_id_format = {name_id_format}")
    parties.connect(name_id_format=name_id_format)
    browser = Browser()
    response = steps.sign_in(parties.bridge, browser, NAME)
    row.passed(browser.messages)
    (assertion,) = response.root.iter("{*}Assertion")
    row.require(
        steps.name_id(assertion).format.rpartition(":")[2].startswith(name_id_format), "the NameID Format is ours"
    )
    row.expect(len(steps.session_indexes(assertion)), 1, "SessionIndex values that SimpleSAMLphp sent")
    steps.check_record(parties.bridge, browser, row, assertion)


def sign_in_by_post(parties: Parties, row: Row) -> None:
    """Where the IdP takes AuthnRequests by POST only, ours is one, with its signature in the XML."""
    row.did("take the Redirect endpoint for sign-in out of the IdP's metadata; sign in as alice")
    parties.connect(without(fetch(parties.idp.metadata_url), "SingleSignOnService", binding=":HTTP-Redirect"))
    browser = Browser()
    response = steps.sign_in(parties.bridge, browser, NAME)
    row.passed(browser.messages)
    request = steps.last(browser.messages, "AuthnRequest")
    row.expect((request.binding, request.to), ("post", parties.sso), "where the AuthnRequest went")
    (assertion,) = response.root.iter("{*}Assertion")
    steps.check_record(parties.bridge, browser, row, assertion)


def federated_logout(binding: str, parties: Parties, row: Row) -> None:
    """A signed LogoutRequest, a verified LogoutResponse, the IdP's session gone."""
    title = parties.connect(**({} if binding == "redirect" else {"logout_binding": binding}))
    browser = Browser()
    row.did("sign in" if binding == "redirect" else f'sign in; logout_binding = "{binding}"')
    response = steps.sign_in(parties.bridge, browser, NAME)
    page, messages = steps.log_out(parties.bridge, browser, row, steps.with_return())
    steps.check_request(row, messages, response, binding=binding, to=parties.slo)
    _confirmed(parties, row, browser, title, channel=binding)
    row.expect(page.url, RETURN_TO, "where the person ended")
    row.saw("the person ended at returnTo")


def request_changed(parties: Parties, row: Row) -> None:
    """SimpleSAMLphp does verify our signature: with a broken one it ends nothing and answers nothing."""
    title = parties.connect()
    row.did("sign in; one letter of the signature of our LogoutRequest is changed on its way")
    browser = Browser(divert=with_a_broken_signature("SAMLRequest", of="SingleLogoutService.php"))
    steps.sign_in(parties.bridge, browser, NAME)
    before = len(parties.idp.log())
    page, messages = steps.log_out(parties.bridge, browser, row, "?federated")
    row.expect(len(messages), 1, "messages")
    complaint = "Unable to validate signature on query string"
    row.require(complaint in parties.idp.log()[before:], f"SimpleSAMLphp logged: {complaint}")
    row.saw(f"SimpleSAMLphp: an error page with HTTP {page.status}, in its log: {complaint}")
    steps.check_receipt(row, parties.bridge.receipt(browser), title, state="sent", ended=False)
    _idp_session(parties, row, browser, steps.ALIVE)


def answer_changed(parties: Parties, row: Row) -> None:
    """A LogoutResponse whose signature does not verify changes nothing; the genuine one still counts afterwards."""
    title = parties.connect()
    row.did("sign in; one letter of the signature of the LogoutResponse is changed on its way, then it comes unchanged")
    browser = Browser(divert=with_a_broken_signature("SAMLResponse", of="/slo"))
    steps.sign_in(parties.bridge, browser, NAME)
    parties.bridge.refusals()
    page, messages = steps.log_out(parties.bridge, browser, row, "?federated")
    row.expect((page.status, parties.bridge.refusals()), (400, ["signature_invalid"]), "what became of the changed one")
    row.saw("HTTP 400, signature_invalid in the log")
    steps.check_receipt(row, parties.bridge.receipt(browser), title, state="sent", ended=False)
    genuine = steps.last(messages, "LogoutResponse")
    browser.divert = None
    browser.open(f"{genuine.to}?{genuine.query}")
    _confirmed(parties, row, browser, title)


def answered_by_post(parties: Parties, row: Row) -> None:
    """A LogoutResponse by POST is verified like one by Redirect."""
    bridge = parties.bridge
    title = bridge.configure(NAME, fetch(parties.idp.metadata_url), logout_binding="post")
    changed = parties.idp.folder / "bridge-slo-by-post-only.xml"
    changed.write_bytes(without(bridge.metadata(NAME), "SingleLogoutService", binding=":HTTP-Redirect"))
    parties.idp.register(str(changed))
    row.did("sign in; our SLO endpoint by Redirect was taken out of the copy that SimpleSAMLphp has")
    browser = Browser()
    response = steps.sign_in(bridge, browser, NAME)
    _, messages = steps.log_out(bridge, browser, row, "?federated")
    steps.check_request(row, messages, response, binding="post", to=parties.slo)
    row.expect(steps.last(messages, "LogoutResponse").binding, "post", "binding of the LogoutResponse")
    _confirmed(parties, row, browser, title, channel="post")


def local_logout(parties: Parties, row: Row) -> None:
    """Without `federated` the IdP is not asked, its session lives, and the receipt says so."""
    title = parties.connect()
    row.did("sign in")
    browser = Browser()
    steps.sign_in(parties.bridge, browser, NAME)
    _, messages = steps.log_out(parties.bridge, browser, row, "")
    row.expect(messages, [], "messages")
    steps.check_receipt(row, parties.bridge.receipt(browser), title, state="kept", ended=False)
    fresh = steps.next_sign_in_is_fresh(parties.bridge, browser, NAME)
    row.expect(fresh, True, "the IdP asks for the password although its session lives")  # noqa: FBT003 - what is expected
    _idp_session(parties, row, browser, steps.ALIVE)


def login_url(parties: Parties, row: Row) -> None:
    """Without an SLO endpoint the request goes to the login URL; what comes of it is told as it is."""
    title = parties.connect(without(fetch(parties.idp.metadata_url), "SingleLogoutService"))
    row.did("take the SLO endpoints out of the IdP's metadata; sign in")
    browser = Browser()
    response = steps.sign_in(parties.bridge, browser, NAME)
    page, messages = steps.log_out(parties.bridge, browser, row, "?federated")
    steps.check_request(row, messages, response, binding="redirect", to=parties.sso)
    row.saw(f"SimpleSAMLphp's page (HTTP {page.status}): {page.words[:230]}")
    row.expect(len(messages), 1, "messages")
    at_once = parties.bridge.receipt(browser)
    steps.check_receipt(row, at_once, title, state="sent", endpoint_source="login_url", ended=False)
    settled = parties.bridge.settled_receipt(browser)
    told = steps.check_receipt(row, settled, title, state="timed_out", endpoint_source="login_url", ended=False)
    row.saw(f"receipt: {settled['summary']} {told['reason']}")
    _idp_session(parties, row, browser, steps.ALIVE)


def login_url_vetoed(parties: Parties, row: Row) -> None:
    """Where the login URL may not be used, nothing is sent and the receipt says that there is no way."""
    metadata = without(fetch(parties.idp.metadata_url), "SingleLogoutService")
    title = parties.connect(metadata, login_url_fallback=False)
    row.did("take the SLO endpoints out of the IdP's metadata; login_url_fallback = false; sign in")
    browser = Browser()
    steps.sign_in(parties.bridge, browser, NAME)
    _, messages = steps.log_out(parties.bridge, browser, row, "?federated")
    row.expect(messages, [], "messages")
    told = steps.check_receipt(row, parties.bridge.receipt(browser), title, state="unsupported", ended=False)
    row.saw(f"receipt: {told['reason']}")
    _idp_session(parties, row, browser, steps.ALIVE)


def operators_url(parties: Parties, row: Row) -> None:
    """The operator's logout_url stands in for the missing endpoint."""
    metadata = without(fetch(parties.idp.metadata_url), "SingleLogoutService")
    title = parties.connect(metadata, logout_url=parties.slo)
    row.did("take the SLO endpoints out of the IdP's metadata; logout_url = its SLO endpoint; sign in")
    browser = Browser()
    response = steps.sign_in(parties.bridge, browser, NAME)
    _, messages = steps.log_out(parties.bridge, browser, row, "?federated")
    steps.check_request(row, messages, response, binding="redirect", to=parties.slo)
    _confirmed(parties, row, browser, title, endpoint_source="operator")


def no_session_index(parties: Parties, row: Row) -> None:
    """Where the IdP gave no SessionIndex, none is invented and the request names the person alone."""
    title = parties.connect()
    row.did(
        "SimpleSAMLphp always gives a SessionIndex: it was taken out of the Response on its way, which was signed anew "
        "with the IdP's own key; sign in"
    )
    browser = Browser(rewrite=without_session_index(parties.idp.key, parties.idp.certificate))
    steps.sign_in(parties.bridge, browser, NAME)
    session = parties.bridge.recorded(browser)
    row.expect(session and session.logins[0].session_indexes, (), "SessionIndex in Redis")
    _, messages = steps.log_out(parties.bridge, browser, row, "?federated")
    request = steps.last(messages, "LogoutRequest").root
    row.expect(request.find("{*}SessionIndex"), None, "SessionIndex in the LogoutRequest")
    _confirmed(parties, row, browser, title, rung="name_id")


def encrypted_refused(parties: Parties, row: Row) -> None:
    """AES-CBC is refused unless the connection allows it."""
    row.did("assertion.encryption = true (SimpleSAMLphp 1.19 knows AES-128-CBC only); sign in")
    parties.connect(settings={"assertion.encryption": True})
    browser = Browser()
    page = browser.open(f"{parties.bridge.origin}/login?connection={NAME}")
    row.passed(browser.messages)
    row.require(not parties.bridge.signed_in(browser), "no session was opened")
    refusals = parties.bridge.refusals()
    row.expect(refusals, ["algorithm_not_allowed"], "reasons in the log")
    row.saw(f"HTTP {page.status}, algorithm_not_allowed in the log, no session")


def encrypted(setting: str, parties: Parties, row: Row) -> None:
    """What is encrypted for us is read, recorded and quoted in the clear in the logout."""
    title = parties.connect(settings={setting: True}, insecure_aes_cbc=True)
    row.did(f"{setting} = true; insecure_aes_cbc = true (the Response is signed); sign in")
    browser = Browser()
    before = len(parties.idp.log())
    response = steps.sign_in(parties.bridge, browser, NAME)
    row.passed([response])
    method = response.root.xpath("string(//*[local-name()='EncryptionMethod']/@Algorithm)")
    row.expect(method.rpartition("#")[2], "aes128-cbc", "block encryption")
    row.expect(list(response.root.iter("{*}NameID")), [], "NameID in the clear")
    (login,) = parties.bridge.recorded(browser).logins
    log = parties.idp.log()[before:]
    row.require(f">{login.name_id.value}</saml:NameID>" in log, "the IdP logged this NameID before it encrypted it")
    row.require(f'SessionIndex="{login.session_indexes[0]}"' in log, "the IdP logged this SessionIndex")
    row.saw("NameID and SessionIndex in Redis are those that SimpleSAMLphp logged before it encrypted")
    _, messages = steps.log_out(parties.bridge, browser, row, "?federated")
    request = steps.last(messages, "LogoutRequest").root
    row.expect(steps.name_id(request), login.name_id, "NameID of the LogoutRequest")
    _confirmed(parties, row, browser, title)


def idp_initiated(parties: Parties, row: Row) -> None:
    """Our answer to the IdP's LogoutRequest is true: Success if our session ended, an error if it lives."""
    parties.connect()
    row.did("sign in; log out at SimpleSAMLphp (initSLO.php)")
    browser = Browser()
    steps.sign_in(parties.bridge, browser, NAME)
    before = len(browser.messages)
    page = browser.open(f"{parties.idp.origin}/initSLO.php?RelayState={RETURN_TO}")
    row.passed(browser.messages[before:])
    answer = steps.last(browser.messages, "LogoutResponse")
    ended = not parties.bridge.signed_in(browser)
    row.informational = not ended
    row.expect(answer.status.startswith("Success"), ended, "our answer says Success exactly when our session ended")
    row.saw(
        f"the bridge answered {answer.status} and {'ended' if ended else 'kept'} its session",
        f"SimpleSAMLphp went on to {page.url[:60] if page.status == 0 else page.words[:120]}",
    )
    if not ended:
        parties.bridge.refusals()
        browser.open(f"{parties.bridge.origin}/v2/logout")
    _idp_session(parties, row, browser, steps.GONE)


def other_application(parties: Parties, row: Row) -> None:
    """Another service provider of the same IdP is signed out by our logout."""
    title = _beside_another(parties, row, [])
    browser = Browser()
    steps.sign_in(parties.bridge, browser, NAME)
    browser.open(f"{parties.idp.sp}/login")
    row.require(_signed_in_there(parties, browser), "the person is signed in at the other service provider")
    steps.log_out(parties.bridge, browser, row, "?federated")
    row.require(not _signed_in_there(parties, browser), "the person is signed out at the other service provider")
    row.saw("the other service provider's session is gone")
    _confirmed(parties, row, browser, title)


def partial_logout(parties: Parties, row: Row) -> None:
    """An IdP that could not sign out another application says PartialLogout, and so does the receipt."""
    title = _beside_another(parties, row, ["SingleLogoutService"])
    row.did("the other service provider has no SLO endpoint")
    browser = Browser()
    steps.sign_in(parties.bridge, browser, NAME)
    browser.open(f"{parties.idp.sp}/login")
    steps.log_out(parties.bridge, browser, row, "?federated")
    row.require(_signed_in_there(parties, browser), "the person is still signed in at the other service provider")
    told = steps.check_receipt(row, parties.bridge.receipt(browser), title, state="partial")
    row.saw("the other service provider's session lives", f"receipt: {told['reason']}")
    _idp_session(parties, row, browser, steps.GONE)


def dead_application(parties: Parties, row: Row) -> None:
    """A dead service provider in the IdP's chain strands the browser; our session is ended, the receipt is true."""
    title = _beside_another(parties, row, [])
    row.did("the other service provider is switched off")
    browser = Browser()
    steps.sign_in(parties.bridge, browser, NAME)
    browser.open(f"{parties.idp.sp}/login")
    parties.idp.stop_sp()
    page, _ = steps.log_out(parties.bridge, browser, row, "?federated")
    row.require(
        page.url.startswith(parties.idp.sp.removesuffix("/app")), f"the browser is stranded there, not at {page.url}"
    )
    row.saw("the browser is stranded at the dead service provider")
    settled = parties.bridge.settled_receipt(browser)
    steps.check_receipt(row, settled, title, state="timed_out", ended=False)
    row.saw(f"receipt: {settled['summary']}")


def _beside_another(parties: Parties, row: Row, missing: list[str]) -> str:
    parties.idp.start_sp()
    title = parties.connect()
    changed = parties.idp.folder / "sp1.xml"
    changed.write_bytes(without(fetch(parties.idp.sp_metadata_url), *missing))
    parties.idp.register(parties.bridge.metadata_url(NAME), str(changed))
    row.did("sign in at the bridge, then at another service provider of the same IdP")
    return title


def _signed_in_there(parties: Parties, browser: Browser) -> bool:
    page = browser.open(f"{parties.idp.sp}/whoami")
    if '"authenticated"' not in page.text:
        raise NotTrueError(f"the other application does not say who is there: {page.words[:200]}")
    return '"authenticated": true' in page.text


def _confirmed(parties: Parties, row: Row, browser: Browser, title: str, **expected: object) -> None:
    wanted = {"channel": "redirect", "endpoint_source": "metadata", "rung": "session_index", **expected}
    steps.check_receipt(row, parties.bridge.receipt(browser), title, state="confirmed", ended=True, **wanted)
    _idp_session(parties, row, browser, steps.GONE)


def _idp_session(parties: Parties, row: Row, browser: Browser, expected: str) -> None:
    found = steps.idp_session(parties.bridge, browser, NAME)
    row.expect(found, expected, "the IdP's session afterwards")
    row.saw(found)


ROWS = (
    ("1a", "SP metadata is imported", metadata_is_imported),
    ("1b", "sign-in, NameID persistent", partial(sign_in, "persistent")),
    ("1c", "sign-in, NameID transient", partial(sign_in, "transient")),
    ("1d", "sign-in, NameID email", partial(sign_in, "email")),
    ("1e", "sign-in, NameID unspecified", partial(sign_in, "unspecified")),
    ("1f", "sign-in by POST", sign_in_by_post),
    ("2a", "federated logout by Redirect", partial(federated_logout, "redirect")),
    ("2b", "federated logout, our request is changed", request_changed),
    ("2c", "federated logout, the answer is changed", answer_changed),
    ("3a", "federated logout by POST", partial(federated_logout, "post")),
    ("3b", "federated logout by POST, answered by POST", answered_by_post),
    ("4", "local logout", local_logout),
    ("5a", "no SLO endpoint: the login URL", login_url),
    ("5b", "no SLO endpoint: login URL vetoed", login_url_vetoed),
    ("5c", "no SLO endpoint: the operator's logout URL", operators_url),
    ("6", "no SessionIndex", no_session_index),
    ("7a", "encrypted assertion, AES-CBC not allowed", encrypted_refused),
    ("7b", "encrypted assertion", partial(encrypted, "assertion.encryption")),
    ("7c", "encrypted NameID", partial(encrypted, "nameid.encryption")),
    ("8", "logout begun at the IdP", idp_initiated),
    ("9a", "another application of the IdP", other_application),
    ("9b", "another application without SLO endpoint", partial_logout),
    ("9c", "another application that is dead", dead_application),
)
