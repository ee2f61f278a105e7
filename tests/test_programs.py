"""Do programs survive being taken apart, whatever they are?"""

from __future__ import annotations

import pytest

from reports.programs import SHARED, Library, shared, taken_apart

PROGRAM = '''from __future__ import annotations

import json
from fractions import Fraction

class Half:
    """Half of a number."""

    def __init__(self, x):
        self.value = Fraction(x) / 2

def half_of(x):
    """x / 2."""
    return Half(x).value

def half_is_less(instance):
    """x / 2 < x."""
    return half_of(instance["x"]) < Fraction(instance["x"])

instance = json.loads('{"x":"1"}')
refuted = half_is_less(instance)
print('still refuted' if refuted else 'not refuted')
'''


def put_together(text: str, library: Library, had: set[str]) -> str:
    """What the page's button copies."""
    lines = []
    for line in text.split("\n"):
        if line.startswith(SHARED):
            names = [n for n in line.removeprefix(SHARED).split(", ") if n not in had and not had.add(n)]
            lines += [put_together(library.pieces[n], library, had) for n in names]
        else:
            lines.append(line)
    return "\n".join(lines)


def run(text: str) -> bool:
    namespace: dict[str, object] = {"print": lambda *_: None}
    exec(compile(text, "program", "exec"), namespace)
    return bool(namespace["refuted"])


def test_what_programs_share_is_taken_out_and_put_back() -> None:
    other = PROGRAM.replace("half_is_less", "half_is_not_less").replace('"1"', '"-1"')
    apart = [taken_apart(text) for text in (PROGRAM, other)]
    library = shared(p for p in apart if p is not None)
    assert list(library.pieces) == ["imports", "Half", "half_is_less", "half_is_not_less", "half_of"]
    assert library.pieces["half_of"].startswith(SHARED + "Half\n")
    for program, answer in zip(apart, (True, False), strict=True):
        assert program is not None
        short = library.shortened(program)
        assert "def " not in short
        assert "import json" not in short
        whole = put_together(short, library, set())
        assert whole.startswith("from __future__")
        assert run(whole) is answer


def test_a_name_that_means_two_things_stays_with_its_program() -> None:
    other = PROGRAM.replace("x / 2 < x", "another sentence").replace("<", ">")
    apart = [taken_apart(text) for text in (PROGRAM, other)]
    library = shared(p for p in apart if p is not None)
    assert "half_is_less" not in library.pieces
    for program, answer in zip(apart, (True, False), strict=True):
        assert program is not None
        assert "def half_is_less" in library.shortened(program)
        assert run(put_together(library.shortened(program), library, set())) is answer


def test_what_needs_such_a_name_stays_too() -> None:
    other = PROGRAM.replace("/ 2", "/ 3")
    library = shared(p for text in (PROGRAM, other) if (p := taken_apart(text)) is not None)
    assert list(library.pieces) == ["imports"]


def test_what_some_programs_take_comes_with_all_that_it_names() -> None:
    """Also with what another program's instance called there."""
    without = PROGRAM.replace(PROGRAM[PROGRAM.index("class Half") : PROGRAM.index("def half_of")], "")
    first, second = (taken_apart(text) for text in (PROGRAM.replace("half_is_less", "less"), without))
    assert first is not None
    assert second is not None
    library = shared([first, second])
    mine = library.taken_by([second])
    assert list(mine.pieces) == ["imports", "Half", "half_is_less", "half_of"]
    assert list(library.without(mine).pieces) == ["less"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "print('still refuted')\n",
        "not a program",
        "x = '\x00'",
        "def f():\n    pass\n\nx = 1\n\ndef g():\n    pass\n",
        "def f():\n    pass\n\ndef f():\n    return 1\n",
        "def imports():\n    pass\n",
        "@print\ndef f():\n    pass\n",
        "(" * 5000,
    ],
    ids=["empty", "no functions", "prose", "null", "interrupted", "twice", "imports", "decorated", "deep"],
)
def test_any_other_text_is_left_whole(text: str) -> None:
    assert taken_apart(text) is None
