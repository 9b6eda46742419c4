"""What the documentation says is what the program does."""

import re
from pathlib import Path

from saml_slo.errors import Reason

DOCS = Path(__file__).parent.parent / "docs"


def test_every_reason_is_explained_once():
    """docs/errors.md has a line for every reason, and none for a reason that is no more."""
    rows = re.findall(r"^\| `([a-z_]+)` \|", (DOCS / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(Reason)


def test_every_decision_is_on_the_list():
    """docs/decisions/README.md links every record and nothing else."""
    listed = re.findall(r"\((\d{4}-[a-z-]+\.md)\)", (DOCS / "decisions" / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
