"""Our own metadata: given out with validators, the same all day, signed where the operator wants it."""

from datetime import timedelta

import pytest

from saml_slo.wire.metadata import read_idp_metadata
from saml_slo.wire.metadata_signature import Signers, fingerprint
from saml_slo.wire.metadata_sp import read_sp_metadata
from tests.keys import pair
from tests.running import running_bridge

PATHS = {"/saml/idp/metadata": read_idp_metadata, "/saml/sp/idp/metadata": read_sp_metadata}
PINNED = Signers(fingerprints=(fingerprint(pair("bridge").certificate),))


@pytest.mark.parametrize("path", PATHS)
def test_who_has_it_is_not_sent_it_again(bridge, path):
    """ETag and If-None-Match: 304 all day, another document on another day, with a later end."""
    browser = bridge.browser()
    first = bridge.get(browser, path)
    assert (first.status_code, first.mimetype) == (200, "application/samlmetadata+xml")
    bridge.clock.move(3600)
    same = bridge.get(browser, path, headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")
    bridge.clock.move(86400)
    later = bridge.get(browser, path, headers={"If-None-Match": first.headers["ETag"]})
    assert later.status_code == 200
    read = PATHS[path]
    ends = [read(response.data, now=bridge.clock()).valid_until for response in (first, later)]
    assert ends[1] - ends[0] == timedelta(days=1)
    assert read(later.data, now=bridge.clock()).cache_duration == 86400


@pytest.mark.parametrize("path", PATHS)
def test_signed_where_the_operator_wants_it(tmp_path, redis_url, path):
    """SLO_SIGN_METADATA: who pins our certificate can verify it; the document stays the same, and so does its tag."""
    with running_bridge(tmp_path, redis_url, sign_metadata=True) as bridge:
        browser = bridge.browser()
        first, second = (bridge.get(browser, path) for _ in range(2))
        assert (first.data, first.headers["ETag"]) == (second.data, second.headers["ETag"])
        assert PATHS[path](first.data, now=bridge.clock(), signers=PINNED).entity_id == f"https://bridge.example{path}"
        same = bridge.get(browser, path, headers={"If-None-Match": first.headers["ETag"]})
        assert same.status_code == 304
