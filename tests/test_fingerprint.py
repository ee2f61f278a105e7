"""Does the hash of an oracle change with what it decides by, and with nothing else?"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from verify import fingerprint as module
from verify import test_kb19_lemmas as lemmas
from verify.claim import Claim
from verify.fingerprint import fingerprint
from verify.trial import broken

CLAIMS: list[Claim] = [v.claim for v in vars(lemmas).values() if hasattr(v, "claim")]

ORACLE = '''
import math
from trials_of_a_test.rational import half, Interval as Ball
from . import tables

LIMIT = 3

def helper(x):
    """Adds."""
    return half(x) + LIMIT

def unused(x):
    return x

def scaled(k):
    def conclude(x):
        return x * k
    return conclude

def decide(x):
    """In words."""
    # a comment
    return helper(x) > tables.LARGEST

def by_class(x: Ball):
    return x.middle

def late(x):
    from trials_of_a_test.rational import third
    return third(x)

class Decides:
    def __call__(self, x):
        return half(x) > 0

by_object = Decides()
smaller, larger = lambda x: x < 1, lambda y: y > 1
TWICE, THRICE = scaled(2), scaled(3)
'''
RATIONAL = '''
DIVISOR = 2

def half(x):
    return x / DIVISOR

def third(x):
    return x / 3

class Interval:
    """A ball."""
    def middle(self):
        return half(self.ends)
'''
TABLES = "LARGEST = 10\nSMALLEST = 1\n"


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Writes the package, with some words replaced, and gives the module of the claims."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**replaced: str) -> Any:
        for cached in (module._source, module._functions, module._definition):
            cached.cache_clear()
        for name in [name for name in sys.modules if name.partition(".")[0] == "trials_of_a_test"]:
            del sys.modules[name]
        folder = tmp_path / "trials_of_a_test"
        folder.mkdir(exist_ok=True)
        for name, source in {
            "__init__": "",
            "oracle": ORACLE,
            "rational": RATIONAL,
            "tables": TABLES,
        }.items():
            for old, new in (pair.split(" -> ") for pair in replaced.get(name, "").split("; ") if pair):
                assert old in source
                source = source.replace(old, new)
            (folder / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        return importlib.import_module("trials_of_a_test.oracle")

    yield write
    for cached in (module._source, module._functions, module._definition):
        cached.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "trials_of_a_test"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("decide", {"oracle": "> tables.LARGEST -> >= tables.LARGEST"}),
        ("decide", {"oracle": "half(x) + LIMIT -> half(x) - LIMIT"}),
        ("decide", {"oracle": "LIMIT = 3 -> LIMIT = 4"}),
        ("decide", {"rational": "x / DIVISOR -> x // DIVISOR"}),
        ("decide", {"rational": "DIVISOR = 2 -> DIVISOR = 4"}),
        ("decide", {"tables": "LARGEST = 10 -> LARGEST = 11"}),
        ("by_class", {"rational": "half(self.ends) -> self.ends"}),
        ("by_class", {"rational": "x / DIVISOR -> x // DIVISOR"}),
        ("late", {"rational": "x / 3 -> x / 4"}),
        ("smaller", {"oracle": "x < 1 -> x < 2"}),
        ("by_object", {"oracle": "half(x) > 0 -> half(x) > 1"}),
        ("by_object", {"rational": "x / DIVISOR -> x // DIVISOR"}),
        ("TWICE", {"oracle": "scaled(2) -> scaled(4)"}),
        ("TWICE", {"oracle": "x * k -> x + k"}),
    ],
)
def test_what_decides_counts(at: Callable[..., Any], name: str, changed: dict[str, str]) -> None:
    before = fingerprint(getattr(at(), name))
    assert len(before) == 12
    assert fingerprint(getattr(at(**changed), name)) != before


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("decide", {"oracle": "In words. -> In other words."}),
        ("decide", {"oracle": "# a comment -> # another"}),
        ("decide", {"oracle": "Adds. -> Adds up."}),
        ("decide", {"oracle": "def unused(x): -> \n\n\ndef unused(x,   y=0):"}),
        ("decide", {"rational": "x / 3 -> x / 4"}),
        ("decide", {"tables": "SMALLEST = 1 -> SMALLEST = 2"}),
        ("by_class", {"rational": "A ball. -> An interval."}),
        ("decide", {"oracle": "import math -> import functools; def helper -> @functools.cache\ndef helper"}),
        ("decide", {"oracle": "import math -> import functools; def decide -> @functools.cache\ndef decide"}),
        ("TWICE", {"oracle": "scaled(3) -> scaled(4)"}),
    ],
)
def test_nothing_else_does(at: Callable[..., Any], name: str, changed: dict[str, str]) -> None:
    before = fingerprint(getattr(at(), name))
    assert len(before) == 12
    assert fingerprint(getattr(at(**changed), name)) == before


def test_fixed_arguments_count(at: Callable[..., Any]) -> None:
    oracle = at()
    assert fingerprint(oracle.TWICE) != fingerprint(oracle.THRICE)
    three, four = partial(oracle.decide, k=3), partial(oracle.decide, k=4)
    assert len({fingerprint(f) for f in (oracle.decide, three, four)}) == 3


def test_what_has_no_source_has_no_hash() -> None:
    made: dict[str, Any] = {"__name__": "nowhere"}
    exec("def decide(x): return x", made)
    assert fingerprint(made["decide"]) == ""


def test_every_claim_has_one_and_mutants_differ_from_what_they_mutate() -> None:
    for claim in CLAIMS:
        hashes = {v.name: fingerprint(v.conclude or claim.conclude) for v in claim.variants}
        assert all(hashes.values())
        for v in claim.variants:
            if v.conclude is None:
                assert hashes[v.name] == hashes["printed"]


def test_another_process_finds_the_same() -> None:
    import subprocess

    program = (
        "from verify import test_kb19_lemmas as m; from verify.fingerprint import fingerprint;"
        "print([fingerprint(v.claim.conclude) for v in vars(m).values() if hasattr(v, 'claim')])"
    )
    command = [sys.executable, "-c", program]
    found = [
        subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert found[0] == found[1]
    here = [fingerprint(claim.conclude) for claim in CLAIMS]
    assert all(here)
    assert len(here) > 5
    assert found[0].strip() == str(here)


def test_the_record_names_the_oracle() -> None:
    variant = CLAIMS[0].variants[0]
    recorded = broken(variant, ValueError("no"), "t.py::x")
    assert recorded.oracle == fingerprint(variant.conclude or variant.claim.conclude)
