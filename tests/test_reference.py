"""docs/reference.md says what the program does: its tables are held against the code."""

import re
from collections import defaultdict

from saml_slo.cli import main
from saml_slo.config import Settings
from saml_slo.logout.receipt import KEPT
from saml_slo.logout.transaction import State
from tests.state_diagram import REFERENCE, with_diagram

TEXT = REFERENCE.read_text(encoding="utf-8")


def rows(heading):
    """The cells of the table rows under a heading, without the head of the table."""
    section = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(heading)]
    cells = [line.strip("|").replace("\\|", "/").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in cells if "---" not in row[0]]


def test_every_setting_is_listed_with_its_default():
    """The table of settings names each one, and the defaults are those that hold."""
    listed = {row[0]: row[1].strip("`") for row in rows("Settings") if row[0].startswith("`SLO_")}
    fields = {f"`SLO_{name.upper()}`": field for name, field in Settings.model_fields.items()}
    assert listed.keys() == fields.keys()
    for name, field in fields.items():
        words = {"required": field.is_required(), "none": field.default == (), "embedded": field.default is None}
        assert words.get(listed[name], listed[name] == str(field.default)), name


def test_every_command_is_listed():
    """The table of commands names each one, and those of a group."""
    listed = {re.sub(r" <.*", "", row[0].strip("`")) for row in rows("Commands") if row[0].startswith("`saml-slo ")}
    names = set()
    for name, command in main.commands.items():
        inside = {f"saml-slo {name} {inner}" for inner in getattr(command, "commands", {})}
        alone = not inside or command.invoke_without_command
        names |= {*inside, f"saml-slo {name}"} if alone else inside
    assert listed == names


def test_every_state_is_listed_with_what_it_counts_as():
    """The table of states has each state once, and yes where it counts as ended."""
    listed = {row[0].strip("`"): row[2] == "yes" for row in rows("What a receipt says") if row[0] != "state"}
    assert listed == {str(state): state.counts_as_ended for state in State} | {KEPT: False}


def test_every_endpoint_exists(bridge):
    """Each address of the table is one of the application's, with these methods."""
    known = defaultdict(set)
    for rule in bridge.app.url_map.iter_rules():
        known[re.sub(r"<.*?>", "<>", rule.rule)] |= rule.methods
    for address, _ in [row for row in rows("Endpoints") if row[0].startswith(("`GET", "`POST", "`PUT", "`DELETE"))]:
        methods, path = address.strip("`").split(" ")
        path = re.sub(r"<.*?>", "<>", path.partition("?")[0])
        assert set(methods.split("/")) <= known[path], address


def test_the_state_diagram_is_the_engines_table():
    """The diagram is made from the table; `python -m tests.state_diagram` writes it anew."""
    assert with_diagram(TEXT) == TEXT
