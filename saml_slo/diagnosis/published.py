"""What an identity provider publishes, held against the document that we go by (`--online` alone).

It is looked for where `metadata_url` says, else at an entity id that is a URL. Nothing that comes is trusted or kept:
it is a lead for a person, who then fetches it by a way that they trust. Metadata of a query service or a federation is
signed, fetched often, and has its own way of telling what changed.
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
    if file is None or Origin.MDQ in own or Origin.FEDERATION in own:
        return
    entity_id, insecure_http = file.connection.entity_id, bool(own.get("insecure_http", False))
    fetched = str(own.get(Origin.URL, ""))
    if not fetched and not entity_id.lower().startswith(("https://", "http://")):
        return
    try:
        answer = channel.send("GET", fetched or entity_id, deadline=time.monotonic() + _SECONDS)
        if answer.status != _OK:
            return
        theirs = read_idp_metadata(answer.body, entity_id, now=now, insecure_http=True)
        ours: IdpMetadata = read_idp_metadata(
            file.metadata_path.read_bytes(), entity_id, now=now, insecure_http=insecure_http
        )
    except (DeliveryFailed, ConfigurationError, OSError):
        return  # many an entity id is a name and no place; what the renewal cannot fetch, the registry tells
    subject = f"connection {file.connection.name}"
    found = changes(ours, theirs)
    if not found:
        text = "what it publishes says the same as our copy"
        yield Finding(code="metadata.same", severity=Severity.OK, subject=subject, text=text)
        return
    yield Finding(
        code="metadata.differs",
        severity=Severity.WARNING,
        subject=subject,
        text="What it publishes now differs from our copy: messages that go by it are refused, or lost.",
        expected="the same keys and endpoints",
        found=f"at {fetched or entity_id}: {'; '.join(change.text for change in found)}"[:1000],
        file=str(file.metadata_path),
        next_step=f"Is it the provider's doing? Then `saml-slo connection refresh {file.connection.name}`."
        if fetched
        else "Is it the provider's doing? Then save its new metadata, or name it with metadata_url.",
    )
