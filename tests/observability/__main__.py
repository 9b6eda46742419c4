"""`python -m tests.observability`: promtool's word on the rules, their tests, and the dashboard's queries.

promtool comes out of the Debian package of Prometheus, which is not installed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests import debian
from tests.observability.test_files import FOLDER, panel_questions

# What Grafana puts in the place of its variables.
_VARIABLES = {"$__rate_interval": "1m", "$job": "saml_slo"}


def main():
    """Return the first exit code that is not 0."""
    promtool = debian.fetch("prometheus", "usr/bin/promtool")
    with tempfile.TemporaryDirectory() as folder:
        queries = Path(folder) / "dashboard.yml"
        queries.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": list(_rules())}]}))
        for command in (
            ("check", "rules", FOLDER / "alerts.yml"),
            ("test", "rules", FOLDER / "alerts_test.yml"),
            ("check", "rules", queries),
        ):
            done = subprocess.run((promtool, *command), check=False, timeout=600)
            if done.returncode:
                return done.returncode
    return 0


def _rules():
    """Each query of the dashboard as a rule that records it, because promtool parses those."""
    for number, (_, expression) in enumerate(panel_questions()):
        for name, value in _VARIABLES.items():
            expression = expression.replace(name, value)  # noqa: PLW2901 - one variable after the other
        yield {"record": f"dashboard:query:{number}", "expr": expression}


if __name__ == "__main__":
    sys.exit(main())
