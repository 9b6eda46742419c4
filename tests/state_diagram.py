"""The state diagram of docs/reference.md, from the engine's table: `python -m tests.state_diagram` writes it anew."""

from pathlib import Path

from saml_slo.logout.engine import TRANSITIONS
from saml_slo.logout.events import Happening
from saml_slo.logout.transaction import State

REFERENCE = Path(__file__).parent.parent / "docs" / "reference.md"
BEGIN, END = "<!-- states: made by python -m tests.state_diagram -->", "<!-- end of states -->"


def diagram():
    """Mermaid text: an arrow for every pair of the table that moves, happenings that go the same way together."""
    lines = [
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> waiting",
        "    [*] --> unsupported",
        "    [*] --> unreachable",
    ]
    for state in State:
        ways = {}
        for happening in Happening:
            after = TRANSITIONS[state][happening]
            if after is not state:
                ways.setdefault(after, []).append(happening.value)
        lines += [f"    {state.value} --> {after.value}: {', '.join(names)}" for after, names in ways.items()]
    finals = [state.value for state in State if all(after is state for after in TRANSITIONS[state].values())]
    return "\n".join([*lines, *(f"    {name} --> [*]" for name in finals), "```"])


def with_diagram(text):
    """The page with the diagram between its marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{diagram()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    REFERENCE.write_text(with_diagram(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
