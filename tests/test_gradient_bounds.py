"""Are the gradient bound and the null directions right, against second opinions? And their strategies?"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS
from strategies.deep_wide import (
    Bivariate,
    Level,
    bivariate_polynomials,
    block_matrices,
    fitted_levels,
    levels,
    perturbed_polynomials,
    positive_definite_matrices,
    ridge_levels,
    silent_levels,
    symmetric_matrices,
    weights_of_rank,
)
from strategies.feedforward import Network
from strategies.instance import from_json, to_json
from strategies.losses import huber, squared, tilted_double_well
from strategies.matrices import as_floats, matrices_with_singular_values
from strategies.numbers import among
from strategies.traps import deep, lattice_points, layers_of, run_exactly
from verify.claim import HOLDS, INCONCLUSIVE, REFUTED
from verify.nh17 import count_roots
from verify.oracles.convex_traps import is_critical
from verify.oracles.exact import is_positive_definite
from verify.oracles.feedforward import gradient, hessian, is_lower, loss
from verify.oracles.gradient_bounds import (
    block,
    block_parameters,
    deltas,
    extreme_eigenvalue,
    features,
    find_lower_value,
    free_curvatures,
    free_derivatives,
    gradient_of_layer,
    least_gradient,
    null_direction,
    stays_put,
    values,
    with_ones,
)
from verify.rechecks.nh17_morse import count_exceptional_values
from verify.test_nh17_global_minima import theorem_3_4
from verify.test_nh17_hessians import determinant_formula
from verify.test_nh17_implicit import unit_box
from verify.test_nh17_morse import count_exceptional, exceptional, no_critical_points_of_the_loss

few = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
rational = levels(losses=(squared, huber, tilted_double_well), layers=(0, 2))
in_balls = levels(activations=("sigmoid", "tanh", "softplus"), samples=(1, 3))


def floats(a):
    return np.array([float(arb(e).mid()) for e in a.entries()]).reshape(a.nrows(), a.ncols())


@few
@given(st.data(), among(2, 3), among(fmpq_mat, arb_mat))
def test_extreme_eigenvalues_are_enclosed(data, n, kind):
    """AᵀA with known singular values, repeated and zero ones too."""
    numbers = data.draw(st.lists(among(0, 1, 2, 3, fmpq(1, 3)), min_size=n, max_size=n))
    a = data.draw(matrices_with_singular_values(n, n, numbers))
    gram = kind(a.transpose() * a)
    squares = [fmpq(e) ** 2 for e in numbers]
    for greatest, wanted in ((False, min(squares)), (True, max(squares))):
        with ctx.workprec(128):
            found = extreme_eigenvalue(gram, greatest=greatest)
            assert not arb(found.lower) > arb(wanted)
            assert not arb(found.upper) < arb(wanted)
            assert float(arb(found.upper - found.lower)) <= 1e-2 * (1 + float(arb(max(squares))))
    if kind is fmpq_mat and 0 in numbers:
        assert extreme_eigenvalue(gram).upper == 0


@few
@given(rational)
def test_backpropagation_agrees_with_forward_differentiation(level):
    net = level.net
    g = gradient(net)
    for l in range(1, level.depth + 1):
        made, step = gradient_of_layer(net, l), net.computation.steps[2 * l - 2]
        assert all(made[j, i] == g[k, 0] for i, j, k in step.trained)
    assert free_derivatives(net, level.k + 1) == deltas(net)[level.k]


@few
@given(in_balls)
def test_backpropagation_in_balls_agrees_too(level):
    g = gradient(level.net)
    for l in range(1, level.depth + 1):
        made, step = gradient_of_layer(level.net, l), level.net.computation.steps[2 * l - 2]
        assert all(arb(made[j, i]).overlaps(arb(g[k, 0])) for i, j, k in step.trained)


@few
@given(rational | in_balls)
def test_the_bound_is_the_product_of_floats(level):
    """Against numpy's singular values, and never above the gradient."""
    at, k = values(level.net), level.k
    left, bound = least_gradient(level.net, k)
    product = np.linalg.norm(floats(deltas(level.net)[-1]) / floats(at.slopes[-1]))
    features_k, N = floats(with_ones(at.F[k])), level.samples
    product *= np.linalg.svd(features_k, compute_uv=False)[N - 1] if features_k.shape[1] >= N else 0
    for l in range(k + 1, level.depth + 1):
        product *= np.abs(floats(at.slopes[l - 1])).min()
    for l in range(k + 2, level.depth + 1):
        w = floats(at.W[l - 1])
        product *= np.linalg.svd(w, compute_uv=False)[-1] if w.shape[0] >= w.shape[1] else 0
    size = np.linalg.norm(features_k) ** 2 * max(float(arb(left).mid()), 1)
    assert float(arb(bound.lower).lower()) <= product**2 * (1 + 1e-9) + 1e-12 * size
    assert float(arb(bound.upper).upper()) >= product**2 * (1 - 1e-9) - 1e-12 * size
    assert not arb(bound.lower) > arb(left)


@few
@given(levels(depth=(1, 2), layers=(0, 1), samples=(1, 1), outputs=(1, 1), activations=("cubic",)))
def test_the_bound_is_attained_by_one_sample_and_one_output(level):
    if level.k == level.depth - 1:
        left, bound = least_gradient(level.net, level.k)
        assert left == bound.lower == bound.upper


@few
@given(levels(activations=("cubic", "quadratic"), layers=(1, 1), depth=(2, 3), spare=(0, 2), bound=1))
def test_null_directions_are_null_vectors(level):
    found = null_direction(level.net, level.k)
    if found is None:
        assert features(level.net, level.k).rank() == level.widths[level.k] + 1
        return
    direction, _ = found
    places = block_parameters(level.net, (level.k + 1,))
    part = fmpq_mat(len(places), 1, [direction[p, 0] for p in places])
    assert any(direction.entries())
    if stays_put(level.net, direction, level.k):
        assert not any((block(hessian(level.net), places) * part).entries())
        assert loss(level.net.moved(direction, 3)) == loss(level.net)
    else:
        assert not any((hessian(level.net) * direction).entries())


@few
@given(fitted_levels(activations=("cubic",), samples=(2, 3)))
def test_null_directions_of_the_second_kind_are_null_vectors_of_the_full_hessian(level):
    direction, _ = null_direction(level.net, level.k)
    assert not any((hessian(level.net) * direction).entries())


def test_both_kinds_of_null_directions_occur():
    strategy = fitted_levels(activations=("cubic",), samples=(2, 3))
    quick = settings(max_examples=300, phases=[Phase.generate], deadline=None)
    for put in (True, False):
        find(strategy, lambda l: stays_put(l.net, null_direction(l.net, l.k)[0], l.k) is put, settings=quick)


@few
@given(levels(activations=("cubic",), depth=(2, 3), layers=(0, 1), samples=(1, 2)))
def test_free_curvatures_are_symmetric_and_differences_of_free_derivatives(level):
    """∂²Φ/∂G² is the derivative of ∂Φ/∂G when b_{k+1} moves: by central differences."""
    net, l = level.net, level.k + 1
    e = fmpq_mat(net.theta.nrows(), 1)
    step = net.computation.steps[2 * l - 2]
    e[next(k for i, j, k in step.trained if i == 0 and j == step.places.ncols() - 1), 0] = 1
    h = fmpq(1, 2**40)
    rise = (free_derivatives(net.moved(e, h), l) - free_derivatives(net.moved(e, -h), l)) / (2 * h)
    for i, a in enumerate(free_curvatures(net, l)):
        assert a == a.transpose()
        for j in range(a.nrows()):
            scale = 1 + max(abs(float(x)) for x in as_floats(a).ravel())
            assert abs(float(arb(rise[i, j] - a[0, j]))) <= 1e-9 * scale**3


# --- promises of the strategies ------------------------------------------------------------------------


@few
@given(levels() | levels(activations=("sigmoid",), all_blocks=True))
def test_levels_are_wide_and_narrow_above(level):
    k, widths = level.k, level.widths
    assert widths[k] >= max(level.samples - 1, 1)
    assert all(p >= q for p, q in zip(widths[k + 1 :], widths[k + 2 :], strict=False))
    assert len({tuple(x) for x in level.net.X.table()}) == level.samples
    assert level.blocks[0] == k + 1


@few
@given(fitted_levels() | fitted_levels(activations=("cubic",), square=False))
def test_fitted_levels_are_fitted(level):
    at = run_exactly(level.net)
    assert at.F[-1] == level.net.Y
    assert is_critical(level.net)
    assert all(layer.W.rank() == layer.W.ncols() for layer in layers_of(level.net)[2:])


@few
@given(ridge_levels(spare=(0, 2)) | ridge_levels(flat=True) | ridge_levels(last=True, depth=(3, 3)))
def test_ridge_levels_are_critical_and_not_minimal(level):
    assert is_critical(level.net)
    assert loss(level.net) > 0
    assert level.widths[1] >= level.samples - 1
    assert find_lower_value(level.net) is not None


@few
@given(silent_levels() | silent_levels(equations="gradient", features="zero", depth=(2, 2), samples=(2, 3)))
def test_silent_levels_have_a_layer_of_gradient_zero(level):
    gradients = gradient_of_layer(level.net, level.k + 1)
    assert all(e.contains(0) for e in gradients.entries())
    assert level.widths[level.k] >= level.samples - 1


@few
@given(bivariate_polynomials(), bivariate_polynomials(singular=True))
def test_bivariate_polynomials_vanish_with_a_slope_or_without(f, g):
    for psi, singular in ((f, False), (g, True)):
        c, u, v = psi.c, psi.u0, psi.v0
        terms = [(i, j) for i in range(c.nrows()) for j in range(c.ncols())]
        assert sum((c[i, j] * u**i * v**j for i, j in terms), fmpq(0)) == 0
        slope = sum((j * c[i, j] * u**i * v ** (j - 1) for i, j in terms if j), fmpq(0))
        assert (slope == 0) is singular


@few
@given(
    positive_definite_matrices(),
    block_matrices(),
    weights_of_rank(full=True),
    weights_of_rank(narrowing=True),
)
def test_matrices_keep_their_promises(a, b, full, narrowing):
    assert is_positive_definite(a.A)
    assert b.B.det() == 1
    assert all(w.rank() == w.ncols() for w in full.stack)
    assert all(w.nrows() >= w.ncols() for w in narrowing.stack)


@pytest.mark.parametrize(
    "strategy",
    [
        levels(),
        fitted_levels(),
        silent_levels(),
        ridge_levels(),
        bivariate_polynomials(),
        block_matrices(),
        perturbed_polynomials(),
        symmetric_matrices(),
        weights_of_rank(),
    ],
)
def test_instances_go_to_json_and_back(strategy):
    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def there_and_back(value):
        assert from_json(to_json(value)) == value

    there_and_back()


# --- what is found, and polynomials --------------------------------------------------------------------


def test_theorem_3_4_fails_at_one_sample_one_input_one_output():
    points = lattice_points(activations=("tanh cubed",), samples=(1, 2), depth=(1, 2), origin=True)
    net = find(
        points,
        lambda n: theorem_3_4(n).outcome is REFUTED,
        settings=settings(deadline=None, max_examples=500),
    )
    assert (net.X.nrows(), net.X.ncols(), net.Y.ncols(), len(layers_of(net))) == (1, 1, 1, 1)


def test_lower_values_are_lower():
    """A point that is critical and not minimal, whose lower neighbour is found by curvature."""
    level = find(ridge_levels(depth=(2, 2)), lambda l: True, settings=settings(deadline=None))
    assert "min Φ = 0" in find_lower_value(level.net)
    assert not is_lower(level.net, level.net.theta)


@few
@given(perturbed_polynomials(degree=(2, 5)))
def test_exceptional_sets_are_the_values_at_the_roots_of_the_curvature(f):
    """R vanishes at −f′(t) for every rational root t of f″, and nowhere else if all roots are rational."""
    from flint import fmpq_poly

    p = fmpq_poly(f.f.entries())
    second = p.derivative().derivative()
    if second == 0:
        return
    R = exceptional(p)
    assert R.degree() == second.degree()
    for factor, _ in second.factor()[1]:
        if factor.degree() == 1:
            assert R(-p.derivative()(-factor[0] / factor[1])) == 0


@pytest.mark.parametrize(
    ("f", "count"),
    [
        ([0, 0, 0, 1], 1),  # x³: w = 0
        ([0, 0, 0, 0, 1], 1),  # x⁴: f″ has a double root
        ([0, 0, 1, 0, 1], 0),  # x⁴ + x²: f″ has none on the line
        ([0, 0, -1, 0, 1], 2),
        ([0, 1, 0, fmpq(-2, 3), 0, fmpq(1, 5)], 2),  # f′ = (x² − 1)²: the same at −1 and 1
        ([0, 1, 0, -1, 0, 1], 2),  # f″ is odd
        ([0, 0, 0, -1, 1, 1], 3),
        ([0, 0, 0, 0, 0, 1], 1),  # x⁵: f″ has a triple root
    ],
)
def test_exceptional_values_are_real_and_counted_once(f, count):
    from flint import fmpq_poly

    assert count_exceptional(fmpq_poly(f)) == count_exceptional_values([Fraction(str(e)) for e in f]) == count


def test_a_unit_box_holds_one_root_a_line_or_not():
    """4v = u stays in the box, v = 2u leaves it, v = u just does not, which is left open."""
    at = lambda slope, by: Bivariate(c=fmpq_mat([[0, slope], [by, 0]]), u0=fmpq(0), v0=fmpq(0))
    outcomes = [unit_box(at(slope, by)).outcome for slope, by in ((4, -1), (1, -2), (1, -1))]
    assert outcomes == [HOLDS, REFUTED, INCONCLUSIVE]


@few
@given(levels(activations=("cubic",), depth=(2, 3), layers=(1, 1), spare=(1, 2), samples=(1, 3)))
def test_the_loss_has_a_critical_point_without_weights(level):
    """Where all labels are 0 it is θ = 0, and the slopes change sign around it."""
    net = replace(level.net, theta=level.net.theta * 0, Y=level.net.Y * 0)
    assert not any(gradient(net).entries())
    assert no_critical_points_of_the_loss(replace(level, net=net)).outcome is REFUTED
    assert no_critical_points_of_the_loss(level).outcome is REFUTED


def test_a_sum_over_the_samples_starts_at_zero():
    """det [F_1, 1] = −2 and the curvatures are 2 and 2: (−2)² · 2 · 2 = (−2)² (2 + 2) = 16."""
    f = deep((1, 1, 1), "cubic")
    net = Network(
        computation=f, theta=fmpq_mat(4, 1, [1, 0, 0, 0]), X=fmpq_mat(2, 1, [0, 1]), Y=fmpq_mat(2, 1),
        loss=squared, weights=fmpq_mat(1, 2, [1, 1]),
    )  # fmt: skip
    level = Level(net=net, k=1, blocks=(2,))
    assert determinant_formula(level).outcome is HOLDS
    assert determinant_formula(level, combine=sum).outcome is HOLDS


def test_sturm_counts_roots():
    from flint import fmpq_poly

    p = fmpq_poly([-1, 1]) * fmpq_poly([-2, 1]) * fmpq_poly([1, 0, 1]) * fmpq_poly([0, 1]) * fmpq_poly([0, 1])
    assert [count_roots(p, fmpq(a), fmpq(b)) for a, b in ((-9, 9), (0, 9), (1, 2), (-9, 0))] == [3, 2, 1, 1]


def test_the_activations_used_have_positive_slopes():
    for name in ("cubic", "softsign", "sigmoid", "tanh", "softplus"):
        assert all(ACTIVATIONS[name].slope(arb(t, 0.25)) > 0 for t in range(-4, 5))


def test_other_architectures_are_refused():
    from strategies.feedforward import computation, inputs, network, weight

    plain = network(computation(weight(1, 1) @ inputs(1)), [1], [[1]], [[0]])
    with pytest.raises(ValueError, match="not made by"):
        values(plain)
    assert Level(net=plain, k=0, blocks=(1,)).samples == 1
