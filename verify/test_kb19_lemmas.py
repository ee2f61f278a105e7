"""Kawaguchi & Bengio (2019), Section 4 and Appendix A: Lemmas 1 and 2 and what their proofs display."""

from dataclasses import replace
from functools import partial

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.critical import (
    RANK_CLASSES,
    critical_points,
    planted_critical_points,
    planted_minima,
    two_atom_critical_points,
)
from strategies.losses import squared, tilted_double_well
from strategies.matrices import columns, identity, null_space
from strategies.networks import Move, ResNet, moves, resnets
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
    repaired,
    vacuous,
)
from verify.oracles.exact import independent_columns
from verify.oracles.landscape import (
    at_critical_point,
    at_local_minimum,
    basis_infimum,
    feature_gradient,
    is_basis_optimal,
    is_certified_minimum,
    loss,
    loss_of_fit,
    output_slopes,
    shifted,
    vanishes,
)
from verify.papers import KB19
from verify.rechecks.kb19_lemmas import (
    better_model_exists,
    critical_point_misses_the_optimum,
    critical_point_with_moments,
    first_display_fails,
    is_no_coefficient,
    is_not_the_least_on_x,
    lemma_1_fails,
    lemma_2_fails,
    lies_above_linear_models_on_x,
    loss_changes_along_u,
    moment_is_not_seen,
    not_zero,
    other_moment_does_not_vanish,
    second_display_fails,
    stationary_yet_positive,
    w_does_not_cancel,
    w_or_h_is_not_zero,
    x_moment_is_not_zero,
    z_need_not_have_mean_zero,
)

MINIMUM = r"(W, V, \theta) \text{ is a local minimum of } L"
wider_outputs = {"extra_inputs": st.integers(-2, -1), "rank": "full", "determined": True}


def kronecker(a: fmpq_mat, b: fmpq_mat) -> fmpq_mat:
    """a ⊗ b."""
    rows = [[e * f for e in row_a for f in row_b] for row_a in a.table() for row_b in b.table()]
    return fmpq_mat(a.nrows() * b.nrows(), a.ncols() * b.ncols(), [e for row in rows for e in row])


def vec(a: fmpq_mat) -> fmpq_mat:
    """The columns of a, one after the other."""
    return fmpq_mat(a.nrows() * a.ncols(), 1, a.transpose().entries())


def rows_of(net: ResNet) -> tuple[fmpq_mat, fmpq_mat, fmpq_mat]:
    """x, z and D of the last sample, as columns x, z and a row D."""
    i = net.X.nrows() - 1
    slopes = output_slopes(net)
    column = lambda a: fmpq_mat(a.ncols(), 1, a.table()[i])
    return column(net.X), column(net.Z), fmpq_mat(1, net.W.nrows(), slopes.table()[i])


def first_order_part(move: Move, in_w, in_v) -> Verdict:
    """h(W + A, V + B) − h(W, V) − A B z, which is linear in (A, B), against ∂h/∂vec(W) vec(A) + ∂h/∂vec(V) vec(B)."""
    net, (x, z, _) = move.net, rows_of(move.net)
    q, eye = x + net.V * z, identity(net.W.nrows())
    exact_part = (net.W + move.A) * (x + (net.V + move.B) * z) - net.W * q - move.A * move.B * z
    try:
        claimed = in_w(q, eye) * vec(move.A) + in_v(z, net.W) * vec(move.B)
    except ValueError:
        return decide(False, why="The matrices do not even have matching shapes.")
    return decide(
        exact_part == claimed,
        why="The first-order part of h differs from the displayed Jacobian.",
        values={"h'": exact_part, "J": claimed},
    )


@claim(
    "KB19/lemma1",
    paper=KB19,
    where="Lemma 1, Section 4",
    says=r"\frac{\partial h}{\partial \mathrm{vec}(W)} = (x + Vz)^\top \otimes I_{d_y},\quad \frac{\partial h}{\partial \mathrm{vec}(V)} = z^\top \otimes W",
)
@printed(HOLDS, moves(resnets()), examples=80)
@mutant(
    "I (x) (x+Vz)^T",
    moves(resnets()),
    conclude=lambda m: first_order_part(
        m, lambda q, eye: kronecker(eye, q.transpose()), lambda z, w: kronecker(z.transpose(), w)
    ),
    recheck=partial(lemma_1_fails, in_w="I (x) q^T"),
)
@mutant(
    "W (x) z^T",
    moves(resnets()),
    conclude=lambda m: first_order_part(
        m, lambda q, eye: kronecker(q.transpose(), eye), lambda z, w: kronecker(w, z.transpose())
    ),
    recheck=partial(lemma_1_fails, in_v="W (x) z^T"),
)
@mutant(
    "z^T (x) all ones",
    moves(resnets()),
    conclude=lambda m: first_order_part(
        m,
        lambda q, eye: kronecker(q.transpose(), eye),
        lambda z, w: kronecker(z.transpose(), shifted(w * 0, 1)),
    ),
    recheck=partial(lemma_1_fails, in_v="z^T (x) all ones"),
)
def test_derivatives_of_the_predictor(move: Move) -> Verdict:
    """h is differentiable in (W, V) with the displayed Jacobians, checked as an identity of polynomials."""
    return first_order_part(
        move, lambda q, eye: kronecker(q.transpose(), eye), lambda z, w: kronecker(z.transpose(), w)
    )


def both_moments_vanish(net: ResNet) -> Verdict:
    """E[z D] = 0 and E[x D] = 0."""
    g = feature_gradient(net)
    return decide(
        vanishes(g.x) and vanishes(g.z),
        why="E[xD] and E[zD] are not both zero.",
        values={"E[xD]^T": g.x, "E[zD]^T": g.z},
    )


def moment_vanishes(name: str, functions) -> object:
    """A mutant of Lemma 2: E[f D] = 0 for other functions f of the sample."""

    def conclude(net: ResNet) -> Verdict:
        slopes = output_slopes(net)
        moment = net.measure.product(slopes, functions(net))
        return at_local_minimum(
            net, decide(vanishes(moment), why=f"{name} is not zero.", values={name: moment})
        )

    return conclude


concave_branch = two_atom_critical_points(tilted_double_well, fmpq(-1, 2), fmpq(1))
"""Slopes 15/2 at r = −1/2 and −24 at r = 1; the loss is concave there (ℓ'' = −3 and −12)."""


@claim(
    "KB19/lemma2",
    paper=KB19,
    where="Lemma 2, Section 4",
    says=r"\mathbb{E}[z D] = 0 \text{ and } \mathbb{E}[x D] = 0,\quad D = \partial \ell / \partial h",
    assumes={"local minimum": MINIMUM},
    equivalent={"E[h D] = 0": "true: h = W x + W V z is a linear function of x and z"},
)
@printed(
    REFUTED,
    planted_critical_points(squared, scale=(-4, 0), **wider_outputs),
    recheck=lemma_2_fails,
    note="the lemma names no assumption; with d_y > d_x strict local minima have E[zD] != 0",
)
@repaired(
    r"d_y \le d_x,\ \ell(\cdot,y) \text{ differentiable} \Rightarrow \mathbb{E}[z D] = 0,\ \mathbb{E}[x D] = 0",
    planted_minima() | planted_critical_points() | concave_branch,
    examples=150,
    reaches={**RANK_CLASSES, "not convex": lambda net: not net.loss.convex},
)
@drop(
    "local minimum: critical point",
    REFUTED,
    critical_points(),
    conclude=lambda net: at_critical_point(net, both_moments_vanish(net)),
    recheck=critical_point_with_moments,
)
@mutant(
    "E[D] = 0",
    planted_minima(),
    conclude=moment_vanishes("E[D]", lambda net: net.constant),
    recheck=partial(other_moment_does_not_vanish, of="1"),
)
@mutant(
    "E[y D] = 0",
    planted_minima(),
    conclude=moment_vanishes("E[yD]", lambda net: net.Y),
    recheck=partial(other_moment_does_not_vanish, of="Y"),
)
@mutant(
    "critical points of non-convex losses",
    concave_branch,
    conclude=lambda net: at_critical_point(net, both_moments_vanish(net)),
    recheck=critical_point_with_moments,
)
def test_necessary_condition_of_a_local_minimum(net: ResNet) -> Verdict:
    """At a local minimum the loss' slopes are uncorrelated with x and with z."""
    return at_local_minimum(net, both_moments_vanish(net))


def along_null_direction(move: Move, *, u: fmpq_mat, in_v: bool = True) -> Verdict:
    """(W, V + u vᵀ) is a local minimum with the same L, for u in Null(W) and every v (here: the first row of B)."""
    net = move.net
    v = fmpq_mat(1, net.V.ncols(), move.B.table()[0])
    if is_certified_minimum(net) is None or not u.ncols() or not any(v.entries()):
        return vacuous("no certified minimum, no null vector or no direction")
    step = fmpq_mat(u.nrows(), 1, [row[0] for row in u.table()])
    if in_v:
        there = replace(net, V=net.V + step * v)
    else:
        there = replace(net, W=net.W + fmpq_mat(net.W.nrows(), 1, [1] * net.W.nrows()) * step.transpose())
    same = decide_equal(loss(net), loss(there), named=("L(W, V)", "L(W, V + u v^T)"))
    return all_of(
        same,
        decide(is_certified_minimum(there) is not None, why="the moved point is no certified local minimum"),
    )


deficient_minima = moves(planted_minima(rank="deficient"))


@claim(
    "KB19/lemma2-flat",
    paper=KB19,
    where="Section 4.1 and Appendix A, case rank(W) < d_y",
    says=r"W u = 0 \Rightarrow L(W, V + u v^\top) = L(W, V), \text{ again a local minimum}",
    assumes={"u in Null(W)": "W u = 0", "local minimum": MINIMUM},
)
@printed(
    HOLDS,
    deficient_minima,
    examples=80,
    needs=25,
    reaches={"W = 0": lambda m: not any(m.net.W.entries()), "W != 0": lambda m: any(m.net.W.entries())},
)
@drop(
    "u in Null(W)",
    REFUTED,
    moves(planted_minima(rank="full")),
    conclude=lambda m: along_null_direction(m, u=independent_columns(m.net.W.transpose())),
    recheck=partial(loss_changes_along_u, u="row of W"),
)
@mutant(
    "u in Null(W^T)",
    moves(planted_minima(rank="deficient", extra_inputs=0)),
    conclude=lambda m: along_null_direction(m, u=null_space(m.net.W.transpose())),
    recheck=partial(loss_changes_along_u, u="null vector of W^T"),
    examples=200,
)
@mutant(
    "W + 1 u^T for V + u v^T",
    deficient_minima,
    conclude=lambda m: along_null_direction(m, u=null_space(m.net.W), in_v=False),
    recheck=partial(loss_changes_along_u, u="null vector of W", moves="W"),
)
def test_local_minimality_is_inherited_along_null_directions(move: Move) -> Verdict:
    """Moving V by u vᵀ with W u = 0 keeps L, and keeps local minimality (for every v, not only small ones)."""
    return along_null_direction(move, u=null_space(move.net.W))


def jacobian_identity(net: ResNet, left, right) -> Verdict:
    """A displayed identity between a row vector and a vectorised matrix, as printed."""
    x, z, d = rows_of(net)
    return decide(
        left(net, x, z, d) == right(net, x, z, d),
        why="The two sides have different entries.",
        values={"left": left(net, x, z, d), "right": right(net, x, z, d)},
    )


def in_v(net, x, z, d):
    """D (zᵀ ⊗ W), as a column."""
    return (d * kronecker(z.transpose(), net.W)).transpose()


def in_w(net, x, z, d):
    """D ((x + V z)ᵀ ⊗ I), as a column."""
    eye = identity(net.W.nrows())
    return (d * kronecker((x + net.V * z).transpose(), eye)).transpose()


some_nets = resnets(branch=None)


@claim(
    "KB19/lemma2-vec-V",
    paper=KB19,
    where="Appendix A, proof of Lemma 2, first display",
    says=r"\mathbb{E}[D\,(z^\top \otimes W)] = \mathbb{E}[\mathrm{vec}(z D W)]",
)
@printed(
    REFUTED,
    some_nets,
    recheck=first_display_fails,
    note="vec lists the entries of the transposed matrix; harmless, since only = 0 is used",
)
@repaired(
    r"D\,(z^\top \otimes W) = \mathrm{vec}((z D W)^\top)^\top",
    some_nets,
    examples=60,
    conclude=lambda net: jacobian_identity(net, in_v, lambda net, x, z, d: vec((z * d * net.W).transpose())),
)
@mutant(
    "vec(W^T D^T z) for vec((zDW)^T)",
    some_nets,
    conclude=lambda net: jacobian_identity(net, in_v, lambda net, x, z, d: vec(z * d * net.W) * 2),
    recheck=partial(first_display_fails, right="2 vec(zDW)"),
)
@mutant(
    "D and W exchanged",
    resnets(branch=None, d_y=2, extra_inputs=0),
    conclude=lambda net: jacobian_identity(
        net, in_v, lambda net, x, z, d: vec((z * (net.W * d.transpose()).transpose()).transpose())
    ),
    recheck=partial(first_display_fails, right="vec((z D W^T)^T)"),
)
def test_first_display_of_the_proof_of_lemma_2(net: ResNet) -> Verdict:
    """D (zᵀ ⊗ W) is vec(z D W), entry by entry."""
    return jacobian_identity(net, in_v, lambda net, x, z, d: vec(z * d * net.W))


@claim(
    "KB19/lemma2-vec-W",
    paper=KB19,
    where="Appendix A, proof of Lemma 2, second display (and vec(E[φD]) in the proof of Theorem 1)",
    says=r"\mathbb{E}[D\,((x+Vz)^\top \otimes I_{d_y})] = \mathbb{E}[\mathrm{vec}((x+Vz) D)]",
)
@printed(REFUTED, some_nets, recheck=second_display_fails, note="the transpose again")
@repaired(
    r"D\,((x+Vz)^\top \otimes I) = \mathrm{vec}(((x+Vz) D)^\top)^\top",
    some_nets,
    examples=60,
    conclude=lambda net: jacobian_identity(
        net, in_w, lambda net, x, z, d: vec(((x + net.V * z) * d).transpose())
    ),
)
@mutant(
    "x for x + V z",
    some_nets,
    conclude=lambda net: jacobian_identity(net, in_w, lambda net, x, z, d: vec((x * d).transpose())),
    recheck=partial(second_display_fails, right="vec((xD)^T)"),
)
@mutant(
    "twice",
    some_nets,
    conclude=lambda net: jacobian_identity(
        net, in_w, lambda net, x, z, d: vec(((x + net.V * z) * d).transpose()) * 2
    ),
    recheck=partial(second_display_fails, right="2 vec((qD)^T)"),
)
def test_second_display_of_the_proof_of_lemma_2(net: ResNet) -> Verdict:
    """D ((x + V z)ᵀ ⊗ I) is vec((x + V z) D), entry by entry."""
    return jacobian_identity(net, in_w, lambda net, x, z, d: vec((x + net.V * z) * d))


def cancels_w(net: ResNet) -> Verdict:
    """E[z D] W = 0 implies E[z D] = 0."""
    g = feature_gradient(net)
    if not vanishes(net.W.transpose() * g.z):
        return vacuous("E[zD] W is not zero")
    return decide(vanishes(g.z), why="E[zD] W = 0 and E[zD] is not.", values={"E[zD]^T": g.z})


@claim(
    "KB19/lemma2-rank",
    paper=KB19,
    where="Appendix A, proof of Lemma 2, case rank(W) >= d_y",
    says=r"\mathbb{E}[zD] W = 0 \Rightarrow \mathbb{E}[zD] = 0",
    assumes={"rank(W) >= d_y": r"\mathrm{rank}(W) \ge d_y"},
)
@printed(HOLDS, critical_points(rank="full"), examples=80)
@drop("rank(W) >= d_y", REFUTED, critical_points(rank="deficient"), recheck=w_does_not_cancel)
@mutant(
    "rank(W) >= 1",
    critical_points(squared, d_y=st.integers(2, 3)).filter(lambda net: any(net.W.entries())),
    examples=200,
    recheck=partial(w_does_not_cancel, least_rank=1),
)
@mutant(
    "E[zD] = 0 only if E[z] = 0",
    planted_minima(squared),
    conclude=lambda net: decide(
        not vanishes(feature_gradient(net).z) or vanishes(net.measure.product(net.constant, net.Z)),
        why="E[zD] = 0 although E[z] is not.",
    ),
    recheck=z_need_not_have_mean_zero,
)
def test_full_rank_w_cancels(net: ResNet) -> Verdict:
    """If W has rank d_y it may be cancelled from E[z D] W = 0."""
    return cancels_w(net)


@claim(
    "KB19/lemma2-directions",
    paper=KB19,
    where="Appendix A, proof of Lemma 2, case rank(W) < d_y, last step",
    says=r"u v^\top \mathbb{E}[zD] = 0 \text{ for all sufficiently small } v,\ \lVert u \rVert_2 = 1 \Rightarrow \mathbb{E}[zD] = 0",
    assumes={"u != 0": r"\lVert u \rVert_2 = 1"},
)
@printed(HOLDS, critical_points(rank="deficient"), examples=60, needs=20)
@drop(
    "u != 0",
    REFUTED,
    critical_points(rank="deficient"),
    conclude=lambda net: moments_seen_along(net, fmpq_mat(net.W.ncols(), 1)),
    recheck=partial(moment_is_not_seen, u_is_zero=True),
)
@mutant(
    "one v is enough",
    critical_points(squared, rank="deficient", extra_residuals=st.integers(1, 2)),
    conclude=lambda net: moments_seen_along(net, unit(net.W.ncols()), directions=1),
    recheck=moment_is_not_seen,
)
@mutant(
    "E[xD] = 0 as well, whatever V",
    planted_critical_points(squared),
    conclude=lambda net: decide(vanishes(feature_gradient(net).x), why="E[xD] is not zero."),
    recheck=x_moment_is_not_zero,
)
def test_all_directions_together_see_the_moment(net: ResNet) -> Verdict:
    """If u vᵀ E[z D] vanishes for every small v, then E[z D] = 0: the unit vectors v alone show it."""
    null = null_space(net.W)
    return moments_seen_along(net, columns(null, [0]))


def unit(n: int) -> fmpq_mat:
    """The first unit vector of R^n."""
    return fmpq_mat(n, 1, [int(i == 0) for i in range(n)])


def moments_seen_along(net: ResNet, u: fmpq_mat, directions: int | None = None) -> Verdict:
    """If u vᵀ E[z D] = 0 for the first ``directions`` unit vectors v / 2¹⁰ (all: a basis), then E[z D] = 0."""
    moment = feature_gradient(net).z.transpose()
    count = net.Z.ncols() if directions is None else directions
    for j in range(count):
        v = fmpq_mat(1, net.Z.ncols(), [fmpq(int(k == j), 1024) for k in range(net.Z.ncols())])
        if not vanishes(u * v * moment):
            return decide(True, why="the premise fails, as it must where E[zD] is not zero")
    return decide(
        vanishes(moment), why="No direction sees E[zD], and it is not zero.", values={"E[zD]": moment}
    )


def no_higher_than_l_x(net: ResNet) -> Verdict:
    """L <= L*_x at every critical point."""
    return at_critical_point(net, decide_at_most(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")))


@claim(
    "KB19/rank",
    paper=KB19,
    where="Section 4.1 (attributed to Shamir 2018)",
    says=r"\nabla L_\theta(W,V) = 0,\ L > L^*_{\{x\}} \Rightarrow \mathrm{rank}(W) < d_y",
    assumes={
        "rank(W) = d_y": r"\mathrm{rank}(W) = d_y",
        "A2": r"\ell(\cdot,y) \text{ convex and differentiable}",
    },
)
@printed(HOLDS, critical_points(rank="full"), examples=80)
@drop("rank(W) = d_y", REFUTED, critical_points(rank="deficient"), recheck=lies_above_linear_models_on_x)
@drop(
    "A2: convex",
    REFUTED,
    planted_minima(tilted_double_well, rank="full"),
    conclude=lambda net: decide_at_most(
        loss(net), loss_of_fit(net, shifted(net.Y, 2), "x"), named=("L", "loss of a linear model on x")
    ),
    recheck=partial(better_model_exists, on="x"),
)
@mutant(
    "except when W = 0",
    critical_points(squared, d_y=st.integers(2, 3)).filter(lambda net: any(net.W.entries())),
    examples=300,
    recheck=partial(lies_above_linear_models_on_x, least_rank=1),
)
@mutant(
    "L = L*_x",
    critical_points(rank="full"),
    conclude=lambda net: decide_equal(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    recheck=is_not_the_least_on_x,
)
def test_bad_critical_points_are_rank_deficient(net: ResNet) -> Verdict:
    """No critical point with W of rank d_y lies above the level of linear models on x."""
    return no_higher_than_l_x(net)


@claim(
    "KB19/one-output",
    paper=KB19,
    where="Section 4.1",
    says=r"\mathrm{rank}(W) < d_y = 1 \Rightarrow W = 0,\ h(x, W, V, \theta) = 0",
    assumes={"d_y = 1": "d_y = 1", "rank(W) < d_y": r"\mathrm{rank}(W) < d_y"},
)
@printed(HOLDS, resnets(d_y=1, rank="deficient"), examples=60)
@drop(
    "d_y = 1",
    REFUTED,
    resnets(d_y=2, rank="deficient"),
    recheck=partial(w_or_h_is_not_zero, d_y=2),
    note="rank(W) < d_y neither implies W = 0 nor h = 0 for several outputs, as the paper says",
)
@drop(
    "rank(W) < d_y",
    REFUTED,
    resnets(d_y=1, rank="full"),
    recheck=partial(w_or_h_is_not_zero, d_y=1),
)
@mutant(
    "V = 0",
    resnets(d_y=1, rank="deficient"),
    conclude=lambda net: decide(vanishes(net.V), why="V is not zero."),
    recheck=partial(not_zero, which="V"),
)
@mutant(
    "y = 0",
    resnets(d_y=1, rank="deficient"),
    conclude=lambda net: decide(vanishes(net.Y), why="y is not zero."),
    recheck=partial(not_zero, which="Y"),
)
def test_rank_deficient_w_with_one_output_is_zero(net: ResNet) -> Verdict:
    """With one output a rank-deficient W is zero, and so is the network."""
    return decide(
        vanishes(net.W) and vanishes(net.H), why="W or h is not zero.", values={"W": net.W, "h": net.H}
    )


def linear_coefficients(net: ResNet, second: fmpq_mat) -> Verdict:
    """(W, ``second``) is a pair of coefficients with h = R₁ x + R₂ z on the data."""
    if (second.nrows(), second.ncols()) != (net.W.nrows(), net.Z.ncols()):
        shape = f"{second.nrows()} x {second.ncols()} where R2 z needs {net.W.nrows()} x {net.Z.ncols()}"
        return decide(
            False,
            why=f"The second coefficient is {shape}: no linear model on [x, z].",
            values={"shape": shape},
        )
    same = net.X * net.W.transpose() + net.Z * second.transpose() == net.H
    return decide(same, why="The linear model differs from the network.", values={"R2": second})


@claim(
    "KB19/thm1-sets",
    paper=KB19,
    where="Appendix B, proof of Theorem 1, last display but one",
    says=r"\{(W,V)\} \subseteq \{(R^{(1)}, R^{(2)}): R^{(1)} \in \mathbb{R}^{d_y \times d_x},\ R^{(2)} \in \mathbb{R}^{d_x \times d_z}\}",
)
@printed(
    REFUTED, resnets(), recheck=is_no_coefficient, note="R2 must be d_y x d_z, and the pair is (W, W V)"
)
@repaired(
    r"\{(W, WV)\} \subseteq \{(R^{(1)}, R^{(2)}): R^{(2)} \in \mathbb{R}^{d_y \times d_z}\}",
    resnets(),
    examples=60,
    conclude=lambda net: linear_coefficients(net, net.W * net.V),
)
@mutant(
    "(W, -WV)",
    resnets(),
    conclude=lambda net: linear_coefficients(net, net.W * net.V * fmpq(-1)),
    recheck=partial(is_no_coefficient, factor=-1),
)
@mutant(
    "(W, 0)",
    resnets(),
    conclude=lambda net: linear_coefficients(net, net.W * net.V * fmpq(0)),
    recheck=partial(is_no_coefficient, factor=0),
)
def test_network_weights_are_coefficients_of_a_linear_model(net: ResNet) -> Verdict:
    """(W, V) itself is a pair of coefficients of a linear model on [x, z] that computes h."""
    return linear_coefficients(net, net.V)


@claim(
    "KB19/stationary-linear",
    paper=KB19,
    where="Appendix B, proof of Theorem 1",
    says=r"\partial L^R / \partial R = 0 \text{ at } R(W,V) \Rightarrow L = L^*_{\{x,z\}}",
    assumes={"A2": r"\ell(\cdot,y) \text{ convex}", "stationary": r"\partial L^R/\partial R = 0"},
)
@printed(HOLDS, planted_minima(), examples=80, reaches=RANK_CLASSES)
@drop(
    "A2",
    REFUTED,
    planted_minima(tilted_double_well),
    conclude=lambda net: decide_at_most(
        loss(net), loss_of_fit(net, shifted(net.Y, 2)), named=("L", "loss of a linear model on [x, z]")
    ),
    recheck=partial(better_model_exists, on="xz"),
)
@drop(
    "stationary",
    REFUTED,
    critical_points(),
    conclude=lambda net: decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}")),
    recheck=critical_point_misses_the_optimum,
)
@mutant(
    "L = L*_x",
    planted_minima(),
    conclude=lambda net: decide_equal(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    recheck=is_not_the_least_on_x,
)
@mutant(
    "L = 0",
    planted_minima(squared),
    conclude=lambda net: decide_equal(loss(net), fmpq(0), named=("L", "0")),
    recheck=stationary_yet_positive,
)
def test_stationary_linear_models_are_optimal(net: ResNet) -> Verdict:
    """The linear model of the network is optimal as soon as it is stationary, because its loss is convex."""
    if not is_basis_optimal(net):
        return vacuous("not stationary")
    return decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}"))
