"""Lu & Kawaguchi (2017): Section 2, the theorems it states and quotes, and the proofs that rest on the landscape."""

from dataclasses import replace

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.deep_linear import (
    CLASSES,
    DeepLinearProblem,
    DiagonalProblem,
    Reduction,
    Reparametrisation,
    Rotation,
    WeightedRankOne,
    deep_linear_problems,
    diagonal_problems,
    eigenplanted_problems,
    planted_critical_problems,
    reductions,
    reparametrisations,
    rotations,
    weighted_rank_one_points,
    widths,
)
from strategies.matrices import identity, zeros
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
    vacuous,
)
from verify.oracles.deep_linear import (
    KINDS,
    Kind,
    at_critical_point,
    at_local_minimum,
    find_ascent,
    find_descent,
    has_negative_curvature,
    is_critical,
    is_global_minimum,
    kind,
    with_weights,
)
from verify.oracles.exact import is_positive_definite, projector
from verify.oracles.landscape import RADII, vanishes
from verify.oracles.rank_constrained import (
    attains_least_value,
    eigenvalues,
    fitted_gram,
    is_above,
    largest_sum,
    least_value,
    squared_norm,
)
from verify.papers import LK17
from verify.rechecks import (
    all_targets_fitted,
    factor_two,
    half_is_lost,
    index_before_the_first,
    not_a_projection,
    rotated_value_is_wrong,
)

MINIMUM = r"\bar W \text{ a local minimum of (1)}"
X_FULL, Y_FULL = r"\mathrm{rank}(X) = d_0", r"\mathrm{rank}(Y) = d_H"
ties = r"\text{the singular values of } Y P_X \text{ may be equal}"

two = widths(2, 2)
deep = widths(3, 5)
inner = widths(2, 4, bottleneck=True)


def critical(**data):
    """Critical points of every kind under the theorem's assumptions, which ``data`` may change."""
    data = {"inputs": "full", "targets": "full", **data}
    return planted_critical_problems(**data) | eigenplanted_problems(
        data.get("shape"), targets="full", keep="any"
    )


every_critical = critical()
full_subsets = eigenplanted_problems(inner, keep="not top", values="distinct", targets="full")
optimal = eigenplanted_problems(keep="top") | planted_critical_problems(residual="zero")


def q_of(p):
    """rank(Y Xᵀ)."""
    return (p.Y * p.X.transpose()).rank()


def least(p):
    """min (2)."""
    return least_value(p.X, p.Y, p.least_width)


def attains(p, value, name="min (2)"):
    """F(R) is ``value``."""
    return decide_equal(squared_norm(p.E), value, named=("F(R)", name))


def unless(condition, why, verdict):
    """``verdict()`` under the premise ``condition``, vacuous elsewhere."""
    return verdict() if condition else vacuous(why)


# --- Section 2: the two problems ---------------------------------------------------------------------


@claim(
    "LK17/rank-bound",
    paper=LK17,
    where="Section 2, below (1)",
    says=r"\mathrm{rank}(W_H W_{H-1} \cdots W_1) \le d_p",
    equivalent={"rank <= the second smallest width": "weaker than the claim, and true"},
)
@printed(HOLDS, deep_linear_problems(), examples=80, reaches={"rank R = d_p": CLASSES["rank R = d_p"]})
@mutant(
    "rank = d_p",
    deep_linear_problems(),
    conclude=lambda p: decide(p.R.rank() == p.least_width, why="rank R < d_p."),
)
@mutant(
    "rank < d_p",
    deep_linear_problems(),
    conclude=lambda p: decide(p.R.rank() < p.least_width, why="rank R = d_p."),
)
@mutant(
    "rank = min of the ranks",
    deep_linear_problems(widths(2, 5)),
    conclude=lambda p: decide(
        p.R.rank() == min(w.rank() for w in p.weights), why="rank R is below the rank of every layer."
    ),
)
def test_products_have_rank_at_most_the_least_width(p: DeepLinearProblem) -> Verdict:
    """The product of all layers has rank at most the least width."""
    return decide_at_most(int(p.R.rank()), p.least_width, named=("rank R", "d_p"))


def at_optimum(p, verdict):
    """``verdict`` at global minima of (1): L(W) is then min (1), because R W ↦ R reaches every rank <= d_p."""
    return verdict if is_global_minimum(p) else vacuous("no global minimum")


@claim(
    "LK17/equivalent",
    paper=LK17,
    where="Section 2, (1) and (2)",
    says=r"\min_W \tfrac12\|W_H \cdots W_1 X - Y\|_F^2 = \min_{\mathrm{rank}(R) \le d_p} \|RX - Y\|_F^2",
)
@printed(
    REFUTED,
    planted_critical_problems(residual="zero"),
    recheck=half_is_lost,
    note="the factor 1/2 of (1) is missing in (2); false whenever the minimum is positive",
)
@repaired(
    r"\min_{\mathrm{rank}(R) \le d_p} \|RX - Y\|_F^2 = 2 \min_W L(W)",
    optimal,
    conclude=lambda p: attains(p, least(p)),
    examples=80,
    reaches={name: CLASSES[name] for name in ("inner bottleneck", "deficient X", "rank Y X^T < d_p")},
)
@mutant(
    "min over all R",
    eigenplanted_problems(inner, keep="top"),
    conclude=lambda p: attains(p, least_value(p.X, p.Y, p.widths[0])),
)
@mutant(
    "the second smallest width",
    eigenplanted_problems(inner, keep="top"),
    conclude=lambda p: attains(p, least_value(p.X, p.Y, sorted(p.widths)[1])),
)
@mutant(
    "singular values of Y",
    optimal,
    conclude=lambda p: attains(p, squared_norm(p.Y) - largest_sum(p.Y * p.Y.transpose(), p.least_width)),
)
@mutant(
    "singular values of Y X^T",
    eigenplanted_problems(keep="top"),
    conclude=lambda p: attains(
        p,
        squared_norm(p.Y) - largest_sum(p.Y * p.X.transpose() * p.X * p.Y.transpose(), p.least_width),
    ),
)
def test_both_problems_have_the_same_least_value(p: DeepLinearProblem) -> Verdict:
    """Problems (1) and (2) have the same global minimum value, decided at planted global minima."""
    return at_optimum(p, decide_equal(p.loss, least(p), named=("min (1)", "min (2)")))


def partial_identity(m, n, first, size):
    """Ones at (first, first), …, ``size`` of them."""
    a = zeros(m, n)
    for k in range(first, first + size):
        a[k, k] = 1
    return a


def feasible_set_is_not_convex(p, k):
    """Two matrices of rank k whose midpoint has rank k + 1, decided by rank."""
    m, n = p.widths[-1], p.widths[0]
    if k >= min(m, n):
        return decide(
            False, why=f"Every {m} x {n} matrix has rank <= {k}: (2) is a linear least squares problem."
        )
    a, b = partial_identity(m, n, 0, k), partial_identity(m, n, 1, k)
    return decide(
        a.rank() == b.rank() == k < (a + b).rank(), why="the midpoint of two matrices of rank k is feasible"
    )


narrow, not_narrow = widths(2, 4, bottleneck=True), widths(1, 4)


@claim(
    "LK17/restricted-nonconvex",
    paper=LK17,
    where="Section 2, below (2)",
    says=r"d_p < \min(d_H, d_0) \Rightarrow \{R : \mathrm{rank}(R) \le d_p\} \text{ is not convex}",
    assumes={"d_p < min(d_H, d_0)": r"d_p < \min(d_H, d_0)"},
)
@printed(HOLDS, deep_linear_problems(narrow), examples=60)
@drop("d_p < min(d_H, d_0)", REFUTED, deep_linear_problems(not_narrow))
@mutant(
    "rank <= d_p + 1",
    deep_linear_problems(narrow),
    conclude=lambda p: feasible_set_is_not_convex(p, p.least_width + 1),
)
@mutant(
    "rank <= the second smallest width",
    deep_linear_problems(narrow),
    conclude=lambda p: feasible_set_is_not_convex(p, sorted(p.widths)[1]),
)
def test_the_shallow_problem_is_not_convex(p: DeepLinearProblem) -> Verdict:
    """Problem (2) is not convex unless d_p = min(d_H, d_0)."""
    return feasible_set_is_not_convex(p, p.least_width)


def active(p):
    """Weights with R X ≠ 0: W₁ = e₁ xᵀ with x a non-zero column of X, the others e₁ e₁ᵀ; None if X = 0."""
    x = next((column for column in p.X.transpose().table() if any(column)), None)
    if x is None:
        return None
    d, made = p.widths, [zeros(w.nrows(), w.ncols()) for w in p.weights]
    for j in range(d[0]):
        made[0][0, j] = x[j]
    for w in made[1:]:
        w[0, 0] = 1
    return with_weights(p, *made)


def two_halves(p, c):
    """(c W₁, 0, …) and (0, c W₂, …, c W_H) with both products 0, and the middle, where the product is not 0."""
    scaled = [w * c for w in active(p).weights]
    a = with_weights(p, scaled[0], *(w * 0 for w in scaled[1:]))
    b = with_weights(p, scaled[0] * 0, *scaled[1:])
    return a, b, with_weights(p, *(w / 2 for w in scaled))


def nonconvex(p):
    """Two points with L = ½‖Y‖² at both and more in the middle."""
    if active(p) is None:
        return decide(False, why="X = 0: L is constant, hence convex.")
    if len(p.weights) == 1:
        return decide(False, why="H = 1: L is a convex quadratic function.")
    c = fmpq(1)
    while True:
        a, b, middle = two_halves(p, c)
        if middle.loss > max(a.loss, b.loss):
            return decide_less(max(a.loss, b.loss), middle.loss, named=("L at both ends", "L in the middle"))
        c = c * 2


def nonconcave(p):
    """L is above ½‖Y‖² on average at ±W₁, the other layers fixed, and ½‖Y‖² in the middle W₁ = 0."""
    there = active(p)
    if there is None:
        return decide(False, why="X = 0: L is constant, hence concave.")
    minus = with_weights(there, -1 * there.weights[0], *there.weights[1:])
    middle = with_weights(there, there.weights[0] * 0, *there.weights[1:])
    return decide_less(
        middle.loss, (there.loss + minus.loss) / 2, named=("L in the middle", "mean of L at both ends")
    )


anything = deep_linear_problems(widths(2, 5), inputs="full") | deep_linear_problems(inner, inputs="full")
shallow_or_not = {"H > 1": "H > 1", "X": "X \\ne 0"}


@claim(
    "LK17/deep-nonconvex",
    paper=LK17,
    where="Section 2, below (2); Section 1",
    says=r"H > 1 \Rightarrow L \text{ is not convex, even when } d_p \ge \min(d_H, d_0)",
    assumes=shallow_or_not,
)
@printed(
    HOLDS,
    anything,
    examples=60,
    reaches={
        "d_p = min(d_H, d_0)": lambda p: p.least_width == min(p.widths[0], p.widths[-1]),
        "inner bottleneck": CLASSES["inner bottleneck"],
    },
)
@drop("H > 1", REFUTED, deep_linear_problems(widths(1, 1), inputs="full"))
@drop("X", REFUTED, deep_linear_problems(inputs="zero"), note="with X = 0 the loss is constant")
@mutant("also without layers in between", deep_linear_problems(inputs="full"))
@mutant(
    "between W and 0 already",
    anything,
    conclude=lambda p: decide_less(
        (p.loss + squared_norm(p.Y) / 2) / 2,
        with_weights(p, *(w / 2 for w in p.weights)).loss,
        named=("mean of L at W and 0", "L in the middle"),
    ),
)
def test_the_deep_problem_is_not_convex(p: DeepLinearProblem) -> Verdict:
    """Problem (1) is not convex for H > 1: two points of equal loss with a higher middle."""
    return nonconvex(p)


@claim(
    "LK17/symmetries",
    paper=LK17,
    where="Section 1, weight-space symmetries",
    says=r"(\dots, W_{j+1} T^{-1}, T W_j, \dots) \text{ is the same function}",
)
@printed(HOLDS, reparametrisations(deep_linear_problems(widths(2, 4))), examples=60)
@mutant(
    "T for T^-1",
    reparametrisations(deep_linear_problems(widths(2, 4), layers="full")),
    conclude=lambda c: decide(
        c.there.R
        == with_weights(
            c.problem,
            *c.there.weights[: c.layer],
            c.problem.weights[c.layer] * c.T,
            *c.there.weights[c.layer + 1 :],
        ).R,
        why="W_{j+1} T T W_j is another product.",
    ),
)
@mutant(
    "T^T for T^-1",
    reparametrisations(deep_linear_problems(widths(2, 4), layers="full")),
    conclude=lambda c: decide(
        c.problem.R
        == with_weights(
            c.problem,
            *c.there.weights[: c.layer],
            c.problem.weights[c.layer] * c.T.transpose(),
            *c.there.weights[c.layer + 1 :],
        ).R,
        why="W_{j+1} T^T T W_j is another product.",
    ),
)
def test_layers_can_be_reparametrised(c: Reparametrisation) -> Verdict:
    """A change of basis in a hidden layer leaves the function, and hence the loss, as it is."""
    return all_of(
        decide(c.there.R == c.problem.R, why="The products differ."),
        decide_equal(c.there.loss, c.problem.loss, named=("L there", "L")),
    )


def flipped(p):
    """W with W₁ and W₂ negated, and the middle between the two, where W₁ = W₂ = 0."""
    there = with_weights(p, -1 * p.weights[0], -1 * p.weights[1], *p.weights[2:])
    return there, with_weights(p, p.weights[0] * 0, p.weights[1] * 0, *p.weights[2:])


def optimal_set_is_not_convex(p):
    """Two global minima whose middle is none: W and W flipped, or, where 0 is optimal, two halves of a product."""
    if not is_global_minimum(p):
        return vacuous("no global minimum")
    if len(p.weights) == 1:
        return decide(False, why="H = 1: the optimal set is affine.")
    if active(p) is None:
        return decide(False, why="X = 0: every point is optimal.")
    there, middle = flipped(p)
    ends = (p, there)
    if middle.loss == p.loss:  # the zero product is optimal
        *ends, middle = two_halves(p, fmpq(1))
    if not all(map(is_global_minimum, ends)):
        return decide(False, why="The two ends are not optimal.")
    return decide_less(p.loss, middle.loss, named=("min L", "L in the middle"))


@claim(
    "LK17/optimal-set",
    paper=LK17,
    where="Section 1, non-convexity by symmetries",
    says=r"H > 1 \Rightarrow \text{the set of global minima is not convex (hence neither are sublevel sets nor the epigraph)}",
    assumes=shallow_or_not,
)
@printed(
    HOLDS,
    eigenplanted_problems(widths(2, 5), keep="top")
    | planted_critical_problems(widths(2, 4), inputs="full", residual="zero"),
    examples=60,
    reaches={"Y X^T = 0": CLASSES["Y X^T = 0"], "Y X^T != 0": lambda p: q_of(p) > 0},
    note="symmetries alone do not imply this, as the text suggests: |x|^2 has them and is convex",
)
@drop("H > 1", REFUTED, eigenplanted_problems(widths(1, 1), keep="top"))
@drop("X", REFUTED, planted_critical_problems(widths(2, 4), inputs="zero"))
@mutant(
    "at every critical point",
    every_critical,
    conclude=lambda p: unless(
        is_critical(p) and len(p.weights) > 1,
        "H = 1",
        lambda: decide_less(p.loss, flipped(p)[1].loss, named=("L", "L in the middle")),
    ),
)
@mutant(
    "with one layer flipped",
    eigenplanted_problems(widths(2, 5), keep="top"),
    conclude=lambda p: at_optimum(
        p,
        decide_equal(
            with_weights(p, -1 * p.weights[0], *p.weights[1:]).loss, p.loss, named=("L flipped", "L")
        ),
    ),
)
def test_the_set_of_minima_is_not_convex(p: DeepLinearProblem) -> Verdict:
    """Flipping the signs of two layers leads from a global minimum to another, and the middle is higher."""
    return optimal_set_is_not_convex(p)


# --- Theorems 2.1, 2.2, 2.3 --------------------------------------------------------------------------

kinds = {
    **KINDS,
    "rank Y X^T < d_p": CLASSES["rank Y X^T < d_p"],
    "inner bottleneck": CLASSES["inner bottleneck"],
}


def attains_a_local_minimum_of_2(p):
    """F(R̄) is the value of a local minimum of (2): of a global one, since it has no others (Theorem 2.2)."""
    return attains(p, least(p), "the value of local minima of (2)")


def rank_is_full_at_minima(p):
    """Every local minimum has rank(R) = d_p."""
    return at_local_minimum(p, decide(p.R.rank() == p.least_width, why="rank R < d_p."))


@claim(
    "LK17/thm2.1",
    paper=LK17,
    where="Theorem 2.1",
    says=r"F(\bar W_H \cdots \bar W_1) \text{ is the value of a local minimum of (2)}",
    assumes={"A1": X_FULL, "A2": Y_FULL, "A3": MINIMUM},
)
@printed(HOLDS, every_critical, examples=100, reaches=kinds)
@drop(
    "A1",
    HOLDS,
    planted_critical_problems(inputs="deficient", targets="full")
    | planted_critical_problems(deep, inputs="deficient", targets="full", residual="solved"),
    examples=80,
    reaches=KINDS,
    note="superfluous: L depends on W_1 X only",
)
@drop("A2", HOLDS, planted_critical_problems(inputs="full"), examples=80, note="superfluous")
@drop("A3", REFUTED, every_critical, conclude=lambda p: at_critical_point(p, attains_a_local_minimum_of_2(p)))
@mutant(
    "rank R = d_p at every local minimum",
    critical(residual="zero"),
    conclude=rank_is_full_at_minima,
    examples=200,
    says=r"\mathrm{rank}(\bar R) = d_p",
)
@mutant(
    "every critical point with rank R = d_p",
    full_subsets,
    examples=300,
    conclude=lambda p: unless(
        is_critical(p) and p.R.rank() == p.least_width,
        "rank R < d_p",
        lambda: attains_a_local_minimum_of_2(p),
    ),
)
@mutant(
    "no critical point with rank R < d_p",
    critical(residual="zero"),
    examples=200,
    conclude=lambda p: unless(
        is_critical(p) and p.R.rank() < p.least_width,
        "rank R = d_p",
        lambda: decide(not is_global_minimum(p), why="A global minimum with rank R < d_p."),
    ),
)
@mutant(
    "the value with the second smallest width",
    eigenplanted_problems(inner, keep="top", targets="full"),
    examples=200,
    conclude=lambda p: at_local_minimum(
        p, attains(p, least_value(p.X, p.Y, sorted(p.widths)[1]), "that value")
    ),
)
def test_depth_creates_no_bad_local_minima(p: DeepLinearProblem) -> Verdict:
    """Every local minimum of the deep problem attains the value of a local minimum of the shallow one.

    Every critical point is decided: its value is the least one, or lower points are exhibited.
    """
    return at_local_minimum(p, attains_a_local_minimum_of_2(p))


@claim(
    "LK17/thm2.1-minimiser",
    paper=LK17,
    where="Theorem 2.1, sharper than stated",
    says=r"\bar R = \bar W_H \cdots \bar W_1 \text{ itself is a global minimum of (2)}",
    assumes={"A1": X_FULL, "A2": Y_FULL},
)
@printed(HOLDS, every_critical, examples=60, note="stronger than the printed sentence, and true")
@drop("A1", HOLDS, planted_critical_problems(inputs="deficient"), examples=60)
@mutant(
    "at every critical point",
    every_critical,
    conclude=lambda p: at_critical_point(
        p, decide(is_global_minimum(p), why="R is no global minimum of (2).")
    ),
)
@mutant(
    "unique",
    eigenplanted_problems(widths(2, 3, ends=2), keep="top", values="tied"),
    examples=200,
    conclude=lambda p: unless(
        is_global_minimum(p) and p.least_width < len(eigenvalues(fitted_gram(p.X, p.Y))),
        "R X = Y P_X",
        lambda: unique_kept_values(p),
    ),
)
def test_the_product_itself_minimises(p: DeepLinearProblem) -> Verdict:
    """The product of a local minimum is a global minimum of the rank-constrained problem."""
    return at_local_minimum(
        p, decide(attains_least_value(p.R, p.X, p.Y, p.least_width), why="R is no global minimum of (2).")
    )


def unique_kept_values(p):
    """The d_p-th and the next eigenvalue of Ŷ Ŷᵀ differ: exactly then the minimiser is unique."""
    values = eigenvalues(fitted_gram(p.X, p.Y))
    k = p.least_width
    return decide(is_above(values[k - 1], values[k]), why="The next singular value is the same.")


def shallow(p):
    """Problem (2) with k = d_1 = the inner width, at R = W_2 W_1: lower points are R' = W_2' W_1'."""
    return decide_equal(squared_norm(p.E), least_value(p.X, p.Y, p.least_width), named=("F(R)", "min (2)"))


def weighted_minimum(w: WeightedRankOne) -> Verdict:
    """Another norm: at a strict local minimum (one coordinate of a fixed) against the best a_i b_j alone."""
    E = w.a * w.b.transpose() - w.Y
    value = sum((w.C[i, j] * E[i, j] ** 2 for i in range(2) for j in range(2)), fmpq(0))
    fixed = 1  # a[1] >= 1 by construction
    moves = [("a", 1 - fixed), ("b", 0), ("b", 1)]
    jacobian, second = fmpq_mat(4, 3), fmpq_mat(3, 3)
    for i in range(2):
        for j in range(2):
            row = 2 * i + j
            for k, (name, at) in enumerate(moves):
                jacobian[row, k] = (
                    (w.b[j, 0] if at == i else 0) if name == "a" else (w.a[i, 0] if at == j else 0)
                )
    weights = zeros(4, 4)
    for i in range(2):
        for j in range(2):
            weights[2 * i + j, 2 * i + j] = 2 * w.C[i, j]
    second = jacobian.transpose() * weights * jacobian
    for j in range(2):
        second[0, 1 + j] += 2 * w.C[1 - fixed, j] * E[1 - fixed, j]
        second[1 + j, 0] = second[0, 1 + j]
    if not is_positive_definite(second):
        return vacuous("no strict local minimum")
    total = sum((w.C[i, j] * w.Y[i, j] ** 2 for i in range(2) for j in range(2)), fmpq(0))
    one_entry = min(total - w.C[i, j] * w.Y[i, j] ** 2 for i in range(2) for j in range(2))
    return decide_at_most(
        value, one_entry, named=("value at a strict local minimum", "value at one entry of Y")
    )


def at_shallow_minimum(p, verdict):
    """Local minima R = W_2 W_1 of (2): as of (1) with H = 2, since W' → W makes R' → R and F(R') < F(R)."""
    return at_local_minimum(p, verdict)


shallow_points = critical(shape=two, targets="any")


@claim(
    "LK17/thm2.2",
    paper=LK17,
    where="Theorem 2.2",
    says=r"\text{every local minimum of (2) is a global minimum}",
    assumes={"A1": X_FULL, "Frobenius norm": r"F(R) = \|RX - Y\|_F^2"},
)
@printed(
    HOLDS, shallow_points, examples=100, reaches={k: v for k, v in kinds.items() if k != "non-strict saddle"}
)
@drop("A1", HOLDS, planted_critical_problems(two, inputs="deficient"), examples=60, note="superfluous")
@drop(
    "Frobenius norm",
    REFUTED,
    weighted_rank_one_points(),
    conclude=weighted_minimum,
    examples=600,
    note="entries weighted differently: a strict local minimum above the least value, X = I and k = 1",
)
@mutant(
    "the value with sigma(Y)",
    shallow_points,
    conclude=lambda p: at_shallow_minimum(
        p, attains(p, squared_norm(p.Y) - largest_sum(p.Y * p.Y.transpose(), p.least_width), "that value")
    ),
)
@mutant(
    "every local minimum has rank k",
    critical(shape=two, residual="zero"),
    examples=200,
    conclude=rank_is_full_at_minima,
)
@mutant("every critical point", shallow_points, conclude=lambda p: at_critical_point(p, shallow(p)))
@mutant(
    "the k smallest singular values",
    shallow_points,
    conclude=lambda p: at_shallow_minimum(
        p, decide_equal(squared_norm(p.E), squared_norm(p.Y) - smallest_sum(p), named=("F(R)", "that value"))
    ),
)
def test_the_shallow_problem_has_no_bad_local_minima(p: DeepLinearProblem) -> Verdict:
    """Every local minimum of the rank-constrained problem is global."""
    return at_shallow_minimum(p, shallow(p))


def smallest_sum(p):
    """The sum of the d_p least eigenvalues of Ŷ Ŷᵀ."""
    return -largest_sum(-1 * fitted_gram(p.X, p.Y), p.least_width)


def is_least(p):
    """2 L(W) = min (2), that is L(W) = min (1)."""
    return decide_equal(p.loss * 2, least(p), named=("2 L", "2 min (1)"))


@claim(
    "LK17/thm2.3",
    paper=LK17,
    where="Theorem 2.3; Kawaguchi (2016), property 2",
    says=r"\text{every local minimum of (1) is a global minimum}",
    assumes={"A1": X_FULL, "A2": Y_FULL, "local minimum": MINIMUM},
)
@printed(HOLDS, every_critical, examples=100, reaches=kinds)
@drop(
    "A1",
    HOLDS,
    planted_critical_problems(inputs="deficient", targets="full"),
    examples=200,
    needs=80,
    note="superfluous",
)
@drop("A2", HOLDS, planted_critical_problems(inputs="full"), examples=80, note="superfluous")
@drop("local minimum", REFUTED, every_critical, conclude=lambda p: at_critical_point(p, is_least(p)))
@mutant(
    "every second-order critical point",
    critical(shape=deep),
    examples=200,
    conclude=lambda p: unless(
        is_critical(p) and not has_negative_curvature(p),
        "the Hessian has a negative eigenvalue",
        lambda: is_least(p),
    ),
)
@mutant(
    "the second smallest width",
    eigenplanted_problems(inner, keep="top", targets="full"),
    examples=200,
    conclude=lambda p: at_local_minimum(
        p, decide_equal(p.loss * 2, least_value(p.X, p.Y, sorted(p.widths)[1]), named=("2 L", "that value"))
    ),
)
@mutant(
    "every critical point with full layers",
    full_subsets | critical(layers="full", shape=inner),
    examples=300,
    conclude=lambda p: unless(
        is_critical(p) and not CLASSES["a deficient layer"](p), "a deficient layer", lambda: is_least(p)
    ),
)
def test_deep_linear_networks_have_no_bad_local_minima(p: DeepLinearProblem) -> Verdict:
    """Every local minimum of the deep linear problem is global; all other critical points have lower points nearby."""
    return at_local_minimum(p, is_least(p))


# --- what is quoted of Kawaguchi (2016), and what is claimed to be new --------------------------------


@claim(
    "LK17/kawaguchi-1",
    paper=LK17,
    where="Section 2, after Theorem 2.3, property 1",
    says=r"L \text{ is non-convex and non-concave}",
    assumes=shallow_or_not,
)
@printed(HOLDS, anything, examples=60)
@drop("H > 1", REFUTED, deep_linear_problems(widths(1, 1), inputs="full"))
@drop("X", REFUTED, deep_linear_problems(inputs="zero"))
@mutant("for every depth", deep_linear_problems(inputs="full"))
@mutant(
    "not even in one layer",
    anything,
    conclude=lambda p: decide_less(
        with_weights(p, p.weights[0] * 0, *p.weights[1:]).loss,
        (p.loss + with_weights(p, -1 * p.weights[0], *p.weights[1:]).loss) / 2,
        named=("L with W_1 = 0", "mean of L at W_1 and -W_1"),
    ),
)
def test_the_loss_is_neither_convex_nor_concave(p: DeepLinearProblem) -> Verdict:
    """L is neither convex nor concave."""
    return all_of(nonconvex(p), nonconcave(p))


def is_a_saddle(p):
    """Lower and higher points within every radius."""
    for radius in RADII:
        if find_descent(p, radius) is None:
            return decide(False, why="No lower points nearby.")
        if find_ascent(p, radius) is None:
            return decide(False, why="No higher points nearby.")
    return decide(True, why="lower and higher points within every radius")


every_other = critical(residual="solved", targets="any", inputs="any")


@claim(
    "LK17/kawaguchi-3",
    paper=LK17,
    where="Section 2, after Theorem 2.3, property 3",
    says=r"\nabla L(W) = 0,\ L(W) > \min L \Rightarrow W \text{ is a saddle point}",
)
@printed(
    HOLDS,
    every_other,
    examples=100,
    needs=20,
    reaches={"strict saddle": KINDS["strict saddle"], "non-strict saddle": KINDS["non-strict saddle"]},
)
@mutant("every critical point", every_other, conclude=lambda p: at_critical_point(p, is_a_saddle(p)))
@mutant(
    "a strict saddle",
    critical(shape=deep, residual="solved"),
    examples=200,
    conclude=lambda p: unless(
        is_critical(p) and not is_global_minimum(p),
        "a global minimum",
        lambda: decide(has_negative_curvature(p), why="The Hessian has no negative eigenvalue."),
    ),
)
def test_every_other_critical_point_is_a_saddle(p: DeepLinearProblem) -> Verdict:
    """A critical point that is no global minimum has lower and higher points within every radius."""
    return unless(
        is_critical(p) and not is_global_minimum(p),
        "not critical, or a global minimum",
        lambda: is_a_saddle(p),
    )


@claim(
    "LK17/no-maxima",
    paper=LK17,
    where="Section 2, property 3, the half that concerns maxima",
    says=r"L \text{ has no local maximum}",
    assumes={"X": "X \\ne 0"},
)
@printed(HOLDS, critical(), examples=60)
@drop("X", REFUTED, planted_critical_problems(inputs="zero"))
@mutant(
    "strictly along W_1",
    critical(shape=widths(2, 4)),
    examples=200,
    conclude=lambda p: decide(not vanishes(p.above(1)), why="W_1 may be anything: L does not change."),
)
@mutant(
    "strictly along W_H",
    critical(shape=widths(2, 4)),
    examples=200,
    conclude=lambda p: decide(
        not vanishes(p.below(len(p.weights) - 1) * p.X), why="W_H may be anything: L does not change."
    ),
)
def test_there_are_no_local_maxima(p: DeepLinearProblem) -> Verdict:
    """Within every radius of every critical point L takes higher values."""
    return at_critical_point(
        p,
        decide(
            all(find_ascent(p, radius) is not None for radius in RADII), why="L is constant near this point."
        ),
    )


def strict_unless_global(p):
    """A negative eigenvalue at every critical point but the global minima."""
    return unless(
        is_critical(p) and not is_global_minimum(p),
        "not critical, or a global minimum",
        lambda: decide(has_negative_curvature(p), why="The Hessian has no negative eigenvalue."),
    )


one_hidden = critical(shape=two, targets="any", inputs="any", residual="solved")


@claim(
    "LK17/kawaguchi-4-shallow",
    paper=LK17,
    where="Section 2, after Theorem 2.3, property 4, first half",
    says=r"H = 2:\ \nabla L = 0,\ L > \min L \Rightarrow \lambda_{\min}(\nabla^2 L) < 0",
    assumes={"H = 2": "H = 2"},
)
@printed(HOLDS, one_hidden, examples=100, needs=20)
@drop("H = 2", REFUTED, critical(shape=deep, residual="solved"), examples=200)
@mutant(
    "also at global minima",
    one_hidden,
    conclude=lambda p: at_critical_point(p, decide(has_negative_curvature(p), why="No negative eigenvalue.")),
)
@mutant("H <= 3", critical(shape=widths(2, 3), residual="solved"), examples=300)
def test_shallow_saddles_are_strict(p: DeepLinearProblem) -> Verdict:
    """With one hidden layer the Hessian has a negative eigenvalue at every critical point that is not global."""
    return strict_unless_global(p)


def flat_origin(p):
    """W = 0 is a critical point without negative curvature and yet no local minimum."""
    at = with_weights(p, *(w * 0 for w in p.weights))
    if not is_critical(at):
        return decide(False, why="W = 0 is not critical.")
    if has_negative_curvature(at):
        return decide(False, why="The Hessian at W = 0 has a negative eigenvalue.")
    if is_global_minimum(at):
        return decide(False, why="W = 0 is a global minimum.")
    return decide(
        all(find_descent(at, radius) is not None for radius in RADII), why="No lower points near W = 0."
    )


@claim(
    "LK17/kawaguchi-4-deep",
    paper=LK17,
    where="Section 2, after Theorem 2.3, property 4, second half",
    says=r"H \ge 3: \text{ there are saddle points whose Hessian has no negative eigenvalue (such as } W = 0)",
    assumes={"H >= 3": "H \\ge 3", "Y X^T": "Y X^\\top \\ne 0"},
)
@printed(HOLDS, deep_linear_problems(deep, inputs="full", correlation="some"), examples=60)
@drop("H >= 3", REFUTED, deep_linear_problems(two, inputs="full", correlation="some"))
@drop(
    "Y X^T",
    REFUTED,
    deep_linear_problems(deep, inputs="full", correlation="zero"),
    note="then W = 0 is a global minimum, as is every critical point with the least loss",
)
@mutant("H >= 2", deep_linear_problems(widths(2, 4), inputs="full", correlation="some"))
@mutant("whatever the data", deep_linear_problems(deep))
def test_deep_networks_have_flat_saddles(p: DeepLinearProblem) -> Verdict:
    """For three layers or more W = 0 is a saddle point without negative curvature."""
    return flat_origin(p)


wide = widths(1, 3).map(lambda d: (max(d[0], d[-1]), *d[1:-1], min(d[0], d[-1])))


@claim(
    "LK17/fewer-assumptions",
    paper=LK17,
    where="Section 2, 'with fewer assumptions'",
    says=r"\mathrm{rank}(X Y^\top) = d_H \Rightarrow \mathrm{rank}(Y) = d_H",
    assumes={"XY^T": r"\mathrm{rank}(X Y^\top) = d_H"},
)
@printed(HOLDS, deep_linear_problems(wide, inputs="full", correlation="full"), examples=60)
@drop(
    "XY^T",
    REFUTED,
    deep_linear_problems(inputs="full"),
    conclude=lambda p: decide(p.Y.rank() == p.Y.nrows(), why="Y is of deficient rank."),
)
@mutant(
    "the converse",
    deep_linear_problems(targets="full"),
    conclude=lambda p: unless(
        p.Y.rank() == p.Y.nrows(),
        "Y is deficient",
        lambda: decide(q_of(p) == p.Y.nrows(), why="Y is of full row rank and X Y^T is not."),
    ),
)
@mutant(
    "and rank(X) = d_0",
    deep_linear_problems(wide, correlation="full"),
    examples=200,
    conclude=lambda p: unless(
        q_of(p) == p.Y.nrows(),
        "X Y^T is deficient",
        lambda: decide(p.X.rank() == p.X.nrows(), why="X is of deficient rank."),
    ),
)
def test_earlier_assumptions_imply_these(p: DeepLinearProblem) -> Verdict:
    """Kawaguchi's rank assumption on X Yᵀ implies the one on Y made here."""
    return unless(
        q_of(p) == p.Y.nrows(),
        "X Y^T is deficient",
        lambda: decide(p.Y.rank() == p.Y.nrows(), why="Y is of deficient rank."),
    )


def tied(p):
    """Whether Y Xᵀ (X Xᵀ)⁻¹ X Yᵀ has a repeated eigenvalue."""
    values = eigenvalues(fitted_gram(p.X, p.Y))
    return len({*values}) < len(values)


tied_points = eigenplanted_problems(widths(1, 4, ends=2), values="tied", targets="full")


@claim(
    "LK17/no-distinct-eigenvalues",
    paper=LK17,
    where="Section 2, last sentence",
    says=r"YX^\top(XX^\top)^{-1}XY^\top \text{ with repeated eigenvalues: every local minimum of (1) is global}",
)
@printed(
    HOLDS,
    tied_points,
    examples=80,
    reaches={
        "global minimum": KINDS["global minimum"],
        "strict saddle": KINDS["strict saddle"],
        "a tie": tied,
    },
)
@mutant(
    "what is kept exceeds what is not",
    tied_points,
    examples=200,
    conclude=lambda p: unless(
        is_global_minimum(p) and p.least_width < p.Y.nrows(),
        "nothing is left out",
        lambda: unique_kept_values(p),
    ),
)
@mutant("every critical point", tied_points, conclude=lambda p: at_critical_point(p, is_least(p)))
def test_repeated_eigenvalues_do_no_harm(p: DeepLinearProblem) -> Verdict:
    """Local minima are global also where singular values are equal, which earlier proofs exclude."""
    return unless(tied(p), "the eigenvalues are distinct", lambda: at_local_minimum(p, is_least(p)))


# --- Section 3.1, proofs of Theorems 2.1 and 3.3 -----------------------------------------------------


@claim(
    "LK17/thm2.1-proof",
    paper=LK17,
    where="Section 3.1, proof of Theorem 2.1, last display",
    says=r"F(R) = L(W)",
)
@printed(
    REFUTED, deep_linear_problems(), recheck=factor_two, note="the factor 1/2 again; harmless in the proof"
)
@repaired(
    r"F(W_H \cdots W_1) = 2 L(W)",
    deep_linear_problems(),
    examples=60,
    conclude=lambda p: decide_equal(squared_norm(p.R * p.X - p.Y), p.loss * 2, named=("F(R)", "2 L(W)")),
)
@mutant(
    "F = 4 L",
    deep_linear_problems(),
    conclude=lambda p: decide_equal(squared_norm(p.R * p.X - p.Y), p.loss * 4, named=("F(R)", "4 L(W)")),
)
@mutant(
    "F = L + |Y|^2 / 2",
    deep_linear_problems(),
    conclude=lambda p: decide_equal(
        squared_norm(p.R * p.X - p.Y), p.loss + squared_norm(p.Y) / 2, named=("F(R)", "L(W) + |Y|^2/2")
    ),
)
def test_the_two_objectives_agree(p: DeepLinearProblem) -> Verdict:
    """F(R) = L(W) for R = W_H ⋯ W₁."""
    return decide_equal(squared_norm(p.R * p.X - p.Y), p.loss, named=("F(R)", "L(W)"))


def merged(p, at):
    """The problem with W_{at+1} W_at in the place of both."""
    weights = (*p.weights[: at - 1], p.weights[at] * p.weights[at - 1], *p.weights[at + 1 :])
    return DeepLinearProblem(weights=weights, X=p.X, Y=p.Y)


def p_of(problem):
    """The first index of the least width."""
    return problem.widths.index(problem.least_width)


def choices_of_p(problem):
    """Every index of the least width."""
    return [i for i, width in enumerate(problem.widths) if width == problem.least_width]


def merged_is_minimal(problem):
    """Where W̄ is a local minimum with W̄_p of full row rank, so is T̄ = W̄_p W̄_{p−1} of L₁, all layers free."""
    p = p_of(problem)
    if p < 2:
        return vacuous("p < 2: there is no W_p W_{p-1}")
    if problem.weights[p - 1].rank() < problem.least_width:
        return vacuous("W_p is of deficient rank")
    small = merged(problem, p - 1)
    if is_critical(small) and is_global_minimum(small):
        return decide(True, why="T is a global minimum of L_1")
    return at_local_minimum(problem, decide(False, why="T is no local minimum of L_1."))


late = widths(2, 4, bottleneck=True).filter(lambda d: d.index(min(d)) >= 2)


@claim(
    "LK17/thm3.3-merged",
    paper=LK17,
    where="Section 3.1, proof of Theorem 3.3, L_1",
    says=r"\bar W \text{ a local minimum} \Rightarrow \bar T = \bar W_p \bar W_{p-1} \text{ a local minimum of } L_1",
    assumes={"local minimum": MINIMUM, "p >= 2": "p \\ge 2"},
)
@printed(HOLDS, critical(shape=late, layers="full"), examples=100, needs=20)
@drop(
    "local minimum",
    REFUTED,
    critical(shape=late, layers="full"),
    examples=200,
    conclude=lambda q: unless(
        is_critical(q),
        "not critical",
        lambda: decide(is_global_minimum(merged(q, p_of(q) - 1)), why="T is no global minimum of L_1."),
    ),
)
@drop(
    "p >= 2",
    REFUTED,
    deep_linear_problems(widths(2, 3)),
    conclude=lambda q: unless(
        1 not in choices_of_p(q),
        "p = 1",
        lambda: decide(choices_of_p(q) != [0], why="p = 0, and there is no W_{p-1}."),
    ),
    recheck=index_before_the_first,
    note="the text excludes p = 1 only; for p = 0 there is nothing to do on this side",
)
@mutant(
    "with value 2 L(W)",
    critical(shape=late),
    examples=200,
    conclude=lambda q: unless(
        is_critical(q) and is_global_minimum(q),
        "no global minimum",
        lambda: decide_equal(merged(q, p_of(q) - 1).loss, 2 * q.loss, named=("L_1(T)", "2 L(W)")),
    ),
)
@mutant(
    "the least width stays when W_p is merged away",
    deep_linear_problems(inner),
    examples=100,
    conclude=lambda q: decide(
        merged(q, p_of(q)).least_width == q.least_width, why="Without d_p the least width is larger."
    ),
)
def test_merged_layers_are_minimal(problem: DeepLinearProblem) -> Verdict:
    """The product of two layers is a local minimum where they are, if the upper one has full row rank."""
    return merged_is_minimal(problem)


def sylvester(p, lost):
    """rank(BA) >= rank B + rank A − lost for B = W_H ⋯ W_{p+1}, A = W_p ⋯ W₁."""
    b, a = p.above(p_of(p)), p.below(p_of(p))
    return decide_at_most(
        int(b.rank() + a.rank()) - lost(p), int((b * a).rank()), named=("rank B + rank A - d", "rank BA")
    )


@claim(
    "LK17/sylvester",
    paper=LK17,
    where="Section 3.1, proof of Theorem 3.3, last display",
    says=r"\mathrm{rank}(BA) \ge \mathrm{rank}(B) + \mathrm{rank}(A) - d_p,\ B = W_H \cdots W_{p+1},\ A = W_p \cdots W_1",
)
@printed(HOLDS, deep_linear_problems(widths(2, 5)), examples=80)
@mutant(
    "- d_p + 1",
    deep_linear_problems(widths(2, 5)),
    conclude=lambda p: sylvester(p, lambda p: p.least_width - 1),
)
@mutant(
    "equality",
    planted_critical_problems(),
    conclude=lambda p: decide_equal(
        int(p.R.rank()),
        int(p.above(p_of(p)).rank() + p.below(p_of(p)).rank()) - p.least_width,
        named=("rank BA", "rank B + rank A - d_p"),
    ),
)
def test_sylvesters_inequality(p: DeepLinearProblem) -> Verdict:
    """The product of the parts above and below the narrowest layer loses at most what Sylvester allows."""
    return sylvester(p, lambda p: p.least_width)


def least_rank_of_full_layers(d):
    """r_min(d) = max(0, d_0 − Σ_j max(0, d_{j−1} − d_j))."""
    return max(0, d[0] - sum(max(0, a - b) for a, b in zip(d[:-1], d[1:], strict=True)))


full_layers = deep_linear_problems(layers="full") | deep_linear_problems(layers="shifts")


@claim(
    "LK17/full-layers-rank",
    paper=LK17,
    where="what Theorem 3.3 is about: products of full-rank layers",
    says=r"\mathrm{rank}(W_i) \text{ full for all } i \Rightarrow \mathrm{rank}(W_H \cdots W_1) \ge d_0 - \textstyle\sum_j \max(0, d_{j-1} - d_j)",
    assumes={"full layers": r"\mathrm{rank}(W_i) = \min(d_i, d_{i-1})"},
)
@printed(
    HOLDS,
    full_layers,
    examples=100,
    reaches={
        "rank R < d_p": CLASSES["full layers, rank R < d_p"],
        "equality": lambda p: p.R.rank() == least_rank_of_full_layers(p.widths),
    },
    note="sharp: Theorem 3.3 holds for all data of rank(YX^T) = q iff q >= d_p or q < this number",
)
@drop("full layers", REFUTED, deep_linear_problems())
@mutant(
    "rank = d_p",
    full_layers,
    examples=200,
    conclude=lambda p: decide_equal(int(p.R.rank()), p.least_width, named=("rank R", "d_p")),
)
@mutant(
    "one more",
    full_layers,
    conclude=lambda p: decide_at_most(
        least_rank_of_full_layers(p.widths) + 1, int(p.R.rank()), named=("r_min + 1", "rank R")
    ),
)
def test_full_layers_keep_some_rank(p: DeepLinearProblem) -> Verdict:
    """Layers of full rank lose no more rank than the widths fall."""
    return decide_at_most(least_rank_of_full_layers(p.widths), int(p.R.rank()), named=("r_min", "rank R"))


def kappa(d, more=0):
    """κ(d) = max_i [min(d_0, …, d_{i−1}) + min(d_i, …, d_H) − max(d_i, d_{i−1})]."""
    return max(min(d[:i]) + min(d[i:]) - max(d[i], d[i - 1]) for i in range(1, len(d)))


def layers_can_be_filled(p, slack=0, q_needed=0):
    """At global minima with q >= κ(d): rank(RX) >= s_1 + s_2 − max(d_i, d_{i−1}) for every layer i."""
    if q_of(p) < kappa(p.widths) - q_needed:
        return vacuous("rank(Y X^T) < kappa(d)")
    if not is_global_minimum(p):
        return vacuous("no global minimum")
    rank, d = int((p.R * p.X).rank()), p.widths
    needed = max(
        int((p.below(i - 1) * p.X).rank() + p.above(i).rank()) - max(d[i], d[i - 1]) for i in range(1, len(d))
    )
    return decide_at_most(needed + slack, rank, named=("max s_1 + s_2 - max(d_i, d_{i-1})", "rank RX"))


optimal_with_full_x = eigenplanted_problems(keep="top") | planted_critical_problems(
    inputs="full", residual="zero", layers="shifts"
)


@claim(
    "LK17/kappa",
    paper=LK17,
    where="what Theorem 3.2 needs: equal-loss layers of full rank exist iff rank(RX) >= s_1 + s_2 - max(d_i, d_{i-1})",
    says=r"\mathrm{rank}(YX^\top) \ge \kappa(d) \Rightarrow \mathrm{rank}(RX) \ge s_1 + s_2 - \max(d_i, d_{i-1}) \text{ at global minima}",
    assumes={
        "q >= kappa(d)": r"\mathrm{rank}(YX^\top) \ge \kappa(d) = \max_i[\min_{j<i} d_j + \min_{j \ge i} d_j - \max(d_i, d_{i-1})]"
    },
)
@printed(HOLDS, optimal_with_full_x, examples=80, needs=20)
@drop(
    "q >= kappa(d)",
    REFUTED,
    optimal_with_full_x,
    examples=300,
    conclude=lambda p: layers_can_be_filled(p, q_needed=99),
)
@mutant("one more", optimal_with_full_x, conclude=lambda p: layers_can_be_filled(p, slack=1))
@mutant(
    "q >= kappa(d) - 1",
    optimal_with_full_x,
    examples=300,
    conclude=lambda p: layers_can_be_filled(p, q_needed=1),
)
def test_layers_can_be_filled_up(p: DeepLinearProblem) -> Verdict:
    """From rank(Y Xᵀ) >= κ(d) on, every layer of a global minimum can be made full without changing the loss."""
    return layers_can_be_filled(p)


# --- Section 3.2: proof of Theorem 2.2 ---------------------------------------------------------------


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
@mutant("T = U_2^T R U_1 V_2", reductions(), conclude=lambda r: reduced(r, with_scale=False))
@mutant("Const = 0", reductions(), conclude=lambda r: reduced(r, const=lambda r: fmpq(0)))
@mutant("Const = |Y|^2", reductions(), conclude=lambda r: reduced(r, const=lambda r: squared_norm(r.Y)))
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
@drop("critical", REFUTED, any_T)
@mutant(
    "P_L = P_R",
    points,
    examples=200,
    conclude=lambda p: decide(projector(p.T) == projector(p.T.transpose()), why="P_L and P_R differ."),
)
@mutant(
    "T = P_L D",
    points,
    conclude=lambda p: decide(
        (projector(p.T) * p.sigma * p.sigma.transpose()).entries() == p.T.entries(), why="T is not P_L D."
    ),
)
@mutant(
    "P_L D = D",
    points,
    conclude=lambda p: decide(projector(p.T) * p.sigma == p.sigma, why="P_L Sigma_2 is not Sigma_2."),
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
@drop("critical", REFUTED, any_T)
@mutant(
    "every block is a multiple of I",
    diagonal_problems(),
    examples=200,
    conclude=lambda p: decide(
        all(p.block(f, m).rank() in (0, m) for _, f, m in p.blocks),
        why="A block is of rank strictly between 0 and m_i.",
    ),
)
@mutant(
    "T is diagonal",
    diagonal_problems(),
    examples=300,
    conclude=lambda p: decide(
        not any(e for i, row in enumerate(p.T.table()) for j, e in enumerate(row) if i != j),
        why="T is not diagonal.",
    ),
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
@printed(REFUTED, points, recheck=not_a_projection, note="lambda_i times a projection; the proof says so")
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
@mutant("m_i + d_{p_i}", points, conclude=lambda p: value_of(p, lambda v, m, d: (m + d) * v**2))
@mutant("lambda_i for lambda_i^2", points, conclude=lambda p: value_of(p, lambda v, m, d: (m - d) * v))
@mutant(
    "without the mixed term",
    points,
    conclude=lambda p: value_of(p, lambda v, m, d: (m + d) * v**2 if d else m * v**2),
)
def test_the_value_counts_what_is_missing(p: DiagonalProblem) -> Verdict:
    """H(T*) is the sum of λ_i² over the dimensions that T* leaves out, and rank T* <= d_p."""
    return all_of(
        decide_at_most(sum(p.ranks), p.k, named=("sum of ranks", "d_p")),
        value_of(p, lambda v, m, d: (m - d) * v**2),
    )


def printed_ranks(p: DiagonalProblem):
    """The ranks d_{p_i}, i = 1 … r, of the list of global minima; and what is left for a block that does not exist."""
    sizes = [m for _, _, m in p.blocks]
    j = max((j for j in range(len(sizes) + 1) if sum(sizes[:j]) < p.k), default=0)
    left = p.k - sum(sizes[:j])
    wanted = sizes[:j] + ([left] if j < len(sizes) else []) + [0] * (len(sizes) - j - 1)
    return wanted, 0 if j < len(sizes) else left


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
    recheck=all_targets_fitted,
    note="if rank(Y X^T) < d_p there is no block j + 1; and '(6)' must read '(5)'",
)
@repaired(
    r"\mathrm{rank}(\Sigma_2) \ge d_p \Rightarrow \text{the listed ranks are those of the global minima}",
    enough,
    examples=60,
    conclude=lambda p: listed(p),
)
@drop("rank(Sigma_2) >= d_p", REFUTED, top_points)
@mutant(
    "all of the first d_p blocks",
    enough,
    examples=200,
    conclude=lambda p: decide(
        (p.ranks == [m if i < p.k else 0 for i, (_, _, m) in enumerate(p.blocks)]) == is_minimum_of_5(p),
        why="The list and the global minima differ.",
    ),
)
@mutant(
    "from the smallest on",
    enough,
    examples=200,
    conclude=lambda p: decide(
        (list(reversed(p.ranks)) == printed_ranks(p)[0]) == is_minimum_of_5(p),
        why="The list and the global minima differ.",
    ),
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
    recheck=all_targets_fitted,
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
)
@mutant(
    "rank(Sigma_2)",
    top_points,
    conclude=lambda p: at_minimum_of_5(
        p, decide_equal(sum(p.ranks), int(p.sigma.rank()), named=("sum of ranks", "rank Sigma_2"))
    ),
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
    recheck=rotated_value_is_wrong,
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
)
@mutant(
    "sin and cos exchanged",
    rotations(),
    conclude=lambda r: rotated(r, lambda r: r.small**2 - (r.small + r.large - r.tau(r.t)) ** 2),
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
)
@mutant(
    "rank T(theta) = d_p",
    rotations(),
    examples=200,
    conclude=lambda r: decide_equal(int(r.turned(r.t).T.rank()), r.problem.k, named=("rank T(theta)", "d_p")),
)
@mutant(
    "H increases",
    rotations(),
    conclude=lambda r: decide_less(r.turned(r.t).H, r.turned((r.t + 1) / 2).H, named=("H", "H later")),
)
@mutant(
    "beyond pi/2 too",
    rotations(),
    conclude=lambda r: decide_less(
        r.turned(1 + r.t + fmpq(1, 2)).H, r.turned(fmpq(1)).H, named=("H beyond", "H at pi/2")
    ),
)
def test_the_rotation_descends(r: Rotation) -> Verdict:
    """Turning a kept direction towards one of a larger value that is left out lowers H at once and monotonically."""
    return decreases(r)


# --- beyond the paper: all critical points -----------------------------------------------------------


@claim(
    "LK17/critical-kinds",
    paper=LK17,
    where="beyond the paper: Achour, Malgouyres & Gerchinovitz (2024), second-order classification",
    says=r"\nabla^2 L \text{ has a negative eigenvalue iff } W \text{ is a strict saddle by its ranks, its singular values and tightness}",
    assumes={"simple data": r"\sigma_i \text{ distinct},\ d_H \le d_0,\ \mathrm{rank}(XY^\top) = d_H"},
)
@printed(
    HOLDS,
    eigenplanted_problems(
        widths(1, 4).map(lambda d: (max(d), *d[1:-1], min(d[0], d[-1]))), values="distinct"
    ),
    examples=100,
    reaches={"global minimum": KINDS["global minimum"], "strict saddle": KINDS["strict saddle"]},
)
@drop(
    "simple data",
    HOLDS,
    planted_critical_problems(widths(1, 4))
    | eigenplanted_problems(widths(1, 4))
    | planted_critical_problems(deep, residual="solved"),
    examples=150,
    reaches=KINDS,
    note="the assumptions are superfluous as far as tested",
)
@mutant(
    "every saddle is strict",
    planted_critical_problems(deep, residual="solved"),
    examples=200,
    conclude=lambda p: decide(
        kind(p) is Kind.GLOBAL_MINIMUM or has_negative_curvature(p),
        why="A saddle without negative curvature.",
    ),
)
@mutant(
    "saddles with rank R < d_p are not strict",
    planted_critical_problems(residual="solved"),
    examples=200,
    conclude=lambda p: decide(
        kind(p) is Kind.GLOBAL_MINIMUM or p.R.rank() == p.least_width or not has_negative_curvature(p),
        why="A strict saddle.",
    ),
)
def test_critical_points_are_of_three_kinds(p: DeepLinearProblem) -> Verdict:
    """The kind by ranks agrees with the inertia of the exact Hessian at every critical point."""
    return decide(
        (kind(p) is Kind.STRICT_SADDLE) == has_negative_curvature(p), why="The kind and the Hessian disagree."
    )


def is_a_partial_sum(p, most=None):
    """‖Y‖² − 2L is a sum of at most d_p eigenvalues of Ŷ Ŷᵀ: the spectrum of Z Zᵀ is a part of that of Ŷ Ŷᵀ."""
    Z = p.R * p.X
    kept = [e for e in eigenvalues(Z * Z.transpose()) if e.factor != (0, 1)]
    whole = eigenvalues(fitted_gram(p.X, p.Y))
    inside = all(kept.count(e) <= whole.count(e) for e in kept) and len(kept) <= p.least_width
    right = squared_norm(p.Y) - 2 * p.loss == squared_norm(Z)
    return decide(inside and right, why="The value is not that of a set of singular values.")


@claim(
    "LK17/critical-values",
    paper=LK17,
    where="beyond the paper: all critical values",
    says=r"\nabla L(W) = 0 \Rightarrow L(W) = \tfrac12(\|Y\|^2 - \textstyle\sum_{i \in S} \sigma_i^2),\ |S| \le d_p,\ \sigma_i = \sigma_i(Y P_X)",
    assumes={"critical": r"\nabla L(W) = 0"},
)
@printed(HOLDS, every_other | every_critical, examples=100, reaches=KINDS)
@drop("critical", REFUTED, deep_linear_problems(layers="full"), conclude=is_a_partial_sum)
@mutant(
    "|S| = min(d_p, rank)",
    every_other,
    examples=200,
    conclude=lambda p: at_critical_point(
        p, decide((p.R * p.X).rank() == min(p.least_width, q_of(p)), why="Fewer singular values are kept.")
    ),
)
@mutant(
    "S the largest",
    full_subsets,
    examples=300,
    conclude=lambda p: at_critical_point(
        p,
        decide(
            attains_least_value(p.R, p.X, p.Y, int((p.R * p.X).rank())),
            why="Not the largest singular values are kept.",
        ),
    ),
)
def test_critical_values_are_partial_sums(p: DeepLinearProblem) -> Verdict:
    """At a critical point the network keeps some of the singular values of the data, unchanged, and no more than d_p."""
    return at_critical_point(p, is_a_partial_sum(p))
