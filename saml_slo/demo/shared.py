"""What the small programs of the demo have in common: the stylesheet of the bridge, and addresses on every page."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response
from jinja2 import ChoiceLoader, FileSystemLoader

import saml_slo.web
from saml_slo.demo.places import Places

_WEB = Path(saml_slo.web.__file__).parent
_OURS = Path(__file__).parent / "templates"


def small_app(places: Places) -> Flask:
    """Return an application with the bridge's static files and base page, and `/healthz`."""
    app = Flask("saml_slo.demo", static_folder=_WEB / "static", static_url_path="/static")
    app.jinja_loader = ChoiceLoader([FileSystemLoader(_OURS), FileSystemLoader(_WEB / "templates")])
    app.jinja_env.globals["places"] = places

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.after_request
    def fresh(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return app
