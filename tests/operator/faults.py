"""The faults, one after the other; each function makes one thing wrong, is told why, and mends it as it was told."""

from collections.abc import Callable

from lxml import etree

from tests.interop.browser import Browser, Message
from tests.interop.lab import RETURN_TO, fetch, without
from tests.operator import changed
from tests.operator.person import NAME, Operator
from tests.operator.transcript import NotTold

Change = Callable[[etree._Element], None]
FAST = 600  # seconds that the wrong clock is ahead


def not_registered(operator: Operator) -> None:
    """SimpleSAMLphp does not know us yet."""
    page = operator.page
    page.fault(
        "The provider does not know us",
        "The server runs (`saml-slo serve`, its log in `serve.log`). A first sign-in, before anybody gave the provider "
        "our metadata:",
    )
    ended = Browser().open(f"{operator.origin}/login?connection={NAME}")
    operator.tell(ended)
    text = _pasted(ended.words, "METADATANOTFOUND", "Unable to locate metadata")
    page.say("The text of that page tells it:")
    page.type(
        f'doctor --error "{text}"',
        "SimpleSAMLphp has no metadata with our Issuer.",
        "Give it our present metadata",
        words=("doctor", "--error", text),
    )
    page.say(f"So the provider is given `{operator.metadata_url}`, and the same person signs in, and out:")
    changed.register(operator.idp, operator.metadata_url)
    operator.in_and_out()


def wrong_path(operator: Operator) -> None:
    """The operator's logout URL has a typing error."""
    page = operator.page
    line = f'logout_url = "{operator.idp.origin}/SingleLogout.php"'
    page.fault(
        "The logout URL is wrong", "Somebody wrote a logout URL into the connection's file, and left a word out:"
    )
    operator.add_line(line)
    browser = operator.sign_in()
    operator.log_out(browser)
    receipt = operator.receipt(browser)
    page.say("The operator is told the reference code of that receipt:")
    page.type(
        f"receipt {receipt['reference']}",
        f"asked by saml redirect at {operator.idp.origin}/SingleLogout.php (operator)",
    )
    page.type(
        f"doctor --online {NAME}",
        "Its logout_url is none of the logout endpoints in its metadata.",
        "There is no page at its logout URL",
        f"expected: redirect {operator.idp.origin}/SingleLogoutService.php",
        "without the key the metadata's endpoint is used.",
    )
    page.say("The line is taken out, as it says:")
    operator.remove_line(line)
    operator.in_and_out()


def wrong_host(operator: Operator) -> None:
    """The logout URL is at a host where nobody answers."""
    page = operator.page
    line = 'logout_url = "http://127.0.0.1:9/simplesaml/saml2/idp/SingleLogoutService.php"'
    page.fault(
        "The logout URL is of another host", "The provider has moved, or the file was copied from a test system:"
    )
    operator.add_line(line)
    browser = operator.sign_in()
    operator.log_out(browser)
    operator.receipt(browser)
    page.type(
        f"doctor --online {NAME}",
        "Its logout_url is none of the logout endpoints in its metadata.",
        "The server of its logout URL does not answer from here",
        "If it is not there: correct logout_url, or fetch new metadata.",
    )
    operator.remove_line(line)
    operator.in_and_out()


def no_endpoint(operator: Operator) -> None:
    """The metadata that we have has no SingleLogoutService."""
    page = operator.page
    page.fault(
        "The metadata has no logout endpoint", "A colleague saved the provider's metadata before single logout was on:"
    )
    old = operator.folder / "old.xml"
    old.write_bytes(without(fetch(operator.idp.metadata_url), "SingleLogoutService"))
    page.type(f"connection remove {NAME} --yes")
    page.type(f"connection add {NAME} --from old.xml --yes")
    operator.wait()
    browser = operator.sign_in()
    operator.log_out(browser)
    operator.receipt(browser)
    page.type(f"doctor {NAME}", "A federated logout ends nothing there.", "Switch single logout on at the provider")
    page.type(f"explain --connection {NAME}", code=1)
    page.type(f"connection remove {NAME} --yes")
    page.type(f"connection add {NAME} --from {operator.idp.metadata_url} --yes")
    operator.usable()
    operator.in_and_out()


def moved_endpoint(operator: Operator) -> None:
    """The provider publishes a logout URL that it does not have; the change waits, is accepted, and is taken back."""
    page, idp = operator.page, operator.idp
    gone = f"{idp.origin}/Logout.php"
    page.fault("The metadata changed", "The provider's metadata names another logout URL since tonight.")
    changed.moved_logout(idp, gone)
    page.type(f"doctor --online {NAME}", "What it publishes now differs from our copy")
    page.type(f"connection refresh {NAME}", "SingleLogoutService by redirect", code=3)
    page.say("It waits, because plain http proves nothing. Somebody accepts it without asking the provider:")
    page.type(f"connection accept {NAME} --yes")
    operator.follow()
    browser = operator.sign_in()
    operator.log_out(browser)
    receipt = operator.receipt(browser)
    page.type(f"receipt {receipt['reference']}", f"asked by saml redirect at {gone} (metadata)")
    page.say("The provider says that it was a mistake of theirs. Until they have mended it, we go back:")
    page.type(f"connection rollback {NAME} --yes")
    operator.follow()
    operator.in_and_out()
    changed.moved_logout(idp, None)
    page.say("They have mended it, and it says the same as our copy again:")
    page.type(f"doctor --online --all {NAME}", "what it publishes says the same as our copy")


def their_key(operator: Operator) -> None:
    """SimpleSAMLphp signs with a key that our copy of its metadata does not have."""
    page = operator.page
    page.fault(
        "The provider's certificate is not the one that we have",
        "The provider got a new signing key while people were signed in.",
    )
    browser = operator.sign_in()
    changed.new_key(operator.idp)
    ended = operator.log_out(browser)
    operator.receipt(browser)
    _code(operator, operator.reference(ended), "signature_invalid")
    page.say("The browser's developer tools saved what passed as `logout.har`:")
    page.type(
        f"inspect {operator.capture(browser.messages[-1])}",
        "the query was signed with no key of the sender's metadata, or was changed (signature_invalid)",
        "Fetch the peer's present metadata, where its certificate may be new: `saml-slo doctor --online` compares it.",
        code=1,
    )
    page.say("Is it the provider's own new key, or somebody's who would like to be the provider?")
    page.type(
        f"doctor --online {NAME}", "new signing key: 'CN=new.idp.example'", f"`saml-slo connection refresh {NAME}`"
    )
    page.type(f"connection refresh {NAME}", f"`saml-slo connection accept {NAME}` takes it.", code=3)
    page.type(f"connection accept {NAME} --yes")
    operator.follow()
    operator.in_and_out()


def our_key(operator: Operator) -> None:
    """SimpleSAMLphp has a certificate that is not ours."""
    page = operator.page
    page.fault(
        "The provider has an old certificate of ours",
        "We have rolled our key, and nobody gave the provider our new metadata.",
    )
    old = operator.idp.folder / "old-sp.xml"
    old.write_bytes(_with_certificate(fetch(operator.metadata_url), operator.idp.certificate.read_text()))
    browser = operator.sign_in()
    changed.register(operator.idp, str(old))
    ended = operator.log_out(browser)
    operator.receipt(browser)
    text = _pasted(ended.words, "Unable to validate")
    page.type(
        f'doctor --error "{text}"',
        "it has an old one, or something on the way changed the URL.",
        "Give it our present metadata, or correct certData in saml20-sp-remote.php",
        words=("doctor", "--error", text),
    )
    changed.register(operator.idp, operator.metadata_url)
    operator.in_and_out()


def their_clock(operator: Operator) -> None:
    """SimpleSAMLphp's clock is ahead."""
    page = operator.page
    page.fault(
        "The clock is wrong", f"The provider's clock goes {FAST // 60} minutes ahead while somebody is signed in."
    )
    browser = operator.sign_in()
    operator.clock.set(FAST)
    ended = operator.log_out(browser)
    operator.receipt(browser)
    _code(operator, operator.reference(ended), "not_yet_valid")
    page.type(
        f"inspect {operator.capture(browser.messages[-1])}",
        "IssueInstant lies in the future (not_yet_valid)",
        "a clock that is ahead is set right, not tolerated.",
        code=1,
    )
    page.say("Theirs or ours?")
    page.type(
        f"doctor --online {NAME}",
        f"theirs is {FAST} s ahead of ours",
        "Without a name `doctor --online` asks every peer.",
        code=1,
    )
    operator.clock.set(0)
    page.say("They set it right:")
    operator.in_and_out()


def other_name_id(operator: Operator) -> None:
    """The LogoutRequest of the IdP names the person otherwise than its sign-in did."""
    page = operator.page
    page.fault(
        "The NameID is another one",
        "The provider names the person in its LogoutRequest otherwise than at sign-in. (SimpleSAMLphp cannot: "
        "its request is changed on its way and signed anew with its own key.) The person logs out at the provider:",
    )
    messages = _logged_out_there(operator, changed.other_name_id, ended=False)
    request = messages[-1].root.get("ID")
    page.say("Nothing ended here. What does the trail have of that message, and who is it that it names?")
    page.type(f"audit find --message {request}", "nothing ended, because nobody whom it names has a session here")
    page.type(
        "explain --user alice@school.example.com",
        "It ended, or the person is known by another name: looked for",
        code=1,
    )
    page.say("The sign-in and the logout together, as the browser saved them:")
    page.type(
        f"inspect {operator.capture(*messages)}",
        "It names another session than the Response before it: NameID",
        "set match_session_index = true in the peer's file, which goes by that.",
        since="LogoutRequest",
    )
    page.say("As it says:")
    operator.add_line("match_session_index = true")
    _logged_out_there(operator, changed.other_name_id, ended=True)
    operator.remove_line("match_session_index = true")


def other_session_index(operator: Operator) -> None:
    """The LogoutRequest of the IdP names a SessionIndex that it never gave us."""
    page = operator.page
    page.fault("The SessionIndex is another one", "The same, with a SessionIndex that the provider never gave us:")
    messages = _logged_out_there(operator, changed.other_session_index, ended=False)
    page.type(
        f"inspect {operator.capture(*messages)}",
        "It names another session than the Response before it: SessionIndex",
        "Let it send the SessionIndex of its sign-in, or none: that ends every session of the person.",
        since="LogoutRequest",
    )
    page.say("Until the provider is mended, an operator can end the session that lives on:")
    (name_id,) = messages[0].root.iter("{*}NameID")
    page.type(f"logout --connection {NAME} --name-id {name_id.text} --yes", code=3)


def _logged_out_there(operator: Operator, change: Change, *, ended: bool) -> list[Message]:
    """Log a person out at SimpleSAMLphp; return the Response of the sign-in and the request as it came to us."""
    divert = changed.another_session(operator.idp, change)
    browser = operator.sign_in(divert=divert)
    operator.tell(browser.open(f"{operator.idp.origin}/initSLO.php?RelayState={RETURN_TO}"))
    alive = operator.signed_in(browser)
    operator.page.say(f"Our session afterwards: **{'alive' if alive else 'gone'}**.")
    if alive is ended:
        raise NotTold(f"our session is {'alive' if alive else 'gone'}")
    found = []
    for message in browser.messages:
        if message.kind == "LogoutRequest" and message.to.endswith("/slo"):
            query = divert(f"{message.to}?{message.query}").partition("?")[2]
            found.append(message._replace(query=query))
        elif message.kind == "Response":
            found.append(message)
    return found


def _code(operator: Operator, reference: str, reason: str) -> None:
    operator.page.say("The code on that page leads to the line in the server's log:")
    operator.page.type(f"receipt {reference} --log serve.log", reason)


def _with_certificate(metadata: bytes, pem: str) -> bytes:
    root = etree.fromstring(metadata)
    inside = "".join(line for line in pem.splitlines() if not line.startswith("-"))
    for element in root.iter("{*}X509Certificate"):
        element.text = inside
    return etree.tostring(root)


def _pasted(words: str, *marks: str) -> str:
    """Return the part of a page that a person would paste: from where one of these stands."""
    for mark in marks:
        if mark in words:
            begin = words.index(mark)
            return words[begin : begin + 120].rsplit(" ", 1)[0].replace('"', "'")
    raise NotTold(f"none of {marks} on the page: {words[:600]}")


FAULTS = (
    not_registered,
    wrong_path,
    wrong_host,
    no_endpoint,
    moved_endpoint,
    their_key,
    our_key,
    their_clock,
    other_name_id,
    other_session_index,
)
