"""Nguyen & Hein (2017), Section 5: linear independence, wide layers and linear separability."""

from functools import partial

from flint import arb_mat, ctx, fmpq, fmpq_mat

from strategies.wide import Labelled, LabelledLayers, labelled_layers, labelled_vectors, wide_layers
from verify import (
    HOLDS,
    REFUTED,
    Rung,
    Verdict,
    claim,
    decide,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.nh17 import DISTINCT, WIDE
from verify.oracles.linear_programs import NotSeparable, separate
from verify.oracles.rank_certificates import certify, rank_at_most, with_ones
from verify.papers import NH17
from verify.rechecks.nh17_separable_layers import (
    hull_of_a_class_meets_the_rest,
    layer_is_not_separable,
    separable_and_dependent,
)


def separable(F: fmpq_mat, classes: fmpq_mat) -> Verdict:
    """Definition 5.1, one class against the rest, by exact linear programs."""
    features = with_ones(F)
    for c in (1, 2, 3):
        labels = fmpq_mat(F.nrows(), 1, [int(e == c) for e in classes.entries()])
        found = separate(features, labels)
        if isinstance(found, NotSeparable):
            multiplier = fmpq_mat(1, F.nrows(), found.multiplier)
            return decide(
                False,
                why=f"Class {c} is not separable from the rest (Gordan's multiplier).",
                values={"class": c, "multiplier": multiplier},
            )
    return decide(True, why="")


def solved(v: Labelled) -> Verdict:
    """Separable; where rank([F, 1]) = N, also by solving [F, 1] h = ±1."""
    if with_ones(v.F).rank() == v.F.nrows():
        e = with_ones(v.F)
        target = fmpq_mat(v.F.nrows(), 1, [1 if c == 1 else -1 for c in v.classes.entries()])
        h = e.transpose() * (e * e.transpose()).solve(target)
        if e * h != target:
            return decide(None, why="[F, 1] h = ±1 was not solved: the oracle is wrong")
    return separable(v.F, v.classes)


def only_if_independent(v: Labelled) -> Verdict:
    """The converse: separable vectors are linearly independent."""
    if separable(v.F, v.classes).outcome is REFUTED:
        return vacuous("not separable")
    return decide(
        v.F.rank() == v.F.nrows(), why="Separable, and linearly dependent.", values={"rank F": v.F.rank()}
    )


@claim(
    "NH17/separable",
    paper=NH17,
    where="Section 5, after Theorem 5.3 (cited: Barber 2012, p. 340)",
    says=r"x_1, \dots, x_N \text{ linearly independent} \Rightarrow \text{linearly separable (Definition 5.1), whatever the classes}",
    assumes={"independent": r"x_1, \dots, x_N \text{ linearly independent}"},
)
@printed(
    HOLDS,
    labelled_vectors(),
    examples=60,
    reaches={"three classes": lambda v: len(set(v.classes.entries())) == 3},
)
@drop(
    "independent: affinely",
    HOLDS,
    labelled_vectors(kind="affine"),
    examples=60,
    note="rank([F, 1]) = N, which is weaker, is enough",
)
@drop(
    "independent: distinct",
    REFUTED,
    labelled_vectors(kind="line"),
    note="the class in the middle of a line",
    recheck=hull_of_a_class_meets_the_rest,
)
@mutant(
    "rank([F, 1]) >= N - 1",
    labelled_vectors(kind="one short"),
    recheck=partial(hull_of_a_class_meets_the_rest, premise="rank"),
)
@mutant(
    "only if", labelled_vectors(kind="line"), conclude=only_if_independent, recheck=separable_and_dependent
)
def test_independent_vectors_are_separable(v: Labelled) -> Verdict:
    """Linearly independent vectors are linearly separable, one class against the rest."""
    return solved(v)


def separable_layer(at: LabelledLayers) -> Verdict:
    """F_k is separable: by rank N or exact linear programs; not where samples of two classes fall together."""
    layers, classes = at.layers, at.classes.entries()
    rows = layers.preactivations.table() if layers.stack[0].ncols() else [[]] * layers.samples
    seen: dict[tuple, fmpq] = {}
    for row, c in zip(rows, classes, strict=True):
        if seen.setdefault(tuple(row), c) != c:
            return decide(
                False,
                why="Two samples of different classes have equal first pre-activations: equal rows of F_k.",
            )
    if layers.exact is not None:
        return separable(layers.exact, at.classes)
    if rank_at_most(layers)[0] == layers.samples and (found := certify(layers, skip=("floats",))) is not None:
        return decide(True, why="[F_k, 1] h = ±1 has a solution", rung=found.rung)
    return separable_in_balls(at)


def separable_in_balls(at: LabelledLayers) -> Verdict:
    """Separators of the features rounded to 2⁻⁴⁰, found exactly and checked on the features in balls."""
    with ctx.workprec(256):
        enclosed = with_ones(at.layers.in_balls())
        flat = [fmpq(round(float(e.mid()) * 2.0**40), 2**40) for e in enclosed.entries()]
        rounded = fmpq_mat(enclosed.nrows(), enclosed.ncols(), flat)
        for c in (1, 2, 3):
            labels = [int(e == c) for e in at.classes.entries()]
            found = separate(rounded, fmpq_mat(len(labels), 1, labels))
            if isinstance(found, NotSeparable):
                return inconclusive("not separable once rounded")
            values = (enclosed * arb_mat(enclosed.ncols(), 1, found.r)).entries()
            if not all(v > 0 if y else v < 0 for v, y in zip(values, labels, strict=True)):
                return inconclusive("the separator of the rounded features does not do")
    return decide(True, why="separators checked in balls", rung=Rung.BALL)


def almost_everywhere(at: LabelledLayers) -> Verdict:
    """Separable at every θ off the null set S."""
    if rank_at_most(at.layers)[0] < at.layers.samples:
        return vacuous("θ lies in S")
    return separable_layer(at)


def nonzero_weights(at: LabelledLayers) -> Verdict:
    """Separable where no W_l is zero."""
    if any(not any(w.entries()[: (w.nrows() - 1) * w.ncols()]) for w in at.layers.stack):
        return vacuous("a weight matrix is zero")
    return separable_layer(at)


@claim(
    "NH17/separable-wide",
    paper=NH17,
    where="Section 5, first paragraph",
    says=r"n_k \ge N - 1 \Rightarrow \text{the data is linearly separable at layer } k",
    assumes={"wide": WIDE, "distinct": DISTINCT},
)
@printed(
    REFUTED,
    labelled_layers(wide_layers(samples=(2, 2))),
    recheck=layer_is_not_separable,
    note="almost everywhere, not everywhere: W_1 = 0 makes all rows of F_k equal",
)
@repaired(
    r"n_k \ge N - 1 \Rightarrow \text{linearly separable at layer } k \text{ for all parameters off the null set of Lemma 4.4}",
    labelled_layers(wide_layers(degenerate=False)),
    conclude=almost_everywhere,
    examples=120,
    needs=30,
)
@drop(
    "distinct",
    REFUTED,
    labelled_layers(wide_layers(repeated=True)),
    conclude=nonzero_weights,
    recheck=partial(layer_is_not_separable, nonzero_weights=True),
)
@mutant(
    "wherever no W_l is zero",
    labelled_layers(wide_layers(d=(2, 2))),
    conclude=nonzero_weights,
    recheck=partial(layer_is_not_separable, nonzero_weights=True),
)
@mutant(
    "n_k >= N - 2",
    labelled_layers(
        wide_layers(activations=("sigmoid",), depth=(1, 1), d=(1, 1), missing=1, spare=0, samples=(3, 5))
    ),
    conclude=lambda at: (
        vacuous("fell together")
        if rank_at_most(at.layers)[0] < at.layers.samples - 1
        else separable_layer(at)
    ),
    recheck=partial(layer_is_not_separable, short=1, full_rank=True),
)
def test_wide_layers_separate(at: LabelledLayers) -> Verdict:
    """A layer of at least N − 1 units makes the data linearly separable."""
    return separable_layer(at)
