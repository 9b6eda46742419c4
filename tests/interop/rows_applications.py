"""What is proved with real applications behind the bridge and SimpleSAMLphp as the identity provider above it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from tests.interop import steps
from tests.interop.applications import Application, Mellon, NodeSaml, Samlify, SimpleSamlPhpSp
from tests.interop.bridge import RETURN_TO, Bridge, Settings
from tests.interop.browser import Browser, Page
from tests.interop.lab import SimpleSamlPhp, fetch
from tests.interop.row import NotTrueError, Row

IDP = "simplesamlphp"
PERSON = "person"
ALL = ("mellon", "ssp-sp", "node-saml", "samlify")


@dataclass
class Together:
    """The bridge, SimpleSAMLphp above it, and the applications; each of them is started when a row wants it."""

    bridge: Bridge
    idp: SimpleSamlPhp
    modules: Path
    folder: Path
    titles: dict[str, str] = field(default_factory=dict)
    _running: dict[str, Application] = field(default_factory=dict)
    _wanted: object = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def application(self, name: str) -> Application:
        """Return a running application."""
        if name not in self._running:
            folder, idp = self.folder / name, self.bridge.idp_metadata_url
            made: Mapping[str, Callable[[], Application]] = {
                "mellon": lambda: Mellon(folder, idp),
                "ssp-sp": lambda: SimpleSamlPhpSp(folder, idp, "sql"),
                "ssp-phpsession": lambda: SimpleSamlPhpSp(folder, idp, "phpsession"),
                "node-saml": lambda: NodeSaml(folder, idp, self.modules),
                "samlify": lambda: Samlify(folder, idp, self.modules),
            }
            self._running[name] = self._stack.enter_context(made[name]())
        return self._running[name]

    def connect(self, names: Sequence[str], changed: Mapping[str, Settings]) -> list[Application]:
        """Make these the bridge's applications, with changed settings for some, and its own identity provider."""
        if not self._wanted:
            self.titles[IDP] = self.bridge.configure(IDP, fetch(self.idp.metadata_url))
            self.idp.register(self.bridge.metadata_url(IDP))
        applications = [self.application(name) for name in names]
        peers = {
            name: (one.metadata, {"connection": IDP, **one.settings, **changed.get(name, {})})
            for name, one in zip(names, applications, strict=True)
        }
        if self._wanted != peers:
            self.titles |= zip(names, self.bridge.applications(peers), strict=True)
            self._wanted = peers
        return applications


@dataclass(frozen=True, kw_only=True)
class Case:
    """One logout: who is signed in, who begins it, who is dead, what the settings are, by what each is asked."""

    names: tuple[str, ...] = ALL
    began: str
    dead: str | None = None
    changed: Mapping[str, Settings] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    answered: str = "redirect"


_ASKED = {
    "mellon": "soap",
    "ssp-sp": "redirect",
    "ssp-phpsession": "redirect",
    "node-saml": "post",
    "samlify": "redirect",
}


def logout(case: Case, parties: Together, row: Row) -> None:
    """Everybody is signed in with one password; one logout ends every session, and who began it is told the truth."""
    browser = Browser()
    applications = dict(zip(case.names, parties.connect(case.names, case.changed), strict=True))
    row.did(f"sign in at {', '.join(case.names)}; log out: begun by {case.began}")
    for name, one in applications.items():
        page = one.sign_in(browser)
        row.require(
            one.signed_in(browser),
            f"signed in at {name}; the browser is at {page.url[:100]}: {page.words[:300]}"
            f"; refused: {parties.bridge.refusals()}",
        )
    row.expect(browser.passwords_typed, 1, "passwords typed for all of them")
    if case.dead is not None:
        row.did(f"{case.dead} is switched off")
        applications[case.dead].stop()
    try:
        before = len(browser.messages)
        page = _begin(case, parties, applications, browser)
        row.passed(browser.messages[before:])
        _check_sessions(case, parties, row, applications, browser)
        _check_requester(case, parties, row, applications, browser, page)
        _check_receipt(case, parties, row)
    finally:
        if case.dead is not None:
            applications[case.dead].start()


def _begin(case: Case, parties: Together, applications: Mapping[str, Application], browser: Browser) -> Page:
    if case.began == PERSON:
        return browser.open(f"{parties.bridge.origin}/v2/logout{steps.with_return()}")
    if case.began == IDP:
        return browser.open(f"{parties.idp.origin}/initSLO.php?RelayState={RETURN_TO}")
    return applications[case.began].sign_out(browser)


def _check_sessions(
    case: Case, parties: Together, row: Row, applications: Mapping[str, Application], browser: Browser
) -> None:
    alive = [name for name, one in applications.items() if name != case.dead and one.signed_in(browser)]
    row.expect(
        alive,
        [],
        f"applications with a session afterwards (refused: {parties.bridge.refusals()}; blocked: {browser.blocked})",
    )
    row.require(not parties.bridge.signed_in(browser), "our own session is gone")
    found = steps.idp_session(parties.bridge, browser, IDP)
    row.expect(found, steps.GONE, "the IdP's session afterwards")
    row.saw(f"no session at {', '.join(name for name in applications if name != case.dead)}, here and at the IdP")


def _check_requester(  # noqa: PLR0917 - what a logout came to
    case: Case, parties: Together, row: Row, applications: Mapping[str, Application], browser: Browser, page: Page
) -> None:
    whole = case.dead is None
    if case.began == PERSON:
        row.expect(page.url == RETURN_TO, whole, "the person is at returnTo exactly when nothing is to be told")
        row.matrix["told"] = "returnTo" if whole else "receipt"
        return
    origin = parties.idp.origin if case.began == IDP else applications[case.began].origin
    answers = [m for m in browser.messages if m.kind == "LogoutResponse" and m.to.startswith(origin)]
    row.expect(len(answers), 1, f"answers to {case.began}; the browser is at {page.url[:120]} (HTTP {page.status})")
    (answer,) = answers
    row.expect(answer.status, "Success" if whole else "Success/PartialLogout", f"what {case.began} was told")
    row.expect(answer.binding, case.answered, "binding of the answer")
    if case.began == IDP:
        row.expect(page.url, RETURN_TO, "where the IdP sent the person")
    else:
        row.require(
            applications[case.began].back_home(page), f"the person came back, not to {page.url} ({page.words[:200]})"
        )
    row.matrix["told"] = f"{answer.status} by {answer.binding}"


def _check_receipt(case: Case, parties: Together, row: Row) -> None:
    receipt = parties.bridge.last_receipt()
    row.told(receipt)
    told = {session["name"]: session for session in receipt["sessions"] if session["kind"] != "session"}
    asked = {**_ASKED, IDP: "redirect", **case.asked}
    expected = {
        parties.titles[name]: ("timed_out" if name == case.dead else "confirmed", asked[name])
        for name in (*case.names, IDP)
        if name != case.began
    }
    found = {name: (session["state"], session["channel"]) for name, session in told.items()}
    row.expect(found, expected, "the receipt")
    row.matrix["began"] = case.began
    for name in (*case.names, IDP):
        if name != case.began:
            session = told[parties.titles[name]]
            row.matrix[name] = f"{session['channel']}: {session['state']}"
    if not all(session["state"] == "confirmed" for session in receipt["sessions"] if session["kind"] == "session"):
        raise NotTrueError("our own session is not confirmed on the receipt")


def _row(number: str, title: str, **case: object) -> tuple[str, str, Callable[[Together, Row], None]]:
    return number, title, partial(logout, Case(**case))


ROWS = (
    _row("11a", "mellon begins", names=("mellon",), began="mellon"),
    _row("11b", "mellon is told by SOAP: the person begins", names=("mellon",), began=PERSON),
    _row("11c", "mellon is told by SOAP: the IdP begins", names=("mellon",), began=IDP),
    _row("12a", "node-saml begins", names=("node-saml",), began="node-saml"),
    _row("12b", "node-saml is told by POST in a frame: the person begins", names=("node-saml",), began=PERSON),
    _row("12c", "node-saml is told by POST in a frame: the IdP begins", names=("node-saml",), began=IDP),
    _row("13a", "samlify begins", names=("samlify",), began="samlify"),
    _row("13b", "samlify is told in a frame: the person begins", names=("samlify",), began=PERSON),
    _row("13c", "samlify is told in a frame: the IdP begins", names=("samlify",), began=IDP),
    _row("14a", "SimpleSAMLphp SP begins", names=("ssp-sp",), began="ssp-sp"),
    _row("14b", "SimpleSAMLphp SP is told in a frame: the person begins", names=("ssp-sp",), began=PERSON),
    _row("14c", "SimpleSAMLphp SP is told in a frame: the IdP begins", names=("ssp-sp",), began=IDP),
    _row("14d", "SimpleSAMLphp SP with phpsession begins", names=("ssp-phpsession",), began="ssp-phpsession"),
    _row("14e", "SimpleSAMLphp SP with phpsession is told: the person begins", names=("ssp-phpsession",), began=PERSON),
    _row("14f", "SimpleSAMLphp SP with phpsession is told: the IdP begins", names=("ssp-phpsession",), began=IDP),
    *(
        _row(f"15{letter}", f"all four in one session: {began} begins", began=began)
        for letter, began in zip("abcdef", (*ALL, PERSON, IDP), strict=True)
    ),
    *(
        _row(f"16{letter}", f"{dead} is dead: {began} begins", began=began, dead=dead)
        for letter, dead, began in zip("abcdef", (*ALL, ALL[0], ALL[2]), (*ALL[1:], ALL[0], PERSON, IDP), strict=True)
    ),
)
