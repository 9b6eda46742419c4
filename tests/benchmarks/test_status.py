"""The benchmark of the status check runs against a real server and says what it measured."""

from benchmarks import status


def test_the_benchmark_runs(capsys):
    """A small run prints a row for each kind of request at each size."""
    assert status.main(["--rounds", "1", "--seconds", "0.05", "--sizes", "20", "60"]) == 0
    rows = [[cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines()[2:]]
    kinds = ["trivial page", "by our cookie", "by a proxy", "by a server"]
    assert [(row[1], row[2]) for row in rows] == [(size, kind) for size in ("20", "60") for kind in kinds]
