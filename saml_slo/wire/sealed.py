"""Secrets of others that must rest with us, such as a provider's access token: encrypted and authenticated (A2)."""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class Sealer:
    """Seals texts with AES-256-GCM under `key` (32 bytes). `context` binds a seal to its place."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, text: str, context: str) -> str:
        """Return `text` sealed, as URL-safe characters."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, text.encode(), context.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, context: str) -> str | None:
        """Return what was sealed in this context; None when it was not, or the key is another by now."""
        try:
            octets = base64.urlsafe_b64decode(sealed)
            return self._cipher.decrypt(octets[:_NONCE], octets[_NONCE:], context.encode()).decode()
        except (InvalidTag, ValueError):
            return None
