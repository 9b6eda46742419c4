"""What an identity provider publishes at its entity id, held against the file that we go by (`--online` alone).

Nothing that comes is trusted or kept: it is a lead for a person, who then fetches it by a way that they trust. Metadata
that is fetched by itself anyway (metadata_url, mdq_url, federation) has its own way of telling what changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from saml_slo.delivery.back_channel import BackChannel
from saml_slo.delivery.failure import DeliveryFailed
from saml_slo.diagnosis.finding import Finding, Severity
from saml_slo.diagnosis.peers import written
from saml_slo.errors import ConfigurationError
from saml_slo.peers.connection_file import ConnectionFile
from saml_slo.peers.metadata_source import Origin
from saml_slo.wire.metadata import IdpMetadata, read_idp_metadata
from saml_slo.wire.metadata_changes import changes

_SECONDS = 5.0
_OK = 200


def published(channel: BackChannel, file: ConnectionFile | None, now: datetime) -> Iterator[Finding]:
    """Say how the metadata at an entity id that is a URL differs from ours; nothing where there is none to read."""
    own = {} if file is None else written(file)
    elsewhere = any(origin in own for origin in (Origin.URL, Origin.MDQ, Origin.FEDERATION))
    if file is None or elsewhere or not file.connection.entity_id.lower().startswith(("https://", "http://")):
        return
    entity_id, insecure_http = file.connection.entity_id, bool(own.get("insecure_http", False))
    try:
        answer = channel.send("GET", entity_id, deadline=time.monotonic() + _SECONDS)
        if answer.status != _OK:
            return
        theirs = read_idp_metadata(answer.body, entity_id, now=now, insecure_http=True)
        ours: IdpMetadata = read_idp_metadata(
            file.metadata_path.read_bytes(), entity_id, now=now, insecure_http=insecure_http
        )
    except (DeliveryFailed, ConfigurationError, OSError):
        return  # many an entity id is a name and no place
    subject = f"connection {file.connection.name}"
    found = changes(ours, theirs)
    if not found:
        text = "what it publishes at its entity id says the same as our file"
        yield Finding(code="metadata.same", severity=Severity.OK, subject=subject, text=text)
        return
    yield Finding(
        code="metadata.differs",
        severity=Severity.WARNING,
        subject=subject,
        text="What it publishes at its entity id differs from our file: messages that go by it are refused, or lost.",
        expected="the same keys and endpoints",
        found="; ".join(change.text for change in found)[:1000],
        file=str(file.metadata_path),
        next_step="Is it the provider's doing? Then save its new metadata, or name it with metadata_url.",
    )
