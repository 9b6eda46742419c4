"""Invariant: an accepted query carries a message and a RelayState that were signed together, each to the octet.

Parameters of several genuine queries and of forgeries are mixed, repeated, renamed, spelled otherwise and cut.
"""

import re
from contextlib import suppress
from dataclasses import replace
from functools import cache
from urllib.parse import quote, unquote

from hypothesis import event, given, settings
from hypothesis import strategies as st

from saml_slo.errors import MessageRefused
from saml_slo.protocol.envelope import HttpIn
from saml_slo.wire import bindings, checks
from tests import idp
from tests.fuzz.genuine import KEYS, VICTIM
from tests.keys import pair

EC = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
CONNECTION = replace(
    idp.CONNECTION, signing_certificates=(pair("idp").certificate, pair("p256").certificate), insecure_sha1=True
)


@cache
def genuine():
    """Signed queries with different messages, keys, algorithms and RelayStates."""
    request = idp.logout_request(identifier="_q1", signed=False)
    other = idp.logout_request(identifier="_q2", indexes=("_s9",), signed=False)
    answer = idp.logout_response(identifier="_q3", signed=False)
    return [
        idp.query(request, relay_state="_t1"),
        idp.query(request),
        idp.query(other, relay_state=""),
        idp.query(other, signer="p256", method=EC, relay_state="_t2"),
        idp.query(answer, relay_state="_t1"),
        idp.query(answer, method="http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
    ]


@cache
def pieces():
    """Everything that an attacker may put into a query."""
    victim = idp.NAME_ID.replace("alice@corp.test", VICTIM)
    evil = idp.logout_request(identifier="_e1", name_id=victim, signed=False)
    forged = [
        idp.query(evil, signer="attacker", relay_state="_evil"),
        idp.query(idp.logout_request(identifier="_e2", name_id=victim), signer="attacker"),
        idp.query(idp.logout_response(identifier="_e3", in_response_to="_pending", signed=False), signer="attacker"),
    ]
    found = [piece for query in genuine() + forged for piece in query.split("&")]
    found += [
        "",
        "&",
        "=",
        "RelayState",
        "SigAlg=",
        "Signature=",
        "SAMLEncoding=",
        "Signature=AAAA",
        "x=1",
        "SAMLRequest=",
    ]
    return list(dict.fromkeys(found))


@cache
def signed():
    """What the genuine queries say: message and RelayState, that belong together."""
    return [read(query) for query in genuine()]


def read(query):
    """The message and RelayState of an accepted query, None of a refused one."""
    request = HttpIn(method="GET", endpoint=idp.SLO, query=query.encode())
    with suppress(MessageRefused):
        received = bindings.decode(request)
        if checks.is_logout_request(received):
            verified = checks.verify_logout_request(received, CONNECTION, KEYS, idp.NOW)
        else:
            verified = checks.verify_logout_response(received, CONNECTION, idp.NOW)
        return verified.message, verified.relay_state
    return None


def spelled(piece, way):
    """A parameter with its value, its name or both in other octets of the same meaning."""
    name, equals, value = piece.partition("=")
    text = unquote(value)
    return [
        piece,
        name + equals + re.sub("%..", lambda found: found[0].lower(), value),
        name + equals + quote(text, safe="/+="),
        name + equals + quote(text.replace(" ", "+"), safe=""),
        name + equals + "".join(f"%{octet:02X}" for octet in text.encode()),
        f"%{ord(name[0]):02x}{name[1:]}{equals}{value}" if name else piece,
        name.swapcase() + equals + value,
        name + equals + value + "%0A",
        name + equals + value[:-1],
        name + equals + "%20" + value,
        name,
    ][way % 11]


def operated(query, plan):
    """A genuine query after a plan of operations: what is done, where, and with which other parameter."""
    parts = query.split("&")
    for operation, at, other in plan:
        place, piece = at % (len(parts) or 1), pieces()[other % len(pieces())]
        if operation == "insert":
            parts.insert(at % (len(parts) + 1), piece)
        elif parts:
            if operation == "replace":
                parts[place] = piece
            elif operation == "delete":
                del parts[place]
            elif operation == "move":
                parts.insert(other % len(parts), parts.pop(place))
            elif operation == "repeat":
                parts.append(parts[place])
            else:
                parts[place] = spelled(parts[place], other)
    return "&".join(parts)


operations = st.sampled_from(["insert", "replace", "delete", "move", "repeat", "spell"])
plans = st.lists(st.tuples(operations, st.integers(0, 7), st.integers(0, 60)), min_size=1, max_size=5)


@settings(max_examples=settings().max_examples * 10)
@given(st.integers(0, 5), plans)
def test_no_mixture_is_believed(which, plan):
    """A mixed, repeated or respelled query is refused, or says what one of the genuine ones says."""
    told = read(operated(genuine()[which], plan))
    if told is not None:
        event("accepted")
        assert told in signed()


def test_the_genuine_queries_are_accepted():
    """The control: all six are read, and they differ."""
    assert None not in signed()
    assert len({repr(told) for told in signed()}) == 6


@settings(max_examples=settings().max_examples * 3)
@given(st.integers(0, 5), st.integers(min_value=0), st.integers(1, 255))
def test_no_changed_octet_is_believed(which, position, flip):
    """One octet of a query changed: refused, or it is no octet that says anything."""
    octets = bytearray(genuine()[which].encode())
    octets[position % len(octets)] ^= flip
    told = read(octets.decode("latin-1"))
    assert told is None or told in signed()
