"""The command's group: what every command shares, and how an error is told."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.text import Text

from saml_slo import __version__
from saml_slo.errors import ConfigurationError, SloError

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines for people.")


class _Command(click.Group):
    """A group of commands whose errors are told in words; anything else is our bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            return super().invoke(ctx)
        except SloError as error:
            _tell(error)
            ctx.exit(1)


def _tell(error: SloError) -> None:
    """Write an error as one block on standard error."""
    place = ""
    if isinstance(error, ConfigurationError) and error.file is not None:
        place = f"{error.file}:{error.line}: " if error.line else f"{error.file}: "
    text = Text()
    text.append("error: ", "bold red")
    text.append(f"{place}{error.message}\n")
    for label, words in (("expected", error.expected), ("got", error.got), ("setting", error.setting)):
        if words:
            text.append(f"  {label + ':':<9} ", "dim")
            text.append(f"{words}\n")
    if error.next_step:
        text.append(f"  {'next:':<9} ", "dim")
        text.append(f"{error.next_step}\n")
    Console(stderr=True, soft_wrap=True).print(text, end="", highlight=False)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="saml-slo")
def main() -> None:
    """One logout ends every session, and says truthfully which.

    Settings come from the environment (SLO_PUBLIC_URL …) and from saml_slo.toml in this folder; docs/reference.md
    lists them.
    """
