"""What a link carries through a sign-in upstream: an application's request, or a path of ours to go on at, signed.

Nothing of it rests in the store, so a sign-in that nobody finishes costs nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from itsdangerous import BadData, URLSafeSerializer

from saml_slo.errors import Reason, RequestRefused
from saml_slo.protocol.peer import NameIdKind
from saml_slo.signin import Wish
from saml_slo.sso import AskedSignOn


class SealedRequests:
    """An application's request in a signed link: it survives the way through the IdP and costs the store nothing."""

    def __init__(self, key: bytes) -> None:
        """Take the sealing key (32 bytes)."""
        self._seal = URLSafeSerializer(
            key, salt="sso", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )

    def return_link(self, path: str) -> str:
        """Return what a link to /login carries so that the sign-in goes on at a path of ours."""
        return str(self._seal.dumps({"path": path}))

    def wish(self, sealed: str | None) -> Wish:
        """Return where a sign-in goes on, and what is asked of it; refuse what we did not seal."""
        fields = self._fields(sealed)
        if set(fields) == {"path"}:
            return Wish(str(fields["path"]))
        asked = self.open(sealed)
        return Wish(
            self.link(asked),
            force_authn=asked.force_authn,
            context_refs=asked.context_refs,
            comparison=asked.comparison,
        )

    def link(self, asked: AskedSignOn) -> str:
        """Return the path that goes on with a request."""
        return f"/saml/idp/continue?{urlencode({'request': str(self._seal.dumps(asdict(asked)))})}"

    def open(self, sealed: str | None) -> AskedSignOn:
        """Return the request of a link, or refuse one that we did not make."""
        fields = self._fields(sealed)
        try:
            fields["name_id"] = NameIdKind(fields["name_id"])
            fields["context_refs"] = tuple(fields["context_refs"])
            return AskedSignOn(**fields)
        except (KeyError, ValueError, TypeError):  # a link from before an upgrade may have other fields
            raise _not_ours() from None

    def _fields(self, sealed: str | None) -> dict[str, Any]:
        try:
            return dict(self._seal.loads(sealed or ""))
        except (BadData, ValueError, TypeError):
            raise _not_ours() from None


def _not_ours() -> RequestRefused:
    return RequestRefused(
        "This sign-in link is not one of ours, or it was cut off",
        reason=Reason.BAD_REQUEST,
        expected="a link that this server made",
        next_step="Go back to the application and sign in again.",
    )
