"""Several messages of one capture beside each other: does a logout name whom the sign-in named?

A LogoutRequest that names a person otherwise than the Response did ends nothing (AD FS event 368), and neither message
shows it by itself. Compared are the facts as they are shown: equal digests stand for equal values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from saml_slo.inspection.report import Report

_NAMES = ("NameID", "NameID Format", "NameID NameQualifier", "NameID SPNameQualifier")


def compared(reports: Iterable[Report]) -> list[Report]:
    """Return the reports, with a note on each LogoutRequest that names somebody else than the Response before it."""
    told: list[Report] = []
    for report in reports:
        before = next((one for one in reversed(told) if one.kind == "Response" and _values(one, "NameID")), None)
        note = _difference(before, report) if report.kind == "LogoutRequest" and before is not None else ""
        told.append(replace(report, notes=(*report.notes, note)) if note else report)
    return told


def _difference(before: Report, report: Report) -> str:
    differ = []
    for name in _NAMES:
        then, now = _values(before, name), _values(report, name)
        if then != now:
            differ.append(f"{name} {', '.join(now) or 'none'}, was {', '.join(then) or 'none'}")
    then, now = _values(before, "SessionIndex"), _values(report, "SessionIndex")
    if not set(now) <= set(then):
        differ.append(f"SessionIndex {', '.join(now)}, was {', '.join(then) or 'none'}")
    if not differ:
        return ""
    return f"It names another session than the Response before it: {'; '.join(differ)}.{_advice(before, report)}"


def _advice(before: Report, report: Report) -> str:
    """Say how such logouts can be made to work: by the SessionIndex where that is the same, else at the sender."""
    then, now = _values(before, "SessionIndex"), _values(report, "SessionIndex")
    if not set(now) <= set(then):
        return " Let it send the SessionIndex of its sign-in, or none: that ends every session of the person."
    if now and _values(before, "NameID") != _values(report, "NameID"):
        return " Its SessionIndex is the same: set match_session_index = true in the peer's file, which goes by that."
    return " Let it name the person as at sign-in, to the letter, with the same Format and qualifiers."


def _values(report: Report, name: str) -> tuple[str, ...]:
    return tuple(fact.value for fact in report.facts if fact.name == name and fact.value != "absent")
