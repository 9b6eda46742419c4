"""C085: python -O takes `assert` away, -OO docstrings too; no check of ours is made of either (CVE-2017-1000433)."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The listed cases of groups A and B, and those of group C at the door where a LogoutRequest comes by POST; the other
# doors and what is generated go through the same code. Three long tables of one rule are left out too.
FILES = [
    file
    for file in (*Path(__file__).parent.glob("test_[abc]_*.py"), Path(__file__).with_name("test_invariants.py"))
    if not file.stem.endswith(("generated_wrapping", "optimized", "policy"))
]
LEFT_OUT = ("generated", "oracle_uniformity", "redirect-", "-redirect", "LogoutResponse-", "Response-post-")
SELECTION = " and ".join(f"not {word}" for word in (*LEFT_OUT, "C063", "C079", "c077"))


@pytest.mark.parametrize(
    "file", sorted((ROOT / "saml_slo").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT))
)
def test_c085_nothing_that_optimizing_takes_away(file):
    """C085: there is no assert in the package, nothing asks `__debug__`, nothing reads a docstring."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Assert), f"{file}:{node.lineno}: an assert; raise an error instead"
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = node.id if isinstance(node, ast.Name) else node.attr
            assert name not in {"__debug__", "__doc__"}, f"{file}:{node.lineno}: {name} is another under -OO"


def test_c085_the_suite_under_optimization():
    """C085: with PYTHONOPTIMIZE=2 the same attacks are refused for the same reasons, and genuine messages accepted.

    That the alarms of the suite itself ring there is tests/attacks/test_invariants.py, which runs along.
    """
    # pytest means assertions outside of test modules, of which this suite has rewritten its own.
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestConfigWarning"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-k", SELECTION, *map(str, FILES)],
        cwd=ROOT,
        env={**os.environ, "PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) > 250, run.stdout[-300:]
