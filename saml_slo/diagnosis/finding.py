"""One finding: what was expected, what was found, where, and what to do next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from saml_slo.errors import ConfigurationError, SloError


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"  # worth knowing, nothing to do
    WARNING = "warning"  # works, and will not always
    ERROR = "error"  # does not work
    UNCHECKED = "unchecked"  # could not be found out


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the doctor says about one thing. `code` is stable, and docs/troubleshooting.md has a row for each.

    `subject` is whom it is about: `installation`, `connection okta`, `application shop`.
    """

    code: str
    severity: Severity
    subject: str
    text: str
    expected: str = ""
    found: str = ""
    file: str = ""
    line: int | None = None
    setting: str = ""
    next_step: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding for programs."""
        return asdict(self)


def of_error(code: str, subject: str, error: SloError, severity: Severity = Severity.ERROR) -> Finding:
    """Return an error of this program as a finding."""
    at = error if isinstance(error, ConfigurationError) else None
    return Finding(
        code=code,
        severity=severity,
        subject=subject,
        text=_sentence(error.message),
        expected=error.expected,
        found=error.got,
        file="" if at is None or at.file is None else str(at.file),
        line=None if at is None else at.line,
        setting=error.setting,
        next_step=error.next_step,
    )


def _sentence(message: str) -> str:
    return f"{message[:1].upper()}{message[1:]}" + ("" if message.endswith((".", "!", "?")) else ".")


def exit_code(findings: tuple[Finding, ...]) -> int:
    """Return what the command ends with: 1 an error, 3 something could not be checked, 0 otherwise."""
    severities = {finding.severity for finding in findings}
    if Severity.ERROR in severities:
        return 1
    return 3 if Severity.UNCHECKED in severities else 0
