"""Are both bounds of a convex infimum true, close, and honest about what is attained?"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from flint import arb, ctx, fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.datasets import Atoms, UniformPolynomials
from strategies.losses import (
    CONVEX_DIFFERENTIABLE,
    LOSSES,
    ROBUST,
    absolute,
    cross_entropy,
    hinge,
    huber,
    label_weighted_squared,
    logistic,
    multiclass_hinge,
    smoothed_hinge,
    squared,
    tilted_double_well,
)
from strategies.matrices import as_floats, hstack, matrices, matrix, null_space, rows, vstack
from verify.oracles.infimum import enclose_infimum
from verify.oracles.linear_programs import Feasible, find_feasible

CONVEX = [loss for loss in LOSSES.values() if loss.convex]
CLASSES = ("cross-entropy", "multi-class hinge")
EXACT = [squared, label_weighted_squared, huber, smoothed_hinge, absolute, hinge, multiclass_hinge]


def random_instance(rng, loss, *, hard):
    """Small integer features; labels that are hard (often separable) or soft; weights in the ratios 1 … 3."""
    m, p = int(rng.integers(2, 13)), int(rng.integers(1, 6))
    d = int(rng.integers(2, 4)) if loss.name in CLASSES else int(rng.integers(1, 3))
    features = fmpq_mat(m, p, rng.integers(-3, 4, m * p).tolist())
    if loss.name in CLASSES:
        hard = hard or loss is multiclass_hinge
        counts = (
            np.eye(d, dtype=int)[rng.integers(0, d, m)]
            if hard
            else rng.integers(0, 4, (m, d)) + np.eye(m, d, dtype=int)
        )
        counts[counts.sum(axis=1) == 0, 0] = 1
        labels = fmpq_mat(m, d, [fmpq(int(c), int(row.sum())) for row in counts for c in row])
    elif loss in (logistic, hinge, smoothed_hinge):
        labels = fmpq_mat(
            m, d, [fmpq(int(k), 1 if hard else 4) for k in rng.integers(0, 2 if hard else 5, m * d)]
        )
    else:
        labels = fmpq_mat(m, d, [fmpq(int(k), 2) for k in rng.integers(-6, 7, m * d)])
    parts = rng.integers(1, 4, m).tolist()
    return features, labels, Atoms(weights=fmpq_mat(1, m, [fmpq(k, sum(parts)) for k in parts]))


def mean_loss(features, r, labels, loss, measure):
    """E ℓ(R φ, y), written out here once more."""
    h = (features * r.transpose()).table()
    pairs = zip(measure.weights.entries(), h, labels.table(), strict=True)
    return sum((w * loss.value(a, y) for w, a, y in pairs), fmpq(0))


def certainly_above(a, b) -> bool:
    return a > b if isinstance(a, fmpq) and isinstance(b, fmpq) else bool(arb(a) > arb(b))


def check_certificates(answer, features, labels, loss, measure):
    """All that the answer promises, from the definitions."""
    with ctx.workprec(128):
        assert not any(measure.product(features, answer.dual).entries())
        bound = -sum(
            (
                w * loss.conjugate(d, y)
                for w, d, y in zip(
                    measure.weights.entries(), answer.dual.table(), labels.table(), strict=True
                )
            ),
            fmpq(0),
        )
        assert arb(bound).overlaps(arb(answer.lower))
        assert not certainly_above(answer.lower, answer.upper)
        if answer.minimiser is not None:
            assert not certainly_above(
                mean_loss(features, answer.minimiser, labels, loss, measure), answer.upper
            )
        else:
            assert answer.exact
            assert answer.attained is False
        if answer.exact:
            assert answer.lower == answer.upper
            assert isinstance(answer.lower, fmpq)
        assert (answer.direction is not None) == (answer.attained is False)


@pytest.mark.parametrize("loss", CONVEX, ids=lambda loss: loss.name)
def test_bounds_are_close_and_certified_on_random_instances(loss):
    """300 instances a loss, half with hard labels: relative gap <= 1e-8 on at least 99.5 % of them."""
    rng = np.random.default_rng(11)
    gaps, exact = [], 0
    for k in range(300):
        features, labels, measure = random_instance(rng, loss, hard=k % 2 == 0)
        answer = enclose_infimum(features, labels, loss, measure)
        gaps.append(answer.gap)
        exact += answer.exact
        if k < 60:
            check_certificates(answer, features, labels, loss, measure)
    assert np.mean(np.array(gaps) <= 1e-8) >= 0.995
    assert exact >= 297 or loss in (logistic, cross_entropy, *ROBUST)


@pytest.mark.parametrize("loss", CONVEX_DIFFERENTIABLE, ids=lambda loss: loss.name)
def test_the_infimum_is_where_scipy_finds_it(loss):
    """A float minimiser that shares no code with the oracle ends neither below nor above the bounds.

    The lower side has a margin for rounding, 1e-9; the upper one for where BFGS stops, gradient 1e-8, which
    at these sizes is within 1e-6 of the infimum also where it is only approached.
    """
    from scipy.optimize import minimize

    rng = np.random.default_rng(5)
    for k in range(12):
        features, labels, measure = random_instance(rng, loss, hard=k % 2 == 0)
        answer = enclose_infimum(features, labels, loss, measure)
        phi, y, w = as_floats(features), as_floats(labels), as_floats(measure.weights)[0]
        shape = (y.shape[1], phi.shape[1])

        def objective(flat):
            h = phi @ flat.reshape(shape).T
            return w @ loss.values_array(h, y), ((w[:, None] * loss.gradients_array(h, y)).T @ phi).ravel()

        found = minimize(
            objective,
            np.zeros(shape).ravel(),
            jac=True,
            method="BFGS",
            options={"gtol": 1e-8, "maxiter": 3000},
        )
        assert found.fun >= float(arb(answer.lower).lower()) - 1e-9
        assert found.fun <= float(arb(answer.upper).upper()) + 1e-6


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(CONVEX))
def test_no_linear_model_goes_below_the_lower_bound(data, loss):
    seed = data.draw(st.integers(0, 10**6))
    features, labels, measure = random_instance(np.random.default_rng(seed), loss, hard=seed % 2 == 0)
    answer = enclose_infimum(features, labels, loss, measure)
    base = answer.minimiser or fmpq_mat(labels.ncols(), features.ncols())
    change = data.draw(matrices(labels.ncols(), features.ncols()))
    scale = data.draw(st.sampled_from([fmpq(1), fmpq(1, 1000), fmpq(1, 10**9)]))
    with ctx.workprec(256):
        value = mean_loss(features, base + change * scale, labels, loss, measure)
        assert not certainly_above(answer.lower, value)


def answer_of(features, labels, loss, measure):
    return enclose_infimum(features, labels, loss, measure).minimiser[0, 0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4), st.integers(1, 3)), min_size=1, max_size=7))
def test_polyhedral_losses_of_one_feature_by_brute_force(samples):
    phi, quarter, parts = (list(column) for column in zip(*samples, strict=True))
    y, w = [fmpq(q, 4) for q in quarter], [fmpq(k, sum(parts)) for k in parts]
    measure = Atoms(weights=fmpq_mat(1, len(w), w))
    features, labels = fmpq_mat(len(phi), 1, phi), fmpq_mat(len(y), 1, y)

    def plus(t):
        return max(t, fmpq(0))

    for loss, function, kinks in (
        (absolute, lambda h, b: abs(h - b), lambda b: [b]),
        (hinge, lambda h, b: b * plus(1 - h) + (1 - b) * plus(1 + h), lambda b: [fmpq(1), fmpq(-1)]),
    ):
        # a convex piecewise linear function bounded below is least at a kink, or anywhere if it has none
        candidates = [fmpq(0), *(k / a for a, b in zip(phi, y, strict=True) if a for k in kinks(b))]
        values = [
            sum((c * function(a * r, b) for a, b, c in zip(phi, y, w, strict=True)), fmpq(0))
            for r in [answer_of(features, labels, loss, measure), *candidates]
        ]
        answer = enclose_infimum(features, labels, loss, measure)
        assert answer.exact
        assert answer.upper == min(values[1:]) == values[0]


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([huber, smoothed_hinge]))
def test_piecewise_quadratic_losses_of_one_feature_by_brute_force(data, loss):
    """On each interval between kinks the loss is a parabola: its vertex or an end is the minimum, exactly."""
    m = data.draw(st.integers(1, 6))
    phi = [fmpq(k) for k in data.draw(st.lists(st.integers(-3, 3), min_size=m, max_size=m))]
    y = [fmpq(k, 4) for k in data.draw(st.lists(st.integers(0, 4), min_size=m, max_size=m))]
    features, labels, measure = fmpq_mat(m, 1, phi), fmpq_mat(m, 1, y), Atoms.uniform(m)
    kinks = sorted(
        {
            k / a
            for a, b in zip(phi, y, strict=True)
            if a
            for k in ((b - 1, b + 1) if loss is huber else (fmpq(-1), fmpq(0), fmpq(1)))
        }
    ) or [fmpq(0)]

    def f(r):
        return mean_loss(features, fmpq_mat(1, 1, [r]), labels, loss, measure)

    candidates = list(kinks)
    for a, b in pairwise(kinks):
        middle = (a + b) / 2
        bend = f(a) - 2 * f(middle) + f(b)
        if bend:
            candidates.append(middle - (b - a) * (f(b) - f(a)) / (4 * bend))
    least = min(f(c) for c in candidates if kinks[0] <= c <= kinks[-1])
    answer = enclose_infimum(features, labels, loss, measure)
    assert answer.exact
    assert answer.upper == least


def test_squared_loss_on_polynomials():
    """The line nearest to t² on [0, 1] is t − 1/6, at squared distance 1/180, doubled features or not."""
    square = matrix([[0], [0], [1]])
    features = matrix([[1, 0, 2], [0, 1, 0], [0, 0, 0]])
    answer = enclose_infimum(features, square, squared, UniformPolynomials(degree=3))
    assert (answer.lower, answer.upper, answer.exact, answer.attained) == (
        fmpq(1, 180),
        fmpq(1, 180),
        True,
        True,
    )
    assert (answer.minimiser * features.transpose()).table() == [[fmpq(-1, 6), fmpq(1), fmpq(0)]]
    with pytest.raises(ValueError, match="products only"):
        enclose_infimum(features, square, logistic, UniformPolynomials(degree=3))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(CONVEX), st.data())
def test_a_weight_is_a_repeated_sample_and_bases_do_not_matter(seed, loss, data):
    features, labels, measure = random_instance(np.random.default_rng(seed), loss, hard=seed % 2 == 0)
    answer = enclose_infimum(features, labels, loss, measure)
    least = min(measure.weights.entries())
    times = [int((w / least * 6).p) for w in measure.weights.entries()]  # ratios of 1, 2, 3
    which = [
        i
        for i, t in enumerate(times)
        for _ in range(t // min(times) if all(t % min(times) == 0 for t in times) else t)
    ]
    p = features.ncols()
    lower = fmpq_mat(
        p, p, [int(i == j) if i <= j else data.draw(st.integers(-2, 2)) for i in range(p) for j in range(p)]
    )
    other = enclose_infimum(
        hstack(rows(features, which) * lower, fmpq_mat(len(which), 1)),
        rows(labels, which),
        loss,
        Atoms.uniform(len(which)),
    )
    assert (answer.exact, answer.attained) == (other.exact, other.attained)
    if answer.exact:
        assert answer.upper == other.upper
    else:
        assert not certainly_above(answer.lower, other.upper)
        assert not certainly_above(other.lower, answer.upper)


def test_slopes_too_small_for_floats_are_not_lost():
    """Attained at a score of 53: D there is 1e-16, its sign decides, and 1 − (1 − 1e-16) has lost it."""
    table = [[-1, 0, -1, -3, 3], [3, 1, -2, 3, -1], [0, 3, -3, -2, 2], [3, 3, -2, 2, -3], [1, 0, 3, 2, -3]]
    table += [
        [-1, -3, 2, -3, -1],
        [1, 2, 3, -3, -2],
        [-2, -2, -3, 2, 2],
        [0, 0, 2, 1, -2],
        [-2, 0, 2, 3, 3],
    ]
    features = matrix([*table, [0, -3, 1, -1, -2]])
    labels = matrix([[k] for k in (1, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1)])
    measure = Atoms(weights=matrix([[fmpq(k, 20) for k in (1, 2, 1, 1, 3, 1, 1, 3, 3, 1, 3)]]))
    answer = enclose_infimum(features, labels, logistic, measure)
    assert max(abs(e) for e in (features * answer.minimiser.transpose()).entries()) > 50
    assert answer.attained is True
    assert answer.gap <= 1e-15


def test_weights_move_the_infimum():
    """Labels 0 and 1 with weights 3/4 and 1/4, one constant feature: variance 3/16, entropy h(1/4)."""
    features, labels = matrix([[1], [1]]), matrix([[0], [1]])
    measure = Atoms(weights=matrix([["3/4", "1/4"]]))
    assert enclose_infimum(features, labels, squared, measure).upper == fmpq(3, 16)
    answer = enclose_infimum(features, labels, logistic, measure)
    with ctx.workprec(200):
        entropy = 2 - arb(3) * arb(3).log() / arb(2).log() / 4
        assert not certainly_above(answer.lower, entropy)
        assert not certainly_above(entropy, answer.upper)
        assert answer.gap <= 1e-15


# --- not attained ------------------------------------------------------------------------------------------


def test_separable_labels_have_infimum_zero_and_no_minimiser():
    features = matrix([[1, 2], [1, -1], [1, 0]])
    binary = enclose_infimum(features, matrix([[1], [0], [0]]), logistic, Atoms.uniform(3))
    classes = enclose_infimum(features, matrix([[1, 0], [0, 1], [0, 1]]), cross_entropy, Atoms.uniform(3))
    for loss, answer, labels in (
        (logistic, binary, matrix([[1], [0], [0]])),
        (cross_entropy, classes, matrix([[1, 0], [0, 1], [0, 1]])),
    ):
        assert (answer.lower, answer.upper, answer.exact, answer.attained) == (0, 0, True, False)
        assert answer.minimiser is None
        values = [
            mean_loss(features, answer.direction * fmpq(t), labels, loss, Atoms.uniform(3))
            for t in (1, 8, 40)
        ]
        assert values[0] > values[1] > values[2]
        assert values[2] < arb("1e-10")


def test_partially_separable_labels():
    """e₁ with label 1, e₂ with labels 0 and 1: the first is pushed away, the others cost a bit each."""
    features, labels = matrix([[1, 0], [0, 1], [0, 1]]), matrix([[1], [0], [1]])
    answer = enclose_infimum(features, labels, logistic, Atoms.uniform(3))
    assert answer.attained is False
    with ctx.workprec(256):
        assert answer.lower < fmpq(2, 3) + arb("1e-30")
        assert answer.upper > fmpq(2, 3) - arb("1e-30")
    assert answer.gap <= 1e-30
    check_certificates(answer, features, labels, logistic, Atoms.uniform(3))
    assert answer.direction[0, 0] > 0 == answer.direction[0, 1]


def test_a_class_that_never_occurs_is_pushed_away():
    """One constant feature, three classes, two of which occur once each: infimum one bit, not attained."""
    features, labels = matrix([[1], [1]]), matrix([[1, 0, 0], [0, 1, 0]])
    answer = enclose_infimum(features, labels, cross_entropy, Atoms.uniform(2))
    assert answer.attained is False
    assert answer.gap <= 1e-30
    with ctx.workprec(256):
        assert abs(answer.upper - 1) < arb("1e-30")
    check_certificates(answer, features, labels, cross_entropy, Atoms.uniform(2))


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_attainment_agrees_with_stiemkes_alternative(data):
    """Attained iff some D vanishes at no hard label: Σ y_i s_i φ_i = 0, y >= 1 there, free at soft."""
    m, p = data.draw(st.integers(1, 7)), data.draw(st.integers(0, 3))
    features = data.draw(matrices(m, p))
    labels = [data.draw(st.sampled_from([fmpq(0), fmpq(1), fmpq(1, 2)])) for _ in range(m)]
    signed = (
        fmpq_mat(m, p, [e if y else -e for row, y in zip(features.table(), labels, strict=True) for e in row])
        if p
        else features
    )
    lower = [None if y == fmpq(1, 2) else fmpq(1) for y in labels]
    alternative = find_feasible(signed.transpose(), fmpq_mat(p, 1), lower, [None] * m)
    for loss, y in (
        (logistic, fmpq_mat(m, 1, labels)),
        (cross_entropy, fmpq_mat(m, 2, [e for q in labels for e in (q, 1 - q)])),
    ):
        answer = enclose_infimum(features, y, loss, Atoms.uniform(m))
        assert answer.attained is isinstance(alternative, Feasible)
        assert answer.gap <= 1e-8
        check_certificates(answer, features, y, loss, Atoms.uniform(m))


def test_short_cuts_and_the_linear_program_decide_alike(monkeypatch):
    """Few and many samples, attained, separable and partly separable: with the cut off the answers agree."""
    import verify.oracles.infimum as module

    rng = np.random.default_rng(3)
    for m, kind in product((6, 12, 40), ("random", "separable", "partly")):
        features = fmpq_mat(m, 3, rng.integers(-3, 4, 3 * m).tolist())
        scores = (features * matrix([[1], [-2], [1]])).entries()
        y = [int(s > 0) if kind != "random" else int(rng.integers(0, 2)) for s in scores]
        if kind == "partly":
            features = hstack(features, fmpq_mat(m, 1, [int(i < 4) for i in range(m)]))
            features, y = vstack(features, fmpq_mat(2, 4, [0, 0, 0, 1] * 2)), [*y, 0, 1]
        for loss, labels in (
            (logistic, fmpq_mat(len(y), 1, y)),
            (cross_entropy, fmpq_mat(len(y), 2, [e for k in y for e in (k, 1 - k)])),
        ):
            quick = enclose_infimum(features, labels, loss, Atoms.uniform(len(y)))
            with monkeypatch.context() as patch:
                patch.setattr(module, "_decide_quickly", lambda *arguments: None)
                slow = enclose_infimum(features, labels, loss, Atoms.uniform(len(y)))
            assert quick.attained is slow.attained
            assert max(quick.gap, slow.gap) <= 1e-8
            assert not certainly_above(quick.lower, slow.upper)
            assert not certainly_above(slow.lower, quick.upper)
            check_certificates(quick, features, labels, loss, Atoms.uniform(len(y)))
            if quick.attained is False:
                assert any((features * quick.direction.transpose()).entries())


# --- start, bad input --------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([huber, smoothed_hinge, logistic, cross_entropy]))
def test_a_planted_minimiser_is_recognised_exactly(data, loss):
    """Labels with gradient D ⊥ features at integer scores: the start is the minimiser, and D the dual."""
    m, p = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 3))
    d_y = 2 if loss is cross_entropy else 1
    features, start = data.draw(matrices(m, p)), data.draw(matrices(d_y, p))
    basis = null_space(features.transpose())
    d = basis * data.draw(matrices(basis.ncols(), 1))
    slopes = hstack(d, -d) if loss is cross_entropy else d
    h = features * start.transpose()
    reach = min(loss.reach(a, b) for a, b in zip(h.table(), slopes.table(), strict=True))
    slopes = slopes * reach
    labels = [loss.label(a, b) for a, b in zip(h.table(), slopes.table(), strict=True)]
    if reach == 0 or None in labels:
        return
    y = fmpq_mat(m, d_y, [e for row in labels for e in row])
    answer = enclose_infimum(features, y, loss, Atoms.uniform(m), start=start)
    assert answer.attained is True
    assert answer.minimiser == start
    assert answer.dual == slopes
    assert arb(answer.lower).overlaps(arb(answer.upper))
    assert answer.gap <= 2.0**-110
    cold = enclose_infimum(features, y, loss, Atoms.uniform(m))
    assert cold.attained is True
    assert not certainly_above(cold.lower, answer.upper)
    assert not certainly_above(answer.lower, cold.upper)
    moved = start + fmpq_mat(d_y, p, [fmpq(1, 1000)] + [0] * (d_y * p - 1))
    if (
        features.rank() == p
        and any(e for e in (features * (moved - start).transpose()).entries())
        and loss is logistic
    ):
        nearby = enclose_infimum(features, y, loss, Atoms.uniform(m), start=moved)
        assert nearby.minimiser != moved
        assert nearby.gap <= 1e-8


def test_a_start_that_is_not_critical_is_not_believed():
    """At the integer score 1 the gradients are rational, 2/3 − y, and their mean with φ is not zero."""
    features, labels = matrix([[1], [1]]), matrix([[0], [1]])
    for loss, y, start in (
        (logistic, labels, matrix([[1]])),
        (cross_entropy, matrix([[0, 1], [1, 0]]), matrix([[1], [0]])),
        (huber, labels, matrix([[1]])),
        (absolute, matrix([[0], [3]]) + matrix([[1], [1]]), matrix([[0]])),
    ):
        answer = enclose_infimum(features, y, loss, Atoms.uniform(2), start=start)
        assert answer.gap <= 1e-15
        assert (
            certainly_above(mean_loss(features, start, y, loss, Atoms.uniform(2)), answer.upper)
            or loss is absolute
        )
        check_certificates(answer, features, y, loss, Atoms.uniform(2))


@pytest.mark.parametrize("loss", [huber, smoothed_hinge], ids=lambda loss: loss.name)
def test_the_way_for_other_smooth_losses_agrees_with_the_exact_one(loss, monkeypatch):
    """Without its own method a piecewise quadratic loss gets true bounds, and close ones nearly always."""
    import verify.oracles.infimum as module

    rng = np.random.default_rng(8)
    close = 0
    for k in range(100):
        features, labels, measure = random_instance(rng, loss, hard=k % 2 == 0)
        truth = enclose_infimum(features, labels, loss, measure).upper
        with monkeypatch.context() as patch:
            patch.setattr(module, "_piecewise_quadratic", module._smooth)
            answer = enclose_infimum(features, labels, loss, measure)
        assert not certainly_above(answer.lower, truth)
        assert not certainly_above(truth, answer.upper)
        close += answer.gap <= 1e-8
    assert close >= 95


@pytest.mark.parametrize("loss", [huber, smoothed_hinge, logistic], ids=lambda loss: loss.name)
def test_bounds_stay_true_when_the_floats_lie(loss, monkeypatch):
    """Float slopes 30 % too steep propose wrong R, and D outside its domain: bounds wider, never wrong."""
    import verify.oracles.infimum as module

    rng = np.random.default_rng(9)
    lie = replace(loss, slope_array=lambda h, y: 1.3 * loss.slope_array(h, y) + 0.01)
    monkeypatch.setattr(module, "_piecewise_quadratic", module._smooth)
    for k in range(60):
        features, labels, measure = random_instance(rng, loss, hard=k % 2 == 0)
        truth = enclose_infimum(features, labels, loss, measure)
        answer = enclose_infimum(features, labels, lie, measure)
        assert not certainly_above(answer.lower, truth.upper)
        assert not certainly_above(truth.lower, answer.upper)
        check_certificates(answer, features, labels, loss, measure)


@pytest.mark.parametrize("loss", CONVEX, ids=lambda loss: loss.name)
def test_without_features_the_prediction_is_zero(loss):
    labels = matrix([[1, 0], [0, 1], [1, 0]])
    answer = enclose_infimum(fmpq_mat(3, 0), labels, loss, Atoms.uniform(3))
    zero = mean_loss(fmpq_mat(3, 0), fmpq_mat(2, 0), labels, loss, Atoms.uniform(3))
    assert answer.attained is (None if loss in ROBUST else True)  # whose slopes are irrational
    assert arb(answer.upper).overlaps(arb(zero))
    assert answer.gap <= 1e-30
    assert (answer.minimiser.nrows(), answer.minimiser.ncols()) == (2, 0)


def test_bad_input_is_named():
    features, labels, measure = matrix([[1], [2]]), matrix([[0], [1]]), Atoms.uniform(2)
    with pytest.raises(ValueError, match="not convex"):
        enclose_infimum(features, labels, tilted_double_well, measure)
    with pytest.raises(ValueError, match="2 rows of features, 1 of labels"):
        enclose_infimum(features, matrix([[1]]), squared, measure)
    with pytest.raises(ValueError, match="a measure on 3"):
        enclose_infimum(features, labels, squared, Atoms.uniform(3))
    with pytest.raises(ValueError, match="start is 2 x 1"):
        enclose_infimum(features, labels, logistic, measure, start=matrix([[1], [1]]))
    for loss in (logistic, hinge, smoothed_hinge):
        with pytest.raises(ValueError, match="no infimum at the labels of sample 1"):
            enclose_infimum(features, matrix([[0], [2]]), loss, measure)
    with pytest.raises(ValueError, match="no infimum at the labels of sample 0"):
        enclose_infimum(features, matrix([["1/2", "1/4"], [1, 0]]), cross_entropy, measure)


def test_features_of_very_different_sizes():
    """Columns of size 10^12 and 10^-12: the infimum is that of the columns divided by their sizes."""
    rng = np.random.default_rng(1)
    for loss in CONVEX_DIFFERENTIABLE:
        features, labels, measure = random_instance(rng, loss, hard=False)
        p = features.ncols()
        sizes = fmpq_mat(p, p)
        for k in range(p):
            sizes[k, k] = fmpq(10) ** (12 if k % 2 else -12)
        plain = enclose_infimum(features, labels, loss, measure)
        scaled = enclose_infimum(features * sizes, labels, loss, measure)
        assert max(plain.gap, scaled.gap) <= 1e-8
        assert not certainly_above(plain.lower, scaled.upper)
        assert not certainly_above(scaled.lower, plain.upper)


def test_the_precision_is_put_back():
    before = ctx.prec
    enclose_infimum(matrix([[1]]), matrix([[1]]), logistic, Atoms.uniform(1), bits=300)
    with pytest.raises(ValueError, match="no infimum"):
        enclose_infimum(matrix([[1]]), matrix([[2]]), multiclass_hinge, Atoms.uniform(1), bits=300)
    assert ctx.prec == before
