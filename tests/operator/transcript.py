"""The page that is being written: paragraphs, and commands with what they really answered.

What differs from run to run and says nothing is made the same: ports, folders, identifiers, reference codes, digests.
Times keep their distances and begin at one fixed moment.
"""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("saml-slo")
_BEGINS = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_HEXADECIMAL = re.compile(r"(?<![0-9A-Za-z])_?[0-9a-f]{8,}(?![0-9A-Za-z])")
_REFERENCE = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4,5}-[0-9A-HJKMNP-TV-Z]{4,5}\b")
_SECRET = re.compile(r"(?<=\.)[\w-]{22}\b")  # the second half of a receipt's address
_MOMENT = re.compile(r"\b(20\d\d-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)(\.\d+)?")
_DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b(?![T ]\d\d:)")
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SECONDS = 60
# What inspect says of a message that is in order: the page shows what is not.
_PASSED = ("  ok          ", "  not reached ", "  attribute ", "  SubjectConfirmation", "  NameID SP", "  NameID NameQ")


class NotTold(AssertionError):  # noqa: N818 - it reads as what it says
    """A command did not say what it must say."""


class Transcript:
    """`same` has texts of this run and what stands for them on the page."""

    def __init__(self, folder: Path, environment: Mapping[str, str], same: Mapping[str, str]) -> None:
        self._folder, self._environment, self._same = folder, dict(environment), dict(same)
        self._began = datetime.now(UTC)
        self._made: dict[str, str] = {}
        self._parts: list[str] = []
        self._fault = ""
        self.told: list[tuple[str, str, str]] = []  # fault, command, sentence

    def fault(self, title: str, text: str) -> None:
        """Begin the section of a fault."""
        self._fault = title
        self.say(f"## {title}\n\n{text}")

    def say(self, text: str) -> None:
        """Write a paragraph."""
        self._parts.append(self.alike(text))

    def show(self, language: str, text: str) -> None:
        """Write a file or an answer as it is."""
        self._parts.append(f"```{language}\n{self.alike(text).rstrip()}\n```")

    def type(self, command: str, *tells: str, code: int = 0, words: tuple[str, ...] = (), since: str = "") -> str:
        """Run `saml-slo` with this in the operator's folder, and write what it answered.

        `tells` are the sentences that must be there (blanks and line ends count alike), `code` how it must end, `words`
        the arguments where a blank does not part them, `since` how the first line begins that the page shows.
        """
        arguments = list(words) or command.split()
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        # A terminal shows both; what is on standard error alone is what went wrong.
        lines = [line.rstrip() for line in (done.stderr + done.stdout).splitlines()]
        ended = f"\n$ echo $?\n{done.returncode}" if done.returncode else ""
        self.show("console", f"$ saml-slo {command}\n" + "\n".join(_shorter(lines, since)) + ended)
        answer = " ".join(" ".join(lines).split())
        for sentence in tells:
            if sentence not in answer:
                raise NotTold(
                    f"{self._fault}: `saml-slo {command}` does not say {sentence!r}, but:\n" + "\n".join(lines)
                )
            self.told.append((self._fault, command, sentence))
        if done.returncode != code:
            raise NotTold(f"`saml-slo {command}` ended with {done.returncode}, not {code}:\n" + "\n".join(lines))
        return "\n".join(lines)

    def text(self, before: str) -> str:
        """Return the page, with `before` above its table of what was told."""
        rows = ["| what was wrong | who says it | in which words |", "| --- | --- | --- |"]
        for fault, command in dict.fromkeys((fault, command) for fault, command, _ in self.told if fault):
            spoken = [self.alike(one[2]).replace("|", "\\|") for one in self.told if one[:2] == (fault, command)]
            typed = _short(self.alike(command))
            rows.append(f"| [{fault}](#{_anchor(fault)}) | `{typed}` | {' … '.join(spoken)} |")
        return "\n\n".join([before, "\n".join(rows), *self._parts]) + "\n"

    def alike(self, text: str) -> str:
        """Return a text with everything replaced that differs from run to run."""
        for found, stands in self._same.items():
            text = text.replace(found, stands)
        text = _HEXADECIMAL.sub(lambda match: self._hexadecimal(match[0]), text)
        text = _SECRET.sub(lambda match: self._hexadecimal(match[0])[: len(match[0])], text)
        text = _REFERENCE.sub(lambda match: self._reference(match[0]), text)
        text = _MOMENT.sub(self._moment, text)
        return _DAY.sub(lambda match: self._day(match[0]), text)

    def _hexadecimal(self, found: str) -> str:
        if found.isdigit():
            return found
        made = self._made.setdefault(found[:8], str(len(self._made)))  # a digest may be shown whole and shortened
        letters = "".join(hashlib.sha256(f"{made}.{part}".encode()).hexdigest() for part in range(3))
        return f"_{letters}"[: len(found)] if found.startswith("_") else letters[: len(found)]

    def _reference(self, found: str) -> str:
        made = self._made.setdefault(found, str(len(self._made)))
        octets = hashlib.sha256(made.encode()).digest()
        letters = "".join(_LETTERS[octet % 32] for octet in octets)
        half = found.index("-")  # four letters on either side for a refused request, five for a logout
        return f"{letters[:half]}-{letters[half : 2 * half]}"

    def _moment(self, match: re.Match[str]) -> str:
        then = datetime.fromisoformat(f"{match[1]}T{match[3]}+00:00")
        shown = _BEGINS + (then - self._began.replace(microsecond=0))
        fraction = ".000" if match[4] else ""
        return f"{shown:%Y-%m-%d}{match[2]}{shown:%H:%M:%S}{fraction}"

    def _day(self, found: str) -> str:
        days = (datetime.fromisoformat(f"{found}T00:00+00:00").date() - self._began.date()).days
        return f"{_BEGINS.date() + timedelta(days=days)}"


def _shorter(lines: list[str], since: str) -> Iterator[str]:
    """Leave out what a reader of the page can do without; `[…]` stands for it."""
    begun, left_out = not since, False
    for line in lines:
        begun = begun or line.startswith(since)
        if not begun or line.startswith(_PASSED):
            if not left_out:
                yield "  […]"
            left_out = True
        elif line:
            yield line
            left_out = False


def _short(command: str) -> str:
    """Return a command without what was pasted into it."""
    return command if len(command) <= 40 else f"{command[:38].rsplit(' ', 1)[0]} …"


def _anchor(title: str) -> str:
    """Return the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
