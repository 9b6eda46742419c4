"""G162: what an operator disables signs nobody in, frames nothing, and is still told of the logouts that concern it."""

from tests import idp
from tests.attacks.invariants import deliver
from tests.attacks.test_g_sign_on import by_redirect
from tests.running import descriptor, running_bridge, sent, write_connection
from tests.sp import Sp, frames

OPEN = Sp("open", "idp-next")
FORM = Sp("form", "other-idp", ("HTTP-POST",))


def test_j216_a_disabled_idp_frames_nothing(tmp_path, redis_url):
    """Whoever is out of force is no ancestor any more."""
    with running_bridge(tmp_path, redis_url, sps=(FORM,)) as bridge:
        browser = bridge.browser()
        FORM.sign_in(bridge, browser)
        asked = bridge.deliver(browser, idp.redirect(idp.logout_request(signed=False)))
        page = bridge.get(browser, asked.headers["Location"])
        (frame,) = frames(page.get_data(as_text=True))
        opened = bridge.get(browser, frame)
        assert "frame-ancestors 'self' https://idp.example;" in opened.headers["Content-Security-Policy"]
        (bridge.settings.metadata_dir / "connections" / "idp.toml").write_text("enabled = false\n")
        bridge.app.extensions["saml_slo"].sweeper.journey.registry.reload()
        opened = bridge.get(browser, frame)
        assert "frame-ancestors 'self';" in opened.headers["Content-Security-Policy"]


def test_j216_a_thousand_connections_make_no_header_longer(tmp_path, redis_url):
    """Proxies pass on a few kilobytes of headers, so the pages of a logout name the one that asked and no others."""
    for number in range(60):
        name = f"customer-{number}"
        write_connection(tmp_path / "metadata", name, "", descriptor(f"https://{name}.example/saml"))
    with running_bridge(tmp_path, redis_url, sps=(FORM,)) as bridge:
        assert len(bridge.app.extensions["saml_slo"].registry.connections()) == 62
        browser = bridge.browser()
        FORM.sign_in(bridge, browser)
        asked = bridge.deliver(browser, idp.redirect(idp.logout_request(signed=False)))
        page = bridge.get(browser, asked.headers["Location"])
        (frame,) = frames(page.get_data(as_text=True))
        for response in (asked, page, bridge.get(browser, frame)):
            assert "customer" not in str(response.headers)
            assert len(str(response.headers)) < 4096


def test_g162_disabled_while_the_person_signed_in(tmp_path, redis_url):
    """G162: the request was taken, then the operator disabled the application: its Response never leaves."""
    with running_bridge(tmp_path, redis_url, sps=(OPEN,)) as bridge:
        browser = bridge.browser()
        bridge.sign_in(browser)
        link = deliver(browser, by_redirect(OPEN.authn_request(bridge))).headers["Location"]
        file = bridge.settings.metadata_dir / "applications" / "open.toml"
        file.write_text(file.read_text() + "enabled = false\n")
        bridge.app.extensions["saml_slo"].sweeper.journey.registry.reload()
        response = bridge.get(browser, link)
        assert response.status_code == 400
        assert b"SAMLResponse" not in response.data
        assert bridge.reasons() == ["issuer_unknown"]


def test_g162_a_disabled_application_is_told_of_logouts_and_cannot_ask_for_one(tmp_path, redis_url):
    """G162: the logout policy: sessions that it was given are ended there, and nobody's by its word."""
    with running_bridge(tmp_path, redis_url, sps=(OPEN,)) as bridge:
        browser = bridge.browser()
        told = OPEN.sign_in(bridge, browser)
        file = bridge.settings.metadata_dir / "applications" / "open.toml"
        file.write_text(file.read_text() + "enabled = false\n")
        bridge.app.extensions["saml_slo"].sweeper.journey.registry.reload()
        refused = OPEN.start_logout(bridge, bridge.browser(), told)
        assert refused.status_code == 400
        assert bridge.reasons() == ["issuer_unknown"]
        assert bridge.is_signed_in(browser)
        path = bridge.logout(browser).headers["Location"]
        (frame,) = frames(bridge.get(browser, path).get_data(as_text=True))
        assert sent(bridge.get(browser, frame)).location == "https://open.example/slo"


def test_g162_a_disabled_connection_signs_nobody_in(tmp_path, redis_url):
    """G162: the application's own identity provider is out of force: the way through it is refused."""
    with running_bridge(tmp_path, redis_url, sps=(OPEN,), toml="enabled = false\n") as bridge:
        browser = bridge.browser()
        response = OPEN.ask(bridge, browser)
        assert response.headers["Location"].startswith("/login?")
        assert bridge.get(browser, response.headers["Location"]).status_code == 404
        assert bridge.reasons() == ["connection_unknown"]
