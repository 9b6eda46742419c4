"""Dashboard and alert rules ask for what the server shows: every metric, label and word in them is the code's."""

import json
import re
from pathlib import Path

import pytest
import yaml

from saml_slo.errors import Reason
from saml_slo.logout.changes import Rest
from saml_slo.logout.transaction import Initiator, Kind, State
from saml_slo.reporting.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "docs" / "observability"
# The words that a label may have, where they are ours.
WORDS = {
    "state": {*map(str, State)},
    "reason": {*map(str, Reason)},
    "outcome": {*map(str, Rest)},
    "initiator": {*map(str, Initiator)},
    "kind": {*map(str, Kind)},
}
# Of Prometheus itself, or of who asks it.
FOREIGN = {"job", "instance", "le"}


def alerts():
    """Every alert rule."""
    document = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard():
    """The dashboard."""
    return json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))


def questions():
    """Every expression, with the name of the panel or rule that asks it."""
    yield from ((rule["alert"], rule["expr"]) for rule in alerts())
    for panel in dashboard()["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", ()))


@pytest.fixture(scope="module")
def shown():
    """The labels of each metric that the server shows, by the names of its series."""
    found = {}
    for metric in vars(Metrics()).values():
        if not hasattr(metric, "_labelnames"):
            continue
        name, labels = metric._name, set(metric._labelnames)
        for suffix in {
            "counter": ("_total",),
            "histogram": ("_bucket", "_sum", "_count"),
            "summary": ("_sum", "_count"),
        }[metric._type]:
            found[name + suffix] = labels
    document = (FOLDER.parent / "observability.md").read_text(encoding="utf-8")
    for name, labels in re.findall(r"^\| `(slo_[a-z_]+)` \|([^|]*)\|", document, flags=re.MULTILINE):
        found.setdefault(name, set(re.findall(r"`(\w+)`", labels)))  # test_metrics.py holds the document to the page
    return found


@pytest.mark.parametrize(("where", "expression"), tuple(questions()), ids=lambda text: text[:40])
def test_a_question_can_be_answered(where, expression, shown):
    """It names metrics that there are, by labels that they have, with words that those can be."""
    names = set(re.findall(r"\b(slo_\w+|up)\b", expression))
    assert names, where
    assert names - {"up"} <= shown.keys(), where
    for name, selector in re.findall(r"\b(slo_\w+)\{([^}]*)\}", expression):
        for label, _, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', selector):
            assert label in shown[name] | FOREIGN, f"{where}: {name} has no {label}"
            assert label not in WORDS or set(value.split("|")) <= WORDS[label], f"{where}: {value}"
    has = set().union(*(shown[name] for name in names - {"up"})) | FOREIGN
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= has, where
    assert expression.count("(") == expression.count(")"), where


def test_every_metric_is_on_the_dashboard(shown):
    """Nothing is counted that nobody sees; of histogram and sum, one of their series."""
    asked = " ".join(expression for _, expression in questions())
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert {family for family in families if family not in asked} == set()


def test_a_rule_says_what_to_do():
    """Each alert has a severity, a summary, and a description that names the next step or the place to look."""
    rules = alerts()
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}
        for name in re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())):
            assert name in rule["expr"] or name in ("instance", "kind", "peer"), rule["alert"]


def test_panels_do_not_overlap():
    """Each has a place of its own, an id and a title."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
