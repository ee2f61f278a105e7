"""Nguyen & Hein (2017), Section 3.2: Definition 3.7 and the Hessians behind Theorem 3.8 and Corollary 3.9."""

from dataclasses import replace
from functools import partial
from math import prod

from flint import fmpq, fmpq_mat

from strategies.deep_wide import (
    Blocks,
    Level,
    Matrix,
    block_matrices,
    fitted_levels,
    levels,
    positive_definite_matrices,
    symmetric_matrices,
)
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    drop,
    mutant,
    printed,
    vacuous,
)
from verify.nh17 import block_determinant
from verify.oracles.exact import inertia, is_positive_definite
from verify.oracles.feedforward import hessian, loss
from verify.oracles.gradient_bounds import (
    block,
    block_parameters,
    features,
    free_curvatures,
    null_direction,
    stays_put,
)
from verify.papers import NH17
from verify.rechecks.nh17_hessians import (
    block_and_matrix_differ,
    block_is_singular_although,
    block_of_a_semidefinite_matrix_is_not_definite,
    determinant_formula_fails,
    features_are_regular,
    kernel_is_smaller,
    null_direction_shifts,
    second_example_is_singular,
)

# --- Definition 3.7 -----------------------------------------------------------------------------------


def examples_of_degeneracy(b: Blocks) -> Verdict:
    """det = 0 with a non-singular block, or det ≠ 0 with a singular block."""
    a, n = b.hessian, b.B.nrows()
    first, last = (block(a, list(range(i, i + n))).det() for i in (0, n))
    whole = a.det()
    truth = (whole == 0 and first != 0) if b.kind == "first" else (whole != 0 and last == 0)
    return decide(
        truth,
        why="The determinants are not as the paper says.",
        values={"det": whole, "det of the first block": first, "det of the last": last},
    )


def block_is_regular(m: Matrix, *, whole: bool) -> Verdict:
    """A regular matrix has regular blocks, or the other way round."""
    here, there = m.A.det(), block(m.A, list(m.subset)).det()
    premise, conclusion = (here, there) if whole else (there, here)
    if premise == 0:
        return vacuous("the premise is singular")
    return decide(
        conclusion != 0, why="One is regular, the other singular.", values={"det": here, "block": there}
    )


@claim(
    "NH17/def3.7",
    paper=NH17,
    where="after Definition 3.7",
    says=r"\det\nabla^2 f(x) = 0,\ \det\nabla^2_{\{x_1, x_2\}} f(x) \ne 0;\quad \det\nabla^2 f(y) \ne 0,\ \det\nabla^2_{\{y_3, y_4\}} f(y) = 0",
)
@printed(
    HOLDS,
    block_matrices(),
    examples=60,
    reaches={"the paper's": lambda b: fmpq_mat(2, 2, [1, 0, 0, 1]) == b.B},
    note="the two shapes at every size, with any invertible B for the paper's I",
)
@mutant("the second with a singular B", block_matrices(singular=True), recheck=second_example_is_singular)
@mutant(
    "non-degenerate => on every subset",
    symmetric_matrices(),
    conclude=lambda m: block_is_regular(m, whole=True),
    recheck=partial(block_and_matrix_differ, whole=True),
)
@mutant(
    "non-degenerate on a subset => non-degenerate",
    symmetric_matrices(),
    conclude=lambda m: block_is_regular(m, whole=False),
    recheck=partial(block_and_matrix_differ, whole=False),
)
def test_degeneracy_and_degeneracy_on_a_subset_are_independent(b: Blocks) -> Verdict:
    """Non-degeneracy and non-degeneracy on a subset of variables do not imply each other."""
    return examples_of_degeneracy(b)


# --- behind Theorem 3.8 -------------------------------------------------------------------------------


def shifted(level: Level, where: tuple[int, ...]) -> fmpq_mat:
    """A perturbation E of the layers in ``where``: 1, 2, 3, … in turn, over 2."""
    e = fmpq_mat(level.net.theta.nrows(), 1)
    for count, place in enumerate(block_parameters(level.net, where)):
        e[place, 0] = fmpq(1 + count % 3, 2)
    return e


def degenerate_everywhere(level: Level, *, from_layer: int = 1, more: int = 0) -> Verdict:
    """Φ(θ + tD + E) = Φ(θ + E) for E on layers >= k + ``from_layer``, and nullity(H_I) >= n_{k+1} (n_k + 1 − rank)."""
    net, k = level.net, level.k
    found = null_direction(net, k)
    if found is None or not stays_put(net, found[0], k):
        return decide(False, why="[F_k, 1] has no null vector.", values={"rank": features(net, k).rank()})
    direction, why = found
    e = shifted(level, tuple(range(k + from_layer, level.depth + 1)))
    here = net.moved(e)
    parts = [
        decide_equal(
            loss(here.moved(direction, t)), loss(here), named=(f"Phi(theta + {t} D + E)", "Phi(theta + E)")
        )
        for t in (1, -2)
    ]
    h = block(hessian(net), block_parameters(net, level.blocks))
    nullity, wanted = (
        h.nrows() - h.rank(),
        level.widths[k + 1] * (level.widths[k] + 1 - features(net, k).rank()),
    )
    parts.append(decide_at_most(wanted + more, nullity, named=("n_(k+1) (n_k + 1 - rank)", "nullity of H_I")))
    return replace(all_of(*parts), why=f"{why}") if all_of(*parts).outcome is HOLDS else all_of(*parts)


wide = levels(
    activations=("cubic", "quadratic", "linear"),
    depth=(2, 3),
    layers=(1, 2),
    spare=(1, 2),
    samples=(1, 3),
    all_blocks=True,
    bound=1,
)


@claim(
    "NH17/thm3.8-empty",
    paper=NH17,
    where="behind Theorem 3.8 (the identity is ours)",
    says=r"[F_k, \mathbf{1}_N]\, h = 0,\ D = h e_j^T \text{ in layer } k+1 \Rightarrow \Phi(\theta + tD + E) = \Phi(\theta + E) \text{ for all } t \text{ and all } E \text{ on layers} > k; \text{ hence } \dim\ker \nabla^2_{\mathcal{I}}\Phi \ge n_{k+1}(n_k + 1 - \mathrm{rank}[F_k, \mathbf{1}_N]) > 0 \text{ if } n_k \ge N",
    assumes={"n_k >= N": r"n_k \ge N"},
)
@printed(
    HOLDS,
    wide,
    examples=60,
    reaches={
        "I has several layers": lambda l: len(l.blocks) > 1,
        "I = {k + 1}": lambda l: len(l.blocks) == 1,
        "k = 2": lambda l: l.k == 2,
    },
    note="why Theorem 3.8 has no instance with more hidden units than samples; at every point, critical or not",
)
@drop(
    "n_k >= N",
    REFUTED,
    levels(activations=("cubic",), depth=(2, 2), layers=(1, 1), spare=(0, 0), samples=(2, 3)),
    note="at n_k = N - 1 [F_k, 1] can be regular",
    recheck=features_are_regular,
)
@mutant(
    "E on layer k too",
    levels(activations=("cubic",), depth=(2, 3), layers=(1, 1), spare=(1, 1), samples=(1, 3)),
    conclude=lambda l: degenerate_everywhere(l, from_layer=0),
    recheck=null_direction_shifts,
)
@mutant(
    "one dimension more", wide, conclude=lambda l: degenerate_everywhere(l, more=1), recheck=kernel_is_smaller
)
def test_wide_layers_make_every_point_degenerate(level: Level) -> Verdict:
    """With n_k >= N every point of the loss is degenerate on every set of upper layers that holds k + 1."""
    return degenerate_everywhere(level)


def determinant_formula(level: Level, *, power=lambda width: 2 * width, combine=prod) -> Verdict:
    """det H_{k+1} = det([F_k, 1])^{2 n_{k+1}} Π_i det ∂²Φ/∂g_{k+1}(x_i)²."""
    net, k = level.net, level.k
    f = features(net, k)
    if f.nrows() != f.ncols():
        return vacuous("[F_k, 1] is not square")
    combined = combine([a.det() for a in free_curvatures(net, k + 1)])
    wanted = f.det() ** power(level.widths[k + 1]) * combined
    return decide_equal(block_determinant(level, (k + 1,)), wanted, named=("det H_(k+1)", "formula"))


square_features = levels(
    activations=("cubic", "quadratic"), depth=(2, 3), layers=(1, 2), spare=(0, 0), samples=(2, 3), bound=1
)


@claim(
    "NH17/thm3.8-determinant",
    paper=NH17,
    where="behind Theorem 3.8 (the formula is ours)",
    says=r"n_k = N - 1:\quad \det\nabla^2_{\{k+1\}}\Phi = \det([F_k, \mathbf{1}_N])^{2 n_{k+1}} \prod_i \det \nabla^2_{g_{k+1}(x_i)} \Phi",
)
@printed(
    HOLDS,
    square_features,
    examples=60,
    needs=30,
    reaches={
        "not 0": lambda l: block_determinant(l, (l.k + 1,)) != 0,
        "n_(k+1) = 2": lambda l: l.widths[l.k + 1] == 2,
    },
)
@mutant(
    "exponent n_(k+1)",
    square_features,
    conclude=lambda l: determinant_formula(l, power=lambda width: width),
    recheck=partial(determinant_formula_fails, power="n"),
)
@mutant(
    "exponent 2",
    square_features,
    conclude=lambda l: determinant_formula(l, power=lambda width: 2),
    recheck=partial(determinant_formula_fails, power="2"),
)
@mutant(
    "the sum over the samples",
    square_features,
    conclude=lambda l: determinant_formula(l, combine=sum),
    recheck=partial(determinant_formula_fails, power="2 n", total=True),
)
def test_determinant_of_the_block(level: Level) -> Verdict:
    """At n_k = N − 1 the block of layer k + 1 is regular iff [F_k, 1] is and every sample's curvature is."""
    return determinant_formula(level)


def shape_of_instances(level: Level, *, allow=lambda level: False) -> Verdict:
    """A fitted point with H_I regular has n_k = N − 1, I = {k + 1}, n_{k+1} = … = n_L = m; and rank H_I <= N m."""
    m, N = level.widths[-1], level.samples
    h = block(hessian(level.net), block_parameters(level.net, level.blocks))
    rank = h.rank()
    fits = (
        level.widths[level.k] == N - 1
        and level.blocks == (level.k + 1,)
        and set(level.widths[level.k + 1 :]) == {m}
    )
    return all_of(
        decide_at_most(rank, N * m, named=("rank H_I", "N m")),
        decide(
            fits or rank < h.nrows(),
            why="H_I is regular in another shape.",
            values={"rank H_I": rank, "size": h.nrows()},
        ),
    )


def regular_if(level: Level, shape) -> Verdict:
    """H_I is regular wherever [F_k, 1] has rank N and the shape is as ``shape`` says."""
    if features(level.net, level.k).rank() < level.samples or not shape(level):
        return vacuous("another shape")
    h = block(hessian(level.net), block_parameters(level.net, level.blocks))
    return decide(h.det() != 0, why="H_I is singular.", values={"rank H_I": h.rank(), "size": h.nrows()})


fitted = fitted_levels(
    activations=("cubic",), square=False, all_blocks=True, spare=(0, 1), samples=(2, 3), depth=(3, 3)
)


@claim(
    "NH17/thm3.8-shapes",
    paper=NH17,
    where="Theorem 3.8, where it is not empty (ours)",
    says=r"F_L = Y,\ \nabla^2_{\mathcal{I}}\Phi \text{ non-singular} \Rightarrow n_k = N - 1,\ \mathcal{I} = \{k+1\},\ n_{k+1} = \dots = n_L = m",
    assumes={"minimal": r"l'(F_L - Y) = 0"},
)
@printed(
    HOLDS,
    fitted,
    examples=60,
    reaches={
        "regular": lambda l: block_determinant(l) != 0,
        "I has several layers": lambda l: len(l.blocks) > 1,
        "n_(k+1) > m": lambda l: l.widths[l.k + 1] > l.widths[-1],
    },
    note="by the gradient bound every instance of Theorem 3.8 has F_L = Y (where l'(a) = 0 only at 0)",
)
@mutant(
    "regular for every I",
    fitted,
    conclude=lambda l: regular_if(l, lambda l: len(set(l.widths[l.k + 1 :])) == 1),
    recheck=partial(block_is_singular_although, shape="equal widths"),
)
@mutant(
    "regular if the layers narrow",
    fitted,
    conclude=lambda l: regular_if(l, lambda l: len(l.blocks) == 1),
    recheck=partial(block_is_singular_although, shape="one layer"),
)
def test_shapes_of_instances_of_the_main_theorem(level: Level) -> Verdict:
    """Theorem 3.8 has instances only at n_k = N − 1, for I = {k + 1}, with all layers above k as wide as the output."""
    return shape_of_instances(level)


# --- proof of Corollary 3.9 ---------------------------------------------------------------------------


@claim(
    "NH17/cor3.9-principal",
    paper=NH17,
    where="Proof of Corollary 3.9",
    says=r"A \succ 0 \Rightarrow A_S \succ 0 \text{ for every subset } S",
)
@printed(HOLDS, positive_definite_matrices(), examples=60)
@mutant(
    "positive semidefinite => the block is definite",
    symmetric_matrices(),
    conclude=lambda m: (
        vacuous("not semidefinite")
        if inertia(m.A)[2]
        else decide(is_positive_definite(block(m.A, list(m.subset))), why="The block is not definite.")
    ),
    recheck=block_of_a_semidefinite_matrix_is_not_definite,
)
@mutant(
    "regular => the block is regular",
    symmetric_matrices(),
    conclude=lambda m: block_is_regular(m, whole=True),
    recheck=partial(block_and_matrix_differ, whole=True),
)
def test_principal_submatrices_are_positive_definite(m: Matrix) -> Verdict:
    """Principal submatrices of a positive definite matrix are positive definite."""
    return decide(is_positive_definite(block(m.A, list(m.subset))), why="The block is not definite.")
