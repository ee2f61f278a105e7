"""Are the pictures small, honest, safe to inline, the same for the same record, and drawn from any record?"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from flint import fmpq
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reports.cards import Card
from reports.drawing import ACCENT, WARNING, Figure, Scale, Sheet, cut, number, short
from reports.history import trend
from reports.models import model as model_of
from reports.plots import figures, growth, picture
from reports.record import (
    Axis,
    Counterexample,
    Curve,
    End,
    Margin,
    Run,
    Series,
    Variant,
    Writer,
)
from strategies.deep_linear import deep_linear_problems
from strategies.instance import to_json
from strategies.layered import layered_networks
from strategies.networks import one_hidden_layer_nets, resnets
from strategies.separable import encoded_classifiers, lattice_classifiers
from tests.conftest import environment
from verify.curves import as_float
from verify.oracles import separability

HOSTILE = '<script>alert("$\\frac{1}{2}$ & \x00\x1b[31m\ud800")</script>\n\u202e' + "x" * 300
HUGE = "1" * 400 + "/3"

PLAIN = Variant(
    claim="T/one", paper="T", variant="printed", expected="holds", verdict="holds", as_expected=True,
    effective=80, needed=10, classes={"zero": 3, "never": 0},
    margin=Margin(least="0", greatest="5", octaves={"zero": 40, "-3": 4, "-2": 20, "0": 10, "2": 6}),
    curves=(
        Curve(
            title="loss against width", measured="loss",
            axes=(Axis(name="width", values=("1", "2", "4", "8"), logarithmic=True),),
            series=(
                Series(name="trained", values=("1", "1/2", "1/4", None), low=("1/2", "1/4", "0", None),
                       high=("2", "1", "1", None)),
                Series(name="bound", values=("2", "1", "1/2", "1/4")),
            ),
        ),
        Curve(
            title="rank", measured="rank", axes=(Axis(name="width", values=("1", "2")), Axis(name="depth",
            values=("1", "2", "3"))), series=(Series(name="found", values=("0", "1", "2", "3", None, "5")),),
        ),
    ),
)  # fmt: skip
RESNET: dict[str, Any] = {
    "type": "strategies.networks:ResNet", "X": [["0"], ["1"], ["0"]],
    "Z": [["0", "2"], ["0", "0"], ["-2", "0"]], "Y": [["0", "-1/2"], ["1", "0"], ["0", "0"]],
    "W": [["1"], ["0"]], "V": [["0", "0"]], "loss": {"loss": "squared"}, "b": None, "branch": None,
    "measure": {"type": "strategies.datasets:Atoms", "weights": [["1/3", "1/3", "1/3"]]},
}  # fmt: skip
FALLEN = replace(
    PLAIN, verdict="refuted", expected="refuted",
    counterexample=Counterexample(id="T-one-1", instance=RESNET, values={"L": "1/12", "L*_{x,z}": "0"}),
)  # fmt: skip


def card(*variants: Variant) -> Card:
    return Card(variants[0].claim, variants)


def of(instance: Any, **values: str) -> Figure | None:
    exhibit = Counterexample(id="T-one-2", instance=instance, values=values)
    return picture(replace(FALLEN, counterexample=exhibit))


def well_made(figure: Figure) -> ElementTree.Element:
    """The parsed picture, after everything that holds for all of them was checked."""
    root = ElementTree.fromstring(figure.svg)
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == ["title", "desc"]
    assert root[0].text
    assert root[1].text
    assert {element.tag for element in root.iter()} <= {"svg", "title", "desc", "path", "text"}
    allowed = {
        "class",
        "role",
        "width",
        "height",
        "viewBox",
        "font-family",
        "font-size",
        "fill",
        "d",
        "x",
        "y",
    }
    allowed |= {"stroke", "stroke-width", "stroke-dasharray", "opacity", "text-anchor"}
    for element in root.iter():
        assert element.attrib.keys() <= allowed, "no styles, links, ids or handlers"
        colours = {element.get("fill"), element.get("stroke")} - {None}
        assert colours <= {"currentColor", "none", ACCENT, WARNING}
        words = " ".join(element.attrib.values())
        assert not re.search(r"\b(nan|inf)\b|url\(|http|:", words.lower())
        for name, side in (("x", "width"), ("y", "height")):
            assert 0 <= float(element.get(name, 0)) <= float(root.get(side, 0))
    return root


def test_a_card_has_its_three_figures() -> None:
    made = figures(card(PLAIN))
    assert [f.title for f in made] == [
        "Margins of T/one", "Classes of instances reached by T/one", "What T/one measured",
    ]  # fmt: skip
    for figure in made:
        assert figure.title == well_made(figure)[0].text
        assert figure.description == well_made(figure)[1].text
        assert len(figure.svg) < 4000
    said = " ".join(f.description for f in made)
    assert "printed: 80 margins from 0 to 5" in said
    assert "zero: 3 of 80" in said
    assert "loss over width, trained, bound" in said
    words = "".join(made[1].svg)
    assert "never reached" in words


def test_a_picture_shows_the_minimum_above_the_optimum() -> None:
    figure = picture(FALLEN)
    assert figure is not None
    root = well_made(figure)
    words = [t.text for t in root.iter("text")]
    assert "L*_{x,z}" in words
    assert "0.0833" in words
    assert "L = 0.0833, with L*_{x,z} = 0 below; it falls along none of them" in figure.description
    assert len(figure.svg) < 4000


def test_nothing_to_show_is_no_figure() -> None:
    bare = replace(PLAIN, classes={}, margin=None, curves=())
    assert figures(card(bare)) == ()
    older = Margin(least="0", greatest="5")
    assert figures(card(replace(bare, margin=older))) == ()
    assert picture(bare) is None
    assert picture(replace(FALLEN, counterexample=Counterexample(id="x", instance=["1"]))) is None


@pytest.mark.parametrize(
    "octaves", [{"zero": 5}, {"negative": 9}, {"huge": 7}, {"-1074": 3, "1023": 3}, {"0": 5}]
)
def test_any_margins(octaves: dict[str, int]) -> None:
    (figure,) = figures(
        card(replace(PLAIN, classes={}, curves=(), margin=Margin(least="0", greatest=HUGE, octaves=octaves)))
    )
    well_made(figure)


CURVE = PLAIN.curves[0]
TWO, FAR = Axis(name="x", values=("2", "1")), Axis(name="x", values=("1e-300", "1e300"))


@pytest.mark.parametrize(
    ("axis", "series", "drawn"),
    [
        (Axis(name="x", values=()), Series(name="s", values=()), False),
        (Axis(name="x", values=("1",)), Series(name="s", values=("1",)), True),
        (Axis(name="x", values=("1", "2")), Series(name="s", values=("NaN", "Infinity")), False),
        (Axis(name="x", values=("1", "2")), Series(name="s", values=("nan", "1/0")), False),
        (Axis(name="x", values=("1", "2")), Series(name="s", values=(HUGE, "1e999")), False),
        (Axis(name="x", values=("1", "2")), Series(name="s", values=("1" * 300 + "/3", "-1e300")), True),
        (Axis(name="x", values=("0", "-1"), logarithmic=True), Series(name="s", values=("1", "2")), False),
        (Axis(name="x", values=("2", "1")), Series(name="s", values=("1",)), True),
        (TWO, Series(name="s", values=("1", "2"), low=("5", "6"), high=("0",)), True),
        (replace(FAR, logarithmic=True), Series(name="s", values=("1", "2")), True),
    ],
)  # fmt: skip
def test_any_curve(axis: Axis, series: Series, drawn: bool) -> None:
    for curve in (
        replace(CURVE, axes=(axis,), series=(series,)),
        replace(CURVE, axes=(Axis(name="y", values=("1",)), axis), series=(series,)),
    ):
        made = figures(card(replace(PLAIN, classes={}, margin=None, curves=(curve,))))
        assert bool(made) is drawn or (axis.logarithmic and len(curve.axes) == 2)
        for figure in made:
            well_made(figure)


def test_long_curves_and_large_surfaces_stay_small() -> None:
    many = tuple(str(n) for n in range(5000))
    line = replace(CURVE, axes=(Axis(name="x", values=many),), series=(Series(name="s", values=many),))
    side = many[:100]
    plane = replace(
        CURVE, axes=(Axis(name="x", values=side), Axis(name="y", values=side)),
        series=(Series(name="s", values=tuple(str(n * n) for n in range(10_000))),),
    )  # fmt: skip
    (figure,) = figures(card(replace(PLAIN, classes={}, margin=None, curves=(line, plane))))
    well_made(figure)
    assert len(figure.svg) < 12_000


def test_many_variants_and_classes_stay_small() -> None:
    variants = [replace(PLAIN, variant=f"mutant:{n}", curves=PLAIN.curves[:1]) for n in range(100)]
    for figure in figures(card(*variants)):
        well_made(figure)
        assert len(figure.svg) < 16_000
        assert len(figure.description) < 1500


def test_hostile_names_come_out_as_words() -> None:
    curve = replace(
        CURVE, title=HOSTILE, measured=HOSTILE, axes=(replace(CURVE.axes[0], name=HOSTILE),),
        series=tuple(replace(s, name=HOSTILE + s.name) for s in CURVE.series),
    )  # fmt: skip
    evil = replace(
        PLAIN, claim=HOSTILE, variant="mutant:" + HOSTILE, classes={HOSTILE: 1}, curves=(curve,),
        margin=Margin(
            least=HOSTILE, greatest=HOSTILE, octaves={HOSTILE: 3, "0": 5, "²": 1, "-": 1, "9" * 50: 1}
        ),
    )  # fmt: skip
    made = [*figures(card(evil)), of(RESNET, **{"L": "1/12", "L*" + HOSTILE: "0"})]
    assert len(made) == 4
    for figure in made:
        assert figure is not None
        root = well_made(figure)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", figure.svg)
        assert any("<script>" in (t.text or "") for t in root.iter())
        figure.svg.encode()


scraps = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["1", "-1/2", HUGE, "x", "1/0", "relu", "squared"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.fixed_dictionaries({"tuple": st.lists(inner, max_size=3)})
    | st.lists(st.lists(st.sampled_from(["0", "1", "-1/2"]), min_size=1, max_size=2), min_size=1, max_size=2),
    max_leaves=8,
)  # fmt: skip
kinds = st.sampled_from(
    ["ResNet", "DeepLinearProblem", "OneHiddenLayer", "Network", "Classifier", "Perturbed"]
)


def at(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": f"m:{name}", **fields}


def plain(steps: list[dict[str, Any]], theta: list[str], **changed: Any) -> dict[str, Any]:
    """A network of one input at θ, with one sample."""
    computation = at("Computation", width=1, parameters=len(theta), steps={"tuple": steps})
    net = at("Network", computation=computation, theta=[[t] for t in theta], X=[["1"]], Y=[["1"]])
    return {**net, "loss": {"loss": "squared"}, "weights": [["1"]], **changed}


def two_layers(activation: str, theta: list[str], **changed: Any) -> dict[str, Any]:
    """θ_2 σ(θ_1 x)."""
    ways = (("0", 0), ("1", 2))
    first, last = (
        at("Affine", source=source, places=[[place, "-1"]], frozen=[["0", "0"]]) for place, source in ways
    )
    between = at("Activate", source=1, activations={"tuple": [activation]})
    return plain([first, between, last], theta, **changed)


EYE: list[list[str]] = [["1", "0"], ["0", "1"]]
DIAGONAL = at("DiagonalProblem", sigma=[["2", "0"], ["0", "1"]], T=[["0", "0"], ["0", "1"]], k=1)
TURNED = at("Rotation", problem=DIAGONAL, u=[["0"], ["1"]], v=[["1"], ["0"]], small="1", large="2", t="0")
ENTRIES = at(
    "EntrywiseProblem", weights={"tuple": [[["0"]], [["0"], ["1"]]]}, targets=[["0"], ["0"]],
    absolute=[["0"], ["0"]], squares=[["-1"], ["1"]], quartics=[["0"], ["0"]],
)  # fmt: skip
HEAVY = at("HeavyTail", x="1", y="1", base=2, ratio="1/3", w="0", v="1")
GLUED = at("Analytic", kind="glued", p=[["0"]], q=[["1"]], knot="0")
ROBUST = at("Robust", name="Blake-Zisserman", delta="1", A="1", w="1", a="0")
POINT = at("LossPoint", kind="cross-entropy", power=2, y=[["0", "-1"]], q=[["0", "0"]], d=[["0", "0"]])
SINGULAR = at("PerturbedDecomposition", given=at("Decomposition", U=EYE, values=[["1", "1"]], V=EYE),
              D=[["0", "0"], ["1", "0"]], epsilon="1/1000")  # fmt: skip
INDUCED = at("InducedModel", net=two_layers("linear", ["0", "0"]), alpha=[["1"], ["1"]])
RAMPS = at("Ramps", activation="two sigmoids", t=[["0", "1", "2"]], alpha="1", beta="0")
POLYNOMIAL = at("Polynomial", c={"tuple": ["0", "0", "-1"]}, r="0")
SHOWN: list[tuple[dict[str, Any], dict[str, str], str]] = [
    (TURNED, {"H(T(theta))": "4", "formula": "8"}, "from 4 to 1; the formula goes from 8 to 5"),
    (TURNED, {"H(T(theta))": "4", "formula": "9"}, "H along the angle θ from 0 to π/2: from 4 to 1."),
    (DIAGONAL, {}, "T against Σ entry by entry: Σ = [2, 0; 0, 1]; T = [0, 0; 0, 1]"),
    (ENTRIES, {"L(R)": "0"}, "(2 different curves): it falls from R along entry 1,1"),
    (HEAVY, {"L(0, v)": "1", "L*_{x,z}": "0"}, "ever steeper around w = 0, where it is 1"),
    (at("LaplaceProblem", a="1", w="0", v="0"), {"L(1, a)": "1.0"}, "v is 0, where it is infinite"),
    (INDUCED, {"the first-order bound": "1", "the loss at α": "0"}, "at α the loss is 0, the bound 1"),
    (POINT, {"0": "0", "l(q)": "[-1.0 +/- 1e-19]"}, "The loss (cross-entropy) along q_1 and q_2: −1 at q"),
    ({**POINT, "kind": "hinge", "y": [["1"]], "q": [["0"]], "d": [["1"]]}, {}, "4 and 0 at q − d and q + d"),
    (at("Curve", c=[["0", "-1", "0", "1"], ["0", "0", "1", "0"]], radius="2"), {"s + t": "0", "s t": "-1"},
     "it meets itself at f(−1) = f(1)"),
    (SINGULAR, {}, "u_1 and u_2 of the singular value 1: those of M + t D are turned by 45 degrees"),
    (POLYNOMIAL, {"a": "1/4"}, "l(0) = 0, l(0.25) = −0.0625"),
    (ROBUST, {"l(0)": "[-0.6931471805 +/- 1e-9]"}, "The loss Blake-Zisserman beside a²: l(0) = −0.693"),
    (GLUED, {}, "it is 0 everywhere above the knot"),
    ({**GLUED, "kind": "flat", "p": [["1"]]}, {}, "it is 0 everywhere below the knot"),
    (at("Bivariate", c=[["0", "1", "1"], ["0", "0", "0"]], u0="0", v0="0"), {},
     "2 curves: at u0 = 0, v = −1, 0"),
    (at("Problem", activation="sigmoid", X=[["0"]], Y=[["0"]], widths={"tuple": [1]}), {},
     "the target 0 is beyond its values there"),
    (RAMPS, {}, "The determinant of [1, A] along α from 0 to 8"),
    (at("Labelled", F=[["0"], ["1"], ["2"]], classes=[["1"], ["2"], ["1"]]), {}, "by 2 different targets"),
    (at("X"), {"left": '[["0"], ["1"]]', "right": '[["1"], ["0"]]'}, "they differ in 2 of 2"),
    (at("X"), {f"f at s = {s}": f"-{s}" for s in (8, 1, 2)}, "f at s = 1, 2, 8: −1, −2, −8"),
    (two_layers("relu", ["0", "0"]), {"theta'": '[["0", "-1/1024"]]'}, "An output along θ_1: without a kink"),
    (two_layers("relu", ["-2", "-2"]), {"L": "1", "L elsewhere": "0"}, "with L elsewhere = 0 below"),
    (at("HiddenMove", A=[["1"]], B=[["1"]], net=at(
        "OneHiddenLayer", X=[["1"]], Y=[["1"]], W1=[["0"]], W2=[["0"]], activation="relu",
        loss={"loss": "squared"})), {"L": "1"}, "none of them, but along the move of the instance"),
    (two_layers("tanh cubed", ["0", "1"]), {"L": "1"}, "L = 1; it falls along 1 of them"),
]  # fmt: skip


@pytest.mark.parametrize(("instance", "values", "said"), SHOWN)
def test_what_an_instance_is_about_is_drawn(
    instance: dict[str, Any], values: dict[str, str], said: str
) -> None:
    figure = of(instance, **values)
    assert figure is not None
    root = well_made(figure)
    assert said in figure.description
    assert len(figure.svg) < 2500
    assert len(list(root.iter("path"))) > 1
    assert figure.svg == of(instance, **values).svg  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("instance", "values"),
    [
        ({**TURNED, "problem": {**DIAGONAL, "type": "m:X"}}, {"H(T(theta))": "5"}),
        ({**DIAGONAL, "sigma": [["0"]], "T": [["0"]]}, {}),
        ({**DIAGONAL, "T": [["0"]]}, {}),
        (ENTRIES, {"L(R)": "1"}),
        (HEAVY, {"L(0, v)": "2"}),
        ({**HEAVY, "ratio": "1/9"}, {"L(0, v)": "1"}),
        (at("LaplaceProblem", a="1", w="0", v="0"), {"L(1, a)": "2"}),
        (INDUCED, {"the first-order bound": "1", "the loss at α": "1/2"}),
        (POINT, {"l(q)": "1"}),
        ({**POINT, "kind": "unknown"}, {}),
        ({**SINGULAR, "D": [["1", "0"], ["0", "0"]]}, {}),
        ({**SINGULAR, "given": at("Decomposition", U=EYE, values=[["2", "1"]], V=EYE)}, {}),
        ({**POLYNOMIAL, "c": {"tuple": ["1"]}}, {}),
        ({**ROBUST, "delta": "-1"}, {}),
        (ROBUST, {"l(0)": "1"}),
        ({**GLUED, "q": [["0"]]}, {}),
        ({**GLUED, "kind": "polynomial"}, {}),
        (at("Bivariate", c=[["0", "0"], ["0", "0"]], u0="0", v0="0"), {}),
        (at("Bivariate", c=[["1", "1"]], u0="0", v0="0"), {}),
        (at("Problem", activation="linear", X=[["0"]], Y=[["0"]], widths={"tuple": [1]}), {}),
        ({**RAMPS, "activation": "exp"}, {}),
        (at("X"), {"left": '[["0"], ["1"]]', "right": '[["0"], ["1"]]'}),
        (at("X"), {"left": "[[", "right": "[["}),
        (at("X"), {"f at s = 1": "1", "f at s = 2": "2"}),
        (two_layers("relu", ["0", "0"]), {"theta'": "[["}),
        (two_layers("linear", ["0", "0"]), {"theta'": '[["0", "-1/1024"]]'}),
        (two_layers("relu", ["-2", "-2"]), {"L": "1", "L elsewhere": "1"}),
    ],
)
def test_what_says_nothing_or_is_not_what_the_record_says_is_not_drawn(
    instance: dict[str, Any], values: dict[str, str]
) -> None:
    assert of(instance, **values) is None


@given(st.data())
def test_a_damaged_instance_of_any_type_gives_a_picture_or_none(data: st.DataObject) -> None:
    instance, values, _ = data.draw(st.sampled_from(SHOWN))
    fields = st.sampled_from([k for k in instance if k != "type"] or ["other"])
    numbers = st.sampled_from(["0", "-1", "1e200", "1e-300", "1/3", HUGE, "nan", [["1e150"]], [["0", "0"]]])
    changed = data.draw(st.dictionaries(fields, scraps | numbers, max_size=2))
    told = data.draw(
        st.dictionaries(st.sampled_from([*values, "L"]), st.sampled_from(["0", "1", "x", "[[1]]"]))
    )
    figure = of({**instance, **changed}, **{**values, **told})
    if figure is not None:
        well_made(figure)


@given(kinds, st.dictionaries(st.sampled_from([*RESNET, "weights", "W1", "W2", "activation", "computation",
       "theta", "M", "D", "A", "B", "net", "stack", "classes", "layers"]), scraps))  # fmt: skip
def test_a_damaged_instance_gives_a_picture_or_none(kind: str, changed: dict[str, Any]) -> None:
    figure = of({**RESNET, **changed, "type": f"m:{kind}"}, L="1/12")
    if figure is not None:
        well_made(figure)


def test_a_picture_is_of_what_the_record_says() -> None:
    assert "loss around" in of(RESNET, L="1/12").description  # type: ignore[union-attr]
    wrong = of(RESNET, L="1/13")
    assert wrong is None or "loss around" not in wrong.description
    unnamed = of(RESNET, dimension="1/12")
    assert unnamed is None or "loss around" not in unnamed.description
    deep: Any = [[]]
    for _ in range(5000):
        deep = [deep]
    assert of({"type": "m:X", "a": deep}) is None
    assert of({**RESNET, "X": [[HUGE], ["1"], ["0"]]}, L="1/12") is None


def test_singular_values_and_patterns() -> None:
    perturbed = {"type": "m:PerturbedMatrix", "M": [["3", "0"], ["0", "0"]], "D": [["0", "0"], ["0", "1"]]}
    figure = of(perturbed)
    assert figure is not None
    well_made(figure)
    assert figure.description == "Singular values: M: 3, 0; M + D: 3, 1."
    dead = {
        "type": "m:OneHiddenLayer", "X": [["1"], ["-1"], ["0"]], "Y": [["1"], ["1"], ["0"]],
        "W1": [["1"], ["-1"]], "W2": [["1", "0"]], "activation": "relu", "loss": {"loss": "squared"},
    }  # fmt: skip
    figure = of(dead)
    assert figure is not None
    well_made(figure)
    assert "2 units on 3 samples: 2 active, 2 inactive, 2 exactly at the kink" in figure.description


def test_cost_is_drawn_over_the_runs_of_a_folder(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        writer = Writer(tmp_path / f"{n}.jsonl")
        writer.write(Run(started=f"2026-11-2{n}T00:00:00", profile="quick"))
        for order, paper in enumerate(("T", "U")):
            if paper == "T" or n > 1:
                variant = replace(PLAIN, claim=f"{paper}/one", paper=paper, order=order, seconds=n + order)
                writer.write(variant)
        writer.finish(End(complete=True, exit_status=0, finished="", seconds=1.0))
    figure = growth(trend(tmp_path))
    assert figure is not None
    words = [t.text for t in well_made(figure).iter("text")]
    assert {"T: seconds", "U: instances", "run"} <= set(words)
    assert figure.title == "Cost over 3 runs"
    (tmp_path / "3.jsonl").unlink()
    (tmp_path / "2.jsonl").unlink()
    assert growth(trend(tmp_path)) is None


PROGRAM = """
import hashlib, pickle, sys
from reports.models import model as model_of
from reports.history import trend
from reports.plots import figures, growth, picture
card, variant = pickle.loads(bytes.fromhex(sys.argv[1]))
made = [f.svg for f in figures(card)] + [picture(variant).svg]
print(hashlib.sha256("".join(made).encode()).hexdigest())
"""


def test_the_bytes_are_the_same_in_any_process(tmp_path: Path) -> None:
    import pickle

    (tmp_path / "matplotlibrc").write_text(
        "lines.linewidth: 9\nfont.size: 30\ntext.usetex: True\npath.sketch: 1, 2, 3\n"
    )
    argument = pickle.dumps((card(PLAIN), FALLEN)).hex()
    found = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, argument], check=True, capture_output=True, text=True, cwd=folder,
            env=environment(PYTHONHASHSEED=seed),
        ).stdout
        for folder, seed in ((Path(__file__).parents[1], "1"), (tmp_path, "2"))
    }  # fmt: skip
    assert len(found) == 1


def test_matplotlib_waits_for_the_first_figure() -> None:
    program = "import sys, reports.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], env=environment()).returncode == 0


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [ACCENT, WARNING])
def test_colours_are_told_from_white_and_from_black(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= 3
    assert (luminance(colour) + 0.05) / (luminance("#1b1b1f") + 0.05) >= 3


# --- the sheet ------------------------------------------------------------------------------------------


def test_paths_are_short_and_right() -> None:
    sheet = Sheet(100, 50)
    sheet.draw([sheet.box(10, 20, 30, 5), ((1, 2), (3.25, 4), (3.3, 3.96))], fill=ACCENT)
    sheet.draw([((0, 0), (5, 5), (9, 4), (9, 8))], stroke=WARNING, dashes=(4, 2), opacity=0.5)
    sheet.draw([], fill=ACCENT)
    drawn = [p.get("d") for p in well_made(sheet.figure("t", "d")).iter("path")]
    assert drawn == ["M10 20h30v5h-30zM1 2l2.2 2 .1 0z".replace(" .1 0", "h.1"), "M0 0l5 5 4-1v4"]


def test_words_stand_where_they_were_put() -> None:
    sheet = Sheet(100, 50)
    sheet.write(50, 20.25, "$x$ & <y>", anchor="middle", faint=True)
    (text,) = well_made(sheet.figure("t", "d")).iter("text")
    assert text.text == "$x$ & <y>"
    assert (text.get("x"), text.get("y"), text.get("text-anchor")) == ("50", "20.2", "middle")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1/2", 0.5), ("-3", -3.0), ("1e-3", 0.001), ("[0.25 +/- 1e-9]", 0.25), ("", None), ("1/0", None),
     ("nan", None), ("1e9999999999", None), (HUGE, None), (None, None), (True, None), ("9" * 5000, None)],
)  # fmt: skip
def test_numbers(text: Any, value: float | None) -> None:
    assert number(text) == value


def test_scales_and_labels() -> None:
    assert Scale(1, 100, 0, 10, True)(10) == pytest.approx(5)
    assert Scale(2, 2, 0, 10)(2) == 5
    assert 0 <= Scale(-1.7e308, 1.7e308, 0, 10)(1e308) <= 10
    assert [short(v) for v in (0.5, -1e-7, 1.5e12)] == ["0.5", "−1e−7", "1.5e12"]
    assert cut("a  b\n" + "x" * 99, 66) == "a b xxxxx…"
    assert json.dumps(short(0.0)) == '"0"'


# --- the losses the pictures follow ---------------------------------------------------------------------


@settings(max_examples=80, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        resnets(), one_hidden_layer_nets(), deep_linear_problems(), layered_networks(),
        lattice_classifiers(), encoded_classifiers(),
    )
)  # fmt: skip
def test_the_loss_of_a_picture_is_the_one_of_the_harness(net: Any) -> None:
    model = model_of(to_json(net))
    if model is None:  # a loss or an activation that no picture follows
        return
    with np.errstate(all="ignore"):
        here = model.at(model.parameters)
    match type(net).__name__:
        case "Classifier":
            exact = separability.loss(net)
        case "DeepLinearProblem":
            exact = sum((e * e for e in (net.R * net.X - net.Y).entries()), fmpq(0)) / 2
        case "Network":
            exact = loss_of(net, net.weights.entries())
        case "ResNet":
            exact = loss_of(net, net.measure.weights.entries())
        case _:
            exact = loss_of(net, [fmpq(1, net.Y.nrows())] * net.Y.nrows())
    assert here == pytest.approx(as_float(exact), rel=1e-9, abs=1e-9)


def loss_of(net: Any, shares: list[fmpq]) -> Any:
    rows = zip(shares, net.H.table(), net.Y.table(), strict=True)
    return sum((w * net.loss.value(h, y) for w, h, y in rows), fmpq(0))
