r"""SimpleSAMLphp's metadata files: PHP arrays of literals, read strictly and never run.

Understood are statements `$metadata['…'] = <literal>;`, comments, `declare(strict_types=1);`, `use` lines, and
literals: strings (single-quoted; double-quoted without variables), joined by `.`, whole numbers, true, false, null,
arrays in both notations, and the constants of `SAML2\Constants` that metadata is written with. Whatever else a file has
is refused with its line, because it would have to be run to know what it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from saml_slo.errors import ConfigurationError
from saml_slo.peers.toml_file import read_limited, shown

MAX_PHP_BYTES = 16 * 1024 * 1024
_MAX_DEPTH = 32
_MAX_DIGITS = 18  # of a whole number that surely fits into 64 bits

Literal = str | int | bool | None | Mapping["str | int", "Literal"]

_TOKENS = re.compile(
    r"""(?P<space>\s+)
    |(?P<comment>//[^\n]*|\#(?!\[)[^\n]*|/\*.*?\*/)
    |(?P<single>'(?:[^'\\]|\\.)*')
    |(?P<double>"(?:[^"\\]|\\.)*")
    |(?P<number>-?[0-9]+(?![0-9A-Za-z_.]))
    |(?P<variable>\$[A-Za-z_]\w*)
    |(?P<word>\\?[A-Za-z_][\w\\]*(?:::[A-Za-z_]\w*)?)
    |(?P<mark>=>|[=()\[\],;.])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$"}
_BINDING, _FORMAT = "urn:oasis:names:tc:SAML:2.0:bindings:", "urn:oasis:names:tc:SAML:2.0:nameid-format:"
# simplesamlphp/saml2, SAML2\Constants
CONSTANTS = {
    "BINDING_HTTP_POST": f"{_BINDING}HTTP-POST",
    "BINDING_HTTP_REDIRECT": f"{_BINDING}HTTP-Redirect",
    "BINDING_HTTP_ARTIFACT": f"{_BINDING}HTTP-Artifact",
    "BINDING_SOAP": f"{_BINDING}SOAP",
    "BINDING_PAOS": f"{_BINDING}PAOS",
    "NAMEID_PERSISTENT": f"{_FORMAT}persistent",
    "NAMEID_TRANSIENT": f"{_FORMAT}transient",
    "NAMEID_ENTITY": f"{_FORMAT}entity",
    "NAMEID_UNSPECIFIED": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    "NAMEID_EMAIL_ADDRESS": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
}
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
_OF_CONSTANTS = re.compile(r"\\?(?:SAML2\\|SimpleSAML\\SAML2\\)?(?:Constants|C)::([A-Z0-9_]+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entity of a file: its key, its array, and the line on which it begins."""

    entity_id: str
    values: Mapping[str | int, Literal]
    file: Path
    line: int

    def error(self, message: str, *, expected: str = "", got: str = "", next_step: str = "") -> ConfigurationError:
        """Return the error that refuses this entity."""
        return ConfigurationError(
            f"{shown(self.entity_id)}: {message}",
            file=self.file,
            line=self.line,
            expected=expected,
            got=got,
            next_step=next_step,
        )


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def read_entries(path: Path) -> tuple[Entry, ...]:
    """Return the entities of a file in their order, or raise ConfigurationError with the line of the first mistake."""
    try:
        text = read_limited(path, MAX_PHP_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError("the file is not UTF-8", file=path) from None
    return tuple(_Reader(path, text).entries())


class _Reader:
    """Reads one file from front to back."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._tokens = list(self._tokenized(text))
        self._at = 0

    def _tokenized(self, text: str) -> Iterator[_Token]:
        begin = re.match(r"\s*<\?php\b", text)
        if begin is None:
            raise self._error(1, "the file does not begin with <?php", text[:40])
        at, line = begin.end(), 1 + text.count("\n", 0, begin.end())
        while at < len(text):
            if text.startswith("?>", at):
                if text[at + 2 :].strip():
                    raise self._error(line, "there is text behind the end of the PHP code", text[at + 2 :].strip()[:40])
                break
            match = _TOKENS.match(text, at)
            if match is None or match.lastgroup is None:
                raise self._error(line, "this is not a literal", text[at : at + 40].splitlines()[0])
            if match.lastgroup not in ("space", "comment"):
                yield _Token(match.lastgroup, match[0], line)
            line += match[0].count("\n")
            at = match.end()
        yield _Token("end", "", line)

    def entries(self) -> Iterator[Entry]:
        """Yield what is assigned to `$metadata[…]`."""
        while self._now.kind != "end":
            if self._now.kind == "word" and self._now.text in ("use", "declare"):
                self._skip_statement()
                continue
            first = self._take("variable", "$metadata")
            self._take("mark", "[")
            key = self._literal(0)
            self._take("mark", "]")
            self._take("mark", "=")
            value = self._literal(0)
            self._take("mark", ";")
            if not isinstance(key, str) or not isinstance(value, Mapping):
                raise self._error(first.line, "an entity is a text and an array", first.text)
            yield Entry(key, value, self._path, first.line)

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._now
        self._at += token.kind != "end"
        return token

    def _take(self, kind: str, text: str) -> _Token:
        token = self._next()
        if (token.kind, token.text) != (kind, text):
            raise self._error(token.line, f"{text} was expected here", token.text or "the end of the file")
        return token

    def _skip_statement(self) -> None:
        """Pass over `use …;` and `declare(strict_types=1);`, which say nothing about metadata."""
        first = self._next()
        allowed = ("word", "mark", "number")
        while (token := self._next()).text != ";":
            if token.kind not in allowed or token.text in ("[", "=>"):
                raise self._error(first.line, f"this {first.text} is not understood", token.text)

    def _literal(self, depth: int) -> Literal:
        value = self._one(depth)
        while self._now.text == "." and self._now.kind == "mark":
            dot = self._next()
            more = self._one(depth)
            if not isinstance(value, str) or not isinstance(more, str):
                raise self._error(dot.line, "only texts are joined by a dot", ".")
            value += more
        return value

    def _one(self, depth: int) -> Literal:
        token = self._next()
        if token.kind == "single":
            return re.sub(r"\\([\\'])", r"\1", token.text[1:-1])
        if token.kind == "double":
            return self._double(token)
        if token.kind == "number":
            if len(token.text) > _MAX_DIGITS:
                raise self._error(token.line, "this number is larger than PHP's whole numbers", token.text[:40])
            return int(token.text)
        if token.kind == "mark" and token.text == "[":
            return self._array("]", depth)
        if token.kind == "word":
            return self._word(token, depth)
        raise self._error(token.line, "this is not a literal", token.text or "the end of the file")

    def _word(self, token: _Token, depth: int) -> Literal:
        if token.text.lower() == "array" and self._now.text == "(":
            self._next()
            return self._array(")", depth)
        if token.text.lower() in _WORDS:
            return _WORDS[token.text.lower()]
        constant = _OF_CONSTANTS.fullmatch(token.text)
        if constant is not None and constant[1] in CONSTANTS:
            return CONSTANTS[constant[1]]
        raise self._error(token.line, "this is not a literal", token.text)

    def _double(self, token: _Token) -> str:
        inner = token.text[1:-1]
        if re.search(r"(?<!\\)(?:\\\\)*(?:\$[A-Za-z_{]|\{\$)", inner):
            raise self._error(token.line, "a text with a variable in it is not a literal", token.text)

        def escaped(match: re.Match[str]) -> str:
            if match[1] not in _ESCAPES:
                raise self._error(token.line, "this escape is not understood", match[0])
            return _ESCAPES[match[1]]

        return re.sub(r"\\(.)", escaped, inner, flags=re.DOTALL)

    def _array(self, end: str, depth: int) -> Mapping[str | int, Literal]:
        if depth >= _MAX_DEPTH:
            raise self._error(self._now.line, "arrays are nested too deep", self._now.text)
        found: dict[str | int, Literal] = {}
        following = 0
        while self._now.text != end or self._now.kind != "mark":
            line, value = self._now.line, self._literal(depth + 1)
            key: Literal = following
            if self._now.text == "=>" and self._now.kind == "mark":
                self._next()
                key, value = value, self._literal(depth + 1)
            if isinstance(key, str) and len(key) <= _MAX_DIGITS and re.fullmatch(r"0|-?[1-9][0-9]*", key):
                key = int(key)  # as PHP does
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise self._error(line, "a key is a text or a whole number", shown(key))
            found[key] = value
            following = max(following, key + 1) if isinstance(key, int) else following
            if self._now.text != end:
                self._take("mark", ",")
        self._next()
        return found

    def _error(self, line: int, message: str, got: str) -> ConfigurationError:
        return ConfigurationError(
            message,
            file=self._path,
            line=line,
            expected="$metadata['…'] = an array of texts, whole numbers, true, false and null",
            got=shown(got),
            next_step="Nothing is run here: write the value that it would have.",
        )
