"""An identity provider that does not speak SAML: how a person is signed out of it (product P).

People sign in there in the application's own way; the application's session names it (product A2).
"""

from __future__ import annotations

from dataclasses import dataclass

from saml_slo.protocol.method import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where and with what a browser is sent to sign a person out. `kind` is one of PROVIDER_KINDS, never `saml`.

    `parameters` are (name, template) pairs of the query, in order. A template is a text in which `{return_to}`,
    `{state}`, `{id_token}`, `{access_token}`, `{client_id}`, `{user}` and `{sid}` stand for what is known; a parameter
    with something that is not known is left out, unless `needs` names it: then the provider cannot be asked, and the
    receipt says what is missing. `returns`: it sends the browser back to `return_to`. `return_proves`: a browser that
    comes back with our unguessable state was signed out there, as far as an unsigned answer can say (state `answered`).
    `why`: of the kind `none`, the sentence why there is nothing to ask; `no_session`: because nothing is left to end.
    `hint`: what a person should know about this sign-out, such as that it ends more than this session.
    """

    name: str
    kind: Method
    display_name: str = ""
    enabled: bool = True
    logout_url: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()
    returns: bool = False
    return_proves: bool = False
    client_id: str | None = None
    why: str = ""
    no_session: bool = False
    hint: str = ""
    organisation: str | None = None
    session_lifetime: int | None = None
    idle_lifetime: int | None = None

    @property
    def title(self) -> str:
        """Return the name that people see."""
        return self.display_name or self.name
