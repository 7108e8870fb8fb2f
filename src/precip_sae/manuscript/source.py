"""What the manuscript's source says by itself: literals that no stage produced, and keys that it asks for.

Typst mixes text, formulas and code, so digits of a layout (`width: 80%`) stand beside digits of a sentence. `pieces`
tells them apart; it knows as much of Typst's grammar as that needs.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from precip_sae.settings import Section, parse, read_yaml

Kind = Literal["text", "math", "string", "code"]

_NAME = re.compile(r"[A-Za-z_][\w-]*")
_LABEL = re.compile(r"<[A-Za-z][\w:.-]*>")
_REFERENCE = re.compile(r"@[A-Za-z][\w-]*")
_STATEMENTS = {"let", "set", "show", "import", "include"}
_WITH_BLOCKS = {"if", "for", "while"}
_CLOSES = {"(": ")", "{": "}"}
# A number, with what belongs to it (46.53°, 10.7302/37yx); digits of a name (x_1, n0) are none.
_NUMBER = re.compile(r"(?<![A-Za-z])(?<![A-Za-z]_)\d[\w.,/°]*")
# Of a spread over seeds or episodes.
_PARTS = frozenset({"mean", "low", "high", "sd", "n", "least", "most", "undefined"})
# In code: whole numbers are structure (columns, places), numbers with a unit are lengths.
_BARE_DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?!\w|%)")


@dataclass(frozen=True)
class Piece:
    """A stretch of the source of one kind, from character `start` on."""

    kind: Kind
    start: int
    text: str


class Literals(Section):
    """The whole of literals.yaml."""

    literals: dict[str, str] = Field(description="a stretch of the manuscript's source with digits in it: the reason")
    unused: dict[str, str] = Field(
        description="a pattern of keys of numbers.json that the text need not use: the reason"
    )


def read_literals(path: Path) -> Literals:
    """Reads and checks literals.yaml.

    Raises:
        SettingsError: a key is unknown, missing or of the wrong type.
    """
    return parse(Literals, read_yaml(path), path.name)


def pieces(source: str) -> list[Piece]:
    """The source of a Typst file without comments, labels and references, in stretches of one kind."""
    return list(_Reader(source).markup(top=True))


def literals(source: str, keys: Iterable[str] = ()) -> Iterator[tuple[int, str]]:
    """The place (character) and text of every number that stands in the source itself.

    Digits in text and formulas count; in code, decimals without a unit; in strings, all but names of files and parts
    of `keys`.
    """
    known = "\n".join(keys)
    for piece in pieces(source):
        if piece.kind == "string" and (
            "/" in piece.text or re.search(r"\.\w{3,4}$", piece.text) or piece.text in known
        ):
            continue
        pattern = _BARE_DECIMAL if piece.kind == "code" else _NUMBER
        for found in pattern.finditer(piece.text):
            yield piece.start + found.start(), found[0].rstrip(".,_")


def untold(source: str, allowed: Mapping[str, str], keys: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Literals without a reason, as `line 12: '0.33' in "..."`, and reasons for what does not stand there any more.

    Args:
        allowed: stretches of the source (any white space for white space) and the reason of the numbers in each.
    """
    spans: list[tuple[int, int]] = []
    gone = []
    for stretch in allowed:
        pattern = r"\s+".join(re.escape(word) for word in stretch.split())
        found = [match.span() for match in re.finditer(pattern, source)]
        spans += found
        if not found:
            gone.append(stretch)
    told = []
    for place, text in literals(source, keys):
        if not any(start <= place < end for start, end in spans):
            around = " ".join(source[max(0, place - 30) : place + 30].split())
            told.append(f"line {source.count(chr(10), 0, place) + 1}: '{text}' in \"{around}\"")
    return told, gone


def asked(source: str, keys: Iterable[str]) -> set[str]:
    """The keys of numbers.json that the source asks for.

    A key that is put together (`task + ".interpret.threshold"`) is found by its part: a string of at least two words
    stands for every key that holds it between dots.
    """
    strings = {piece.text for piece in pieces(source) if piece.kind == "string"}
    parts = {text.strip(".") for text in strings if "." in text.strip(".") and "/" not in text and " " not in text}
    return {key for key in keys if key in strings or any(f".{part}." in f".{key}." for part in parts)}


def unasked(keys: Iterable[str], used: set[str], allowed: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Keys that nobody uses and no pattern excuses, and patterns that excuse none.

    The parts of a spread (`x.low`, `x.n`, ...) are used with it, and it with them.

    Args:
        used: keys that the text, a table or a claim asks for.
        allowed: patterns with `*`, and the reason of each.
    """
    known = set(keys)

    def whole(key: str) -> str:
        parent, _, part = key.rpartition(".")
        return parent if part in _PARTS and parent in known else key

    idle = {whole(key) for key in known} - {whole(key) for key in used}
    excused = {pattern: {key for key in idle if fnmatchcase(key, pattern)} for pattern in allowed}
    return sorted(idle.difference(*excused.values())), [pattern for pattern, found in excused.items() if not found]


class Recording(dict[str, Any]):
    """Numbers that remember which of them were asked for."""

    def __init__(self, numbers: Mapping[str, Any]) -> None:
        super().__init__(numbers)
        self.used: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.used.add(key)
        return super().__getitem__(key)


class _Reader:
    """Walks through Typst source once; every method goes on at `self.at`."""

    def __init__(self, source: str) -> None:
        self.source, self.at = source, 0

    def markup(self, top: bool = False) -> Iterator[Piece]:
        """Text up to the bracket that closes it, or to the end."""
        start, depth = self.at, 0
        while self.at < len(self.source):
            here = self.source[self.at]
            special = self._skipped() or here in "#$" or (here == "]" and not depth and not top)
            if not special:
                depth += (here == "[") - (here == "]")
                self.at += 2 if here == "\\" else 1
                continue
            yield from self._piece("text", start)
            if (skipped := self._skipped()) is not None:
                self.at += skipped
            elif here == "]":
                self.at += 1
                return
            elif here == "$":
                yield from self._math()
            else:
                self.at += 1
                yield from self._expression()
            start = self.at
        yield from self._piece("text", start)

    def _skipped(self) -> int | None:
        """How long a comment, label or reference is that stands here."""
        rest = self.source[self.at : self.at + 2]
        if rest == "//" and self.source[self.at - 1 : self.at] != ":":
            end = self.source.find("\n", self.at)
            return (end if end >= 0 else len(self.source)) - self.at
        if rest == "/*":
            end = self.source.find("*/", self.at)
            return (end + 2 if end >= 0 else len(self.source)) - self.at
        found = _LABEL.match(self.source, self.at) or _REFERENCE.match(self.source, self.at)
        return len(found[0]) if found else None

    def _math(self) -> Iterator[Piece]:
        end = self.source.find("$", self.at + 1)
        end = end if end >= 0 else len(self.source)
        yield Piece("math", self.at + 1, self.source[self.at + 1 : end])
        self.at = end + 1

    def _expression(self) -> Iterator[Piece]:
        """What a `#` begins."""
        name = _NAME.match(self.source, self.at)
        if name is None:
            # `#(0.33)` and `#5` print what they hold
            if self.source[self.at : self.at + 1].isdigit():
                found = _NUMBER.match(self.source, self.at)
                self.at = found.end() if found else self.at + 1
                yield Piece("text", found.start() if found else self.at, found[0] if found else "")
            else:
                yield from self._group()
            return
        self.at = name.end()
        if name[0] in _STATEMENTS:
            yield from self._code("\n;]")
        elif name[0] in _WITH_BLOCKS:
            yield from self._blocks()
        else:
            yield from self._calls()

    def _blocks(self) -> Iterator[Piece]:
        """A condition, its block, and what `else` adds."""
        while True:
            yield from self._code("[{")
            yield from self._group()
            following = re.compile(r"\s*else\b\s*").match(self.source, self.at)
            if following is None:
                return
            self.at = following.end()
            if not self.source.startswith("if", self.at):
                yield from self._group()
                return

    def _calls(self) -> Iterator[Piece]:
        while self.source[self.at : self.at + 1] in ("(", "[") or re.compile(r"\.[A-Za-z]").match(self.source, self.at):
            if self.source[self.at] == ".":
                self.at += 1
                name = _NAME.match(self.source, self.at)
                self.at = name.end() if name else self.at + 1
            else:
                yield from self._group()

    def _group(self) -> Iterator[Piece]:
        """A bracket with what it holds, or a string."""
        here = self.source[self.at : self.at + 1]
        if here == "[":
            self.at += 1
            yield from self.markup()
        elif here == '"':
            yield from self._string()
        elif here in _CLOSES:
            self.at += 1
            yield from self._code(_CLOSES[here])
            self.at += 1
        else:
            self.at += 1

    def _code(self, ends: str) -> Iterator[Piece]:
        """Code up to one of `ends`, which is not read."""
        start = self.at
        while self.at < len(self.source) and self.source[self.at] not in ends:
            here = self.source[self.at]
            if self.source.startswith("//", self.at):
                yield from self._piece("code", start)
                self.at += self._skipped() or 1
                start = self.at
            elif here in '[({"$':
                yield from self._piece("code", start)
                yield from self._math() if here == "$" else self._group()
                start = self.at
            else:
                self.at += 1
        yield from self._piece("code", start)

    def _string(self) -> Iterator[Piece]:
        start = self.at + 1
        end = start
        while end < len(self.source) and self.source[end] != '"':
            end += 2 if self.source[end] == "\\" else 1
        yield Piece("string", start, self.source[start:end])
        self.at = end + 1

    def _piece(self, kind: Kind, start: int) -> Iterator[Piece]:
        if start < self.at:
            yield Piece(kind, start, self.source[start : self.at])
