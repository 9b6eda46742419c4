"""An installation on disk, without a server: one IdP, one application, our keys."""

from types import SimpleNamespace

import pytest

from saml_slo.certs import load_keys
from saml_slo.inspection import Inspector, captured_in
from saml_slo.peers.registry import Registry
from tests import idp
from tests.running import ORIGIN, OTHER_ENTITY_ID, descriptor, write_certs, write_connection
from tests.sp import Sp


@pytest.fixture
def installation(tmp_path):
    """`look(data)` inspects a capture at NOW; the folder can be changed before the first look."""
    metadata = tmp_path / "metadata"
    write_connection(metadata, "idp", "", descriptor(idp.ENTITY_ID))
    write_connection(metadata, "other-idp", "", descriptor(OTHER_ENTITY_ID, ("other-idp",)))
    applications = metadata / "applications"
    applications.mkdir()
    sp = Sp("shop", "p256")
    for name, text in sp.files().items():
        (applications / name).write_text(text)
    write_certs(tmp_path / "certs")

    def inspector(at=idp.NOW):
        registry = Registry(metadata, ORIGIN, now=lambda: at)
        return Inspector(registry=registry, public_url=ORIGIN, keys=load_keys(tmp_path / "certs"), clock=lambda: at)

    def every(data, at=idp.NOW, **how):
        octets = data if isinstance(data, bytes) else data.encode()
        return [inspector(at).inspect(one, **how) for one in captured_in(octets)]

    def look(data, at=idp.NOW, **how):
        (report,) = every(data, at, **how)
        return report

    return SimpleNamespace(folder=tmp_path, metadata=metadata, look=look, every=every, inspector=inspector, sp=sp)
