"""What the claim files of Lu & Kawaguchi (2017) share: LaTeX, mixed strategies, the value of (2)."""

from flint import fmpq

from strategies.deep_linear import (
    deep_linear_problems,
    eigenplanted_problems,
    planted_critical_problems,
    widths,
)
from strategies.matrices import zeros
from verify import (
    decide,
    decide_equal,
    decide_less,
    vacuous,
)
from verify.oracles.deep_linear import (
    with_weights,
)
from verify.oracles.rank_constrained import (
    eigenvalues,
    fitted_gram,
    is_above,
    least_value,
    squared_norm,
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
    """(c W₁, 0, …) and (0, c W₂, …, c W_H), both with product 0, and the middle, where it is not 0."""
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


def kept_exceeds_the_rest(p):
    """The d_p-th eigenvalue of Ŷ Ŷᵀ is above the next one (d_p < d_H): false also where both are 0."""
    values, k = eigenvalues(fitted_gram(p.X, p.Y)), p.least_width
    return decide(is_above(values[k - 1], values[k]), why="The next singular value is the same.")


def minimiser_is_unique(p):
    """(2) has one minimiser, for X of full row rank and d_p < d_H.

    It has more iff the d_p-th eigenvalue of Ŷ Ŷᵀ is positive and equals the next one. If rank Ŷ < d_p both
    are 0, and every minimiser has R X = Ŷ.
    """
    gram, k = fitted_gram(p.X, p.Y), p.least_width
    values = eigenvalues(gram)
    return decide(
        gram.rank() < k or is_above(values[k - 1], values[k]),
        why="The next singular value is the same, and positive: either direction may be kept.",
    )


def is_least(p):
    """2 L(W) = min (2), that is L(W) = min (1)."""
    return decide_equal(p.loss * 2, least(p), named=("2 L", "2 min (1)"))


every_other = critical(residual="solved", targets="any", inputs="any")
