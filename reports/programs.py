"""Programs of counterexamples taken apart, so that a page shows once what many of them share."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

__all__ = ["SHARED", "Library", "Program", "shared", "taken_apart"]

SHARED = "# Here belong, from Programs below: "
"""How the line starts that stands for shared pieces, by name, each with what it needs itself."""

IMPORTS = "imports"
"""The name of the piece that most programs begin with."""


@dataclass(frozen=True)
class Program:
    """``head``, definitions by name in order, and ``tail``: together they are the program.

    ``needs`` are the definitions that each of them names, and those that the tail names.
    """

    head: str
    definitions: dict[str, str]
    tail: str
    needs: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Library:
    """Pieces that programs share: name to text, in which what it needs itself is named by a line."""

    pieces: Mapping[str, str]

    def taken_by(self, programs: Iterable[Program]) -> Library:
        """The pieces that these programs take, and all that these name."""
        names, wanted = set[str](), {IMPORTS, *(n for p in programs for n in p.definitions)}
        while wanted:
            names |= wanted
            lines = (self.pieces.get(name, "").partition("\n")[0] for name in wanted)
            named = (line.removeprefix(SHARED).split(", ") for line in lines if line.startswith(SHARED))
            wanted = {name for each in named for name in each} - names
        return Library({name: piece for name, piece in self.pieces.items() if name in names})

    def without(self, other: Library) -> Library:
        """The pieces that are not in another library."""
        return Library({n: piece for n, piece in self.pieces.items() if n not in other.pieces})

    def shortened(self, program: Program) -> str:
        """The program with one line in place of all that is here."""
        own = [n for n in program.definitions if n not in self.pieces]
        named = [n for each in (*own, "") for n in program.needs[each] if n in self.pieces]
        head = program.head == self.pieces.get(IMPORTS)
        place = _place(([IMPORTS] if head else []) + [*dict.fromkeys(named)])
        parts = [] if head else [program.head]
        return "\n\n".join([*parts, *place, *(program.definitions[n] for n in own), program.tail])


def taken_apart(text: str) -> Program | None:
    """The pieces of a program whose top-level functions and classes stand together; None for any other."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    lines = text.splitlines(keepends=True)
    places = [i for i, part in enumerate(tree.body) if isinstance(part, (ast.FunctionDef, ast.ClassDef))]
    if not places or len(places) != places[-1] - places[0] + 1:
        return None
    parts = [part for part in tree.body if isinstance(part, (ast.FunctionDef, ast.ClassDef))]
    names = {part.name for part in parts}
    if len(names) < len(parts) or IMPORTS in names or any(part.decorator_list for part in parts):
        return None
    ends = [part.end_lineno or part.lineno for part in parts]
    definitions = {
        part.name: "".join(lines[part.lineno - 1 : end]).strip("\n")
        for part, end in zip(parts, ends, strict=True)
    }
    head, tail = "".join(lines[: parts[0].lineno - 1]).strip("\n"), "".join(lines[ends[-1] :]).strip("\n")
    needs = {name: _named(source, names - {name}) for name, source in definitions.items()}
    return Program(head, definitions, tail, needs | {"": _named(tail, names)})


def shared(programs: Iterable[Program]) -> Library:
    """The most common head, and every definition but those whose name means two things."""
    sources: dict[str, str] = {}
    needs: dict[str, set[str]] = {}
    heads: Counter[str] = Counter()
    twice: set[str] = set()
    for program in programs:
        heads[program.head] += 1
        for name, source in program.definitions.items():
            if sources.setdefault(name, source) != source:
                twice.add(name)
            needs.setdefault(name, set()).update(program.needs[name])
    kept = sources.keys() - twice
    # What needs a piece that is not here cannot be put together from here either.
    while lacking := {name for name in kept if not needs[name] <= kept}:
        kept -= lacking
    head, times = heads.most_common(1)[0] if heads else ("", 0)
    pieces = {IMPORTS: head} if head and times > 1 else {}
    pieces |= {name: "\n\n".join([*_place(sorted(needs[name])), sources[name]]) for name in sorted(kept)}
    return Library(pieces)


def _place(names: Iterable[str]) -> list[str]:
    listed = ", ".join(names)
    return [SHARED + listed] if listed else []


def _named(source: str, names: Set[str]) -> tuple[str, ...]:
    """Those of the names that occur, in alphabetical order; one in a comment does no harm."""
    return tuple(sorted(names & set(re.findall(r"[^\W\d]\w*", source))))
