"""Where a LogoutRequest to a peer goes, or the sentence why it goes nowhere (product L3, L9)."""

from __future__ import annotations

from dataclasses import dataclass

from saml_slo.logout.transaction import Channel
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, EndpointSource, Peer, ServiceProvider

_FRONT = (Binding.REDIRECT, Binding.POST)


@dataclass(frozen=True, slots=True)
class Way:
    """How and where a peer is asked."""

    channel: Channel
    binding: Binding
    location: str
    source: EndpointSource


def idp_endpoint(connection: Connection, has_browser: bool) -> tuple[Way | None, str]:  # noqa: FBT001 - one fact
    """Return how an IdP is asked: operator's URL, the metadata's, else the login URL unless vetoed.

    Its front channel is preferred while a browser is there, because many IdPs find the session by their cookie alone;
    SOAP is taken when it is all there is, or nobody's browser is there. An IdP that offers only SOAP gave no reason to
    fall back to its login URL.
    """
    order = _preferred(connection, (*_FRONT, Binding.SOAP) if has_browser else (Binding.SOAP, *_FRONT))
    known = _operator_or_metadata(connection, order)
    if known is not None:
        return known, ""
    if connection.single_logout:
        return None, "Its metadata has no logout endpoint by a binding that we speak."
    if not connection.login_url_fallback:
        return None, "The identity provider has no logout URL, and its login URL may not be used for one."
    for binding in _preferred(connection, _FRONT):
        for endpoint in connection.single_sign_on:
            if endpoint.binding is binding:
                return Way(Channel.WINDOW, binding, endpoint.location, EndpointSource.LOGIN_URL), ""
    return None, "The identity provider has neither a logout URL nor a login URL that a browser can use."


def application_endpoint(provider: ServiceProvider) -> tuple[Way | None, str]:
    """Return how an application is asked: by SOAP where it offers that, it needs no browser; else by a frame."""
    way = _operator_or_metadata(provider, _preferred(provider, (Binding.SOAP, *_FRONT)))
    if way is None:
        return None, "The application's metadata has no logout endpoint, so it cannot be told."
    if way.channel is Channel.WINDOW and not provider.top_level:
        return Way(Channel.FRAME, way.binding, way.location, way.source), ""
    return way, ""


def _preferred(peer: Peer, order: tuple[Binding, ...]) -> list[Binding]:
    return sorted(order, key=lambda binding: binding is not peer.logout_binding)


def _operator_or_metadata(peer: Peer, order: list[Binding]) -> Way | None:
    if peer.logout_url is not None:
        binding = peer.logout_binding or Binding.REDIRECT
        return Way(_channel(binding), binding, peer.logout_url, EndpointSource.OPERATOR)
    for binding in order:
        for endpoint in peer.single_logout:
            if endpoint.binding is binding:
                return Way(_channel(binding), binding, endpoint.location, EndpointSource.METADATA)
    return None


def _channel(binding: Binding) -> Channel:
    return Channel.BACK if binding is Binding.SOAP else Channel.WINDOW
