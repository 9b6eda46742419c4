"""The bridge with real applications behind it and an identity provider above it, and one logout of them all."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.interop import steps
from tests.interop.applications import Application, Mellon, NodeSaml, Samlify, SimpleSamlPhpSp
from tests.interop.bridge import Bridge, Settings
from tests.interop.browser import Browser, Page
from tests.interop.lab import RETURN_TO, Samlp, SimpleSamlPhp, fetch
from tests.interop.row import BEGAN, TOLD, Row

SSP, IFRAMES, SAMLP, SAMLP_POST = "simplesamlphp", "simplesamlphp-iframe", "samlp", "samlp-post"  # identity providers
IDP, PERSON = "the IdP", "the person"
ALL = ("mellon", "ssp-sp", "node-saml", "samlify")
# By which binding each is asked, and gets the answer to its own request, as its metadata stands.
_ASKED = {
    "mellon": "soap",
    "ssp-sp": "redirect",
    "ssp-phpsession": "redirect",
    "node-saml": "post",
    "samlify": "redirect",
    IDP: "redirect",
}
_ANSWERED = {"node-saml": "post"}


@dataclass
class Together:
    """The bridge, SimpleSAMLphp above it, and the applications; each of them is started when a row wants it."""

    bridge: Bridge
    idp: SimpleSamlPhp
    modules: Path
    folder: Path
    titles: dict[str, str] = field(default_factory=dict)
    _running: dict[str, Application] = field(default_factory=dict)
    _above: dict[str, SimpleSamlPhp | Samlp] = field(default_factory=dict)
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

    def above(self, name: str) -> SimpleSamlPhp | Samlp:
        """Return a running identity provider that knows the bridge."""
        if name not in self._above:
            idp: SimpleSamlPhp | Samlp = self.idp
            if name == IFRAMES:
                idp = self._stack.enter_context(SimpleSamlPhp(self.folder / name, "iframe"))
            if name in (SAMLP, SAMLP_POST):
                binding = "redirect" if name == SAMLP else "post"
                idp = self._stack.enter_context(Samlp(self.modules, self.folder / name, binding))
            self.titles[name] = self.bridge.configure(name, fetch(idp.metadata_url))
            idp.register(self.bridge.metadata_url(name))
            self._above[name] = idp
        return self._above[name]

    def connect(self, case: "Case") -> dict[str, Application]:
        """Make the applications of a case the bridge's, as it wants them."""
        applications = {name: self.application(name) for name in case.names}
        for name, one in applications.items():
            if isinstance(one, NodeSaml):
                one.set(case.environment.get(name, {}))
        peers = {
            name: (one.metadata, {"connection": case.idp, **one.settings, **case.changed.get(name, {})})
            for name, one in applications.items()
        }
        if self._wanted != peers:
            self.titles |= zip(peers, self.bridge.applications(peers), strict=True)
            self._wanted = peers
        return applications


@dataclass(frozen=True, kw_only=True)
class Case:
    """One logout: who is signed in, who begins it, who is dead; `changed` TOML and node `environment` by application.

    `asked` and `answered`: the bindings where they differ from what everybody does by itself.
    """

    names: tuple[str, ...] = ALL
    began: str
    dead: str | None = None
    idp: str = SSP
    changed: Mapping[str, Settings] = field(default_factory=dict)
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    answered: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """Everybody but who began it."""
        return tuple(name for name in (*self.names, IDP) if name != self.began)


@dataclass(frozen=True)
class Scene:
    """One logout under way."""

    case: Case
    bridge: Bridge
    above: SimpleSamlPhp | Samlp
    applications: Mapping[str, Application]
    titles: Mapping[str, str]
    row: Row
    browser: Browser

    def sign_in(self) -> None:
        """Sign in everywhere, with one password."""
        self.row.did(f"sign in at {', '.join(self.case.names)} through {self.case.idp}")
        for name, one in self.applications.items():
            page = one.sign_in(self.browser)
            where = f"at {page.url[:100]}: {page.words[:300]}; refused: {self.bridge.refusals()}"
            self.row.require(one.signed_in(self.browser), f"signed in at {name}; the browser is {where}")
        self.row.expect(self.browser.passwords_typed, 1, "passwords typed for all of them")

    def begin(self) -> Page:
        """Log out, wherever it begins."""
        self.row.did(f"{self.case.began} begins")
        if self.case.began == PERSON:
            return self.browser.open(f"{self.bridge.origin}/v2/logout{steps.with_return()}")
        if self.case.began == IDP:
            return self.browser.open(self.above.logout_url)
        return self.applications[self.case.began].sign_out(self.browser)

    def check_sessions(self) -> None:
        """Require that every session is gone, but that of an application that is dead."""
        asked = {name: one for name, one in self.applications.items() if name != self.case.dead}
        alive = [name for name, one in asked.items() if one.signed_in(self.browser)]
        why = f"refused: {self.bridge.refusals()}; not shown in frames: {self.browser.blocked}"
        self.row.expect(alive, [], f"applications with a session afterwards ({why})")
        self.row.require(not self.bridge.signed_in(self.browser), "our own session is gone")
        found = steps.idp_session(self.bridge, self.browser, self.case.idp)
        self.row.expect(found, steps.GONE, "the IdP's session afterwards")
        self.row.saw(f"no session at {', '.join(asked)}, here and at the IdP")

    def check_requester(self, page: Page, status: str) -> None:
        """Require that who began it was told this once, and the person is where they belong."""
        row, began = self.row, self.case.began
        if began == PERSON:
            whole = status == "Success"
            row.expect(page.url == RETURN_TO, whole, "the person is at returnTo exactly when nothing is to be told")
            row.matrix[TOLD] = "returnTo" if whole else "the receipt"
            return
        origin = self.above.origin if began == IDP else self.applications[began].origin
        answers = [m for m in self.browser.messages if m.kind == "LogoutResponse" and m.to.startswith(origin)]
        where = f"the browser is at {page.url[:120]} (HTTP {page.status}: {page.words[:200]})"
        row.expect(len(answers), 1, f"answers to {began}; {where}")
        row.expect(answers[0].status, status, f"what {began} was told")
        expected = self.case.answered or _ANSWERED.get(began, "redirect")
        row.expect(answers[0].binding, expected, "binding of the answer")
        row.matrix[TOLD] = f"{answers[0].status} by {answers[0].binding}"
        if began != IDP:
            row.require(self.applications[began].back_home(page), f"the person came back; {where}")
        elif self.case.idp not in (SAMLP, SAMLP_POST):  # which ends with a bare OK
            row.expect(page.url, RETURN_TO, "where the IdP sent the person")

    def check_receipt(self, states: Mapping[str, str]) -> None:
        """Require that the receipt has everybody but who began it, `confirmed` or in these states."""
        receipt = self.bridge.last_receipt()
        self.row.told(receipt)
        asked = {**_ASKED, **self.case.asked}
        titles = {IDP: self.titles[self.case.idp], **{name: self.titles[name] for name in self.case.names}}
        expected = {titles[name]: (asked[name], states.get(name, "confirmed")) for name in self.case.told}
        sessions = receipt["sessions"]
        found = {one["name"]: (one["channel"], one["state"]) for one in sessions if one["kind"] != "session"}
        self.row.expect(found, expected, "the receipt")
        ours = [one["state"] for one in sessions if one["kind"] == "session"]
        self.row.expect(ours, ["confirmed"], "our own session on the receipt")
        self.row.matrix |= {name: f"{found[titles[name]][0]}: {found[titles[name]][1]}" for name in self.case.told}


def scene_of(case: Case, parties: Together, row: Row) -> Scene:
    """Return a logout that is about to begin, with a browser of its own."""
    above, applications = parties.above(case.idp), parties.connect(case)
    row.matrix[BEGAN] = case.began if case.began != IDP else case.idp
    return Scene(case, parties.bridge, above, applications, parties.titles, row, Browser())
