"""What the documentation says is what the program does."""

import re
from pathlib import Path

import pytest

import tests
from saml_slo.errors import Reason

PROJECT = Path(__file__).parent.parent
DOCS = PROJECT / "docs"
PAGES = sorted(
    [*PROJECT.glob("*.md"), *(page for top in ("docs", "metadata", "certs") for page in (PROJECT / top).rglob("*.md"))]
)


def test_every_reason_is_explained_once():
    """docs/errors.md has a line for every reason, and none for a reason that is no more."""
    rows = re.findall(r"^\| `([a-z_]+)` \|", (DOCS / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(Reason)


def test_every_decision_is_on_the_list():
    """docs/decisions/README.md links every record and nothing else."""
    listed = re.findall(r"\((\d{4}-[a-z-]+\.md)\)", (DOCS / "decisions" / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))


def test_every_promise_that_the_code_points_at_is_there():
    """docs/promises.md has a row for each id that a comment names, each once."""
    rows = re.findall(r"^\| ([SLTAO]\d+) \|", (DOCS / "promises.md").read_text(encoding="utf-8"), re.MULTILINE)
    sources = [path for end in ("py", "lua") for path in (PROJECT / "saml_slo").rglob(f"*.{end}")]
    named = {found for path in sources for found in re.findall(r"\b[SLTAO]\d{1,2}\b", path.read_text(encoding="utf-8"))}
    assert len(rows) == len(set(rows))
    assert named <= set(rows), named - set(rows)


def test_the_map_of_the_tests_is_complete():
    """`tests/__init__.py` names every helper in the root and every folder that does not mirror one of the package."""
    here, package = Path(__file__).parent, PROJECT / "saml_slo"
    named = set(re.findall(r"\b(\w+(?:/|\.py))", tests.__doc__.partition("Beside the mirror")[2]))
    folders = {
        f"{folder.parent.name}/" for folder in here.glob("*/__init__.py") if not (package / folder.parent.name).is_dir()
    }
    files = {file.name for file in here.glob("*.py") if not file.name.startswith(("test_", "__"))}
    assert folders | files <= named, (folders | files) - named
    assert all(any((place / name).exists() for place in (here, package, PROJECT)) for name in named)


def without_code(page):
    """The text of a page without its blocks of code, in which links and headings mean something else."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """What a link can name on a page: its headings, as they are made into anchors where the pages are shown."""
    headings = re.findall(r"^#+ (.*)", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_link_leads_somewhere(page):
    """Links into the repository name files, folders and headings that exist."""
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not heading or heading in anchors(target), link
