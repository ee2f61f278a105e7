"""Linear programs in exact fractions, small ones."""

from __future__ import annotations

from fractions import Fraction


def maximiser(c, a, b):
    """An x >= 0 with a x = b and the greatest ⟨c, x⟩, exactly; None if there is no such x, an error if no maximum.

    The simplex method in two phases, by Bland's rule, which cannot cycle.
    """
    n, size = len(c), len(a)
    rows = [[Fraction(x if t >= 0 else -x) for x in row] + [Fraction(i == k) for k in range(size)] + [abs(Fraction(t))]
            for i, (row, t) in enumerate(zip(a, b))]  # fmt: skip
    basis = list(range(n, n + size))

    def best(goal, width):  # the greatest value of ⟨goal, ·⟩, by exchanges of the first ``width`` variables
        price = [*goal, Fraction(0)]
        for row, j in zip(rows, basis):
            if price[j]:
                f = price[j]
                price = [x - f * y for x, y in zip(price, row)]
        while True:
            k = next((j for j in range(width) if price[j] > 0), None)
            if k is None:
                return -price[-1]
            ratios = [(row[-1] / row[k], j, i) for i, (row, j) in enumerate(zip(rows, basis)) if row[k] > 0]
            if not ratios:
                raise ValueError("the linear program has no maximum")
            i = min(ratios)[2]
            rows[i] = [x / rows[i][k] for x in rows[i]]
            for other in (*(row for row in rows if row is not rows[i]), price):
                if other[k]:
                    f = other[k]
                    other[:] = [x - f * y for x, y in zip(other, rows[i])]
            basis[i] = k

    if best([Fraction(0)] * n + [Fraction(-1)] * size, n) < 0:
        return None
    for i in reversed(range(len(rows))):  # what stays artificial is 0: exchanged, or the row says nothing
        if basis[i] >= n:
            k = next((j for j in range(n) if rows[i][j]), None)
            if k is None:
                del rows[i], basis[i]
                continue
            rows[i] = [x / rows[i][k] for x in rows[i]]
            for row in rows:
                if row is not rows[i] and row[k]:
                    f = row[k]
                    row[:] = [x - f * y for x, y in zip(row, rows[i])]
            basis[i] = k
    best([*map(Fraction, c), *([Fraction(0)] * size)], n)
    x = [Fraction(0)] * n
    for row, j in zip(rows, basis):
        x[j] = row[-1]
    return x


def greatest_value(c, a, b):
    """max ⟨c, x⟩ over the x >= 0 with a x = b: exact; None if there is no such x, an error if there is no maximum."""
    x = maximiser(c, a, b)
    return None if x is None else sum((s * t for s, t in zip(c, x)), Fraction(0))
