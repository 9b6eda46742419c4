"""What may stand in the paths of the API: anything else is no such page."""

from __future__ import annotations

import re

from flask import Flask
from werkzeug.routing import BaseConverter, ValidationError

from saml_slo.web.api.models import LOGOUT_ID, OWN_ID

_OWN_ID = re.compile(OWN_ID)


class OwnIdConverter(BaseConverter):
    """An application's own session id."""

    regex = r"[A-Za-z0-9._~-]{1,128}"

    def to_python(self, value: str) -> str:
        """Take what is one; the dot segments are none, whatever a proxy made of them."""
        if not _OWN_ID.fullmatch(value):
            raise ValidationError
        return value


class LogoutIdConverter(BaseConverter):
    """The id of a logout (store/tokens.py)."""

    regex = LOGOUT_ID


def install(app: Flask) -> None:
    """Make `<own_id:…>` and `<logout_id:…>` known to the application's rules."""
    app.url_map.converters |= {"own_id": OwnIdConverter, "logout_id": LogoutIdConverter}
