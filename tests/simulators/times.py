"""Instants as SAML writes them."""

from datetime import UTC, datetime


def parsed(text):
    """Return an xs:dateTime in UTC as an aware datetime."""
    return datetime.fromisoformat(text).astimezone(UTC)


def written(instant):
    """Return an instant in whole seconds."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
