"""WS-Federation passive: an application is told by a frame (wsignoutcleanup1.0, WS-Federation 1.2 13.2.4)."""

from __future__ import annotations

from saml_slo.logout.transaction import Request
from saml_slo.peers.methods.query import with_query
from saml_slo.protocol.envelope import Redirect


def frame(request: Request) -> Redirect:
    """Return where the frame of an application goes; what it answers says nothing."""
    return Redirect(with_query(request.location, (("wa", "wsignoutcleanup1.0"),)))
