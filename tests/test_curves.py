"""Does what a claim measures besides its verdict reach the record, and only what it should?"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from flint import arb, fmpq
from hypothesis import strategies as st

from reports import record
from reports.record import Axis, Curve, Margin, Series
from verify.claim import (
    HOLDS,
    REFUTED,
    Verdict,
    claim,
    decide,
    decide_at_most,
    inconclusive,
    printed,
    vacuous,
)
from verify.curves import Sheet, collecting, record_point
from verify.trial import BUDGETS, put_on_trial


def tried(conclude: Any, draws: Any, *, expected: Any = HOLDS, **options: Any) -> record.Variant:
    made = claim("T/measured", where="here", says="x")(
        printed(expected, draws, **options)(lambda x: conclude(x))
    )
    (variant,) = made.claim.variants
    found = put_on_trial(variant, budget=BUDGETS["quick"], seed_text="0", seconds=60)
    assert record.Variant.from_json(json.loads(json.dumps(found.to_json()))) == found
    return found


def test_points_become_a_curve_with_its_spread() -> None:
    def conclude(x: tuple[int, int]) -> Verdict:
        width, noise = x
        of = {"trained": Fraction(noise, width), "bound": arb(2)}
        at, logarithmic = {"width": width}, ("width",)
        record_point("loss against width", at=at, measured="loss", of=of, logarithmic=logarithmic)
        return decide(True, why="")

    draws = st.tuples(st.sampled_from([1, 2, 4]), st.sampled_from([0, 1]))
    (curve,) = tried(conclude, draws, needs=6).curves
    assert curve == Curve(
        title="loss against width", axes=(Axis(name="width", values=("1", "2", "4"), logarithmic=True),),
        measured="loss",
        series=(
            Series(
                name="trained", values=("0.5", "0.25", "0.125"),
                low=("0", "0", "0"), high=("1", "0.5", "0.25"),
            ),
            Series(name="bound", values=("2", "2", "2")),
        ),
    )  # fmt: skip


def test_two_axes_make_a_surface_with_holes() -> None:
    def conclude(x: int) -> Verdict:
        place = {"width": x % 2, "depth": fmpq(x // 2, 2)}
        record_point("loss", at=place, measured="loss", of={"a": x, "b": float("nan")})
        return decide(True, why="")

    (curve,) = tried(conclude, st.integers(0, 2), needs=3).curves
    assert [(a.name, a.values) for a in curve.axes] == [("width", ("0", "1")), ("depth", ("0", "1/2"))]
    assert curve.series == (Series(name="a", values=("0", "2", "1", None)),)


def test_what_does_not_count_is_not_recorded() -> None:
    def conclude(x: int) -> Verdict:
        record_point("x", at={"x": x}, measured="x", of={"x": x})
        if x % 3 == 0:
            return vacuous("a multiple of 3")
        return inconclusive("why not") if x == 1 else decide(x < 5, why="", margin=x)

    found = tried(conclude, st.integers(0, 90), expected=REFUTED)
    (curve,) = found.curves
    places = [int(v) for v in curve.axes[0].values]
    assert all(p % 3 for p in places)
    assert sum(p >= 5 for p in places) == 1, "the first refuted one, none of the shrinking"
    record_point("outside", at={"x": 1}, measured="x", of={"x": 1})


def test_wrong_points_are_named() -> None:
    sheet = Sheet()
    with collecting(sheet):
        record_point("one", at={"x": 1}, measured="y", of={"a": 1})
        with pytest.raises(ValueError, match="'one' is over x, not z"):
            record_point("one", at={"z": 1}, measured="y", of={"a": 1})
        with pytest.raises(ValueError, match="has 3 axes"):
            record_point("one", at={"x": 1, "y": 2, "z": 3}, measured="y", of={"a": 1})
        with pytest.raises(TypeError, match="is a ball"):
            record_point("one", at={"x": arb(1)}, measured="y", of={"a": 1})
    assert sheet.curves == ()


MARGINS = [fmpq(0), fmpq(1, 8), fmpq(3, 16), fmpq(1), fmpq(3), fmpq(-1), fmpq(10) ** 400, fmpq(1, 10**400)]


def test_margins_are_counted_by_octave() -> None:
    def conclude(k: int) -> Verdict:
        return decide(True, why="", margin=MARGINS[k])

    found = tried(conclude, st.integers(0, 7), needs=8).margin
    assert found is not None
    assert found.octaves == {"negative": 1, "zero": 2, "-3": 2, "0": 1, "1": 1, "huge": 1}
    assert list(found.octaves) == ["negative", "zero", "-3", "0", "1", "huge"]


def test_the_most_violating_instance_stands_beside_the_smallest() -> None:
    def conclude(x: int) -> Verdict:
        return decide_at_most(x, 3)

    found = tried(conclude, st.integers(0, 10**6), expected=REFUTED)
    assert found.counterexample is not None
    assert found.most_violating is not None
    assert found.counterexample.instance == 4
    assert found.most_violating.instance > 4
    assert found.most_violating.margin == str(found.most_violating.instance - 3)
    assert found.most_violating.values == {"left": str(found.most_violating.instance), "right": "3"}
    alone = tried(conclude, st.just(7), expected=REFUTED)
    assert alone.most_violating is None


def test_records_of_the_older_form_still_read() -> None:
    found = tried(lambda x: decide_at_most(0, x), st.integers(1, 9), needs=5)
    older = found.to_json()
    for name in ("curves", "most_violating"):
        del older[name]
    del older["margin"]["octaves"]
    read = record.Variant.from_json(older)
    assert read.curves == ()
    assert read.most_violating is None
    assert read.margin is not None
    assert read.margin == Margin(least=read.margin.least, greatest=read.margin.greatest)
