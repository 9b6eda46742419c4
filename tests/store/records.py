"""Sessions and logouts for the store's tests, with no wire and no browser."""

from saml_slo.logout.plan import Planner, plan_logout
from saml_slo.logout.transaction import Transaction
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.session import Login, Session
from saml_slo.store import keys, tokens
from saml_slo.store.store import Ending, SignInMarks
from tests import idp

NOW = 1_800_000_000_000
HOUR = 3_600_000
SECRET = b"s" * 32


def principal(value="alice"):
    """The principal of a NameID at the usual connection."""
    return keys.principal(SECRET, idp.CONNECTION, NameId(value=value))


def login(value="alice", indexes=("_s1",), at=NOW):
    """A login as signin.py records it."""
    return Login(
        connection="idp",
        name_id=NameId(value=value, format=idp.PERSISTENT, name_qualifier=idp.ENTITY_ID, sp_name_qualifier=idp.SP),
        session_indexes=indexes,
        authn_instant=at,
        assertion_id="_a1",
        assertion_not_on_or_after=at + 300_000,
        recorded_at=at,
        authn_context_class_refs=(idp.PASSWORD,),
    )


def session(value="alice", at=NOW, lifetime=HOUR, idle=HOUR):
    """A new session in the shard of its principal."""
    token = tokens.new_session_token(principal(value).shard)
    return Session(
        id=tokens.session_id_of(token),
        logins=(login(value, at=at),),
        created_at=at,
        absolute_ends_at=at + lifetime,
        idle_ends_at=at + idle,
        idle_lifetime=idle,
    )


def marks(value="alice", assertion="_a1", request="_q1", asked_at=NOW - 5000, **more):
    """What makes a sign-in happen once."""
    return SignInMarks(
        principal=principal(value),
        assertion_id=assertion,
        request_id=request,
        asked_at=asked_at,
        issued_at=more.get("issued_at", asked_at),
        session_indexes=more.get("indexes", ("_s1",)),
        lifetime=600_000,
    )


def logout(of, at=NOW):
    """A logout of a session at a moment."""
    identifier = tokens.new_logout_id(of.id[:2])
    planner = Planner(
        connections={"idp": idp.CONNECTION},
        applications={},
        ids=tokens.new_logout_message_ids(identifier),
        now=at,
        back_patience=5_000,
        frame_patience=5_000,
        window_patience=60_000,
    )
    plan = plan_logout(planner, (of,), of.id[:2])
    return Transaction(
        id=identifier,
        secret=tokens.new_receipt_secret(),
        reference=tokens.new_reference(),
        started_at=at,
        targets=plan.targets,
        kept=plan.kept,
    )


def ended_by(store, session, principals, logout, now):
    """End a session by a person's logout."""
    ending = Ending(
        transaction=logout,
        sessions=(session,),
        tombstones=tuple(keys.asked_before(who, now) for who in principals),
        ended_ttl=480_000,
    )
    return store.end_sessions(ending, now)
