"""Does ball arithmetic decide what it can, refuse what it cannot, and never the other way round?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from flint import arb, ctx, fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.matrices import as_floats, identity, matrices, matrix, null_space
from verify.oracles.enclosed import climb, is_positive_definite, prove_critical_point, sign

NAN = arb("nan")


# --- signs, precision --------------------------------------------------------------------------------------


def test_signs():
    assert [sign(fmpq(k, 7)) for k in (-3, 0, 3)] == [-1, 0, 1]
    assert [sign(arb(k, "0.5")) for k in (-1, 0, 1)] == [-1, None, 1]
    assert sign(arb(0)) == 0
    assert sign(arb(1, 1)) is None
    assert sign(NAN) is None


def test_climbing_decides_what_low_precision_cannot():
    """e^(π√163) is below the integer 262537412640768744 by 7.5e-13: 64 bits do not see it."""
    seen = []

    def decide():
        seen.append(ctx.prec)
        return sign((arb.pi() * arb(163).sqrt()).exp() - 262537412640768744)

    before = ctx.prec
    assert climb(decide) == -1
    assert seen == [64, 128]
    assert climb(lambda: sign(arb.pi().sin())) is None
    assert climb(lambda: None if ctx.prec < 300 else "enough", bits=(100, 300)) == "enough"
    with pytest.raises(ZeroDivisionError):
        climb(lambda: fmpq(1) / fmpq(0))
    assert ctx.prec == before


# --- definiteness ------------------------------------------------------------------------------------------


def balls(a: fmpq_mat, radius) -> list[list[arb]]:
    return [[arb(e) + arb(0, radius) for e in row] for row in a.table()]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 5).flatmap(lambda n: st.tuples(matrices(n, n), st.integers(-3, 3))))
def test_definiteness_agrees_with_leading_minors(drawn):
    b, shift = drawn
    n = b.nrows()
    a = b.transpose() * b + identity(n) * fmpq(shift)
    minors = [fmpq_mat(k, k, [a[i, j] for i in range(k) for j in range(k)]).det() for k in range(1, n + 1)]
    truth = all(minor > 0 for minor in minors)
    assert is_positive_definite(a.table()) is truth
    enclosed = is_positive_definite(balls(a, 2.0**-40))
    assert enclosed in (truth, None)
    if a.det() != 0:  # at 53 bits and radius 2^-40 an integer determinant of this size stays off 0
        assert enclosed is truth
    assert is_positive_definite(balls(a, 10**6)) is None


def test_definiteness_three_ways():
    assert is_positive_definite([]) is True
    assert is_positive_definite([[fmpq(1), fmpq(1)], [fmpq(1), fmpq(1)]]) is False
    singular = [[arb(1), arb(1)], [arb(1), arb(1, "1e-9")]]
    assert is_positive_definite(singular) is None
    assert is_positive_definite([[arb(1), arb(2)], [arb(2), arb(1, "1e-9")]]) is False
    assert is_positive_definite([[arb(0, 1), arb(0)], [arb(0), arb(-1)]]) is False
    assert is_positive_definite([[arb(0, 1), arb(3)], [arb(3), arb(0, 1)]]) is False
    assert is_positive_definite([[arb(0, 1), arb(1)], [arb(1), arb(0, 1)]]) is None
    assert is_positive_definite([[NAN]]) is None
    assert is_positive_definite([[arb(1), NAN], [NAN, arb(1)]]) is None
    assert is_positive_definite([[fmpq(2), arb(1)], [arb(1), fmpq(1)]]) is True


def test_what_is_no_symmetric_matrix_is_named():
    with pytest.raises(ValueError, match="not symmetric"):
        is_positive_definite([[fmpq(1), fmpq(2)], [fmpq(3), fmpq(9)]])
    with pytest.raises(ValueError, match="2 rows of lengths"):
        is_positive_definite([[fmpq(1)], [fmpq(1)]])


def test_balls_that_need_precision_are_decided_by_climbing():
    """The Hilbert matrix of order 20 has least eigenvalue 8e-29."""
    hilbert = fmpq_mat.hilbert(20, 20).table()

    def decide():
        return is_positive_definite([[arb(e) for e in row] for row in hilbert])

    with ctx.workprec(64):
        assert decide() is None
    assert climb(decide) is True


# --- critical points ---------------------------------------------------------------------------------------


def polynomial(gradient, hessian):
    return (lambda x: [gradient(x[0])]), (lambda x: [[hessian(x[0])]])


def test_a_square_root_is_enclosed():
    g, h = polynomial(lambda x: x * x - 2, lambda x: 2 * x)
    found = prove_critical_point(g, h, [1.41421], bits=200)
    with ctx.workprec(200):
        assert found.box[0].contains(arb(2).sqrt())
        assert found.point[0].contains(arb(2).sqrt())
        assert found.box[0].contains(arb(1.41421))
        assert found.point[0].rad() < found.box[0].rad()
    assert found.positive_definite is True
    assert prove_critical_point(g, h, [-1.41421]).positive_definite is False


def test_no_proof_where_there_is_no_isolated_zero():
    square = polynomial(lambda x: x * x, lambda x: 2 * x)
    nothing = polynomial(lambda x: x * x + arb("1e-20"), lambda x: 2 * x)
    flat = polynomial(lambda x: arb(0), lambda x: arb(0))
    bad = polynomial(lambda x: NAN, lambda x: arb(1))
    worse = polynomial(lambda x: x, lambda x: NAN)
    for g, h in (square, nothing, flat, bad, worse):
        for x in (0.0, 1e-8, 1e-12):
            assert prove_critical_point(g, h, [x]) is None
    cubic = polynomial(lambda x: x * x - 2, lambda x: 2 * x)
    assert prove_critical_point(*cubic, [1.0], radius=0.1) is None
    assert prove_critical_point(*cubic, [math.nan]) is None
    assert prove_critical_point(*cubic, [math.inf]) is None


def test_the_box_holds_the_point_asked_about():
    """Newton's method leads from 5.0 to 3, but the Hessian changes too much over a box that holds both."""
    g, h = polynomial(lambda x: (x - 1) * (x - 2) * (x - 3), lambda x: 3 * x * x - 12 * x + 11)
    assert prove_critical_point(g, h, [5.0]) is None
    assert prove_critical_point(g, h, [3.0001]).box[0].contains(arb(3))


def test_a_radius_that_covers_two_zeros_is_refused():
    g, h = polynomial(lambda x: x * x - 1, lambda x: 2 * x)
    assert prove_critical_point(g, h, [1.0], radius=0.25).radius == 0.25
    assert prove_critical_point(g, h, [1.0], radius=3.0) is None


class SquaredResNet:
    """L(W, V) = ½ Σ_i |W (x_i + V z_i) − y_i|², parameters W, then V, row by row; derivatives over balls."""

    def __init__(self, rng, d_x, d_y, d_z, m):
        self.d_x, self.d_y, self.d_z, self.m = d_x, d_y, d_z, m
        self.x = matrix(rng.integers(-3, 4, (m, d_x)).tolist())
        self.z = matrix(rng.integers(-3, 4, (m, d_z)).tolist())

    def plant(self, rng):
        """Labels for which the drawn (W, V) is a global minimum: the residual is orthogonal to x and z."""
        while True:
            w = matrix(rng.integers(-2, 3, (self.d_y, self.d_x)).tolist())
            if w.rank() == min(self.d_y, self.d_x):
                break
        v = matrix(rng.integers(-1, 2, (self.d_x, self.d_z)).tolist())
        both = fmpq_mat(
            self.m,
            self.d_x + self.d_z,
            [e for a, b in zip(self.x.table(), self.z.table(), strict=True) for e in (*a, *b)],
        )
        basis = null_space(both.transpose())
        noise = basis * matrix(rng.integers(-1, 2, (basis.ncols(), self.d_y)).tolist()) * fmpq(1, 10)
        self.y = (self.x + self.z * v.transpose()) * w.transpose() - noise
        return w.entries() + v.entries()

    def _unpack(self, p):
        cut = self.d_y * self.d_x
        w = [p[i * self.d_x : (i + 1) * self.d_x] for i in range(self.d_y)]
        v = [p[cut + i * self.d_z : cut + (i + 1) * self.d_z] for i in range(self.d_x)]
        return w, v

    def _samples(self, p):
        w, v = self._unpack(p)
        for x, z, y in zip(self.x.table(), self.z.table(), self.y.table(), strict=True):
            q = [arb(x[b]) + sum(v[b][k] * z[k] for k in range(self.d_z)) for b in range(self.d_x)]
            r = [sum(w[a][b] * q[b] for b in range(self.d_x)) - y[a] for a in range(self.d_y)]
            jacobian = []
            for a in range(self.d_y):
                by_w = [q[b] if c == a else arb(0) for c in range(self.d_y) for b in range(self.d_x)]
                jacobian.append(by_w + [w[a][b] * z[k] for b in range(self.d_x) for k in range(self.d_z)])
            yield r, jacobian, z

    def gradient(self, p):
        total = [arb(0)] * len(p)
        for r, jacobian, _ in self._samples(p):
            total = [
                t + sum(ra * row[k] for ra, row in zip(r, jacobian, strict=True))
                for k, t in enumerate(total)
            ]
        return total

    def hessian(self, p):
        n, cut = len(p), self.d_y * self.d_x
        total = [[arb(0)] * n for _ in range(n)]
        for r, jacobian, z in self._samples(p):
            for i in range(n):
                for j in range(n):
                    total[i][j] += sum(row[i] * row[j] for row in jacobian)
            for a in range(self.d_y):
                for b in range(self.d_x):
                    for k in range(self.d_z):
                        i, j = a * self.d_x + b, cut + b * self.d_z + k
                        total[i][j] += r[a] * z[k]
                        total[j][i] += r[a] * z[k]
        return total


def nearby(rng, point, distance):
    exact_point = np.array([float(int(e.p) / int(e.q)) for e in point])
    return (exact_point + distance * rng.standard_normal(len(point))).tolist()


def test_planted_minima_of_resnets_are_proved():
    """Every box holds the planted point, which is not representable in floats, and is a strict minimum."""
    rng = np.random.default_rng(0)
    proved = 0
    for _ in range(12):
        net = SquaredResNet(rng, 2, 2, 2, 10)
        planted = net.plant(rng)
        assert all(e.contains(0) for e in net.gradient([arb(e) for e in planted]))
        found = prove_critical_point(net.gradient, net.hessian, nearby(rng, planted, 1e-9))
        if found is None:
            continue
        proved += 1
        assert all(box.contains(e) for box, e in zip(found.box, planted, strict=True))
        assert all(point.contains(e) for point, e in zip(found.point, planted, strict=True))
        assert found.positive_definite is True
        assert found.radius < 1e-6
    assert proved >= 11


def test_random_points_of_resnets_are_not_proved():
    rng = np.random.default_rng(1)
    for _ in range(8):
        net = SquaredResNet(rng, 2, 2, 2, 10)
        planted = net.plant(rng)
        assert prove_critical_point(net.gradient, net.hessian, nearby(rng, planted, 1.0)) is None


def test_minima_with_a_symmetry_are_proved_on_a_slice_only():
    """V + N with W N = 0 changes nothing, the Hessian is singular; V = V₀ + W₀ᵀB cuts the orbit."""
    rng = np.random.default_rng(2)
    for _ in range(3):
        net = SquaredResNet(rng, 3, 2, 3, 12)
        planted = net.plant(rng)
        x = nearby(rng, planted, 1e-9)
        assert prove_critical_point(net.gradient, net.hessian, x) is None
        w0 = fmpq_mat(2, 3, planted[:6])
        rows_of_basis = [[fmpq(int(i == j)) for j in range(6)] + [fmpq(0)] * 6 for i in range(6)]
        rows_of_basis += [
            [fmpq(0)] * 6 + [w0[a, b] if k == c else fmpq(0) for a in range(2) for c in range(3)]
            for b in range(3)
            for k in range(3)
        ]
        basis = matrix(rows_of_basis)
        for slice in (basis, as_floats(basis)):
            found = prove_critical_point(net.gradient, net.hessian, x, slice=slice)
            assert found is not None
            assert found.positive_definite is True
            full = net.gradient(found.box)
            assert all(e.contains(0) for e in full)
    with pytest.raises(ValueError, match="rows for 15 coordinates"):
        prove_critical_point(net.gradient, net.hessian, x, slice=np.eye(3))


def test_a_saddle_is_proved_critical_and_not_a_minimum():
    """(w (1 + v) − 1)² at (0, −1): the gradient is zero, the Hessian has eigenvalues ±2."""

    def gradient(p):
        w, v = p
        r = w * (1 + v) - 1
        return [2 * r * (1 + v), 2 * r * w]

    def hessian(p):
        w, v = p
        mixed = 2 * (w * (1 + v) - 1) + 2 * w * (1 + v)
        return [[2 * (1 + v) * (1 + v), mixed], [mixed, 2 * w * w]]

    found = prove_critical_point(gradient, hessian, [1e-10, -1.0])
    assert all(box.contains(e) for box, e in zip(found.box, (0, -1), strict=True))
    assert found.positive_definite is False


def test_the_precision_is_put_back_after_a_proof():
    before = ctx.prec
    g, h = polynomial(lambda x: x * x - 2, lambda x: 2 * x)
    prove_critical_point(g, h, [1.4], bits=300)
    with pytest.raises(ZeroDivisionError):
        prove_critical_point(lambda x: [fmpq(1) / fmpq(0)], h, [1.4], bits=300)
    assert ctx.prec == before
