"""The benchmark of a user's logout runs, scans nothing, and says what it measured."""

import json

from benchmarks import user_logout


def test_the_benchmark_runs(capsys):
    """A small run logs users out at both sizes, with the same commands at each, none of which looks through keys."""
    user_logout.main(["--rounds", "3", "--sizes", "40", "200", "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["sessions"] for row in rows] == [40, 200]
    assert [row["scans"] for row in rows] == [[], []]
    assert rows[0]["commands"] == rows[1]["commands"] > 0


def test_the_table_has_a_row_for_each_size():
    """What is printed for people."""
    row = dict.fromkeys(("sessions", "milliseconds", "ratio", "redis_microseconds", "redis_ratio", "commands"), 1)
    printed = user_logout.as_text([row | {"scans": []}, row | {"scans": ["keys"]}]).splitlines()
    assert [line.rsplit("|", 2)[1].strip() for line in printed[2:]] == ["none", "keys"]
