"""Training sets and measures: where the expectation is taken, and feature matrices with chosen defects."""

from __future__ import annotations

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.instance import instance
from strategies.matrices import columns, hstack, matrices, matrices_of_rank
from strategies.numbers import integers

__all__ = ["Atoms", "UniformPolynomials", "feature_pairs", "measures", "separable_labels"]


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
    def uniform(cls, m: int) -> Atoms:
        """The empirical measure of m samples. Raises ``ValueError`` for m = 0: an average needs a sample."""
        if m < 1:
            raise ValueError("an empirical measure needs at least one sample")
        return cls(weights=fmpq_mat(1, m, [fmpq(1, m)] * m))

    @property
    def size(self) -> int:
        """The number m of samples."""
        return self.weights.ncols()

    def product(self, a: fmpq_mat, b: fmpq_mat) -> fmpq_mat:
        """E[a bᵀ] for functions given by their values: rows of a (m × k) and b (m × l) are samples; k × l."""
        scaled = fmpq_mat(b.nrows(), b.ncols(), [w * e for w, row in zip(self.weights.entries(), b.table(), strict=True) for e in row])
        return a.transpose() * scaled


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


def measures(m: int, weighted: bool = True) -> st.SearchStrategy[Atoms]:
    """Measures on m samples: uniform first, then (``weighted``) proportional to integers 1 … 3."""
    uniform = st.just(Atoms.uniform(m))
    if not weighted:
        return uniform
    parts = st.lists(st.integers(1, 3), min_size=m, max_size=m)
    return uniform | parts.map(lambda p: Atoms(weights=fmpq_mat(1, m, [fmpq(k, sum(p)) for k in p])))


_DEFECTS = ("none", "none", "duplicated samples", "rank-deficient x", "z in span(x)", "z = 0", "x = 0 at a sample")


@st.composite
def feature_pairs(draw: st.DrawFn, m: int, d_x: int, d_z: int, bound: int = 3) -> tuple[fmpq_mat, fmpq_mat]:
    """Pairs X (m × d_x), Z (m × d_z) of integer features, half of them with one deliberate defect.

    Defects: two equal samples, rank-deficient X, columns of Z inside span(X) (also as a tie: only some of
    them), Z = 0, a zero sample. Shrinks to no defect and zero entries.
    """
    defect = draw(st.sampled_from(_DEFECTS))
    x = draw(matrices(m, d_x, integers(bound)))
    z = draw(matrices(m, d_z, integers(bound)))
    if defect == "duplicated samples" and m > 1:
        for j in range(d_x):
            x[m - 1, j] = x[0, j]
        for j in range(d_z):
            z[m - 1, j] = z[0, j]
    elif defect == "rank-deficient x":
        x = draw(matrices_of_rank(m, d_x, draw(st.integers(0, min(m, d_x) - 1)))) if d_x else x
    elif defect == "z in span(x)":
        inside = x * draw(matrices(d_x, d_z, integers(1)))
        kept = draw(st.integers(0, d_z - 1)) if d_z else 0
        z = hstack(columns(inside, range(kept, d_z)), columns(z, range(kept)))
    elif defect == "z = 0":
        z = fmpq_mat(m, d_z)
    elif defect == "x = 0 at a sample":
        for j in range(d_x):
            x[0, j] = 0
    return x, z


@st.composite
def separable_labels(draw: st.DrawFn, features: fmpq_mat, d_y: int) -> fmpq_mat:
    """Labels in {0, 1} (m × d_y) that a linear map of the features separates: y_ik = 1 where ⟨r_k, φ_i⟩ > 0."""
    r = draw(matrices(features.ncols(), d_y))
    return fmpq_mat(features.nrows(), d_y, [int(e > 0) for e in (features * r).entries()])
