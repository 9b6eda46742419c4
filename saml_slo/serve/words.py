"""Words of libraries, in the form of our own log."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import structlog


class JsonLines(logging.Formatter):
    """What libraries log, in the form of our own log: one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = {
            **structlog.contextvars.get_contextvars(),
            "event": record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        return json.dumps(facts)


def library_logging(level: str) -> dict[str, Any]:
    """Return the configuration that sends every library's words, granian's too, to standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": True}},
    }
