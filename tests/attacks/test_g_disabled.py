"""G162: messages of an identity provider whose connection is not in force.

Decision: a disabled connection is `issuer_unknown` for every message of its IdP, for a LogoutRequest too. A file that
cannot be read is not a disabled connection: the last good one stays in force (product O1).

Runs that wait: AuthnRequests of disabled applications, which this version does not take (`surfaces.SURFACES`).
"""

from contextlib import contextmanager

import pytest

from saml_slo.peers import registry
from tests.attacks.invariants import deliver, open_stage
from tests.attacks.surfaces import RESPONSE, SIGNED_RESPONSE, answered, everywhere, someone

RESPONSES = pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE], ids=str)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, redis_url, canary):
    """A stage whose registry looks at its files before every request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_CHECK_EVERY_SECONDS", 0)
        folder = tmp_path_factory.mktemp("stage")
        with open_stage(folder, redis_url, canary, bindings=("Redirect", "POST")) as opened:
            yield opened


@contextmanager
def _changed(stage, name, change):
    """Change one of the connection's files for a while; a request makes the registry read it."""
    path = stage.bridge.settings.metadata_dir / "connections" / name
    before = path.read_text()
    change(path)
    try:
        stage.bridge.get(stage.bridge.browser(), "/session/status")
        yield
    finally:
        path.write_text(before)
        stage.bridge.get(stage.bridge.browser(), "/session/status")
        stage.bridge.log.clear()


def _written(text):
    return lambda path: path.write_text(text)


def _expired(path):
    path.write_text(path.read_text().replace("entityID=", 'validUntil="2020-01-01T00:00:00Z" entityID=', 1))


OUT_OF_FORCE = {
    "disabled": ("idp.toml", _written("enabled = false\n")),
    "removed": ("idp.toml", lambda path: path.unlink()),
}


@everywhere
@pytest.mark.parametrize("how", OUT_OF_FORCE)
def test_g162_connections_that_are_not_in_force(stage, surface, how):
    """G162: a genuine message of an IdP whose connection was disabled or removed; enabled again, it is taken again."""
    octets = surface.hostile(stage)
    with _changed(stage, *OUT_OF_FORCE[how]):
        stage.refused(surface.request(octets), "issuer_unknown")
    surface.accepted(stage.bridge)


@everywhere
def test_g162_another_connection_stays_out_of_it(stage, surface):
    """G162: the control: disabling another connection changes nothing for this one."""
    with _changed(stage, "other-idp.toml", _written("enabled = false\n")):
        surface.accepted(stage.bridge)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (name, text)
        for name in ("idp.toml", "idp.xml")
        for text in ("", "enabled = ", "<a", "\0")
        if (name, text) != ("idp.toml", "")
    ],
)
def test_g162_a_broken_file_is_not_a_disabled_connection(stage, name, text):
    """G162: the control: a file that cannot be read leaves the last good one in force (product O1)."""
    with _changed(stage, name, _written(text)):
        RESPONSE.accepted(stage.bridge)


@everywhere
def test_g162_metadata_that_expired(stage, surface):
    """G162: metadata beyond its validUntil is not put in force; what was in force before it stays."""
    with _changed(stage, "idp.xml", _expired):
        surface.accepted(stage.bridge)


def test_g162_no_sign_in_begins_at_a_disabled_connection(stage):
    """G162: nobody is sent to an IdP that is disabled."""
    with _changed(stage, "idp.toml", _written("enabled = false\n")):
        stage.refused(
            lambda browser: stage.bridge.get(browser, "/login?connection=idp"), "connection_unknown", status=404
        )


@RESPONSES
def test_g162_disabled_while_the_person_was_away(stage, surface):
    """G162: a sign-in that began while the connection was in force does not end in a session when it is not."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    request = answered(bridge, browser, someone(), surface)
    with _changed(stage, "idp.toml", _written("enabled = false\n")):
        stage.refused(request, "issuer_unknown", browser=browser)
    assert deliver(browser, request).status_code == 303
