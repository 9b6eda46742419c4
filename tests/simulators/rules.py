"""Rules of a LogoutRequest that several vendors share. Each takes the vendor and the message, and raises `Breach`."""

import re
from datetime import timedelta

from saml_slo.protocol.names import NameIdFormat
from tests.simulators.message import Breach
from tests.simulators.times import parsed

_MAX_SESSION_INDEX = 512
_MAX_RELAY_STATE = 80
_QUALIFIERS = ("NameQualifier", "SPNameQualifier")


def signed(vendor, message):
    """Signed by the key of our metadata, with RSA-SHA256."""
    if not message.is_signed():
        raise Breach("signed", str(message.algorithm))


def issuer(vendor, message):
    """The Issuer is the name under which we are registered there."""
    if message.issuer != vendor.sp.entity_id:
        raise Breach("issuer", str(message.issuer))


def destination(vendor, message):
    """The Destination is the endpoint that it came to."""
    if message.root.get("Destination") != message.location:
        raise Breach("destination", str(message.root.get("Destination")))


def logout_endpoint(vendor, message):
    """It came to the endpoint of logouts; a login URL takes no LogoutRequest."""
    if message.location != vendor.slo_url:
        raise Breach("logout_endpoint", message.location)


def redirect_only(vendor, message):
    """It came by Redirect."""
    if message.binding != "redirect":
        raise Breach("redirect_only", message.binding)


def post_only(vendor, message):
    """It came by POST."""
    if message.binding != "post":
        raise Breach("post_only", message.binding)


def identifier(vendor, message):
    """The ID is an NCName: no digit at its beginning."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]+", message.id or ""):
        raise Breach("identifier", str(message.id))


def plain_name_id(vendor, message):
    """There is a NameID, and it is not encrypted."""
    if message.name_id is None:
        raise Breach("plain_name_id", "EncryptedID" if message.root.find("{*}EncryptedID") is not None else "none")


def known_name_id(vendor, message):
    """The NameID's value is that of a session; Format and qualifiers, where they are given, do not contradict it."""
    for session in vendor.sessions:
        value, attributes = session.name_id
        given = {} if message.name_id is None else message.name_id[1]
        if message.name_id and message.name_id[0] == value and all(attributes.get(k, v) == v for k, v in given.items()):
            return
    raise Breach("known_name_id", str(message.name_id))


def same_name_id(vendor, message):
    """The NameID equals the assertion's in value, Format, NameQualifier and SPNameQualifier."""
    if message.name_id is None or not any(_full(message.name_id) == _full(one.name_id) for one in vendor.sessions):
        raise Breach("same_name_id", str(message.name_id))


def _full(name_id):
    value, attributes = name_id
    given = attributes.get("Format", NameIdFormat.UNSPECIFIED)
    return value, str(given), *(attributes.get(name) for name in _QUALIFIERS)


def with_session_index(vendor, message):
    """There is a SessionIndex."""
    if not message.session_indexes:
        raise Breach("with_session_index")


def known_session_index(vendor, message):
    """Every SessionIndex is one of a session's."""
    unknown = set(message.session_indexes) - {index for session in vendor.sessions for index in session.indexes}
    if unknown:
        raise Breach("known_session_index", str(unknown))


def first_session_index_only(vendor, message):
    """It keeps the first SessionIndex of a session alone, and knows no other."""
    unknown = set(message.session_indexes) - {session.indexes[0] for session in vendor.sessions if session.indexes}
    if unknown:
        raise Breach("first_session_index_only", str(unknown))


def short_session_index(vendor, message):
    """A SessionIndex has at most 512 characters."""
    if any(len(index) > _MAX_SESSION_INDEX for index in message.session_indexes):
        raise Breach("short_session_index")


def relay_state(vendor, message):
    """There is none, or it has 1 to 80 bytes; an empty parameter is an error of its own (MSIS7000)."""
    if message.relay_state is not None and not 1 <= len(message.relay_state.encode()) <= _MAX_RELAY_STATE:
        raise Breach("relay_state", repr(message.relay_state))


def time_window(vendor, message):
    """It was issued within the last five minutes, and its NotOnOrAfter is ahead."""
    issued = parsed(message.root.get("IssueInstant"))
    expires = message.root.get("NotOnOrAfter")
    recent = vendor.now - timedelta(minutes=5) <= issued <= vendor.now + timedelta(minutes=1)
    if not recent or expires is None or parsed(expires) <= vendor.now:
        raise Breach("time_window", f"{message.root.get('IssueInstant')} to {expires}")
