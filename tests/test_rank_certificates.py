"""Do the certificates of full rank prove what they say, at the sizes promised, and nothing that is false?"""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS
from strategies.instance import from_json, to_json
from strategies.matrices import as_floats, matrices, matrix
from strategies.wide import (
    ADMISSIBLE,
    PAPER,
    Analytic,
    Layers,
    Ramps,
    Shape,
    balls,
    distinct_inputs,
    labelled_vectors,
    linear_layers,
    permutations,
    ramps,
    shapes,
    wide_layers,
)
from verify.claim import HOLDS, REFUTED, Rung
from verify.oracles.rank_certificates import (
    activation_boxes,
    arrays_of_layers,
    arrays_of_ramps,
    bordered_sign,
    cauchy_determinant,
    certify,
    certify_in_balls,
    certify_in_floats,
    construct_full_rank,
    determinant_sign,
    find_full_rank_near,
    rank_at_most,
    rank_at_most_anywhere,
    rank_at_most_on_ball,
    with_ones,
)
from verify.rechecks.nh17_analytic import vanishes_in_every_period
from verify.test_nh17_analytic import finitely_many_zeros
from verify.test_nh17_ramps import positive

few = settings(max_examples=60, deadline=None)


def random_layers(n: int, *, d: int = 1, sigma: str = "sigmoid", seed: int = 0, scale: float = 1.0) -> Layers:
    """n samples and n − 1 units, all of them independent normal numbers: the float64 numbers as they are."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: matrix(scale * rng.normal(size=shape))
    return Layers(activation=sigma, X=draw(n, d), stack=(draw(d + 1, n - 1),))


def ramps_in_balls(sigma: str, samples, units):
    """What builds [A, 1], A_ij = σ(u_j − s_i)."""
    ball = ACTIVATIONS[sigma].ball

    def build():
        rows = [[*(ball(arb(u) - arb(s)) for u in units), arb(1)] for s in samples]
        return arb_mat(rows)

    return build


# --- the sizes promised ------------------------------------------------------------------------------


@pytest.mark.parametrize(("sigma", "beta"), [("sigmoid", 0.0), ("tanh", 1.0), ("softplus", 40.0)])
def test_floats_certify_1600_samples(sigma, beta):
    """Ramps at distance 40 with offsets β: 0 and 1, and for softplus the next ramp (β = 40)."""
    t = np.arange(1600) * 40.0
    found = certify_in_floats(*arrays_of_ramps(sigma, t, t[:-1] + beta))
    assert found is not None
    assert found.rung is Rung.FLOAT
    assert found.residual < 1e-5
    assert 1e3 < found.condition < 1e8


def test_balls_certify_400_samples():
    t = range(0, 400 * 40, 40)
    found = certify_in_balls(ramps_in_balls("sigmoid", t, list(t)[:-1]), bits=(64,))
    assert (found.sign, found.bits) == (1, 64)


@pytest.mark.parametrize("sigma", PAPER)
def test_the_closed_form_needs_only_different_projections(sigma):
    rng = np.random.default_rng(1)
    samples = [fmpq(int(k), 2**40) for k in sorted({*rng.integers(0, 2**40, size=20_000).tolist()})]
    units = [e + fmpq(1, 3) for e in samples[:-1]]
    assert bordered_sign(sigma, samples, units) == 1
    assert bordered_sign(sigma, samples, [*units[:-1], units[0]]) is None


@pytest.mark.parametrize("seed", range(3))
def test_sixty_random_units_at_sixty_samples_are_decided_where_singular_values_mislead(seed):
    layers = random_layers(60, seed=seed)
    features = np.hstack([arrays_of_layers(layers)[0], np.ones((60, 1))])
    assert np.linalg.matrix_rank(features) < 40
    found = certify(layers)
    assert found.by == "balls"
    assert found.sign in (-1, 1)
    assert 256 <= found.bits <= 1024


def test_floats_decide_random_units_where_they_can():
    found = certify(random_layers(60, d=12, scale=4.0))
    assert found.by == "floats"
    assert found.residual < 1e-3


def test_closer_ramps_need_more_bits():
    """softplus at α gap = 2: 64 bits are not enough at N = 80, and no more than 2048 are needed."""
    t = [fmpq(2 * i) for i in range(80)]
    found = certify_in_balls(ramps_in_balls("softplus", t, t[:-1]))
    assert found.sign == 1
    assert 64 < found.bits <= 2048


# --- right -------------------------------------------------------------------------------------------


@few
@given(
    ramp=ramps(activations=("sigmoid",), lattice=True, samples=(1, 7)),
    shift=st.sampled_from([fmpq(0), fmpq(1, 2), fmpq(-5, 3)]),
)
def test_the_product_is_the_determinant(ramp, shift):
    s = [ramp.alpha * e + shift for e in ramp.t.entries()]
    u = [e + ramp.beta for e in s[:-1]]
    assert cauchy_determinant(s, u) == with_ones(ramp.exact).det()


def test_whole_arguments_of_samples_that_are_not_whole_have_a_rational_determinant():
    """α t = (1/2, 3/2), β = 1: A = (σ(1), σ(0)) = (2/3, 1/2), hence det [A, 1] = 1/6."""
    t = fmpq_mat(1, 2, [fmpq(1, 2), fmpq(3, 2)])
    ramp = Ramps(activation="sigmoid", t=t, alpha=fmpq(1), beta=fmpq(1))
    assert with_ones(ramp.exact).det() == fmpq(1, 6)
    assert cauchy_determinant(t.entries(), [fmpq(3, 2)]) == fmpq(1, 6)
    assert positive(ramp).outcome is HOLDS
    with pytest.raises(ValueError, match="1/2 is not an integer"):
        cauchy_determinant([0, 1], [fmpq(1, 2)])


@few
@given(data=st.data(), sigma=st.sampled_from(PAPER), n=st.integers(1, 6))
def test_the_sign_is_that_of_the_balls_in_any_order(data, sigma, n):
    numbers = lambda k: [
        fmpq(e, 4) for e in data.draw(st.lists(st.integers(-12, 12), min_size=k, max_size=k, unique=True))
    ]
    s, u = numbers(n), numbers(n - 1)
    found = certify_in_balls(ramps_in_balls(sigma, s, u))
    assert found.sign == bordered_sign(sigma, s, u)


@few
@given(
    x=st.lists(st.floats(-300, 300) | st.floats(-2, 2), min_size=1, max_size=20),
    d=st.sampled_from([0.0, 1e-9, 0.01]),
)
@pytest.mark.parametrize("sigma", ADMISSIBLE)
def test_boxes_of_activations_hold_the_values(sigma, x, d):
    value, radius = activation_boxes(sigma, np.array(x), np.full(len(x), d))
    ball = ACTIVATIONS[sigma].ball
    with ctx.workprec(2000):
        for e, v, r in zip(x, value.tolist(), radius.tolist(), strict=True):
            for move in (-d, 0.0, d):
                assert abs(ball(arb(e) + arb(move)) - arb(v)) <= arb(r)
    if d == 0:
        assert (radius <= 1e-12 * (1 + np.abs(value))).all()


@few
@given(layers=wide_layers(activations=(*ADMISSIBLE, "serpentine", "affine inside"), scale=fmpq(1, 3)))
def test_boxes_of_layers_hold_the_values(layers):
    middle, radius = arrays_of_layers(layers)
    with ctx.workprec(200):
        exact = layers.in_balls()
        for e, m, r in zip(exact.entries(), middle.ravel().tolist(), radius.ravel().tolist(), strict=True):
            assert abs(e - arb(m)) <= arb(r)


@few
@given(a=matrices(4, 4))
def test_floats_certify_exactly_the_regular_integer_matrices(a):
    e = as_floats(a)
    assert (certify_in_floats(e, np.zeros_like(e)) is not None) == (a.rank() == 4)


def test_floats_refuse_what_the_radius_allows_to_be_singular():
    e = np.eye(3)
    wide = np.full((3, 3), 1 / 3 + 1e-6)
    assert certify_in_floats(e, wide) is None  # 1/3 everywhere in I − E has the eigenvalue 1
    assert certify_in_floats(e, wide * 0.99) is not None
    assert certify_in_floats(np.full((2, 2), np.nan), np.zeros((2, 2))) is None
    assert certify_in_floats(e * np.array([1, 1, 0]), 0 * e) is None
    tiny = np.diag([1e-300, 1.0, 1e300])
    assert certify_in_floats(tiny, 0 * tiny) is not None


@few
@given(layers=wide_layers(activations=("sigmoid", "tanh", "two sigmoids", "serpentine", "affine inside")))
def test_every_certificate_agrees_with_the_exact_rank(layers):
    exact = layers.exact
    if exact is None:
        return
    full = with_ones(exact).rank() == layers.samples
    for skip in ((), ("closed form",)):
        assert (certify(layers, skip=skip) is not None) == full
    middle, radius = arrays_of_layers(layers)
    square = middle.shape[1] == layers.samples - 1
    if square:
        one = np.ones((layers.samples, 1))
        found = certify_in_floats(np.hstack([middle, one]), np.hstack([radius, 0 * one]))
        assert full or found is None
        assert determinant_sign(layers) == (0 if not full else determinant_sign(layers))


@few
@given(layers=wide_layers(missing=0) | wide_layers(missing=1) | wide_layers(repeated=True))
def test_bounds_are_not_below_the_rank(layers):
    shape = Shape(activation=layers.activation, X=layers.X, widths=layers.widths[1:])
    bound = rank_at_most(layers)[0]
    assert bound <= rank_at_most_anywhere(shape)[0]
    assert bound <= rank_at_most_on_ball(layers, fmpq(1, 8))[0]
    if layers.exact is not None:
        assert with_ones(layers.exact).rank() == bound
    if certify(layers, bits=(64, 128, 256)) is not None:
        assert bound == layers.samples


@few
@given(layers=wide_layers(activations=("linear", "square", "quadratic", "cube"), d=(1, 2), samples=(2, 7)))
def test_polynomials_never_exceed_their_monomials(layers):
    shape = Shape(activation=layers.activation, X=layers.X, widths=layers.widths[1:])
    assert with_ones(layers.exact).rank() <= rank_at_most_anywhere(shape)[0]


def test_a_cubic_layer_has_rank_four_on_a_line():
    shape = Shape(activation="cube", X=matrix([[k] for k in range(7)]), widths=(6,))
    assert rank_at_most_anywhere(shape)[0] == 4


@few
@given(shape=shapes(samples=(1, 6)))
def test_the_construction_has_the_shape_asked_for(shape):
    made, found = construct_full_rank(shape)
    assert made.widths == (shape.X.ncols(), *shape.widths)
    assert (made.X, made.activation) == (shape.X, shape.activation)
    assert certify(made, skip=("closed form",)) is not None
    if shape.activation in PAPER:
        assert found.by == "closed form"


@few
@given(ball=balls(wide_layers()))
def test_what_is_found_near_is_near(ball):
    there, _ = find_full_rank_near(ball.layers, ball.radius)
    moves = [e for a, b in zip(there.stack, ball.layers.stack, strict=True) for e in (a - b).entries()]
    assert all(abs(e) < ball.radius for e in moves)


def test_a_layer_one_unit_short_is_never_certified():
    layers = random_layers(5)
    short = layers.at((fmpq_mat(2, 3, [e for row in layers.stack[0].table() for e in row[:3]]),))
    assert certify(short) is None


@pytest.mark.parametrize(
    ("p", "q", "finite"),
    [
        ([0, 1], [0, 0], False),  # cos x, not 0 at 0
        ([1, 1], [0, 0], False),  # 1 + cos x, at π alone
        ([2, 1], [0, 0], True),
        ([1], [0], True),
        ([1, 1], [0, 1], False),
        ([2, 1], [0, 1], True),  # √2 < 2
        ([1, 0, 1], [0, 0, 0], False),  # 2 cos² x
        ([2, 0, 0], [0, 0, 3], False),  # 2 at 0, π/2, π and 3π/2
    ],
)
def test_a_zero_in_a_period_is_found_or_excluded(p, q, finite):
    f = Analytic(kind="trigonometric", p=matrix([p]), q=matrix([q]), knot=fmpq(0))
    assert finitely_many_zeros(f).outcome is (HOLDS if finite else REFUTED)
    assert vanishes_in_every_period(to_json(f)) is not finite
    x = np.linspace(0, 2 * np.pi, 100_001)
    k = np.arange(len(p))[:, None]
    values = np.array(p) @ np.cos(k * x) + np.array(q) @ np.sin(k * x)
    assert bool(values.min() > 1e-3 or values.max() < -1e-3) is finite


# --- the strategies keep their promises --------------------------------------------------------------


@few
@given(data=st.data(), d=st.integers(1, 2))
def test_inputs_are_distinct_or_repeated_once(data, d):
    rows = lambda a: {tuple(r) for r in a.table()}
    distinct = data.draw(distinct_inputs(d, (1, 6)))
    repeated = data.draw(distinct_inputs(d, (2, 6), repeated=True))
    assert len(rows(distinct)) == distinct.nrows()
    assert len(rows(repeated)) == repeated.nrows() - 1


@few
@given(ramp=ramps() | ramps(lattice=True))
def test_ramps_stand_in_order(ramp):
    assert ramp.gap > 0
    assert (ramp.in_balls().nrows(), ramp.in_balls().ncols()) == (ramp.samples, ramp.samples - 1)
    if ramp.exact is not None:
        with ctx.workprec(500):
            for a, b in zip(ramp.exact.entries(), ramp.in_balls().entries(), strict=True):
                assert (b - arb(a)).contains(0)


@few
@given(data=st.data())
def test_vectors_have_the_rank_they_are_drawn_for(data):
    for kind, rank in (("independent", 0), ("affine", 0), ("one short", -1)):
        v = data.draw(labelled_vectors(kind=kind))
        of = v.F if kind == "independent" else with_ones(v.F)
        assert of.rank() == v.F.nrows() + rank


@few
@given(
    one=wide_layers()
    | shapes()
    | ramps()
    | permutations()
    | linear_layers()
    | balls(wide_layers())
    | labelled_vectors()
)
def test_instances_go_to_json_and_back(one):
    assert from_json(to_json(one)) == one


def test_the_smallest_deficient_layer_is_small():
    quiet = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    least = find(wide_layers(), lambda at: rank_at_most(at)[0] < at.samples, settings=quiet)
    assert (least.samples, len(least.stack), least.widths[-1]) == (2, 1, 1)
    assert not any(least.stack[0].entries())
