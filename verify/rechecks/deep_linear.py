"""Deep linear problems of the JSON: L = ½‖W_H ⋯ W₁ X − Y‖², samples in columns; W = [W₁, …, W_H]."""

from __future__ import annotations

from fractions import Fraction

from verify.rechecks.linear_algebra import (
    identity,
    is_semidefinite,
    is_zero,
    kronecker,
    matrix,
    minus,
    projection,
    rank,
    squares,
    times,
    turned,
)
from verify.rechecks.spectra import eigenvalues


def parts(problem):
    """[W₁, …, W_H], X and Y."""
    return [matrix(w) for w in problem["weights"]["tuple"]], matrix(problem["X"]), matrix(problem["Y"])


def widths(W):
    """[d₀, …, d_H]."""
    return [len(W[0][0])] + [len(w) for w in W]


def chain(W, i, j):
    """W_j ⋯ W_{i+1}, the identity for i = j: from the units of layer i to those of layer j."""
    found = identity(widths(W)[i])
    for w in W[i:j]:
        found = times(w, found)
    return found


def below(W, j):
    """A_j = W_j ⋯ W₁ (d_j × d₀), the identity for j = 0."""
    return chain(W, 0, j)


def above(W, j):
    """B_j = W_H ⋯ W_{j+1} (d_H × d_j), the identity for j = H."""
    return chain(W, j, len(W))


def product(W):
    """R = W_H ⋯ W₁."""
    return chain(W, 0, len(W))


def is_full(a):
    """Whether a matrix has full rank."""
    return rank(a) == min(len(a), len(a[0]))


def residual(W, X, Y):
    """E = R X − Y."""
    return minus(times(product(W), X), Y)


def squared_error(W, X, Y):
    """‖R X − Y‖² = 2 L."""
    return squares(residual(W, X, Y))


def factor_gradients(W, X, Y):
    """∂L/∂W_i = B_iᵀ E Xᵀ A_{i−1}ᵀ for i = 1 … H."""
    G = times(residual(W, X, Y), turned(X))
    steps = range(1, len(W) + 1)
    return [times(times(turned(above(W, i)), G), turned(below(W, i - 1))) for i in steps]


def is_critical(W, X, Y):
    """Whether ∇L = 0."""
    return all(is_zero(g) for g in factor_gradients(W, X, Y))


def second_derivatives(W, X, Y):
    """∇²L, the entries of W₁, …, W_H row by row: from dR = Σ B_i dW_i A_{i−1} and
    d²R = 2 Σ_{i<j} B_j dW_j (W_{j−1} ⋯ W_{i+1}) dW_i A_{i−1}."""
    H = len(W)
    G = times(residual(W, X, Y), turned(X))
    A, B = [below(W, i) for i in range(H)], [above(W, i + 1) for i in range(H)]
    places = [(i, a, b) for i in range(H) for a in range(len(W[i])) for b in range(len(W[i][0]))]
    blocks = {}
    for i in range(H):
        for j in range(i, H):
            first = times(turned(B[i]), B[j]), times(times(times(A[i], X), turned(X)), turned(A[j]))
            second = (times(times(turned(B[j]), G), turned(A[i])), chain(W, i + 1, j)) if i < j else None
            blocks[i, j] = first, second

    def entry(p, q):
        (i, a, b), (j, c, d) = min(p, q), max(p, q)
        (left, right), second = blocks[i, j]
        found = left[a][c] * right[b][d]
        return found + second[0][c][b] * second[1][d][a] if second else found

    return [[entry(p, q) for q in places] for p in places]


def fitted(X, Y):
    """Ŷ = Y P, P the projector on the rows of X: ‖R X − Y‖² = ‖R X − Ŷ‖² + ‖Y − Ŷ‖²."""
    return turned(projection(turned(X), turned(Y)))


def none_is_larger(F, Z):
    """Whether no singular value of F exceeds a positive one of Z: λ − μ >= 0 for all eigenvalues λ > 0 of Z Zᵀ and
    μ > 0 of F Fᵀ, which are those of ZᵀZ ⊗ I − I ⊗ FᵀF on the rows of Z and of F, semidefinite there."""
    if is_zero(F) or is_zero(Z):
        return True

    def on_rows(a):  # N and M of the pencil N v = λ M v whose eigenvalues are the λ > 0 of a aᵀ
        base = []
        for row in a:
            if rank([*base, row]) > len(base):
                base.append(row)
        image = times(base, turned(a))
        return times(image, turned(image)), times(base, turned(base))

    (N, M), (n, m) = on_rows(Z), on_rows(F)
    return is_semidefinite(minus(kronecker(N, m), kronecker(M, n)))


def attains_the_least(R, X, Y, k):
    """Whether ‖R X − Y‖² is the least value over matrices R of rank <= k, exactly (Eckart and Young): Z = R X has
    rank <= k, is Ŷ on its rows and columns, and Ŷ − Z has no larger singular value; it is 0 if rank Z < k."""
    Z = times(R, X)
    F = minus(fitted(X, Y), Z)
    if rank(Z) > k or not is_zero(times(Z, turned(F))) or not is_zero(times(turned(Z), F)):
        return False
    return none_is_larger(F, Z) if rank(Z) == k > 0 else is_zero(F) or k == 0


def is_global_minimum(W, X, Y):
    """Whether L(W) = min L, the least value of ½‖R X − Y‖² over rank R <= d_p, d_p the least width."""
    return attains_the_least(product(W), X, Y, min(widths(W)))


def least_error(X, Y, k):
    """min ‖R X − Y‖² over rank R <= k: ‖Y‖² less the k largest eigenvalues of Ŷ Ŷᵀ; error below 2⁻²³⁵."""
    Yhat = fitted(X, Y)
    return squares(Y) - sum(eigenvalues(times(Yhat, turned(Yhat)))[:k], Fraction(0))
