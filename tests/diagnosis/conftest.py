"""An installation on disk that is in order; a test breaks one thing and asks the doctor."""

from types import SimpleNamespace

import pytest

from saml_slo.config import Settings
from saml_slo.diagnosis.doctor import Doctor
from tests import idp
from tests.running import ORIGIN, descriptor, write_certs, write_connection
from tests.sp import Sp

PUBLIC = [("93.184.216.34", 443)]


@pytest.fixture
def clinic(tmp_path, redis_url):
    """`findings()` examines the folder at NOW, with names looked up in no network."""
    metadata = tmp_path / "metadata"
    write_connection(metadata, "idp", "", descriptor(idp.ENTITY_ID))
    (metadata / "applications").mkdir()
    write_certs(tmp_path / "certs")
    for key in (tmp_path / "certs").glob("*.key"):
        key.chmod(0o600)
    state = SimpleNamespace(
        folder=tmp_path, metadata=metadata, at=idp.NOW, addresses=PUBLIC, settings={}, kept_right=True
    )

    def resolve(host, port):
        if not state.addresses:
            raise OSError("no such host")
        return [(address, port) for address, _ in state.addresses]

    def examine(*names, online=False):
        chosen = {
            "public_url": ORIGIN,
            "metadata_dir": metadata,
            "certs_dir": tmp_path / "certs",
            "data_dir": tmp_path / "var",
            "redis_url": redis_url,
            "allowed_logout_urls": ("https://app.example/",),
        }
        settings = Settings(**{**chosen, **state.settings})
        doctor = Doctor(settings=settings, clock=lambda: state.at, resolve=resolve, kept_right=lambda: state.kept_right)
        return doctor.examine(names, online=online)

    def one(code, *names, **how):
        found = [finding for finding in examine(*names, **how) if finding.code == code]
        assert found, f"no {code} among {sorted({finding.code for finding in examine(*names, **how)})}"
        return found[0]

    def application(client_id, toml, xml=None):
        (metadata / "applications" / f"{client_id}.toml").write_text(toml)
        if xml is not None:
            (metadata / "applications" / f"{client_id}.xml").write_text(xml)

    def connection(toml="", xml=None, name="idp"):
        write_connection(metadata, name, toml, xml or descriptor(idp.ENTITY_ID))

    state.examine, state.one, state.application, state.connection, state.sp = examine, one, application, connection, Sp
    return state
