"""`saml-slo serve`: the server."""

from __future__ import annotations

import click

from saml_slo.config import load_settings


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Instead of SLO_LISTEN.")
@click.option("--workers", type=click.IntRange(1, 128), help="Instead of SLO_WORKERS.")
def serve(listen: str | None, workers: int | None) -> None:
    """Run the server; without SLO_REDIS_URL it brings its own Redis."""
    from saml_slo.serve.server import serve as run  # noqa: PLC0415 - half a second that the other commands need not wait

    given = {"listen": listen, "workers": workers}
    run(load_settings(**{name: value for name, value in given.items() if value is not None}))
