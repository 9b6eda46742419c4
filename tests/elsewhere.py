"""People who signed in at a provider that does not speak SAML: the application knows it, and the bridge remembers.

`write_connection` writes such a connection; `sign_in` puts the session into the store, as its registration would.
"""

from itertools import count

from saml_slo.protocol.messages import NameId
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.session import Login, Session
from saml_slo.store import keys, tokens
from saml_slo.store.store import SignInMarks
from tests.running import ORIGIN

_numbers = count(1)


def write_connection(bridge_folder, name, toml):
    """Write a connection's TOML, before the bridge is started."""
    folder = bridge_folder / "metadata" / "connections"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(toml)


def sign_in(bridge, browser, connection, *, user="u-1", sid=None, **handed_over):
    """Open a session with one login at a provider; `handed_over` are its tokens, by name. Return the session's id."""
    house, now = bridge.app.extensions["saml_slo"], milliseconds(bridge.clock.now)
    who = keys.user(house.secret.derive("principal"), "app", user)
    token = tokens.new_session_token(who.shard)
    number = next(_numbers)
    text = f"{handed_over.get('id_token', '')}\n{handed_over.get('access_token', '')}"
    login = Login(
        connection=connection,
        name_id=NameId(value=user),
        session_indexes=() if sid is None else (sid,),
        authn_instant=now,
        assertion_id=f"elsewhere-{number}",
        assertion_not_on_or_after=now,
        recorded_at=now,
        tokens=house.journey.asking.sealer.seal(text, connection) if handed_over else None,
        token_names=tuple(handed_over),
    )
    session = Session(
        id=tokens.session_id_of(token),
        logins=(login,),
        created_at=now,
        absolute_ends_at=now + 36_000_000,
        idle_ends_at=now + 3_600_000,
        idle_lifetime=3_600_000,
        users=(who.digest,),
    )
    marks = SignInMarks(
        principal=who,
        assertion_id=login.assertion_id,
        request_id=None,
        asked_at=now,
        issued_at=now,
        session_indexes=login.session_indexes,
        lifetime=1000,
    )
    house.store.open_session(session, marks, now)
    browser.set_cookie("__Host-slo", token, domain=ORIGIN.removeprefix("https://"), secure=True)
    return session.id


def logout(bridge, browser, **query):
    """Call /v2/logout?federated."""
    return bridge.logout(browser, federated="", **query)
