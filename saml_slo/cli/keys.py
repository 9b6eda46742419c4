"""`saml-slo keys`: our own key files."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import click

from saml_slo.cli.group import as_json
from saml_slo.config import load_settings


@click.command()
@as_json
def keys(*, as_json: bool) -> None:
    """Make the key files that are missing, and say which."""
    from saml_slo.certs import ensure_keys, load_keys, load_secret  # noqa: PLC0415 - half a second that the other commands need not wait

    settings = load_settings()
    made = ensure_keys(settings.certs_dir, urlsplit(settings.public_url).hostname or "saml_slo")
    load_keys(settings.certs_dir)
    load_secret(settings.certs_dir)
    if as_json:
        click.echo(json.dumps({"folder": str(settings.certs_dir), "made": made}))
    elif made:
        click.echo(f"Made in {settings.certs_dir}: {', '.join(made)}")
    else:
        click.echo(f"Nothing to make: the keys in {settings.certs_dir} are complete.")
