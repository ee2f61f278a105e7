"""Training sets and measures: where the expectation is taken, and feature matrices with chosen defects."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.instance import instance
from strategies.matrices import columns, hstack, matrices, rows, vstack
from strategies.numbers import among, between, integers

__all__ = ["Atoms", "HeavyTail", "UniformPolynomials", "heavy_tails", "separable_labels", "training_inputs"]


@instance
class Atoms:
    """A finite measure Σ_i w_i δ_i on m samples: positive rational weights that add up to 1."""

    weights: fmpq_mat
    """1 × m."""

    def __post_init__(self) -> None:
        if self.weights.nrows() != 1 or any(w <= 0 for w in self.weights.entries()):
            raise ValueError("weights are one row of positive numbers")
        if sum(self.weights.entries(), fmpq(0)) != 1:
            raise ValueError(f"the weights add up to {sum(self.weights.entries(), fmpq(0))}, not to 1")

    @classmethod
    @cache
    def uniform(cls, m: int) -> Atoms:
        """The empirical measure of m samples. Raises ``ValueError`` for m = 0: an average needs a sample."""
        if m < 1:
            raise ValueError("an empirical measure needs at least one sample")
        return cls(weights=fmpq_mat(1, m, [fmpq(1, m)] * m))

    @property
    def size(self) -> int:
        """The number m of samples."""
        return self.weights.ncols()

    @cached_property
    def _is_uniform(self) -> bool:
        first, *others = self.weights.entries()
        return all(w == first for w in others)

    def product(self, a: fmpq_mat, b: fmpq_mat) -> fmpq_mat:
        """E[a bᵀ] for functions given by their values: rows of a (m × k) and b (m × l) are samples; k × l."""
        if self._is_uniform:
            return a.transpose() * b * self.weights[0, 0]
        scaled = [w * e for w, row in zip(self.weights.entries(), b.table(), strict=True) for e in row]
        return a.transpose() * fmpq_mat(b.nrows(), b.ncols(), scaled)


@instance
class UniformPolynomials:
    """The uniform distribution on [0, 1], for functions that are polynomials of degree < ``degree``.

    A function is given by its coefficients, one row per power of t; E[t^i t^j] = 1 / (i + j + 1), so every
    expectation of a product is an exact rational. The squared loss needs nothing else of a measure.
    """

    degree: int

    @property
    def size(self) -> int:
        """The number of coefficients."""
        return self.degree

    def product(self, a: fmpq_mat, b: fmpq_mat) -> fmpq_mat:
        """E[a bᵀ] for functions given by their coefficients: a is degree × k, b is degree × l; k × l."""
        return a.transpose() * fmpq_mat.hilbert(self.degree, self.degree) * b


Measure = Atoms | UniformPolynomials


@instance
class HeavyTail:
    """The scalar problem h = w (x + v z) at one fixed x, y with z = ± b^k, k = 1, 2, …, and its point (w, v).

    P(|z| = b^k) = (1 − r) r^(k−1), both signs alike. E|z| is finite iff b r < 1 and
    E z² = (1 − r) b² / (1 − b² r) is finite iff b² r < 1; E z = 0. The squared loss is then
    L(w, v) = (w x − y)² + w² v² E z², with +∞ where E z² = ∞ and w v ≠ 0.
    """

    x: fmpq
    y: fmpq
    base: int
    ratio: fmpq
    w: fmpq
    v: fmpq

    @property
    def second_moment(self) -> fmpq | None:
        """E z², or None for +∞."""
        growth = self.base * self.base * self.ratio
        return None if growth >= 1 else (1 - self.ratio) * self.base * self.base / (1 - growth)


@st.composite
def heavy_tails(draw: st.DrawFn, finite_variance: bool | None = None) -> HeavyTail:
    """Heavy tails with E|z| < ∞ at points (0, v); E z² finite, infinite or (None) either.

    Shrinks to x = y = v = 0.
    """
    base = draw(between(2, 4))
    # b r < 1 always; b² r < 1 iff the denominator exceeds b²
    square = base * base
    ranges = {None: (base + 1, 2 * square), True: (square + 1, 2 * square), False: (base + 1, square)}
    low, high = ranges[finite_variance]
    ratio = fmpq(1, draw(between(low, high)))
    x, y, v = (fmpq(draw(integers())) for _ in range(3))
    return HeavyTail(x=x, y=y, base=base, ratio=ratio, w=fmpq(0), v=v)


_DEFECTS = (
    "none",
    "none",
    "duplicated samples",
    "rank-deficient x",
    "z in span(x)",
    "z = 0",
    "x = 0 at a sample",
)


@cache
@st.composite
def training_inputs(
    draw: st.DrawFn,
    d_x: int,
    d_z: int,
    least: int,
    most: int,
    *,
    entries: st.SearchStrategy[Any] | None = None,
    weighted: bool = True,
) -> tuple[fmpq_mat, fmpq_mat, Atoms]:
    """Features X (m × d_x), Z (m × d_z) of ``least`` … ``most`` samples with their measure.

    Entries are integers up to 3 unless a strategy for them is given (``numbers.rationals()``). Half of the
    draws have one deliberate defect: two equal samples, rank-deficient X, columns of Z inside span(X) (all,
    or some as a tie), Z = 0, a zero sample. A third of the measures give the samples weights proportional to
    1 … 3 (``weighted``), the others are uniform. Shrinks to no defect, equal weights, and
    by deleting samples one by one: a sample is drawn with all that belongs to it.
    """
    defect = draw(among(*_DEFECTS))
    mixed = draw(matrices(d_x, d_z, integers(1))) if defect == "z in span(x)" else None
    kept = draw(between(0, d_z - 1)) if defect == "z in span(x)" and d_z else 0
    unequal = weighted and draw(among(False, False, True))
    fewest = draw(among(least, max(least, most - 1)))  # long lists are rare: too few samples for slopes but 0
    table = draw(_samples(d_x + d_z, fewest, most, integers() if entries is None else entries, unequal))
    m = len(table)
    x = fmpq_mat(m, d_x, [e for row in table for e in row[1 : d_x + 1]])
    z = fmpq_mat(m, d_z, [e for row in table for e in row[d_x + 1 :]])
    if defect == "duplicated samples":
        x, z = rows(x, [*range(m - 1), 0]), rows(z, [*range(m - 1), 0])
    elif defect == "rank-deficient x" and d_x:
        x = columns(x, [*range(d_x - 1), 0]) if d_x > 1 else fmpq_mat(m, 1)
    elif mixed is not None:
        z = hstack(columns(x * mixed, range(kept, d_z)), columns(z, range(kept)))
    elif defect == "z = 0":
        z = fmpq_mat(m, d_z)
    elif defect == "x = 0 at a sample":
        x = vstack(rows(x, range(m - 1)), fmpq_mat(1, d_x))
    total = sum(row[0] for row in table)
    return x, z, Atoms(weights=fmpq_mat(1, m, [fmpq(row[0], total) for row in table]))


@cache
def _samples(
    width: int, least: int, most: int, entries: st.SearchStrategy[Any], unequal: bool
) -> st.SearchStrategy[list[list[Any]]]:
    weight = between(1, 3) if unequal else between(1, 1)
    features = st.lists(entries, min_size=width, max_size=width)
    sample = st.tuples(weight, features).map(lambda r: [r[0], *r[1]])
    return st.lists(sample, min_size=least, max_size=most)


@st.composite
def separable_labels(draw: st.DrawFn, features: fmpq_mat, d_y: int) -> fmpq_mat:
    """Labels in {0, 1} (m × d_y) that linear maps of the features give: y_ik = 1 where ⟨r_k, φ_i⟩ > 0."""
    r = draw(matrices(features.ncols(), d_y))
    return fmpq_mat(features.nrows(), d_y, [int(e > 0) for e in (features * r).entries()])
