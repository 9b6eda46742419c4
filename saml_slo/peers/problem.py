"""What is wrong with a file under metadata/, as a value that pages, logs and the command line can show."""

from dataclasses import dataclass
from pathlib import Path

from saml_slo.errors import ConfigurationError, Reason, SloError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One sentence about one file. `line` counts from 1, None where it is not known.

    `in_force`: an earlier version of the file is still being used. For a warning everything in the file is.
    """

    file: Path
    line: int | None
    reason: Reason
    text: str
    in_force: bool = False

    def __str__(self) -> str:
        """Return `file:line: text`, the form that editors and terminals make clickable."""
        where = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{where}: {self.text}" + ("; the last good version stays in force" if self.in_force else "")


def problem_of(error: ConfigurationError, file: Path, *, in_force: bool) -> Problem:
    """Return an error as a problem of `file`, unless the error names a file of its own."""
    return Problem(
        file=error.file or file,
        line=error.line,
        reason=error.reason,
        text=SloError.__str__(error),  # without the place, which `Problem` writes itself
        in_force=in_force,
    )
