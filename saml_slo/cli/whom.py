"""The options by which sessions are found, for every command that is about sessions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from saml_slo.operations.whom import Whom

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--user", metavar="ID", help="The user id that applications register; of --application, or of all."),
    click.option("--connection", metavar="C", help="The connection whose --name-id it is."),
    click.option("--application", metavar="A", help="The application whose --own-id, --name-id or --user it is."),
    click.option(
        "--name-id", metavar="N", help="The NameID that the identity provider gave, or we gave to --application."
    ),
    click.option("--own-id", metavar="ID", help="The application's own session id."),
    click.option("--session", metavar="ID", help="The id of one session here, as `saml-slo sessions` shows it."),
    click.option("--format", "name_format", metavar="URI", help="Of a NameID: its Format; without it all are tried."),
    click.option("--name-qualifier", metavar="TEXT", help="Of a NameID: where it is not the default."),
    click.option("--sp-name-qualifier", metavar="TEXT", help="Of a NameID: where it is not the default."),
)
_NAMES = ("user", "connection", "application", "name_id", "own_id", "session")


def of_whom(command: F) -> F:
    """Add the options; the command gets `whom`, None where no option was given."""

    @wraps(command)
    def with_whom(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the command returns
        return command(*arguments, whom=_whom(options), **options)

    for option in reversed(_OPTIONS):
        option(with_whom)
    return with_whom  # type: ignore[return-value]  # wraps keeps it callable in the same way


def _whom(options: dict[str, Any]) -> Whom | None:
    from saml_slo.operations.whom import Whom  # noqa: PLC0415 - half a second that `--help` need not wait

    given = {name: options.pop(name) for name in _NAMES}
    more = {name: options.pop(name) for name in ("name_qualifier", "sp_name_qualifier")}
    name_format = options.pop("name_format")
    if not any(value is not None for value in (*given.values(), *more.values(), name_format)):
        return None
    whom = Whom(**given, **more, format=name_format)
    if whom.problem:
        raise click.UsageError(whom.problem)
    return whom
