"""What may stand in the paths of the API: anything else is no such page."""

from __future__ import annotations

from flask import Flask, abort, request
from werkzeug.routing import BaseConverter

from saml_slo.web.api.models import LOGOUT_ID, OWN_ID


class OwnIdConverter(BaseConverter):
    """An application's own session id; the dot segments are none, whatever a proxy made of them."""

    # In the expression and not in to_python: werkzeug would answer 405 to what only that refuses.
    regex = OWN_ID.replace("$", r"\Z")


class LogoutIdConverter(BaseConverter):
    """The id of a logout (store/tokens.py)."""

    regex = LOGOUT_ID


def install(app: Flask) -> None:
    """Make `<own_id:…>` and `<logout_id:…>` known to the application's rules, and hold its paths to how they came."""
    app.url_map.converters |= {"own_id": OwnIdConverter, "logout_id": LogoutIdConverter}

    @app.before_request
    def one_slash() -> None:
        # werkzeug takes slashes off the front before it looks; what guards a path in front of us does not.
        if request.environ.get("PATH_INFO", "").startswith("//"):
            abort(404)
