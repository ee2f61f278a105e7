"""Lu & Kawaguchi (2017): Section 3.2, the proof of Theorem 2.2."""

from dataclasses import replace
from functools import partial

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.deep_linear import (
    DiagonalProblem,
    Reduction,
    Rotation,
    diagonal_problems,
    reductions,
    rotations,
)
from strategies.matrices import identity
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    decide_less,
    drop,
    mutant,
    printed,
    repaired,
)
from verify.lk17 import unless
from verify.oracles.deep_linear import (
    at_local_minimum,
)
from verify.oracles.exact import projector
from verify.oracles.landscape import vanishes
from verify.oracles.rank_constrained import (
    attains_least_value,
    squared_norm,
)
from verify.papers import LK17
from verify.rechecks.lk17_theorem_2_2 import (
    block_form_fails,
    block_is_not_a_projection,
    block_is_of_middle_rank,
    list_is_wrong,
    minimum_is_not_diagonal,
    projected_targets_are_others,
    projection_fails,
    ranks_do_not_fill,
    reduced_value_is_another,
    rotated_rank_is_another,
    rotated_value_is_another,
    rotation_does_not_descend,
    value_does_not_fall_beyond,
    value_does_not_rise,
    value_is_not_the_sum,
)


def reduced(r: Reduction, with_scale=True, const=None) -> Verdict:
    """F(R) = ‖T − Σ₂‖² + const with T = U₂ᵀ R U₁ Σ̂₁ V₂, and rank T = rank R."""
    T = r.U2.transpose() * r.R * r.U1 * (r.scale if with_scale else identity(r.scale.nrows())) * r.V2
    const = squared_norm(r.N) if const is None else const(r)
    return all_of(
        decide_equal(
            squared_norm(r.R * r.X - r.Y), squared_norm(T - r.sigma) + const, named=("F(R)", "H(T) + const")
        ),
        decide_equal(int(T.rank()), int(r.R.rank()), named=("rank T", "rank R")),
    )


@claim(
    "LK17/reduction",
    paper=LK17,
    where="Section 3.2, (2) to (4) to (5)",
    says=r"F(R) = \|T - \Sigma_2\|_F^2 + \mathrm{Const},\ T = U_2^\top R U_1 \hat\Sigma_1 V_2,\ \mathrm{rank}(T) = \mathrm{rank}(R)",
)
@printed(
    HOLDS, reductions(), examples=60, note="d_1, d_2 are d_0, d_H here, k is d_p, and hat Sigma_2 is Sigma_2"
)
@mutant(
    "T = U_2^T R U_1 V_2",
    reductions(),
    conclude=lambda r: reduced(r, with_scale=False),
    recheck=partial(reduced_value_is_another, scale=False),
)
@mutant(
    "Const = 0",
    reductions(),
    conclude=lambda r: reduced(r, const=lambda r: fmpq(0)),
    recheck=partial(reduced_value_is_another, constant="0"),
)
@mutant(
    "Const = |Y|^2",
    reductions(),
    conclude=lambda r: reduced(r, const=lambda r: squared_norm(r.Y)),
    recheck=partial(reduced_value_is_another, constant="|Y|^2"),
)
def test_the_shallow_problem_is_diagonal(r: Reduction) -> Verdict:
    """After rotations and a scaling problem (2) is the approximation of a diagonal matrix."""
    return reduced(r)


points = diagonal_problems()
top_points = diagonal_problems(keep="top")
minima_and_others = points | top_points


def at_minimum_of_5(p: DiagonalProblem, verdict: Verdict) -> Verdict:
    """Local minima of (5), decided on the same point as a product through a layer of width k."""
    return at_local_minimum(p.factored, verdict)


def projections(p: DiagonalProblem) -> Verdict:
    """T* = P_L Σ₂ = Σ₂ P_R and P_L D P_L = T* T*ᵀ = Σ₂ T*ᵀ = D P_L."""
    left, right, D = projector(p.T), projector(p.T.transpose()), p.sigma * p.sigma.transpose()
    square = p.T * p.T.transpose()
    return all_of(
        decide(left * p.sigma == p.T, why="T is not P_L Sigma_2.", values={"P_L": left}),
        decide(p.sigma * right == p.T, why="T is not Sigma_2 P_R.", values={"P_R": right}),
        decide(
            square == left * D * left == p.sigma * p.T.transpose() == D * left,
            why="P_L D P_L, T T^T, Sigma_2 T^T and D P_L are not all equal.",
        ),
    )


any_T = points.flatmap(
    lambda p: st.builds(
        lambda a: replace(p, T=a, k=max(p.k, int(a.rank()))),
        st.lists(
            st.integers(-2, 2), min_size=p.T.nrows() * p.T.ncols(), max_size=p.T.nrows() * p.T.ncols()
        ).map(lambda flat: fmpq_mat(p.T.nrows(), p.T.ncols(), flat)),
    )
)


@claim(
    "LK17/projections",
    paper=LK17,
    where="Section 3.2, between (6) and the block form",
    says=r"T^* = P_L \Sigma_2 = \Sigma_2 P_R,\quad P_L D P_L = T^* T^{*\top} = \Sigma_2 T^{*\top} = D P_L",
    assumes={"critical": r"T^* \text{ a local minimum of (5)}"},
)
@printed(HOLDS, minima_and_others, examples=80, note="true at every critical point, minimum or not")
@drop("critical", REFUTED, any_T, recheck=projection_fails)
@mutant(
    "P_L = P_R",
    points,
    examples=200,
    conclude=lambda p: decide(projector(p.T) == projector(p.T.transpose()), why="P_L and P_R differ."),
    recheck=partial(projected_targets_are_others, sentence="P_L = P_R"),
)
@mutant(
    "T = P_L D",
    points,
    conclude=lambda p: decide(
        (projector(p.T) * p.sigma * p.sigma.transpose()).entries() == p.T.entries(), why="T is not P_L D."
    ),
    recheck=partial(projected_targets_are_others, sentence="T = P_L D"),
)
@mutant(
    "P_L D = D",
    points,
    conclude=lambda p: decide(projector(p.T) * p.sigma == p.sigma, why="P_L Sigma_2 is not Sigma_2."),
    recheck=partial(projected_targets_are_others, sentence="P_L D = D"),
)
def test_minima_are_projections_of_the_targets(p: DiagonalProblem) -> Verdict:
    """At a critical point T is the projection of Σ₂ on its own column space, which commutes with D = Σ₂ Σ₂ᵀ."""
    return projections(p)


def blocks(p: DiagonalProblem, scaled=True) -> Verdict:
    """T* is block diagonal; T_i* is symmetric, and T_i*/λ_i (or T_i* itself) is a projection."""
    rest = fmpq_mat(p.T)
    verdicts = [decide(True, why="blocks")]
    for value, first, size in p.blocks:
        block = p.block(first, size)
        for i in range(first, first + size):
            for j in range(first, first + size):
                rest[i, j] = 0
        verdicts.append(decide(block == block.transpose(), why="A block is not symmetric."))
        verdicts.append(
            decide(
                block * block == block * (value if scaled else 1),
                why=f"The square of the block for lambda = {value} is not {'lambda times ' if scaled else ''}itself.",
                values={"T_i": block},
            )
        )
    return all_of(decide(vanishes(rest), why="T has entries outside its blocks."), *verdicts)


@claim(
    "LK17/blocks",
    paper=LK17,
    where="Section 3.2, block form of T*",
    says=r"T^* = \mathrm{diag}(T_1^*, \dots, T_r^*, 0),\quad T_i^* = T_i^{*\top},\quad T_i^*/\lambda_i \text{ a projection}",
    assumes={"critical": r"T^* \text{ a local minimum of (5)}"},
)
@printed(
    HOLDS,
    minima_and_others,
    examples=80,
    note="the lambda_i are positive: 'lambda_r >= 0' should be '> 0', and r = 0 is allowed",
)
@drop("critical", REFUTED, any_T, recheck=block_form_fails)
@mutant(
    "every block is a multiple of I",
    diagonal_problems(),
    examples=200,
    conclude=lambda p: decide(
        all(p.block(f, m).rank() in (0, m) for _, f, m in p.blocks),
        why="A block is of rank strictly between 0 and m_i.",
    ),
    recheck=block_is_of_middle_rank,
)
@mutant(
    "T is diagonal",
    diagonal_problems(),
    examples=300,
    conclude=lambda p: decide(
        not any(e for i, row in enumerate(p.T.table()) for j, e in enumerate(row) if i != j),
        why="T is not diagonal.",
    ),
    recheck=minimum_is_not_diagonal,
)
def test_minima_are_block_diagonal(p: DiagonalProblem) -> Verdict:
    """A critical point of (5) consists of one block per distinct singular value, λ_i times a projection."""
    return blocks(p)


@claim(
    "LK17/sketch-projections",
    paper=LK17,
    where="before Section 3.2, sketch of the proof of Theorem 2.2",
    says=r"\text{each block term } T_i^* \text{ is a projection matrix}",
)
@printed(REFUTED, points, recheck=block_is_not_a_projection, note="lambda_i times a projection; the proof says so")
@repaired(r"T_i^*/\lambda_i \text{ is a projection matrix}", points, conclude=blocks, examples=60)
@mutant(
    "T_i / lambda_i^2",
    points,
    conclude=lambda p: all_of(
        decide(True, why=""),
        *(
            decide(p.block(f, m) * p.block(f, m) == p.block(f, m) * value**2, why="Not a projection.")
            for value, f, m in p.blocks
        ),
    ),
    recheck=partial(block_is_not_a_projection, power=2),
)
@mutant(
    "lambda_i T_i",
    points,
    conclude=lambda p: all_of(
        decide(True, why=""),
        *(
            decide(p.block(f, m) * p.block(f, m) * value == p.block(f, m), why="Not a projection.")
            for value, f, m in p.blocks
        ),
    ),
    recheck=partial(block_is_not_a_projection, power=-1),
)
def test_blocks_are_projections(p: DiagonalProblem) -> Verdict:
    """Every block of T* is a projection."""
    return blocks(p, scaled=False)


def value_of(p: DiagonalProblem, term) -> Verdict:
    """H(T*) against the sum of term(λ_i, m_i, d_{p_i})."""
    total = sum((term(v, m, d) for (v, _, m), d in zip(p.blocks, p.ranks, strict=True)), fmpq(0))
    return decide_equal(p.H, total, named=("H(T)", "sum"))


@claim(
    "LK17/value-by-ranks",
    paper=LK17,
    where="Section 3.2, display of H(T*)",
    says=r"\textstyle\sum_i d_{p_i} \le d_p,\quad H(T^*) = \sum_{i=1}^r (m_i - d_{p_i}) \lambda_i^2",
)
@printed(
    HOLDS, points, examples=80, note="the text bounds the sum of the ranks by p, an index, instead of d_p"
)
@mutant(
    "m_i + d_{p_i}",
    points,
    conclude=lambda p: value_of(p, lambda v, m, d: (m + d) * v**2),
    recheck=partial(value_is_not_the_sum, sign=1),
)
@mutant(
    "lambda_i for lambda_i^2",
    points,
    conclude=lambda p: value_of(p, lambda v, m, d: (m - d) * v),
    recheck=partial(value_is_not_the_sum, power=1),
)
@mutant(
    "only blocks left out whole",
    points,
    says=r"H(T^*) = \textstyle\sum_{d_{p_i} = 0} m_i \lambda_i^2",
    conclude=lambda p: value_of(p, lambda v, m, d: 0 if d else m * v**2),
    recheck=partial(value_is_not_the_sum, whole=True),
    examples=200,
)
def test_the_value_counts_what_is_missing(p: DiagonalProblem) -> Verdict:
    """H(T*) is the sum of λ_i² over the dimensions that T* leaves out, and rank T* <= d_p."""
    return all_of(
        decide_at_most(sum(p.ranks), p.k, named=("sum of ranks", "d_p")),
        value_of(p, lambda v, m, d: (m - d) * v**2),
    )


def filled(sizes: list[int], k: int):
    """Ranks that add up to k, blocks of these sizes filled one after the other; and what no block has room for."""
    j = max((j for j in range(len(sizes) + 1) if sum(sizes[:j]) < k), default=0)
    left = k - sum(sizes[:j])
    wanted = sizes[:j] + ([left] if j < len(sizes) else []) + [0] * (len(sizes) - j - 1)
    return wanted, 0 if j < len(sizes) else left


def printed_ranks(p: DiagonalProblem):
    """The ranks d_{p_i}, i = 1 … r, of the list of global minima; and what is left for a block that does not exist."""
    return filled([m for _, _, m in p.blocks], p.k)


def ranks_from_the_smallest_on(p: DiagonalProblem):
    """The ranks d_{p_i}, i = 1 … r, if the block of the smallest value is filled first."""
    return filled([m for _, _, m in reversed(p.blocks)], p.k)[0][::-1]


def is_minimum_of_5(p):
    return attains_least_value(p.T, identity(p.T.ncols()), p.sigma, p.k)


def listed(p: DiagonalProblem, complete=True) -> Verdict:
    """The global minima are the critical points whose ranks are those listed."""
    wanted, missing = printed_ranks(p)
    if missing and complete:
        return unless(
            is_minimum_of_5(p),
            "no global minimum",
            lambda: decide(
                False,
                why=f"The list wants a block of rank {missing} after the last one; the global minimum has none.",
            ),
        )
    return decide(
        (p.ranks == wanted) == is_minimum_of_5(p),
        why="The list and the global minima differ.",
        values={"ranks": p.ranks, "listed": wanted},
    )


enough = minima_and_others.filter(lambda p: sum(m for _, _, m in p.blocks) >= p.k)


@claim(
    "LK17/list-of-minima",
    paper=LK17,
    where="Section 3.2, 'the global minima of (6) satisfy'",
    says=r"d_{p_i} = m_i\ (i \le j),\quad d_{p_{j+1}} = d_p - \textstyle\sum_{i \le j} m_i,\quad d_{p_i} = 0\ (i > j + 1)",
    assumes={"rank(Sigma_2) >= d_p": r"\mathrm{rank}(\Sigma_2) \ge d_p"},
    equivalent={"largest j with sum <= d_p": "then d_{p_{j+1}} = 0: the same ranks, written differently"},
)
@printed(
    REFUTED,
    minima_and_others,
    recheck=list_is_wrong,
    note="if rank(Y X^T) < d_p there is no block j + 1; and '(6)' must read '(5)'",
)
@repaired(
    r"\mathrm{rank}(\Sigma_2) \ge d_p \Rightarrow \text{the listed ranks are those of the global minima}",
    enough,
    examples=60,
    conclude=lambda p: listed(p),
)
@drop("rank(Sigma_2) >= d_p", REFUTED, top_points, recheck=list_is_wrong)
@mutant(
    "all of the first d_p blocks",
    enough,
    examples=200,
    conclude=lambda p: decide(
        (p.ranks == [m if i < p.k else 0 for i, (_, _, m) in enumerate(p.blocks)]) == is_minimum_of_5(p),
        why="The list and the global minima differ.",
    ),
    recheck=partial(list_is_wrong, listed="all of the first d_p blocks"),
)
@mutant(
    "from the smallest on",
    enough,
    examples=200,
    conclude=lambda p: decide(
        (p.ranks == ranks_from_the_smallest_on(p)) == is_minimum_of_5(p),
        why="The list and the global minima differ.",
        values={"ranks": p.ranks, "listed": ranks_from_the_smallest_on(p)},
    ),
    recheck=partial(list_is_wrong, listed="from the smallest on"),
)
def test_the_list_of_global_minima(p: DiagonalProblem) -> Verdict:
    """The global minima fill the blocks of the largest values, rank d_p together."""
    return listed(p)


@claim(
    "LK17/minima-fill",
    paper=LK17,
    where="Section 3.2, 'at a local minimum, we have'",
    says=r"\textstyle\sum_{i=1}^r d_{p_i} = d_p \text{ at every local minimum}",
)
@printed(
    REFUTED,
    minima_and_others,
    recheck=partial(ranks_do_not_fill, total="d_p"),
    note="false exactly if rank(Y X^T) < d_p: then T* = Sigma_2",
)
@repaired(
    r"\textstyle\sum_i d_{p_i} = \min(d_p, \mathrm{rank}\,\Sigma_2)",
    minima_and_others,
    examples=60,
    conclude=lambda p: at_minimum_of_5(
        p, decide_equal(sum(p.ranks), min(p.k, int(p.sigma.rank())), named=("sum of ranks", "min(d_p, rank)"))
    ),
)
@mutant(
    "at every critical point",
    points,
    conclude=lambda p: decide_equal(
        sum(p.ranks), min(p.k, int(p.sigma.rank())), named=("sum of ranks", "min(d_p, rank)")
    ),
    recheck=partial(ranks_do_not_fill, total="min(d_p, rank)", minimal=False),
)
@mutant(
    "rank(Sigma_2)",
    top_points,
    conclude=lambda p: at_minimum_of_5(
        p, decide_equal(sum(p.ranks), int(p.sigma.rank()), named=("sum of ranks", "rank Sigma_2"))
    ),
    recheck=partial(ranks_do_not_fill, total="rank"),
)
def test_minima_use_all_the_rank(p: DiagonalProblem) -> Verdict:
    """A local minimum of (5) has rank d_p."""
    return at_minimum_of_5(p, decide_equal(sum(p.ranks), p.k, named=("sum of ranks", "d_p")))


def rotated(r: Rotation, claimed) -> Verdict:
    """H(T(θ)) against a formula."""
    return decide_equal(r.turned(r.t).H, r.problem.H + claimed(r), named=("H(T(theta))", "formula"))


@claim(
    "LK17/rotation-formula",
    paper=LK17,
    where="Section 3.2, display of H(T(theta))",
    says=r"H(T(\theta)) = H(T^*) + \lambda_1^2 + \lambda_2^2 - (\lambda_1 \sin^2\theta + \lambda_2 \cos^2\theta)^2",
)
@printed(
    REFUTED,
    rotations(),
    recheck=rotated_value_is_another,
    note="wrong by the constant lambda_{i_1}^2 everywhere, also at theta = 0",
)
@repaired(
    r"H(T(\theta)) = H(T^*) + \lambda_{i_2}^2 - (\lambda_{i_1}\sin^2\theta + \lambda_{i_2}\cos^2\theta)^2",
    rotations(),
    conclude=lambda r: rotated(r, lambda r: r.small**2 - r.tau(r.t) ** 2),
    examples=60,
)
@mutant(
    "lambda_{i_1}^2 for lambda_{i_2}^2",
    rotations(),
    conclude=lambda r: rotated(r, lambda r: r.large**2 - r.tau(r.t) ** 2),
    recheck=partial(rotated_value_is_another, formula="large^2 - tau^2"),
)
@mutant(
    "sin and cos exchanged",
    rotations(),
    conclude=lambda r: rotated(r, lambda r: r.small**2 - (r.small + r.large - r.tau(r.t)) ** 2),
    recheck=partial(rotated_value_is_another, formula="sin and cos exchanged"),
)
def test_the_value_along_the_rotation(r: Rotation) -> Verdict:
    """H along the rotation, as displayed."""
    return rotated(r, lambda r: r.large**2 + r.small**2 - r.tau(r.t) ** 2)


def decreases(r: Rotation) -> Verdict:
    """rank T(θ) = rank T*, T(0) = T*, and H is lower at t' = (t + 1)/2 than at t (tan(θ/2) = t)."""
    later, now, start = r.turned((r.t + 1) / 2), r.turned(r.t), r.turned(fmpq(0))
    return all_of(
        decide(start.T == r.problem.T, why="T(0) is not T."),
        decide_equal(int(later.T.rank()), int(r.problem.T.rank()), named=("rank T(theta)", "rank T")),
        decide_less(later.H, now.H, named=("H later", "H")),
    )


@claim(
    "LK17/rotation-descends",
    paper=LK17,
    where="Section 3.2, 'monotonically decreasing'",
    says=r"\mathrm{rank}(T(\theta)) = \mathrm{rank}(T^*),\ T(0) = T^*,\ H(T(\theta)) \text{ decreasing on } [0, \pi/2]",
    assumes={"i_1 < i_2": r"\lambda_{i_1} > \lambda_{i_2}"},
)
@printed(HOLDS, rotations(), examples=80)
@drop(
    "i_1 < i_2",
    REFUTED,
    rotations().map(
        lambda r: replace(
            r,
            problem=replace(
                r.problem, T=r.problem.T - r.u * r.u.transpose() * r.small + r.v * r.v.transpose() * r.large
            ),
            u=r.v,
            v=r.u,
            small=r.large,
            large=r.small,
        )
    ),
    examples=100,
    recheck=rotation_does_not_descend,
)
@mutant(
    "rank T(theta) = d_p",
    rotations(),
    examples=200,
    conclude=lambda r: decide_equal(int(r.turned(r.t).T.rank()), r.problem.k, named=("rank T(theta)", "d_p")),
    recheck=rotated_rank_is_another,
)
@mutant(
    "H increases",
    rotations(),
    conclude=lambda r: decide_less(r.turned(r.t).H, r.turned((r.t + 1) / 2).H, named=("H", "H later")),
    recheck=value_does_not_rise,
)
@mutant(
    "beyond pi/2 too",
    rotations(),
    conclude=lambda r: decide_less(
        r.turned(1 + r.t + fmpq(1, 2)).H, r.turned(fmpq(1)).H, named=("H beyond", "H at pi/2")
    ),
    recheck=value_does_not_fall_beyond,
)
def test_the_rotation_descends(r: Rotation) -> Verdict:
    """Turning a kept direction towards one of a larger value that is left out lowers H at once and monotonically."""
    return decreases(r)
