"""`saml-slo secret`: what an application proves itself with, and what proves our notices to it. Nothing is written."""

from __future__ import annotations

import hashlib
import json
import secrets

import click

from saml_slo.cli.group import as_json
from saml_slo.config import Settings, load_settings
from saml_slo.errors import ConfigurationError
from saml_slo.protocol.peer import Application

_SECRET_BYTES = 32  # 43 characters of base64url


@click.group()
def secret() -> None:
    """Make or show the secrets of an application; they are printed and not written anywhere."""


@secret.command()
@click.argument("client_id")
@as_json
def api(client_id: str, *, as_json: bool) -> None:
    """Make a new secret with which an application calls the API, and the line for its file.

    The secret that the file has now stays in the line, so that both are good until the application uses the new one.
    """
    settings = load_settings()
    application = _application(settings, client_id)
    fresh = secrets.token_urlsafe(_SECRET_BYTES)
    digests = [hashlib.sha256(fresh.encode()).hexdigest()]
    if application is not None:
        digests += application.api_secrets[:1]
    token, line = f"{client_id}.{fresh}", f"api_secrets = {json.dumps(digests)}"
    place = str(settings.metadata_dir / "applications" / f"{client_id}.toml")
    if as_json:
        click.echo(json.dumps({"client_id": client_id, "token": token, "api_secrets": digests, "file": place}))
        return
    click.echo("For the application, as Authorization: Bearer … (it is shown only now):\n")
    click.echo(f"  {token}\n")
    click.echo(f"For {place}, instead of the api_secrets there:\n")
    click.echo(f"  {line}\n")
    if len(digests) > 1:
        click.echo("Remove the second digest once the application uses the new secret.")


@secret.command()
@click.argument("client_id")
@click.option("--generation", type=click.IntRange(1, 1000), help="Instead of the webhook_generation of its file.")
@as_json
def webhook(client_id: str, generation: int | None, *, as_json: bool) -> None:
    """Show the secret with which an application verifies our webhooks."""
    from saml_slo.certs import load_secret  # noqa: PLC0415 - half a second that the other commands need not wait
    from saml_slo.peers.methods.webhook import secret_text  # noqa: PLC0415 - as above

    settings = load_settings()
    application = _application(settings, client_id)
    if generation is None:
        method = None if application is None else application.logout
        generation = 1 if method is None else method.webhook_generation
    key = settings.certs_dir / "secret.key"
    if not key.exists():
        raise ConfigurationError(
            "there is no secret of this installation yet",
            file=key,
            setting="SLO_CERTS_DIR",
            next_step="`saml-slo keys` makes it, as the first start does; one that was lost has to be put back.",
        )
    text = secret_text(load_secret(settings.certs_dir).webhook(client_id, generation))
    if as_json:
        click.echo(json.dumps({"client_id": client_id, "generation": generation, "secret": text}))
    else:
        click.echo(text)


def _application(settings: Settings, client_id: str) -> Application | None:
    """Return the application; None when it has no file yet. Raise ConfigurationError where nobody could have the name.

    One whose file is there and cannot be read is refused: what it has now could get lost.
    """
    from saml_slo.peers.application_file import CLIENT_ID  # noqa: PLC0415 - as above
    from saml_slo.peers.registry import Registry  # noqa: PLC0415 - as above

    if not CLIENT_ID.fullmatch(client_id):
        raise ConfigurationError(
            "this cannot be a client_id",
            expected="letters, digits, dots, underscores and hyphens, 128 at most, the first a letter or digit",
            got=ascii(client_id),
        )
    registry = Registry(settings.metadata_dir, settings.public_url, copies=settings.copies_dir)
    application = registry.application(client_id)
    file = settings.metadata_dir / "applications" / f"{client_id}.toml"
    if application is None and file.exists():
        raise ConfigurationError(
            "this application is not in force", file=file, next_step="`saml-slo check` says why; mend it first."
        )
    if application is None:
        click.echo(f"note: there is no {file} yet", err=True)
    return application
