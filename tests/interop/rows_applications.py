"""What is proved with real applications behind the bridge. Each function is one row, with a browser of its own."""

from collections.abc import Callable
from functools import partial

from tests.interop import steps
from tests.interop.row import TOLD, Row
from tests.interop.together import ALL, IDP, IFRAMES, PERSON, SAMLP, SAMLP_POST, SSP, Case, Together, scene_of

_PHPSESSION = ("mellon", "ssp-phpsession", "node-saml", "samlify")


def logout(case: Case, parties: Together, row: Row) -> None:
    """Everybody is signed in; one logout ends every session, and who began it is told the truth."""
    scene = scene_of(case, parties, row)
    scene.sign_in()
    before = len(scene.browser.messages)
    if case.dead is not None:
        row.did(f"{case.dead} is switched off")
        scene.applications[case.dead].stop()
    try:
        page = scene.begin()
        row.passed(scene.browser.messages[before:])
        scene.check_sessions()
        scene.check_requester(page, "Success" if case.dead is None else "Success/PartialLogout")
        scene.check_receipt({} if case.dead is None else {case.dead: "timed_out"})
    finally:
        if case.dead is not None:
            scene.applications[case.dead].start()


def local_logout(parties: Together, row: Row) -> None:
    """The control: without `federated` the applications end, and the next sign-in needs no password."""
    scene = scene_of(Case(began=PERSON), parties, row)
    scene.sign_in()
    row.did("GET /v2/logout, without federated")
    scene.browser.open(f"{parties.bridge.origin}/v2/logout")
    alive = [name for name, one in scene.applications.items() if one.signed_in(scene.browser)]
    row.expect(alive, [], "applications with a session afterwards")
    receipt = parties.bridge.last_receipt()
    row.told(receipt)
    states = {one["name"]: one["state"] for one in receipt["sessions"] if one["kind"] == "idp"}
    row.expect(states, {parties.titles[SSP]: "kept"}, "the IdP on the receipt")
    found = steps.idp_session(parties.bridge, scene.browser, SSP)
    row.expect(found, steps.ALIVE, "the IdP's session afterwards")
    row.saw(found)
    row.matrix[IDP] = "kept"
    row.matrix[TOLD] = "the receipt"


def another_browser(parties: Together, row: Row) -> None:
    """The same person in two browsers: the logout of one, whoever begins it, leaves the other alone everywhere."""
    case = Case(began="node-saml")
    other, scene = scene_of(case, parties, row), scene_of(case, parties, row)
    row.did("in two browsers:")
    other.sign_in()
    scene.sign_in()
    page = scene.begin()
    scene.check_sessions()
    scene.check_requester(page, "Success")
    scene.check_receipt({})
    alive = [name for name, one in other.applications.items() if one.signed_in(other.browser)]
    row.expect(alive, list(ALL), "applications with a session in the other browser")
    row.require(parties.bridge.signed_in(other.browser), "our session in the other browser lives")
    row.saw("in the other browser every session lives")


def soap_answer_is_a_page(parties: Together, row: Row) -> None:
    """SimpleSAMLphp by SOAP: its session ends, its answer is an HTML page; what nobody confirmed is not confirmed."""
    scene = scene_of(
        Case(names=("ssp-sp",), began=PERSON, changed={"ssp-sp": {"logout_binding": "soap"}}, asked={"ssp-sp": "soap"}),
        parties,
        row,
    )
    scene.sign_in()
    page = scene.begin()
    scene.check_sessions()
    scene.check_requester(page, "PartialLogout")
    scene.check_receipt({"ssp-sp": "timed_out"})


def frame_without_cookie(parties: Together, row: Row) -> None:
    """Why phpsession needs top_level: in a frame it finds no cookie, answers Success, and the session lives."""
    case = Case(names=("ssp-phpsession",), began=PERSON, changed={"ssp-phpsession": {"top_level": False}})
    scene = scene_of(case, parties, row)
    scene.sign_in()
    scene.begin()
    scene.check_receipt({})
    row.informational = True
    row.require(scene.applications["ssp-phpsession"].signed_in(scene.browser), "its session lives")
    row.saw("it said Success, and its session lives")


def _row(number: str, title: str, **case: object) -> tuple[str, str, Callable[[Together, Row], None]]:
    return number, title, partial(logout, Case(**case))


_ALONE = (("11", "mellon"), ("12", "node-saml"), ("13", "samlify"), ("14", "ssp-sp"))
_POST = {"node-saml": {"METADATA_SLO": "redirect"}, "samlify": {"LOGOUT_OUT": "post", "SLO_BINDINGS": "post"}}
_BY_POST = {
    "environment": _POST,
    "changed": {"mellon": {"logout_binding": "redirect"}, "ssp-sp": {"logout_binding": "post"}},
    "asked": {"mellon": "redirect", "ssp-sp": "post", "node-saml": "redirect", "samlify": "post"},
}

ROWS = (
    *(
        _row(f"{number}{letter}", f"{name} alone: {began} begins", names=(name,), began=began)
        for number, name in _ALONE
        for letter, began in zip("abc", (name, PERSON, IDP), strict=True)
    ),
    ("14d", "ssp-sp by SOAP answers with a page", soap_answer_is_a_page),
    ("14e", "ssp-phpsession in a frame", frame_without_cookie),
    *(
        _row(f"15{letter}", f"all four in one session: {began} begins", began=began)
        for letter, began in zip("abcdef", (*ALL, PERSON, IDP), strict=True)
    ),
    ("15g", "all four in one session: the person begins, local only", local_logout),
    ("15h", "all four in one session, and in another browser: node-saml begins", another_browser),
    *(
        _row(f"16{letter}", f"all four, with phpsession: {began} begins", names=_PHPSESSION, began=began)
        for letter, began in zip("abc", ("ssp-phpsession", PERSON, IDP), strict=True)
    ),
    *(
        _row(f"17{letter}", f"all four by other bindings: {began} begins", began=began, answered=answered, **_BY_POST)
        for letter, began, answered in (
            ("a", "node-saml", "redirect"),
            ("b", "samlify", "post"),
            ("c", PERSON, ""),
            ("d", IDP, ""),
        )
    ),
    *(
        _row(
            f"18{letter}",
            f"{idp} above all four: {began} begins",
            idp=idp,
            began=began,
            answered="post" if idp == SAMLP_POST else "",
        )
        for letter, idp, began in (
            ("a", IFRAMES, IDP),
            ("b", IFRAMES, "mellon"),
            ("c", SAMLP, IDP),
            ("d", SAMLP, "node-saml"),
            ("e", SAMLP, PERSON),
            ("f", SAMLP_POST, IDP),
        )
    ),
    *(
        _row(f"19{letter}", f"{dead} is dead: {began} begins", began=began, dead=dead)
        for letter, dead, began in zip(
            "abcdef", (*ALL, "mellon", "node-saml"), (*ALL[1:], "mellon", PERSON, IDP), strict=True
        )
    ),
)
