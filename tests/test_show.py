"""Is a counterexample shown exactly, in full, and in one line that does not pretend to be the whole?"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reports.record import Counterexample, Fault, Lost, Margin, Variant
from reports.show import instance_html, one_line, parts, summary, text, value_html
from reports.typeset import approximately, number_key, typeset

INSTANCE: dict[str, Any] = {
    "type": "strategies.networks:ResNet",
    "X": [["0", "10"], ["-3/2", "1"]],
    "empty": [[], []],
    "loss": {"loss": "squared"},
    "measure": {"type": "strategies.datasets:Atoms", "weights": [["1/2"], ["1/2"]]},
    "weights": {"tuple": [[["1"]], [["2", "3"]]]},
    "width": 3,
    "b": None,
}
VARIANT = Variant(
    claim="KB19/thm1",
    paper="KB19",
    where="Theorem 1",
    title="The loss is optimal.",
    says=r"L \le L^*",
    assumes={"A1": r"d_y \le d_x"},
    variant="printed",
    expected="refuted",
    verdict="refuted",
    as_expected=True,
    rung="exact",
    effective=40,
    margin=Margin(least="1/123456789012", greatest="3"),
    counterexample=Counterexample(
        id="KB19-thm1-3f9a",
        instance=INSTANCE,
        values={"L": "1/2", "gradient": '[["0", "-1/3"]]'},
        why="The loss is 1/2 and the infimum is 0.",
        snippet="from fractions import Fraction\nprint(Fraction(1, 2))\n",
        reproduce="@reproduce_failure('6', b'AA')",
    ),
)

quick = settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate), database=None)


def of(instance: Any) -> Variant:
    return replace(VARIANT, counterexample=Counterexample(id="x", instance=instance))


def test_the_text_says_everything_with_matrices_in_columns() -> None:
    shown = text(VARIANT)
    assert "KB19/thm1 [printed], Theorem 1: refuted" in shown
    assert "X               = [   0  10]\n                    [-3/2   1]\n" in shown
    assert "measure.weights = [1/2]\n                    [1/2]\n" in shown
    assert "weights[1]      = [2  3]" in shown
    assert "empty           = (2 × 0, without entries)" in shown
    assert "b               = none" in shown
    assert "gradient = [0  -1/3]" in shown
    assert VARIANT.counterexample is not None
    for piece in (VARIANT.says, VARIANT.title, r"A1: d_y \le d_x", VARIANT.counterexample.why):
        assert piece in shown
    assert VARIANT.counterexample.snippet in shown
    assert VARIANT.counterexample.reproduce in shown


def test_a_variant_without_counterexample_has_a_text() -> None:
    assert "There is no counterexample." in text(replace(VARIANT, counterexample=None))
    assert one_line(replace(VARIANT, counterexample=None)) == ""


def test_nothing_is_truncated_in_the_text() -> None:
    large = [[str(i * 1000 + j) for j in range(60)] for i in range(40)]
    shown = text(of({"type": "m:T", "X": large, "q": "1" * 3000}))
    assert "…" not in shown
    assert all(e in shown for row in large for e in row)
    assert "1" * 3000 in shown


def test_one_line_is_cut_between_parts_and_says_so() -> None:
    whole = "X = [0, 10; -3/2, 1], empty = [; ], loss = squared, measure.weights = [1/2; 1/2]"
    assert one_line(VARIANT, width=400).startswith(whole)
    assert "…" not in one_line(VARIANT, width=400)
    for width in range(1, 200):
        short = one_line(VARIANT, width=width)
        assert len(short) <= width
        assert short == one_line(VARIANT, width=400) or short.endswith("…")
    assert one_line(VARIANT, width=30) == "X = [0, 10; -3/2, 1], …"
    assert one_line(of([["1", "2"]])) == "[1, 2]"


json_values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.integers(),
    lambda x: (
        st.lists(x, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "loss", "tuple", "X"]), x, max_size=3)
    ),
    max_leaves=10,
)


@quick
@given(json_values)
def test_any_json_value_can_be_shown(instance: Any) -> None:
    variant = of(instance)
    assert "\n" not in one_line(variant)
    assert "x" in text(variant)
    assert variant.counterexample is not None
    ElementTree.fromstring(instance_html(variant.counterexample).replace("<div class=scroll>", "<div>"))


def test_very_deep_instances_are_shown_as_json() -> None:
    deep: Any = "1"
    for _ in range(600):
        deep = {"tuple": [deep, None]}
    assert parts(deep)[0].kind in ("json", "number")
    assert text(of(deep))


def test_fractions_are_stacked_and_large_matrices_folded() -> None:
    assert value_html("-3/2") == ("<math><mrow><mo>−</mo><mfrac><mn>3</mn><mn>2</mn></mfrac></mrow></math>")
    assert value_html('[["1", "2"]]').count("<mtd>") == 2
    assert value_html("between <0> and 1") == "between &lt;0&gt; and 1"
    small = Counterexample(id="x", instance={"type": "m:T", "X": [["1"] * 12] * 12})
    large = Counterexample(id="x", instance={"type": "m:T", "X": [["1"] * 13] * 2})
    assert "<details>" not in instance_html(small)
    assert "<summary>a 2 × 13 matrix</summary>" in instance_html(large)


def test_a_network_is_shown_as_its_equations() -> None:
    affine = {
        "type": "strategies.feedforward:Affine",
        "source": 0,
        "places": [["0", "-1"]],
        "frozen": [["0", "1/2"]],
    }
    relu = {"type": "strategies.feedforward:Activate", "source": 1, "activations": {"tuple": ["relu"]}}
    sum_ = {"type": "strategies.feedforward:Combine", "left": 0, "right": 2, "operation": "sum"}
    computation = {
        "type": "strategies.feedforward:Computation", "width": 1, "parameters": 1,
        "steps": {"tuple": [affine, relu, sum_]},
    }  # fmt: skip
    shown = one_line(
        of({"type": "strategies.feedforward:Network", "computation": computation, "theta": [["3"]]}),
        width=200,
    )
    assert shown == (
        "h₀ = a column of X, h₁ = [θ₁, 1/2] (h₀, 1), h₂ = relu(h₁), h₃ = h₀ + h₂, output = h₃, theta = [3]"
    )
    assert "<msub><mi>θ</mi><mn>1</mn></msub>" in instance_html(Counterexample(id="x", instance=computation))
    foreign = {**computation, "steps": {"tuple": [{"type": "m:Unknown"}]}}
    assert "steps[0]" in text(of({"type": "m:Network", "computation": foreign}))


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("1/3", "≈ 0.333"),
        ("-2", "≈ -2"),
        ("0", "≈ 0"),
        ("0.0001234", "≈ 0.000123"),
        ("1" * 5000, "≈ 1.11e+4999"),
        ("1/" + "2" * 5000, "≈ 4.50e-5000"),
        ("-3e-40", "≈ -3.00e-40"),
        ("9" * 400 + "/" + "9" * 399, "≈ 10"),
        ("one", ""),
        ("1/0", ""),
    ],
)
def test_large_numbers_have_a_size(number: str, shown: str) -> None:
    assert approximately(number) == shown
    assert float(number_key(number)) == (float(shown.removeprefix("≈ ")) if shown else float("inf"))


def test_control_characters_do_not_reach_the_terminal() -> None:
    variant = replace(of({"type": "m:T", "X": "\x1b[2J\nfoo"}), title="\x1b[31m", claim="\x07")
    for shown in (text(variant), one_line(variant), "\n".join(summary([variant]))):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)


def test_the_summary_has_a_row_a_claim_and_names_what_is_odd() -> None:
    drop = replace(VARIANT, variant="drop:A1: strict", order=2, counterexample=None)
    mutant = replace(
        VARIANT,
        variant="mutant:L = 0",
        verdict="holds",
        as_expected=False,
        order=1,
        counterexample=None,
        faults=(Fault(kind="mutant survived", message="40 instances and none refutes it."),),
    )
    lines = summary([mutant, drop, VARIANT], [Lost(nodeid="t.py::x", message="killed")], width=120)
    whole = "\n".join(lines)
    assert lines[0].startswith("claim")
    assert re.search(r"KB19/thm1 +refuted +– +0/1 +120 +exact +\d+\.\d s +1 needed$", lines[1])
    assert "refuted as printed" in whole
    assert "KB19-thm1-3f9a" in whole
    assert "mutant survived: 40 instances" in whole
    assert "t.py::x: its worker died" in whole
    assert lines[-1] == "1 claim, 3 variants, 120 effective instances: 2 not as expected"
    assert summary([VARIANT])[-1] == "1 claim, 1 variant, 40 effective instances: all as expected"
    assert summary([])[-1].startswith("0 claims")
    assert all(len(line) <= 60 for line in summary([VARIANT], width=60))


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        (r"\frac{1}{2}", "<mfrac>"),
        (r"d_y<=d_x", "≤"),
        (r"\text{for all } x", "for all <math>"),
        ("for all $x$ in X", "for all <math>"),
        ("every critical point", "every critical point"),
        (r"A \setminus B", "<mo>∖</mo>"),
        (r"\min_{W} x", "<munder>"),
        (r"\mathbf{x}\in\mathcal{L}", "ℒ"),
        (r"\overline{x+y}", 'stretchy="true">‾</mo>'),
        (r"\bar R", '<mover accent="true"><mi>R</mi><mo stretchy="true">‾</mo></mover>'),
        (r"\hat W", '<mover accent="true">'),
        (r"\sigma'(t)", "<mrow><mi>σ</mi><mi>′</mi></mrow>"),
        (r"W_l'", "<msub><mrow><mi>W</mi><mi>′</mi></mrow><mi>l</mi></msub>"),
        (r"\text{(or } x\text{)}, y", "</math>), <math>"),
        (r"\|x\|^2", '<msup><mo fence="false" stretchy="false">‖</mo><mn>2</mn></msup>'),
        (r"R₁₂ \le 1", "<msub><mi>R</mi><mrow><mn>12</mn></mrow></msub>"),
        (r"\nosuchmacro{x}", '<code class="latex">\\nosuchmacro{x}</code>'),
        (r"\frac{1", '<code class="latex">\\frac{1</code>'),
        (r"\newcommand{\x}{\x\x}\x", '<code class="latex">'),
        ("{" * 3000, '<code class="latex">'),
        ("x" * 9000 + r"\le", '<code class="latex">'),
        ("", ""),
    ],
)
def test_what_can_be_typeset_is_and_the_rest_stays_as_written(source: str, holds: str) -> None:
    assert holds in typeset(source)


markup = st.sampled_from(
    ("<script>", '"><img src=x onerror=y>', "&lt;", "&", r"\href{javascript:x}{", r"\class{a}{b}")
)
latex = st.sampled_from(
    (r"\text{", "}", r"\style{", "$", "_", r"\frac", "x", r"\begin{cases}", r"\end{cases}")
)


@quick
@given(
    st.lists(markup | latex | st.just(r"\color{red;background:url(x)}"), max_size=8).map("".join)
    | st.text(max_size=20)
)
def test_no_formula_carries_markup_of_its_own(source: str) -> None:
    shown = re.sub(r"[\x00-\x1f\ufffe\uffff]", "", typeset(source)).replace("<wbr>", "")
    for element in ElementTree.fromstring(f"<p>{shown}</p>").iter():
        assert element.tag in ("p", "code", "math") or element.tag.startswith("m")
        assert not element.attrib.keys() & {"href", "src", "style", "onerror", "mathcolor", "id"}


def test_the_json_of_an_instance_is_untouched_by_showing_it() -> None:
    before = json.dumps(INSTANCE)
    text(VARIANT), one_line(VARIANT), parts(INSTANCE)
    assert json.dumps(INSTANCE) == before
