"""What the claim files of Nguyen & Hein (2017) share: LaTeX, global minima, determinants, roots."""

from itertools import pairwise

from flint import arb, ctx, fmpq, fmpq_poly

from strategies.deep_wide import Level
from strategies.feedforward import Network
from strategies.traps import flat_points, layers_of, run_exactly
from verify import Verdict, decide, inconclusive
from verify.oracles.convex_traps import exact_loss
from verify.oracles.feedforward import hessian
from verify.oracles.gradient_bounds import block, block_parameters, find_lower_value

DISTINCT = r"x_i \ne x_j \text{ for } i \ne j"
ANALYTIC = r"\sigma \text{ analytic on } \mathbb{R}"
INCREASING = r"\sigma \text{ strictly increasing}"
GROWTH = (
    r"\sigma \text{ bounded, or } "
    r"|\sigma(t)| \le \rho_1 e^{\rho_2 t}\ (t < 0),\ |\sigma(t)| \le \rho_3 t + \rho_4\ (t \ge 0)"
)
WIDE = r"n_k \ge N - 1"
LOSS = r"l \in C^2,\ l'(a) = 0 \Rightarrow a \text{ is a global minimum of } l"
ASSUMPTIONS = {
    "distinct": DISTINCT,
    "analytic": ANALYTIC,
    "increasing": INCREASING,
    "growth": GROWTH,
    "loss": LOSS,
}

flat_levels = flat_points().map(lambda net: Level(net=net, k=1, blocks=(2,)))
"""Local minima that are not global, with k = 1 and I = {2}."""


def of(sigma: str):
    """Whether an instance has this activation."""
    return lambda shape: shape.activation == sigma


def deficient(net: Network, first: int, *, rank=lambda below, above: above) -> int | None:
    """The first l >= ``first`` with rank(W_l) other than n_l (or than ``rank`` says), or None."""
    stack = layers_of(net)
    for l in range(first, len(stack) + 1):
        w = stack[l - 1].W
        if w.rank() != rank(w.nrows(), w.ncols()):
            return l
    return None


def minimal_unless_deficient(net: Network, low: int | None) -> Verdict:
    """Φ is least, or W_l is of low rank, for ``low`` = l."""
    if low is not None:
        return decide(True, why=f"rank(W_{low}) < n_{low}")
    if not any(residual_entries(net)):
        return decide(True, why="Φ(θ) = 0", margin=fmpq(0))
    reason = find_lower_value(net)
    value = exact_loss(net)
    if reason is None:
        return inconclusive("Φ(θ) > 0, and no lower value was found", Phi=value)
    return decide(
        False,
        why=f"The premises hold, and θ is no global minimum: {reason}.",
        values={"Phi": value},
        margin=value if value is not None and value > 0 else None,
    )


def residual_entries(net: Network) -> list[fmpq]:
    """The entries of F_L − Y."""
    at = run_exactly(net)
    return (at.F[-1] - net.Y).entries()


def block_determinant(level: Level, layers: tuple[int, ...] | None = None):
    """det of the Hessian's block of ``layers`` (I unless told): rational, or a ball."""
    net = level.net
    places = block_parameters(net, level.blocks if layers is None else layers)
    with ctx.workprec(128):
        return block(hessian(net), places).det()


def is_zero(value) -> bool | None:
    """Whether a determinant is 0: None where a ball leaves it open."""
    return True if value == 0 else False if value != 0 else None


def value_at(coefficients: list, v: fmpq | arb) -> fmpq | arb:
    """By Horner's rule."""
    total = v * 0
    for e in reversed(coefficients):
        total = total * v + e
    return total


def count_roots(p: fmpq_poly, low: fmpq, high: fmpq) -> int:
    """The number of different real roots in (low, high]: Sturm's chain of the square-free part."""
    p = p // p.gcd(p.derivative())
    chain = [p, p.derivative()]
    while chain[-1] != 0:
        chain.append(-(chain[-2] % chain[-1]))
    chain.pop()

    def changes(x: fmpq) -> int:
        signs = [s > 0 for s in (q(x) for q in chain) if s != 0]
        return sum(a != b for a, b in pairwise(signs))

    return changes(low) - changes(high)
