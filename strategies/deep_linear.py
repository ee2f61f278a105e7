"""Deep linear problems min ½‖W_H ⋯ W₁ X − Y‖² with their data and weights, as in Lu & Kawaguchi (2017)."""

from __future__ import annotations

from flint import fmpq, fmpq_mat

from strategies.instance import instance
from strategies.matrices import identity

__all__ = ["DeepLinearProblem"]


@instance
class DeepLinearProblem:
    """Weights W₁ (d₁ × d₀), …, W_H (d_H × d_{H−1}) in order of application, inputs X (d₀ × m), targets Y (d_H × m).

    The paper's convention: columns are samples. L = ½‖W_H ⋯ W₁ X − Y‖_F², eq. (1); p is (any) index of the least
    width, d_p = min d_i over i = 0 … H.
    """

    weights: tuple[fmpq_mat, ...]
    X: fmpq_mat
    Y: fmpq_mat

    def __post_init__(self) -> None:
        if not self.weights:
            raise ValueError("a deep linear problem has at least one weight matrix")
        widths = self.widths
        for k, w in enumerate(self.weights):
            if (w.nrows(), w.ncols()) != (widths[k + 1], widths[k]):
                raise ValueError(f"W_{k + 1} is {w.nrows()} x {w.ncols()} where {widths[k + 1]} x {widths[k]} is needed")
        if self.X.nrows() != widths[0] or self.Y.nrows() != widths[-1] or self.X.ncols() != self.Y.ncols():
            raise ValueError(
                f"X is {self.X.nrows()} x {self.X.ncols()} and Y {self.Y.nrows()} x {self.Y.ncols()}: "
                f"they need {widths[0]} and {widths[-1]} rows and the same number of columns"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """(d₀, …, d_H)."""
        return (self.weights[0].ncols(), *(w.nrows() for w in self.weights))

    @property
    def least_width(self) -> int:
        """d_p = min d_i."""
        return min(self.widths)

    def below(self, j: int) -> fmpq_mat:
        """A_j = W_j ⋯ W₁ (d_j × d₀), the identity for j = 0."""
        product = identity(self.widths[0])
        for w in self.weights[:j]:
            product = w * product
        return product

    def above(self, j: int) -> fmpq_mat:
        """B_j = W_H ⋯ W_{j+1} (d_H × d_j), the identity for j = H."""
        product = identity(self.widths[-1])
        for w in reversed(self.weights[j:]):
            product = product * w
        return product

    @property
    def R(self) -> fmpq_mat:
        """The product W_H ⋯ W₁ (d_H × d₀)."""
        return self.below(len(self.weights))

    @property
    def E(self) -> fmpq_mat:
        """The residual R X − Y (d_H × m)."""
        return self.R * self.X - self.Y

    @property
    def G(self) -> fmpq_mat:
        """E Xᵀ, the gradient of ½‖R X − Y‖² in R (d_H × d₀)."""
        return self.E * self.X.transpose()

    @property
    def loss(self) -> fmpq:
        """L = ½‖R X − Y‖_F²."""
        return sum((e * e for e in self.E.entries()), fmpq(0)) / 2

    def gradient(self) -> tuple[fmpq_mat, ...]:
        """∂L/∂W_i = B_iᵀ G A_{i−1}ᵀ for i = 1 … H."""
        g = self.G
        return tuple(
            self.above(i).transpose() * g * self.below(i - 1).transpose() for i in range(1, len(self.weights) + 1)
        )
