"""The benchmark of aggregates measures what it says, on a small one."""

from benchmarks import aggregate, federation


def test_both_sides_take_the_same_aggregate(tmp_path):
    """Ours and pysaml2 verify it and find every entity, and there is a figure for each goal."""
    made = federation.make(tmp_path, 20)
    figures = aggregate.measure(made, 1)
    assert figures["entities"] == 20
    assert figures["pysaml2_seconds"] > 0
    assert set(aggregate.GOALS) <= set(figures)
    assert figures["restart"] < 1
