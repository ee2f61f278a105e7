"""What the claim files of Kawaguchi, Huang & Kaelbling (2019), Section 3.2, share: assumptions in LaTeX,
mixed strategies, and conclusions about the gradient basis model, L_θ(α) = G(∂f_X(θ) α).
"""

from collections.abc import Callable

from flint import arb, fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.feedforward import AtKink, Computation, Network, apply, computation, frozen, inputs, weight
from strategies.instance import instance
from strategies.losses import Loss, cross_entropy, smoothed_hinge, squared, tilted_double_well
from strategies.matrices import columns, matrices
from strategies.numbers import among, integers
from strategies.stationary import EXACT, FAMILIES, computations, critical_networks, networks
from verify import HOLDS, Verdict, all_of, decide_at_most, decide_equal, inconclusive, vacuous
from verify.oracles.feedforward import loss, total_loss
from verify.oracles.induced import as_outputs, attains_infimum, basis_infimum
from verify.oracles.minima import at_critical_point

ASSUMES = {
    "convex l": r"\ell_{y_i} \text{ convex (Assumption 1)}",
    "differentiable l": r"\ell_{y_i} \text{ differentiable (Assumption 1)}",
    "A2": r"f_{x_i}(\theta) = \sum_k g(\theta)_k\, \partial_k f_{x_i}(\theta)",
    "theta not in Omega": r"f_{x_i} \text{ differentiable at } \theta",
    "critical": r"\nabla L(\theta) = 0",
    "positive weights": r"\lambda_i > 0",
}


@instance
class InducedModel:
    """A network at θ and coefficients α (n × 1) of its gradient basis model."""

    net: Network
    alpha: fmpq_mat

    def outputs(self) -> fmpq_mat:
        """(f_θ(x_i; α))_i, m × d_y."""
        return as_outputs(self.net.J * self.alpha, self.net.Y.ncols())


@st.composite
def with_coefficients(draw: st.DrawFn, nets: st.SearchStrategy[Network]) -> InducedModel:
    """Networks of ``nets`` with small integer coefficients."""
    net = draw(nets)
    return InducedModel(net=net, alpha=draw(matrices(net.computation.parameters, 1, integers(2))))


# --- the points --------------------------------------------------------------------------------------

ROUGH = ("relu", "linear", "quadratic", "cube", "abs")
"""Activations that keep integers integers, as exact slopes of the cross-entropy need."""
BENT = ("quadratic", "cube")

all_families = tuple(FAMILIES)


def unlabelled(
    loss: Loss = squared,
    families: tuple[str, ...] = all_families,
    activations: tuple[str, ...] = EXACT,
    samples: tuple[int, int] = (2, 4),
) -> st.SearchStrategy[Network]:
    """Networks whose labels are to be planted; two outputs for the cross-entropy, which has no slope else."""
    nets = computations(families, activations, least_d_y=2 if loss is cross_entropy else 1)
    return networks(nets, labels="none", loss=loss, samples=samples, degenerate=True)


critical = critical_networks(unlabelled())
critical_hinge = critical_networks(unlabelled(smoothed_hinge))
critical_entropy = critical_networks(unlabelled(cross_entropy, activations=ROUGH))
anywhere = networks(samples=(1, 3))
anywhere_hinge = networks(samples=(1, 3), loss=smoothed_hinge)
anywhere_entropy = networks(computations(activations=ROUGH), samples=(1, 3), loss=cross_entropy)

# --- where an assumption fails -----------------------------------------------------------------------


def _two_fold() -> Computation:
    w = weight(1, 1)
    x = inputs(1)
    return computation(frozen([[1]]) @ ((w @ x) * (w @ x)) + frozen([[1]]))


def tied() -> Computation:
    """w σ(w x) with σ(q) = q + q²."""
    w = weight(1, 1)
    return computation(w @ apply("quadratic", w @ inputs(1)))


without_output_layer = among(
    _two_fold(),
    tied(),
    computation(weight(1, 1) @ inputs(1) + frozen([[1]])),
    computation(apply("quadratic", weight(1, 2) @ inputs(2))),
    computation(weight(1, 1) @ apply("quadratic", weight(1, 1) @ inputs(1)) + frozen([[1]])),
)
"""Models without a linear output layer of their own: θ²x² + 1, tied, frozen bias, an activation at the
end."""


def critical_without_a2(few: bool = False) -> st.SearchStrategy[Network]:
    """Critical points of such models, on one sample or two if ``few``."""
    return critical_networks(networks(without_output_layer, samples=(1, 2 if few else 3), labels="none"))


few_linear = networks(
    among(computation(weight(1, 1) @ inputs(1)), computation(weight(1, 2) @ inputs(2))),
    samples=(1, 2),
    loss=tilted_double_well,
)

# --- what is asked -----------------------------------------------------------------------------------


def critical_only(conclude: Callable[[Network], Verdict]) -> Callable[[Network], Verdict]:
    """``conclude`` where θ is critical and differentiable, vacuous elsewhere."""

    def at_critical_points(net: Network) -> Verdict:
        try:
            return at_critical_point(net, conclude(net))
        except AtKink:
            return vacuous("θ is at a kink")

    return at_critical_points


def least_tried(net: Network, steps: tuple[fmpq, ...]) -> fmpq | arb | None:
    """The least L_θ(g(θ) + t e_k) over ``steps`` t and all k with ∂_k f_X(θ) ≠ 0."""
    best: fmpq | arb | None = None
    for k in range(net.J.ncols()):
        v = columns(net.J, [k])
        for t in steps if any(v.entries()) else ():
            there = total_loss(net, net.H + as_outputs(v * t, net.Y.ncols()))
            if best is None or there < best:
                best = there
    return best


def attains_model(net: Network) -> Verdict:
    """L(θ) = inf_α L_θ(α); by what knows nothing of the proof, too.

    For the squared loss the infimum is exact. For the smoothed hinge it is computed in general, for the
    cross-entropy some models near θ's are evaluated: both beside the certificate Jᵀ p = 0.
    """
    found = attains_infimum(net, net.J)
    if net.loss is squared or found.outcome is not HOLDS:
        return found
    if net.loss is smoothed_hinge:
        return all_of(found, decide_equal(loss(net), basis_infimum(net, net.J), named=("L", "inf L_θ")))
    best = least_tried(net, (fmpq(1, 4), fmpq(-1, 4)))
    return found if best is None else all_of(found, decide_at_most(loss(net), best, named=("L", "L_θ(α)")))


LONG_STEPS = tuple(fmpq(t, 2) for t in (2, -2, 4, -4, 6, -6, 3, -3))


def beats_tried_models(net: Network) -> Verdict:
    """L(θ) <= L_θ at some models: enough to refute, where G is not convex."""
    best = least_tried(net, LONG_STEPS)
    if best is None or not best < loss(net):
        return inconclusive("none of the models tried has a lower loss")
    return decide_at_most(loss(net), best, named=("L(θ)", "L_θ(α)"))


def shifted(net: Network) -> Network:
    """The network at θ + (1, …, 1) / 16."""
    ones = fmpq_mat(net.theta.nrows(), 1, [1] * net.theta.nrows())
    return net.moved(ones, fmpq(1, 16))


def hidden_parameters(f: Computation) -> list[int]:
    """u: the parameters that do not belong to the output layer."""
    own = set(f.readout_parameters)
    return [k for k in range(f.parameters) if k not in own]
