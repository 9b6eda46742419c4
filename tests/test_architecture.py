"""The house keeps its shape: imports go downwards, each library has one home, the pure stay pure, files stay small.

Every rule is a table at the top of this file and a function that yields one sentence for each breach of it. To allow
something new, change the table, and say in the same line why. test_architecture_examples.py tests the rules.
"""

import ast
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
    ("client",),
    ("serve",),
    ("app",),
    ("web",),
    ("operations",),
    ("diagnosis", "inspection"),
    ("house",),
    ("worker",),
    ("application_sessions", "bridge", "operators", "peer_logout", "remote_logout", "signin", "sso", "forward"),
    ("question",),
    ("journey",),
    ("asking", "ending", "naming", "policies", "preflight", "registration", "renewal", "reporting"),
    ("store", "peers", "delivery", "certs"),
    ("wire", "logout"),
    ("protocol",),
    ("config", "lines"),
    ("errors",),
)
# Parts that run in other people's programs: all that they import of the house, so that they bring nothing else along.
GUESTS: dict[str, tuple[str, ...]] = {"client": ("delivery", "wire.url")}
ROW_OF = {part: number for number, row in enumerate(ROWS) for part in row}

# The only modules that may import a library. Whatever is neither here nor in the standard library has no home yet.
HOMES: dict[str, tuple[str, ...]] = {
    "_typeshed": ("serve", "web"),  # types of WSGI, for the checker alone
    "argon2": ("operators",),
    "click": ("cli",),
    "cryptography": ("wire",),
    "django": ("client.django",),
    "flask": ("app", "client.flask", "web"),
    "granian": ("serve",),
    "h11": ("delivery.back_channel",),
    "itsdangerous": ("web",),
    "joserfc": ("client.key_set", "client.logout_token", "wire.jws"),
    "lxml": ("wire",),
    "prometheus_client": ("reporting",),
    "pydantic": ("config", "web.api"),
    "pydantic_settings": ("config",),
    "redis": ("store",),
    "rich": ("cli",),
    "saml2": ("wire.metadata_writer",),
    "structlog": (
        "app",
        "asking",
        "cli",
        "delivery",
        "house",
        "journey",
        "lines",
        "peers",
        "renewal",
        "reporting",
        "serve",
        "store",
        "web",
        "worker",
    ),
    "tomlkit": ("operations",),
    "tomllib": ("diagnosis", "peers"),  # of the standard library: TOML is read where files are read
    "werkzeug": ("web",),
    "xmlsec": ("wire.versions",),
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
            if module.part in GUESTS and not is_inside(imported, GUESTS[module.part]):
                yield f"{where}: {module.part} runs elsewhere and imports {', '.join(GUESTS[module.part])} only."
                continue
            if not module.name:
                yield f"{where}: every part imports the house first, so the house imports none of its parts."
            elif part not in ROW_OF:
                yield f"{where}: '{part}' has no place in ROWS."
            elif ROW_OF[part] == ROW_OF[module.part]:
                yield f"{where}: {module.part} and {part} are neighbours in one row, which do not know each other."
            elif ROW_OF[part] < ROW_OF[module.part]:
                yield f"{where}: {part} stands above {module.part}, and imports go downwards only."


def is_inside(imported: str, places: tuple[str, ...]) -> bool:
    """Whether an import of the house leads to one of these parts or modules."""
    return any(f"{imported}.".startswith(f"{HOUSE}.{place}.") for place in places)


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


def test_every_home_is_lived_in():
    """The table of homes says where libraries are, not where they once were or might be."""
    living = {(imported.partition(".")[0], module) for module in modules(PROJECT) for _, imported in imports(module)}
    homes = [(library, home) for library, places in HOMES.items() for home in places]
    empty = [
        (library, home)
        for library, home in homes
        if not any(library == name and m.lives_in((home,)) for name, m in living)
    ]
    assert not empty
