"""/healthz: the process answers. /readyz: it can do its work, one line for each check."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, jsonify

from saml_slo.errors import StoreUnavailable
from saml_slo.peers.registry import Registry
from saml_slo.store.store import Store

_log = structlog.get_logger("saml_slo.web")


def blueprint(store: Store, registry: Registry) -> Blueprint:
    """Return the endpoints."""
    pages = Blueprint("health", __name__)

    @pages.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @pages.get("/readyz")
    def readyz() -> Response:
        checks: dict[str, object] = {}
        try:
            facts = store.check()
            checks["redis"] = {"ok": True, "version": facts.version, "alarms": list(facts.alarms)}
        except StoreUnavailable as error:
            _log.warning("not_ready", reason=error.reason, cause=error.cause, message=error.message)
            checks["redis"] = {"ok": False, "cause": error.cause}
        usable = sum(connection.enabled for connection in registry.connections())
        usable += sum(upstream.enabled for upstream in registry.upstreams())
        checks["connections"] = {"ok": usable > 0, "usable": usable, "problems": len(registry.problems())}
        ready = all(check["ok"] for check in checks.values() if isinstance(check, dict))
        response = jsonify(ready=ready, checks=checks)
        response.status_code = 200 if ready else 503
        return response

    return pages
