"""docs/operator-transcript.md, which `make transcript` writes: what is typed there can be typed."""

import re
import shlex
from pathlib import Path

import click
import pytest

from saml_slo.cli import main
from tests.operator.transcript import Transcript

PAGE = Path(__file__).parent.parent / "docs" / "operator-transcript.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ saml-slo (.+)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("typed", dict.fromkeys(COMMANDS))
def test_every_command_exists(typed):
    """Each command on the page is one of ours, with options that it has."""
    command, words = main, shlex.split(typed)
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not isinstance(command, click.Group) or command.invoke_without_command
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known


def test_every_sentence_of_the_table_is_on_the_page():
    """What the table says was told stands in an answer further down, and its link leads to a heading."""
    rows = re.findall(r"^\| \[(.+?)\]\(#(.+?)\) \| `(.+?)` \| (.+) \|$", TEXT, re.MULTILINE)
    assert len({title for title, *_ in rows}) >= 8
    answers = " ".join(TEXT.partition("\n## ")[2].split())
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    }
    for _, anchor, _, sentence in rows:
        assert anchor in headings
        for spoken in sentence.replace("\\|", "|").split(" … "):
            assert " ".join(spoken.split()) in answers


def test_what_differs_from_run_to_run_is_made_the_same(tmp_path):
    """Two runs with other folders, digests, codes and days write the same page; equal things stay equal."""
    pages = []
    for folder, digest, code in (("one", "0a1b2c3d4e5f", "ABCD-EFGH"), ("two", "ffee99887766", "J588-JWAW")):
        page = Transcript(tmp_path, {}, {f"/tmp/{folder}": "/srv/slo"})
        pages.append(page.alike(f"/tmp/{folder}/x sha256:{digest} _{digest} {code} {digest} {code} 12345678"))
    assert pages[0] == pages[1]
    words = pages[0].split()
    assert words[0] == "/srv/slo/x"
    assert words[3] == words[5]
    assert words[1].removeprefix("sha256:") == words[4]
    assert words[6] == "12345678"
