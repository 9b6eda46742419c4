"""The demo's application: one page that shows whether the person is signed in.

It speaks no protocol and keeps no session: on each view it sends the browser to the bridge's demo-only `/demo/whoami`,
which sends it back with the answer. linked.py has applications with sessions of their own.
"""

from __future__ import annotations

import secrets
from collections import deque
from urllib.parse import urlencode

from flask import Flask, redirect, render_template, request
from werkzeug.wrappers import Response

from saml_slo.demo.places import CONNECTION, Places
from saml_slo.demo.shared import small_app


def create_application(places: Places) -> Flask:
    """Return the application as a WSGI application."""
    app = small_app(places)
    asked: deque[str] = deque(maxlen=100)  # questions under way: an answer counts once, so a reload asks anew

    @app.get("/")
    def home() -> str | Response:
        question = request.args.get("question", "")
        if question not in asked:
            question = secrets.token_urlsafe(8)
            asked.append(question)
            back = f"{places.application}/?{urlencode({'question': question})}"
            return redirect(f"{places.bridge}/demo/whoami?{urlencode({'returnTo': back})}", 303)
        asked.remove(question)
        home = urlencode({"returnTo": f"{places.application}/"})
        return render_template(
            "demo/application.html",
            signed_in=request.args.get("signed_in") == "yes",
            sign_in=f"{places.bridge}/login?connection={CONNECTION}&{home}",
            sign_out_here=f"{places.bridge}/v2/logout?{home}",
            sign_out_everywhere=f"{places.bridge}/v2/logout?federated&{home}",
        )

    return app
