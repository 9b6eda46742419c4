"""WS-Federation passive: an application is told by a frame (wsignoutcleanup1.0, WS-Federation 1.2 13.2.4)."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from saml_slo.logout.transaction import Request
from saml_slo.peers.methods.query import with_query
from saml_slo.protocol.envelope import Redirect

_CLEANUP = ("wa", "wsignoutcleanup1.0")


def frame(request: Request) -> Redirect:
    """Return where the frame of an application goes; what it answers says nothing.

    No `wreply`: the frame belongs to nobody afterwards. A URI that says `wa` itself already goes as it is.
    """
    if _CLEANUP in parse_qsl(urlsplit(request.location).query):
        return Redirect(request.location)
    return Redirect(with_query(request.location, (_CLEANUP,)))
