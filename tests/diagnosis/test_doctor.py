"""The doctor: a healthy installation has no complaint, and each thing that is broken is named with its remedy."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from saml_slo.diagnosis import installation
from saml_slo.diagnosis.finding import Finding, Severity, exit_code
from saml_slo.store.connect import connect
from saml_slo.store.health import look_at
from saml_slo.wire.versions import XmlVersions, xml_versions
from tests import idp
from tests.running import descriptor

PROJECT = Path(__file__).parent.parent.parent
BAD = (Severity.WARNING, Severity.ERROR, Severity.UNCHECKED)


def test_a_healthy_installation_has_nothing_but_its_clock_against_it(clinic):
    """No finding is worse than a note, but for the test's clock, which stands still in another year."""
    clinic.application("shop", 'logout = "none"\nwaived_until = 2026-12-31\nwaiver = "read-only"\n')
    bad = [finding for finding in clinic.examine() if finding.severity in BAD and finding.code != "clock.redis"]
    assert [finding for finding in bad if finding.code != "redis.persistence"] == []


def test_names_choose_whom_to_examine(clinic):
    """With a name only this connection is looked at; a name that is none is an error with those that there are."""
    assert {finding.subject for finding in clinic.examine("idp")} == {"connection idp"}
    unknown = clinic.one("peer.unknown", "idpp")
    assert (unknown.severity, unknown.expected) == ("error", "idp")


def test_the_exit_code_tells_the_worst():
    """0 for notes and warnings, 3 for what could not be found out, 1 as soon as there is an error."""

    def of(*severities):
        return exit_code(tuple(Finding(code="x", severity=one, subject="y", text="z") for one in severities))

    assert of() == of(Severity.OK, Severity.NOTE, Severity.WARNING) == 0
    assert of(Severity.OK, Severity.UNCHECKED) == 3
    assert of(Severity.UNCHECKED, Severity.ERROR) == 1


def _pair(**changes):
    return replace(xml_versions(), **changes)


def test_the_pair_of_xml_libraries():
    """This environment has a pair; two releases of libxml2, or an old Python, are errors."""
    assert [finding.severity for finding in installation.versions()] == ["ok", "ok"]
    broken: XmlVersions = _pair(libxml2_of_xmlsec=(2, 9, 14))
    codes = {finding.code: finding.severity for finding in installation.versions(broken, (3, 10, 2))}
    assert codes == {"python.version": "error", "xml.versions": "error"}


# What is broken: how, and which finding says so with which severity and which word of the remedy.
def _remove_keys(clinic):
    (clinic.folder / "certs" / "secret.key").unlink()


def _remove_connection(clinic):
    (clinic.metadata / "connections" / "idp.toml").unlink()


def _spoil_key(clinic):
    (clinic.folder / "certs" / "signing.key").write_text("nonsense")


def _open_key(clinic):
    (clinic.folder / "certs" / "signing.key").chmod(0o644)


def _set(**settings):
    def change(clinic):
        clinic.settings |= settings

    return change


def _connect(toml="", *, entity_id=idp.ENTITY_ID, bindings=("Redirect",)):
    def change(clinic):
        text = descriptor(idp.ENTITY_ID, bindings=bindings)
        clinic.connection(toml, text.replace(f'"{idp.ENTITY_ID}"', f'"{entity_id}"'))

    return change


def _metadata(old, new, toml="", **how):
    def change(clinic):
        clinic.connection(toml, descriptor(idp.ENTITY_ID, **how).replace(old, new))

    return change


def _app(toml, *, xml=False, **how):
    def change(clinic):
        sp = clinic.sp("shop", "p256", **how)
        clinic.application("shop", toml, sp.metadata if xml else None)

    return change


OKTA = "http://www.okta.com/exk1"
SOAP_ONLY = _metadata(':HTTP-Redirect" Location="https://idp.example/slo"', ':SOAP" Location="https://idp.example/slo"')
BROKEN = {
    "no keys": (_remove_keys, "keys.missing", "error", "saml-slo keys"),
    "a spoilt key": (_spoil_key, "keys.wrong", "error", "PKCS#8"),
    "a key for everybody": (_open_key, "keys.readable", "warning", "chmod 600"),
    "no TLS": (_set(public_url="http://bridge.example"), "settings.plain_http", "warning", "https"),
    "no Redis": (_set(redis_url="unix:///nobody/here.sock"), "redis.unavailable", "error", "running"),
    "embedded Redis": (_set(redis_url=None), "redis.embedded", "note", "production"),
    "no return URL": (_set(allowed_logout_urls=()), "return_urls.none", "note", ""),
    "a wrong return URL": (_set(allowed_logout_urls=("app.example",)), "return_urls.wrong", "error", ""),
    "a plain return URL": (
        _set(allowed_logout_urls=("http://app.example/",)),
        "return_urls.plain_http",
        "warning",
        "https",
    ),
    "a wrong allow-list": (_set(back_channel_allow=("10.0.0.0/99",)), "egress.setting", "error", "commas"),
    "a typing error": (_connect("skw = 5\n"), "metadata.problem", "error", "Correct the file"),
    "no connection": (
        lambda clinic: (clinic.metadata / "connections" / "idp.toml").unlink(),
        "metadata.none",
        "warning",
        "saml-slo connection add",
    ),
    "disabled": (_connect("enabled = false\n"), "connection.disabled", "note", ""),
    "metadata that ends": (
        _metadata("entityID=", f'validUntil="{idp.instant(86400)}" entityID='),
        "metadata.expires",
        "warning",
        "Fetch",
    ),
    "no logout URL": (_connect(bindings=()), "logout.login_url", "warning", "login_url_fallback"),
    "another logout URL": (
        _connect('logout_url = "https://idp.example/old-slo"\n'),
        "logout.operator_url",
        "warning",
        "metadata's endpoint",
    ),
    "a logout URL of ours alone": (
        _connect('logout_url = "https://idp.example/old-slo"\n', bindings=()),
        "logout.operator_url",
        "note",
        "Make sure",
    ),
    "vetoed": (_connect("login_url_fallback = false\n", bindings=()), "logout.out_of_reach", "warning", "logout_url"),
    "a sign-out page": (
        _connect('login_url_fallback = false\nlogout_page = "https://idp.example/bye"\n', bindings=()),
        "logout.page_only",
        "note",
        "",
    ),
    "SOAP alone": (SOAP_ONLY, "logout.unanswerable", "warning", "offer one"),
    "another place for answers": (
        _metadata('/slo"', '/slo" ResponseLocation="https://idp.example/back"'),
        "logout.response_location",
        "note",
        "",
    ),
    "Okta without preset": (_connect(entity_id=OKTA, bindings=("Redirect",)), "preset.missing", "warning", "preset"),
    "Okta with AD FS' preset": (
        _connect('preset = "adfs"\n', entity_id=OKTA, bindings=("Redirect",)),
        "preset.other",
        "warning",
        "right preset",
    ),
    "Okta's login URL": (
        _connect('preset = "okta"\nlogin_url_fallback = true\n', entity_id=OKTA, bindings=()),
        "preset.fallback_vetoed",
        "error",
        "Remove the key",
    ),
    "SHA-1": (_connect("insecure_sha1 = true\n"), "switch.insecure", "warning", "remove the key"),
    "an internal SOAP endpoint": (
        lambda clinic: (SOAP_ONLY(clinic), setattr(clinic, "addresses", [("10.1.2.3", 443)])),
        "egress.refused",
        "error",
        "List the host",
    ),
    "a name that is none": (
        lambda clinic: (SOAP_ONLY(clinic), setattr(clinic, "addresses", [])),
        "egress.unknown",
        "unchecked",
        "Look the name up",
    ),
    "a blind application": (_app("", xml=True, bindings=()), "application.blind", "error", "logout method"),
    "a waiver": (
        _app('logout = "none"\nwaived_until = 2026-12-31\nwaiver = "x"\napi_secrets = ["' + "0" * 64 + '"]\n'),
        "application.waived",
        "note",
        "",
    ),
    "a waiver that is over": (
        _app('logout = "none"\nwaived_until = 2026-01-01\nwaiver = "x"\napi_secrets = ["' + "0" * 64 + '"]\n'),
        "application.waiver_over",
        "error",
        "waiver",
    ),
    "no part": (_app(""), "application.takes_no_part", "note", ""),
    "no return URL of an application": (_app(""), "return_urls.application", "note", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_named(clinic, name):
    """One finding has the code and severity, and says what to do next."""
    broken, code, severity, remedy = BROKEN[name]
    broken(clinic)
    finding = clinic.one(code)
    assert finding.severity == severity
    assert remedy in finding.next_step


def test_a_certificate_of_a_peer_that_ends(clinic):
    """Thirty days before its end it is a warning, after it another one; the metadata file is named."""
    clinic.at = idp.NOW.replace(year=2119, month=12, day=15)
    soon = clinic.one("certificate.expires")
    assert (soon.severity, soon.file) == ("warning", str(clinic.metadata / "connections" / "idp.xml"))
    clinic.at = idp.NOW.replace(year=2121)
    assert clinic.one("certificate.expired").severity == "warning"
    assert clinic.one("keys.expired").severity == "warning"


def test_the_line_of_a_key_is_named(clinic):
    """A finding about a key of a file has the line on which it stands."""
    clinic.connection('display_name = "Example"\ninsecure_sha1 = true\n')
    finding = clinic.one("switch.insecure")
    assert (finding.line, finding.setting) == (2, "insecure_sha1")
    assert finding.file.endswith("idp.toml")


def test_the_clock_is_held_against_that_of_redis(clinic, redis_url):
    """Within two seconds is ok, beyond that a warning, beyond a minute an error with the direction."""
    health = look_at(connect(redis_url))
    for seconds, severity, words in ((0, "ok", ""), (10, "warning", "behind"), (-90, "error", "ahead of")):
        (finding,) = installation.clock_of_redis(health, health.time - timedelta(seconds=seconds))
        assert (finding.severity, words in finding.found) == (severity, True)


def test_what_redis_says_of_itself_is_judged(redis_url):
    """An old server, one that forgets, drops keys or is nearly full is told with what to change."""
    health = look_at(connect(redis_url))
    facts = replace(health.facts, version="5.0.7", aof=False, product="Redis", alarms=("maxmemory-policy should be …",))
    ill = replace(health, facts=facts, saves=False, replicas=0, memory=95, memory_limit=100)
    assert {(finding.code, str(finding.severity)) for finding in installation.health_of(ill)} == {
        ("redis.unsuitable", "error"),
        ("redis.version", "error"),
        ("redis.persistence", "warning"),
        ("redis.replicas", "note"),
        ("redis.memory", "warning"),
    }


def test_every_code_is_explained():
    """docs/troubleshooting.md has a row for each code that the doctor can give, and for no other."""
    text = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", text, re.MULTILINE))
    given = set()
    for path in (*(PROJECT / "saml_slo" / "diagnosis").glob("*.py"), PROJECT / "saml_slo" / "cli" / "doctor.py"):
        given |= set(
            re.findall(
                r'"((?:application|certificate|clock|connection|egress|keys|logout|metadata|online|part|peer|preset'
                r'|python|redis|return_urls|settings|switch|xml)\.[a-z_]+)"',
                path.read_text(encoding="utf-8"),
            )
        )
    assert explained == given
