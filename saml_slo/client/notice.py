"""What every logout notice says, however it came."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutNotice:
    """Somebody's session is over, and a verified message says so.

    End the session `session` (the application's own id, as it registered it) or the one that `sid` names; where both
    are None, every session of `user`, or of `issuer` and `sub`. `reason` is the last word of the SAML reason (`user`,
    `admin`, `global-timeout` …), None in a logout token. `id` is the same when one delivery comes again.
    """

    id: str
    session: str | None = None
    user: str | None = None
    issuer: str | None = None
    sub: str | None = None
    sid: str | None = None
    reason: str | None = None

    @property
    def names_somebody(self) -> bool:
        """Say whether there is anything to act on."""
        return any((self.session, self.user, self.sub, self.sid))
