"""/readyz: a bridge is of use as soon as one connection of any kind is in force."""

import pytest

from tests import elsewhere
from tests.running import running_bridge


@pytest.mark.parametrize(("toml", "status"), [("", 200), ("enabled = false\n", 503)])
def test_providers_that_do_not_speak_saml_count(tmp_path, redis_url, toml, status):
    """O6: a logout service whose people sign in elsewhere alone is ready; one with nothing in force is not."""
    elsewhere.write_connection(tmp_path, "google", f'{toml}preset = "google"')
    with running_bridge(tmp_path, redis_url) as bridge:
        for name in ("idp", "other-idp"):
            (tmp_path / "metadata" / "connections" / f"{name}.toml").write_text("enabled = false")
        bridge.app.extensions["saml_slo"].registry.reload()
        response = bridge.get(bridge.browser(), "/readyz")
        assert response.status_code == status
        assert response.json["checks"]["connections"]["usable"] == (status == 200)
