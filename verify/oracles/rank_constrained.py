"""min ‖R X − Y‖_F² over rank R <= k, for any X: the exact value, and exactly whether R attains it.

With Ŷ = Y P, P the projection on the row space of X, ‖R X − Y‖² = ‖R X − Ŷ‖² + ‖Y − Ŷ‖², and R X runs
through all matrices of rank <= k with rows in the row space of X. By Eckart and Young (1936) the least
value is

    ‖Y‖² − (sum of the k largest eigenvalues of Ŷ Ŷᵀ = Y P Yᵀ),

attained because a best approximation has its rows in the row space of Ŷ. Y P Yᵀ is rational, so its
eigenvalues are algebraic numbers: roots of the irreducible factors of a rational polynomial, compared
without tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flint import arb, fmpq, fmpq_mat, fmpq_poly

from verify.oracles.enclosed import climb, middle
from verify.oracles.exact import projector

__all__ = [
    "Eigenvalue",
    "attains_least_value",
    "eigenvalues",
    "fitted_gram",
    "is_above",
    "largest_sum",
    "least_value",
    "squared_norm",
]


@dataclass(frozen=True)
class Eigenvalue:
    """A real algebraic number: the ``index``-th root, from below, of an irreducible polynomial.

    ``factor`` holds the coefficients of the primitive integer polynomial, constant term first. Two of
    them are equal numbers iff they are equal objects.
    """

    factor: tuple[int, ...]
    index: int

    @property
    def value(self) -> fmpq | arb:
        """The number itself where it is rational, else a ball at the working precision."""
        if len(self.factor) == 2:
            return fmpq(-self.factor[0], self.factor[1])
        return _roots(self.factor)[self.index]


def _roots(factor: tuple[int, ...]) -> list[arb]:
    """The roots of an irreducible real-rooted polynomial, ascending, in disjoint balls."""
    found: Any = fmpq_poly(list(factor)).numer().complex_roots()
    roots: list[arb] = [root.real for root, _ in found]
    return sorted(roots, key=middle)


def is_above(a: Eigenvalue, b: Eigenvalue) -> bool:
    """Whether a > b. Equal numbers are recognised by their polynomials, others separated by balls."""
    if a == b:
        return False

    def decide() -> bool | None:
        difference = arb(a.value) - arb(b.value)
        return True if difference > 0 else False if difference < 0 else None

    answer = climb(decide, bits=tuple(64 << k for k in range(12)))
    if answer is None:
        raise ArithmeticError(f"{a} and {b} differ by less than 2^-100000")
    return answer


def eigenvalues(s: fmpq_mat) -> list[Eigenvalue]:
    """The eigenvalues of a symmetric rational matrix, the largest first, each as often as it occurs."""
    if not s.nrows():
        return []
    found: list[tuple[Eigenvalue, int]] = []
    for factor, times in s.charpoly().factor()[1]:
        whole = factor.numer()
        key = tuple(int(c) for c in whole.coeffs())
        found += [(Eigenvalue(key, index), int(times)) for index in range(whole.degree())]

    def ordered() -> list[tuple[Eigenvalue, int]] | None:
        placed = [(arb(root.value), root, times) for root, times in found]
        placed.sort(key=lambda entry: middle(entry[0]), reverse=True)
        if all(placed[k][0] > placed[k + 1][0] for k in range(len(placed) - 1)):
            return [(root, times) for _, root, times in placed]
        return None

    order = climb(ordered, bits=tuple(64 << k for k in range(12)))
    if order is None:
        raise ArithmeticError("two eigenvalues differ by less than 2^-100000")
    return [root for root, times in order for _ in range(times)]


def largest_sum(s: fmpq_mat, k: int) -> fmpq | arb:
    """The sum of the k largest eigenvalues of a symmetric rational matrix: rational exactly if it is.

    Every automorphism of the splitting field permutes the eigenvalues; of all multisets of k of them only
    the k largest have the largest sum. Hence a rational sum means that the k largest are stable under all
    automorphisms: whole factors, whose sums are read off their coefficients, and copies of rational
    roots. Where that is not so the sum is irrational and given as a ball.
    """
    values = eigenvalues(s)
    if k >= len(values):
        return sum((s[i, i] for i in range(s.nrows())), fmpq(0))
    chosen = values[:k]
    total: fmpq | arb = fmpq(0)
    for factor in dict.fromkeys(root.factor for root in chosen):
        degree = len(factor) - 1
        counts = [chosen.count(Eigenvalue(factor, index)) for index in range(degree)]
        if len({*counts}) == 1:
            total = total + counts[0] * fmpq(-factor[-2], factor[-1])
        else:
            roots = _roots(factor)
            total = total + sum((n * root for n, root in zip(counts, roots, strict=True)), arb(0))
    return total


def squared_norm(a: fmpq_mat) -> fmpq:
    """‖a‖_F²."""
    return sum((e * e for e in a.entries()), fmpq(0))


def fitted_gram(X: fmpq_mat, Y: fmpq_mat) -> fmpq_mat:
    """Ŷ Ŷᵀ = Y P Yᵀ (d × d), P the projection on the row space of X."""
    return Y * projector(X.transpose()) * Y.transpose()


def least_value(X: fmpq_mat, Y: fmpq_mat, k: int) -> fmpq | arb:
    """min ‖R X − Y‖_F² over rank R <= k, by Eckart and Young: rational exactly if it is, else a ball.

    X is d₀ × m, Y is d × m.
    """
    return squared_norm(Y) - largest_sum(fitted_gram(X, Y), k)


def attains_least_value(R: fmpq_mat, X: fmpq_mat, Y: fmpq_mat, k: int) -> bool:
    """Whether R is a global minimum of ‖R X − Y‖_F² over rank R <= k; exact, also where singular values tie.

    ‖R X − Y‖² is rational, so it cannot be a least value that is irrational, and equals a rational one
    or not.
    """
    if R.rank() > k:
        return False
    least = least_value(X, Y, k)
    return isinstance(least, fmpq) and squared_norm(R * X - Y) == least
