"""M249: no regular expression of the house can be made to compute.

An expression with several ways to read the same text tries all of them where the text does not fit: with two runs of
spaces in a row that is the square of their length, with three the cube, and a header may be 128 kB. Each expression is
given texts that it likes, with one piece of them repeated thousands of times, and an end that it does not like. The
library has no limit of its own and holds every other thread up meanwhile.
"""

import importlib
import pkgutil
import random
import re
import re._constants as op
import re._parser
import signal
from contextlib import contextmanager

import pytest

import saml_slo

TIMES = 5000  # a cube of that takes minutes
SECONDS = 30
SAMPLES = 4
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)


def _inside(value):
    """What a module's constant holds: itself, or the members of a table."""
    if isinstance(value, dict):
        value = tuple(value.values())
    return [one for part in value for one in _inside(part)] if isinstance(value, tuple | list) else [value]


def _expressions():
    found = {}
    for module in pkgutil.walk_packages(saml_slo.__path__, "saml_slo."):
        if module.name.endswith("__main__") or ".demo" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            for one in _inside(value):
                if isinstance(one, re.Pattern):
                    found.setdefault((one.pattern, one.flags), pytest.param(one, id=f"{module.name}.{name}"))
    return list(found.values())


class _Sampler:
    """Makes texts that an expression takes, as far as it can be seen from its parts."""

    def __init__(self, chance):
        self._chance = chance

    def text(self, parts):
        return "".join(self._part(*part) for part in parts)

    def _part(self, kind, value):
        if kind is op.LITERAL:
            return chr(value)
        if kind is op.IN:
            return self._member(value)
        if kind in _REPEATS:
            least, most, inner = value
            return "".join(self.text(inner) for _ in range(max(least, min(int(most), least + 1))))
        if kind is op.SUBPATTERN:
            return self.text(value[3])
        if kind is op.BRANCH:
            return self.text(self._chance.choice(value[1]))
        return "a" if kind in (op.ANY, op.NOT_LITERAL) else ""

    def _member(self, members):
        if members[0][0] is op.NEGATE:
            return "a"
        kind, value = self._chance.choice(members)
        if kind is op.CATEGORY:
            return {op.CATEGORY_SPACE: " ", op.CATEGORY_DIGIT: "1"}.get(value, "a")
        return chr(value if kind is op.LITERAL else value[0])


def _hostile(sample):
    """Texts with one piece of a good one many times over, and an end that nothing takes."""
    for start in range(len(sample) + 1):
        for piece in {sample[start : start + 1], sample[start : start + 4], " "} - {""}:
            yield sample[:start] + piece * TIMES + sample[start:] + "\x01"


@contextmanager
def _interrupted(seconds):
    """Raise TimeoutError after so many seconds of processor time, also while an expression computes."""

    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _computes(expression):
    """The first text that keeps an expression busy, as repr; None where nothing does."""
    is_octets = isinstance(expression.pattern, bytes)
    parts = re._parser.parse(expression.pattern, 0 if is_octets else expression.flags)
    sampler = _Sampler(random.Random(expression.flags))
    samples = {sampler.text(parts)[:60] for _ in range(SAMPLES)}
    for text in {text for sample in sorted(samples) for text in _hostile(sample)}:
        try:
            with _interrupted(SECONDS):
                for look in (expression.fullmatch, expression.search):
                    look(text.encode("latin-1", "replace") if is_octets else text)
        except TimeoutError:
            return repr(text[:80])
    return None


@pytest.mark.parametrize("expression", _expressions())
def test_m249_no_expression_computes(expression):
    """M249: thousands of repetitions at whatever place take no time to speak of."""
    assert _computes(expression) is None


def test_m249_the_search_finds_what_it_is_for(monkeypatch):
    """The control: three runs of spaces in a row, as they once stood before a header's end."""
    monkeypatch.setattr("tests.attacks.test_m_expressions.SECONDS", 1)
    assert _computes(re.compile(r"json *(?:; *a)? *;? *")) is not None
    assert _computes(re.compile(r"json(?:; *a)?")) is None
