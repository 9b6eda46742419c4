"""The rules of test_architecture.py, each on a small house of its own: what is a breach of it, and what is not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_architecture import (
    HOUSE,
    PROJECT,
    PURE,
    RULES,
    breaches_of_the_import_rule,
    impurities,
    oversized,
    silent_packages,
    strangers,
)


def build(project: Path, place: str, source: str) -> None:
    """Put a file into a small house of its own, whose folders are packages with docstrings."""
    path = project / place
    path.parent.mkdir(parents=True)
    for folder in (path.parent, *path.parent.parents):
        if folder.is_relative_to(project / HOUSE):
            (folder / "__init__.py").write_text('"""A package."""\n', encoding="utf-8")
    path.write_text(source, encoding="utf-8")


BREACHES = (
    (
        breaches_of_the_import_rule,
        "wire/xml.py",
        "import saml_slo.store.keys",
        "xml.py:1 imports saml_slo.store.keys: st",
    ),
    (breaches_of_the_import_rule, "wire/xml.py", "from saml_slo import web", "web stands above wire"),
    (breaches_of_the_import_rule, "wire/xml.py", "from ..web import saml", "web stands above wire"),
    (breaches_of_the_import_rule, "wire/__init__.py", "from .. import logout", "wire and logout are neighbours"),
    (breaches_of_the_import_rule, "bridge.py", "def f():\n    from saml_slo.worker import run", "bridge.py:2 imports"),
    (
        breaches_of_the_import_rule,
        "errors.py",
        "if TYPE_CHECKING:\n    import saml_slo.config",
        "config stands above errors",
    ),
    (breaches_of_the_import_rule, "errors.py", "import_module('saml_slo.app')", "app stands above errors"),
    (breaches_of_the_import_rule, "app.py", "from saml_slo.attic import box", "'attic' has no place in ROWS"),
    (breaches_of_the_import_rule, "attic.py", "", "give it a row"),
    (breaches_of_the_import_rule, "client/client.py", "import saml_slo.config", "imports delivery, wire.url only"),
    (breaches_of_the_import_rule, "app.py", "import saml_slo.client", "client stands above app"),
    (breaches_of_the_import_rule, "__init__.py", "from saml_slo.app import create_app", "imports none of its parts"),
    (
        strangers,
        "bridge.py",
        "from flask import request",
        "bridge.py:1 imports flask.request: the home of flask is app, client.flask, web.",
    ),
    (strangers, "delivery/front_channel.py", "import h11", "the home of h11 is delivery.back_channel."),
    (strangers, "wireless.py", "import lxml.etree", "the home of lxml is wire."),
    (strangers, "web/saml.py", "import tomllib", "the home of tomllib is diagnosis, peers."),
    (strangers, "web/saml.py", "import numpy", "numpy has no home yet"),
    (strangers, "web/saml.py", "importlib.import_module(name)", "a name made at run time has no home"),
    (impurities, "protocol/names.py", "import time", "names.py:1 imports time: protocol is pure"),
    (impurities, "logout/plan.py", "from random import shuffle", "imports random.shuffle"),
    (impurities, "logout/plan.py", "import urllib.request", "imports urllib.request"),
    (impurities, "logout/plan.py", "import structlog", "imports structlog"),
    (impurities, "logout/plan.py", "from saml_slo.config import Settings", "knows protocol, logout, errors only"),
    (impurities, "logout/plan.py", "x = 1\ny = dt.now(UTC)", "plan.py:2 uses .now: logout is pure"),
    (impurities, "logout/plan.py", "f = field(default_factory=datetime.utcnow)", "uses .utcnow"),
    (impurities, "protocol/names.py", "open('x')", "uses open()"),
    (oversized, "app.py", "x = 1\n" * 401, "app.py:401 goes on to line 401"),
    (oversized, "app.py", "async def f():\n" + "    x = 1\n" * 60, "app.py:1 f has 61 lines"),
    (silent_packages, "web/__init__.py", "x = 1", "web/__init__.py:1 has no docstring"),
)


@pytest.mark.parametrize(("rule", "place", "source", "sentence"), BREACHES)
def test_a_breach_is_told_in_one_sentence(tmp_path, rule, place, source, sentence):
    """Every rule fails on a breach, with one sentence that names the place, the import and the rule."""
    build(tmp_path, f"{HOUSE}/{place}", source)
    (told,) = rule(tmp_path)
    assert sentence in told
    assert told.startswith(f"{HOUSE}/{place}:")


def test_a_folder_without_a_front_door_is_told(tmp_path):
    """A folder with Python files and no __init__.py is a breach."""
    build(tmp_path, f"{HOUSE}/web/saml.py", "")
    (tmp_path / HOUSE / "web" / "__init__.py").unlink()
    (told,) = silent_packages(tmp_path)
    assert told.startswith(f"{HOUSE}/web/__init__.py:1 does not exist")


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("cli.py", "import click, rich.table\nfrom saml_slo import demo, serve, __version__"),
        ("demo/idp.py", "import saml2, flask, anything_else\nimport saml_slo.app"),
        ("app.py", "from saml_slo import __version__\nfrom saml_slo.web import saml\nfrom saml_slo import bridge"),
        ("client/django.py", "from django.http import HttpResponse\nfrom saml_slo.wire.url import parse"),
        ("delivery/back_channel.py", "import socket, h11\nfrom saml_slo.wire.bindings import soap"),
        ("wire/bindings/post.py", "from lxml import etree\nfrom ..xml import parse\nfrom . import soap"),
        ("logout/plan.py", "from urllib.parse import quote\nimport dataclasses\nimport saml_slo.protocol.session"),
        ("logout/plan.py", "from datetime import UTC, datetime\nlater = event.now + datetime.resolution"),
    ],
)
def test_what_is_allowed_passes(tmp_path, place, source):
    """What the plan of the house allows breaks no rule."""
    build(tmp_path, f"{HOUSE}/{place}", source)
    assert [told for rule in RULES for told in rule(tmp_path)] == []


@pytest.mark.parametrize("part", PURE)
def test_the_editor_says_it_too(part):
    """Ruff refuses the clock in the pure parts, under any alias, and nowhere else."""
    assert "TID251 `datetime.datetime.now` is banned" in ruff_on(f"{HOUSE}/{part}/clock.py")
    assert "TID251" not in ruff_on(f"{HOUSE}/store/clock.py")


def ruff_on(place):
    """What ruff says of a module that reads the clock, if it stood at this place."""
    source = '"""A module."""\n\nfrom datetime import UTC\nfrom datetime import datetime as d\n\nNOW = d.now(UTC)\n'
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
    done = subprocess.run(
        [*command, "--stdin-filename", place], input=source, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout
