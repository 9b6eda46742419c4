"""The benchmark of the fan-out runs, tells everybody, and says and draws what it measured."""

from lxml import etree

from benchmarks import fan_out


def test_the_benchmark_runs(tmp_path, capsys):
    """A small run prints a row for each of both runs and draws a chart that is well-formed."""
    chart = tmp_path / "chart.svg"
    arguments = ["--rounds", "1", "--peers", "4", "--delay", "0.05", "--budget", "1.5", "--svg", str(chart)]
    assert fan_out.main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in printed[2:]] == ["4 peers", "4 and one that hangs"]
    assert etree.parse(chart).getroot().tag == "{http://www.w3.org/2000/svg}svg"
