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


def panel_questions():
    """Every expression of the dashboard, with the name of its panel."""
    for panel in dashboard()["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", ()))


def questions():
    """Every expression, with the name of the panel or rule that asks it."""
    yield from ((rule["alert"], rule["expr"]) for rule in alerts())
    yield from panel_questions()


def stories():
    """What `make alert-test` plays to the rules: series, and who is to fire when."""
    return yaml.safe_load((FOLDER / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]


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


def test_each_rule_is_tried_both_ways():
    """In alerts_test.yml each rule fires once at least, and is silent once at least over the series that it asks for.

    Where it takes no time to fire, silence is told by what does not fire beside what does.
    """
    told = {}
    for story in stories():
        for test in story["alert_rule_test"]:
            told.setdefault(test["alertname"], set()).add(bool(test["exp_alerts"]))
    waiting = {rule["alert"] for rule in alerts() if "for" in rule or "increase" in rule["expr"]}
    assert {name for name, ways in told.items() if True in ways} == {rule["alert"] for rule in alerts()}
    assert waiting <= {name for name, ways in told.items() if False in ways}


def test_the_rules_are_tried_on_series_of_ours(shown):
    """Each series in alerts_test.yml has the labels that the server shows and those of Prometheus, all of them."""
    for story in stories():
        for entry in story["input_series"]:
            name, selector = re.fullmatch(r"(\w+)\{(.*)\}", entry["series"]).groups()
            labels = dict(re.findall(r'(\w+)="([^"]*)"', selector))
            le = {"le"} if name.endswith("_bucket") else set()
            assert labels.keys() == shown.get(name, set()) | {"job", "instance"} | le, entry["series"]
            assert name in shown or name == "up"
            for label, value in labels.items():
                if label in WORDS and not (name.startswith("slo_delivery") and label == "outcome"):  # words of its own
                    assert value in WORDS[label] | {"(ours)"}, entry["series"]


def test_the_dashboard_asks_the_data_source_that_is_chosen():
    """Every panel and query asks the variable's data source, and knows no variable but those of the dashboard."""
    document = dashboard()
    variables = {one["name"]: one for one in document["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert all(one["datasource"] == chosen for one in variables.values() if one["type"] == "query")
    for panel in document["panels"]:
        if panel["type"] == "row":
            continue
        targets = panel["targets"]
        assert panel["datasource"] == chosen, panel["title"]
        assert all(target["datasource"] == chosen for target in targets), panel["title"]
        assert len({target["refId"] for target in targets}) == len(targets), panel["title"]
        asked = re.findall(r"\$\{?(\w+)", json.dumps([target["expr"] for target in targets]))
        assert {*asked} <= variables.keys() | {"__rate_interval"}, panel["title"]


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
