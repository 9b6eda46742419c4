"""Our own metadata as others fetch it: a document that stays the same for a day, with its validators, signed or not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from flask import Response, request

from saml_slo.wire.keys import OurKeys, SigningKey
from saml_slo.wire.metadata_writer import signed_metadata

CACHE_SECONDS = 86400
_VALID_DAYS = 8
_TYPE = "application/samlmetadata+xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """How our metadata is given out. `signs`: every document is signed as a whole (`SLO_SIGN_METADATA`)."""

    keys: Callable[[], OurKeys]
    clock: Callable[[], datetime]
    signs: bool = False

    def valid_until(self) -> datetime:
        """Return the end of what is given out today.

        From midnight, so that document and ETag stay the same for as long as they may be cached.
        """
        return self.clock().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=_VALID_DAYS)

    def answer(self, document: bytes, key: SigningKey) -> Response:
        """Return a document to whoever asked, or 304 to who has it. `key` is of the set that the document names."""
        # The tag is of what is said: an EC key signs the same document otherwise each time.
        said = document + key.certificate if self.signs else document
        content = _signed(document, key) if self.signs else document
        response = Response(content, mimetype=_TYPE)
        response.set_etag(hashlib.sha256(said).hexdigest()[:32])
        response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
        response.make_conditional(request)
        return response


@lru_cache(maxsize=128)
def _signed(document: bytes, key: SigningKey) -> bytes:
    return signed_metadata(document, key)
