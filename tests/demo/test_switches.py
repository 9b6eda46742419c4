"""The switches as values."""

from itertools import product

import pytest

from saml_slo.demo.switches import POSITIONS, Switches, read_switches, write_whole


def test_every_position_survives_the_file(tmp_path):
    """Whatever is written is read again, for every combination of positions."""
    path = tmp_path / "switches.json"
    for words in product(*POSITIONS.values()):
        switches = Switches.of(dict(zip(POSITIONS, words, strict=True)))
        write_whole(path, switches.dump())
        assert read_switches(path) == switches


def test_the_usual_positions_are_the_first_ones(tmp_path):
    """Without a file, and without options, nothing is turned."""
    assert read_switches(tmp_path / "absent") == Switches() == Switches.of({})
    assert [Switches.of({name: next(iter(words))}).turned for name, words in POSITIONS.items()] == [{}] * len(POSITIONS)


@pytest.mark.parametrize("values", [{"answer": "maybe"}, {"binding": ""}, {"signature": "Signed"}])
def test_a_word_that_is_no_position_is_refused(values):
    """It is named, with those that are."""
    with pytest.raises(ValueError, match=next(iter(values))):
        Switches.of(values)


def test_writing_the_same_again_touches_nothing(tmp_path):
    """The bridge is only given something to read when there is something new."""
    path = tmp_path / "a" / "b.json"
    assert write_whole(path, "1")
    before = path.stat()
    assert not write_whole(path, "1")
    assert path.stat() == before
    assert write_whole(path, "2")
    assert [file.name for file in path.parent.iterdir()] == ["b.json"]
