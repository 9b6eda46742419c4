"""Random ids and tokens. Each carries the shard of what it names, so that a look-up knows its slot.

=================  =====================================  ==========================================================
what               looks like                             who sees it
=================  =====================================  ==========================================================
session token      `3f.` + 43 characters                  the browser's cookie; the store keeps a hash (keys.py)
message ID         `_` + 34 hex digits                    the peer; 136 random bits
logout id          `3f` + 24 hex digits                   logs; alone it opens nothing
logout message ID  `_` + logout id + 24 hex digits        the peer; leads to its logout, 192 random bits
receipt handle     logout id + `.` + 22 characters        whoever was logged out; opens the receipt
session handle     session id + `.` + 22 characters       one application; names a session of ours, opens no browser
reference code     `K7QX-3M9P`                            people, help desks, logs: of a refused request
logout's reference `2B7QX-3M9PD`                          the same: leads to its logout, the first two are the shard
=================  =====================================  ==========================================================

An ID that begins with `_` is an NCName for every vendor (Entra refuses a leading digit).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator

from saml_slo.store.keys import SHARDS, session_id

_SESSION_TOKEN = re.compile(r"([0-9a-f]{2})\.[A-Za-z0-9_-]{43}")
_LOGOUT_MESSAGE = re.compile(r"_([0-9a-f]{26})[0-9a-f]{24}")
_RECEIPT_HANDLE = re.compile(r"([0-9a-f]{26})\.([A-Za-z0-9_-]{22})")
_SESSION_HANDLE = re.compile(r"([0-9a-f]{34})\.([A-Za-z0-9_-]{22})")
_REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0/O, 1/I/L, U: it is read aloud to a help desk
_LOGOUT_REFERENCE = 10


def new_session_token(shard: str) -> str:
    """Return a cookie token for a session in this shard."""
    return f"{shard}.{secrets.token_urlsafe(32)}"


def session_id_of(token: str | None) -> str | None:
    """Return the session id that a cookie token opens, None when it is no token of ours."""
    match = _SESSION_TOKEN.fullmatch(token or "")
    return None if match is None or token is None else session_id(match[1], token)


def new_message_id() -> str:
    """Return an ID for a SAML message that needs no way back."""
    return "_" + secrets.token_hex(17)


def new_logout_id(shard: str) -> str:
    """Return an id for a logout in this shard."""
    return shard + secrets.token_hex(12)


def new_logout_message_ids(logout_id: str) -> Iterator[str]:
    """Yield IDs for the messages of a logout; each leads back to it by `logout_id_of_message`."""
    while True:
        yield f"_{logout_id}{secrets.token_hex(12)}"


def logout_id_of_message(message_id: str | None) -> str | None:
    """Return the logout that a message ID (an InResponseTo) belongs to, None when it is not of that form."""
    match = _LOGOUT_MESSAGE.fullmatch(message_id or "")
    return None if match is None else match[1]


def new_receipt_secret() -> str:
    """Return the part of a receipt handle that makes it unguessable: 128 random bits."""
    return secrets.token_urlsafe(16)


def receipt_handle(logout_id: str, secret: str) -> str:
    """Return the handle under which a receipt is found."""
    return f"{logout_id}.{secret}"


def split_receipt_handle(handle: str | None) -> tuple[str, str] | None:
    """Return (logout id, secret) of a handle, None when it is none of ours."""
    match = _RECEIPT_HANDLE.fullmatch(handle or "")
    return None if match is None else (match[1], match[2])


def session_handle(secret: bytes, identifier: str, client_id: str) -> str:
    """Return the handle by which one application names a session of ours; nobody else can make or use it."""
    return f"{identifier}.{_handle_mac(secret, identifier, client_id)}"


def session_id_of_handle(secret: bytes, handle: str | None, client_id: str) -> str | None:
    """Return the session that a handle of this application names, None when it is none of its own."""
    match = _SESSION_HANDLE.fullmatch(handle or "")
    if match is None or not hmac.compare_digest(match[2], _handle_mac(secret, match[1], client_id)):
        return None
    return match[1]


def _handle_mac(secret: bytes, identifier: str, client_id: str) -> str:
    mac = hmac.digest(secret, f"{identifier}\0{client_id}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:16]).rstrip(b"=").decode()


def new_reference() -> str:
    """Return the reference code of a request: 8 characters, 39 random bits, for reading aloud. Only the log has it."""
    code = "".join(secrets.choice(_REFERENCE_ALPHABET) for _ in range(8))
    return f"{code[:4]}-{code[4:]}"


def reference_of(logout_id: str) -> str:
    """Return the reference code of a logout: its shard, and 39 bits that its id determines.

    Who has the id of a message of the logout has the code as well, and one look-up serves both.
    """
    base = len(_REFERENCE_ALPHABET)
    number = int.from_bytes(hashlib.sha256(logout_id.encode()).digest()) % base**8
    high, low = divmod(int(logout_id[:2], 16), base)
    code = _REFERENCE_ALPHABET[high] + _REFERENCE_ALPHABET[low]
    for _ in range(8):
        number, digit = divmod(number, base)
        code += _REFERENCE_ALPHABET[digit]
    return f"{code[:5]}-{code[5:]}"


def read_reference(text: str) -> tuple[str, str] | None:
    """Return (shard, code) of what somebody typed as a logout's reference code; None when it is none of a logout."""
    code = "".join(character for character in text.upper() if character not in " -")
    if len(code) != _LOGOUT_REFERENCE or any(character not in _REFERENCE_ALPHABET for character in code):
        return None
    number = _REFERENCE_ALPHABET.index(code[0]) * len(_REFERENCE_ALPHABET) + _REFERENCE_ALPHABET.index(code[1])
    return None if number >= len(SHARDS) else (SHARDS[number], f"{code[:5]}-{code[5:]}")
