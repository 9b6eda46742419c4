"""A real nginx. `make proxy-test` runs this folder; the usual run does not collect it, because it needs nginx."""

import os

collect_ignore_glob = [] if os.environ.get("SLO_PROXY_TESTS") == "1" else ["test_*.py"]
