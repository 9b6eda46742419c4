"""How an application is told who a person is: the NameID that we issue for a login (product A1)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from saml_slo.peers.registry import Registry
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import NameIdFormat
from saml_slo.protocol.peer import NameIdKind, Peer
from saml_slo.protocol.session import Login, Session
from saml_slo.store.keys import Principal

# Attributes that hold an e-mail address: SAML 2.0's OID, its friendly names, and Microsoft's claim.
_EMAIL_NAMES = (
    "urn:oid:0.9.2342.19200300.100.1.3",
    "mail",
    "email",
    "emailaddress",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """Issues NameIDs. `secret` (32 bytes) makes those that only one application can read anything from.

    `principal` returns the principal of what an identity provider calls a person.
    """

    registry: Registry
    principal: Callable[[Peer, NameId], Principal]
    secret: bytes

    def name_id(self, session: Session, login: Login, kind: NameIdKind, *, issuer: str, audience: str) -> NameId | None:
        """Return the NameID: pairwise for persistent, of this session for transient, the attribute for e-mail.

        `issuer` is our entity id toward the application, `audience` its own. None: there is no such name to give.
        """
        if kind is NameIdKind.EMAIL:
            value, format_ = email(login), NameIdFormat.EMAIL
        elif kind is NameIdKind.TRANSIENT:
            value, format_ = "_" + self._keyed("transient", session.id, audience), NameIdFormat.TRANSIENT
        else:
            connection = self.registry.connection(login.connection)
            who = None if connection is None else self.principal(connection, login.name_id)
            value = None if who is None else self._keyed("persistent", who.digest, audience)
            format_ = NameIdFormat.PERSISTENT
        if value is None:
            return None
        qualified = kind is not NameIdKind.EMAIL
        return NameId(
            value=value,
            format=format_,
            name_qualifier=issuer if qualified else None,
            sp_name_qualifier=audience if qualified else None,
        )

    def _keyed(self, *parts: str) -> str:
        return hmac.new(self.secret, "\0".join(parts).encode(), hashlib.sha256).hexdigest()[:40]


def email(login: Login) -> str | None:
    """Return the e-mail address that the identity provider gave, by the NameID or an attribute."""
    if login.name_id.format == NameIdFormat.EMAIL:
        return login.name_id.value
    for attribute in login.attributes:
        names = (attribute.name.lower(), (attribute.friendly_name or "").lower())
        if attribute.values and any(name in _EMAIL_NAMES for name in names):
            return attribute.values[0]
    return None
