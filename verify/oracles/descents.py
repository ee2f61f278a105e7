"""Minima of deep linear networks: thousands found at once in float64, each certified afterwards in balls.

The loss is L = ½ ‖W_H ⋯ W₁ X − Y‖² with samples as columns, as in Lu & Kawaguchi (2017) and in
``DeepLinearProblem``. Arrays hold one instance per leading index: X is B × d₀ × m, Y is B × d_H × m, W_i is
B × d_i × d_{i−1}. The model of rounding (u, γ_k, Householder's ε) is that of ``verify.oracles.floating``.

A float point is never a refutation. ``certify_deep_linear_minimum`` turns one into a theorem about a box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq_mat
from numpy.typing import NDArray

from strategies.deep_linear import DeepLinearProblem
from strategies.matrices import as_floats
from verify.oracles.enclosed import CriticalPoint, is_positive_definite, prove_critical_point
from verify.oracles.floating import compress, device_named, door, gamma, householder, norms, units

__all__ = ["DeepLinearMinima", "certify_deep_linear_minimum", "enclose_loss", "find_deep_linear_minima"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]

_U = 2.0**-53
_SLACK = 1.01  # bounds are sums of non-negative terms: computing them costs far less than one per cent


@dataclass(frozen=True)
class DeepLinearMinima:
    """Where B descents ended: |loss − L(W)|, |optimum − L*| and |gap − (L − L*)| are at most ``error``."""

    weights: tuple[Floats, ...]
    """W₁, …, W_H in order of application, W_i: B × d_i × d_{i−1}."""
    loss: Floats
    optimum: Floats
    """L* = min over all weights, by Eckart and Young behind X."""
    gap: Floats
    gradient: Floats
    """The Euclidean norm of ∇L, as computed on the given data."""
    gradient_noise: Floats
    """How far rounding may have moved ``gradient`` from the norm of the true gradient."""
    iterations: NDArray[np.int64]
    stopped: Truths
    """Where the descent ended because its gradient was rounding noise, not because the budget was spent."""
    error: Floats
    conclusive: Truths
    """False where X is too ill-conditioned for L* in float64 or of deficient rank; error is then trivial."""


def find_deep_linear_minima(
    X: Floats,
    Y: Floats,
    widths: Sequence[int],
    *,
    seed: int,
    iterations: int = 300,
    device: str = "cpu",
    starts: Sequence[Floats] | None = None,
    chunk: int = 1000,
) -> DeepLinearMinima:
    """Descends from random starts until the gradient is rounding noise, and says how far from L* that is.

    Each instance is first compressed by one QR: with [Xᵀ Yᵀ] = Q R, L is ½ ‖W_H ⋯ W₁ X̂ − Ŷ‖² plus the
    constant ½ ‖R₂₂‖², X̂ᵀ and Ŷᵀ being the d₀ top rows of R: m drops out. The descent is
    Levenberg-Marquardt with damping ν ‖∇‖, in the dual form of the d_H k equations (k = min(d₀, m))

        (Σ_i B_i B_iᵀ ⊗ Z_{i−1}ᵀ Z_{i−1} + ν ‖∇‖ I) Λ = E,   ΔW_i = −B_iᵀ Λ Z_{i−1}ᵀ,

    Z_i = W_i ⋯ W₁ X̂, B_i = W_H ⋯ W_{i+1}: no Jacobian is formed, and the directions in which the product does
    not change (at least d_j² for every hidden layer) are never seen. Where a residual remains (an inner
    bottleneck d_p < min(d_H, k)) Gauss-Newton would be linear, and Newton's method takes over, in the d_p k
    coordinates that matter: the row space of Z_p, with W_H the best for it (variable projection). A step
    longer than W₁ or W_H itself is not taken: large weights would end with a large ``gradient_noise``.

    A row stops when ‖∇‖ is below its own rounding error (see ``gradient_noise``) or after ``iterations``.
    A descent that dies on a plateau has a large gap and is *not* a counterexample: floats never refute.

    Starts have independent normal entries of variance 1 / d_{i−1} from ``seed``, in the units in which X and
    Y have entries of order 1 (powers of two), unless ``starts`` = (W₁, …, W_H) is given.

    Errors. With K = d₀ + … + d_{H−1} + 1 the residual E is off by δ = γ_K (|W_H| ⋯ |W₁| |X| + |Y|), whatever
    the order of the products (Higham, §3.5); the loss by ½ (2 ‖E‖ ‖δ‖ + ‖δ‖² + γ ‖E‖²). L* = ½ D², D the
    distance of Y from {R X: rank R <= d_p}; by Eckart and Young D² = ‖R₂₂‖² + Σ_{i > d_p} σ_i(Ŷ)². D moves by
    at most ε ‖Y‖ (1 + κ / (1 − ε κ)) under the backward error of the QR, since a best R is no longer than
    ‖Y‖ / σ_min(X). For the computed singular triples let e bound ‖Ŷ − U S Vᵀ‖ + (‖UᵀU − I‖ + ‖VᵀV − I‖ +
    ‖UᵀU − I‖ ‖VᵀV − I‖) ‖S‖, roundings included: U and V are that near to orthonormal matrices (their polar
    factors), and the distance to rank d_p is 1-Lipschitz, so D moves by at most e: nothing is assumed of the
    routine. L* is off by D η + η² / 2, η the sum of both, and the gap by the sum of all.

    Raises ``TypeError`` and ``ValueError`` at the door, ``ValueError`` for a device that is not there.
    Source of the damping: Yamashita and Fukushima (2001), quadratic although minima form manifolds; of the
    projection: Golub and Pereyra (1973).
    """
    X = door("X", X, (None, None, None), "B x d_0 x m")
    Y = door("Y", Y, (X.shape[0], None, X.shape[2]), "B x d_H x m")
    d = tuple(int(e) for e in widths)
    if len(d) < 2 or min(d) < 1 or d[0] != X.shape[1] or d[-1] != Y.shape[1]:
        raise ValueError(
            f"widths = {d} must be (d_0, ..., d_H), all at least 1, with d_0 = {X.shape[1]} (rows of X) and "
            f"d_H = {Y.shape[1]} (rows of Y)"
        )
    if iterations < 1 or chunk < 1:
        raise ValueError(f"iterations = {iterations} and chunk = {chunk} must be at least 1")
    count, m, depth = len(X), X.shape[2], len(d) - 1
    s_x, s_y = units(X), units(Y)
    if starts is None:
        rng = np.random.default_rng(seed)
        W = [rng.standard_normal((count, b, a)) / np.sqrt(a) for a, b in pairwise(d)]
    elif len(starts) != depth:
        raise ValueError(f"starts holds {len(starts)} weight matrices for {depth} layers")
    else:
        W = [
            door(f"starts[{i}]", w, (count, d[i + 1], d[i]), f"B x d_{i + 1} x d_{i}")
            for i, w in enumerate(starts)
        ]
        W[0] = W[0] * (s_x / s_y)
    where = device_named(device)

    right, below = X.transpose(0, 2, 1), Y.transpose(0, 2, 1)
    small, labels, least, turned = compress(right, below)
    targets = labels.transpose(0, 2, 1)
    W, steps, stopped = _descend(
        small.transpose(0, 2, 1) / s_x, targets / s_y, W, iterations=iterations, chunk=chunk, device=where
    )
    W[0] = W[0] * (s_y / s_x)

    E, bound, gradients = _evaluate(X, Y, W)
    r, delta = norms(E), norms(bound)
    loss = 0.5 * r**2
    loss_error = (r * delta + 0.5 * delta**2 + gamma(m * d[-1] + 2) * loss) * _SLACK
    gradient = np.sqrt(sum(norms(g) ** 2 for g in gradients))
    noise = _noise(X, W, r + delta, delta, sum(d) + m)

    tail, e = _tail(targets, min(d))
    eps, size = householder(m, d[0] + d[-1]), norms(Y)
    D = np.hypot(np.sqrt(least.value * m), tail)  # compress divides ‖R₂₂‖² by the m samples
    eta = (size * (eps + turned / np.maximum(1 - turned, 0.5)) + e) * _SLACK
    optimum = 0.5 * D**2
    optimum_error = (D * eta + 0.5 * eta**2 + 16 * _U * optimum) * _SLACK
    optimum_error = np.where(least.conclusive, optimum_error, 0.5 * size**2 * _SLACK)
    optimum = np.where(least.conclusive, optimum, np.minimum(optimum, 0.5 * size**2))
    gap = loss - optimum
    error = (loss_error + optimum_error + _U * np.abs(gap)) * _SLACK
    return DeepLinearMinima(
        weights=tuple(W), loss=loss, optimum=optimum, gap=gap, gradient=gradient, gradient_noise=noise,
        iterations=steps, stopped=stopped, error=error, conclusive=least.conclusive,
    )  # fmt: skip


def _evaluate(X: Floats, Y: Floats, W: list[Floats]) -> tuple[Floats, Floats, list[Floats]]:
    """The residual E, its error bound γ_K (|W_H| ⋯ |W₁| |X| + |Y|), and ∂L/∂W_i = B_iᵀ E Z_{i−1}ᵀ."""
    Z, size = [X], np.abs(X)
    for w in W:
        Z.append(w @ Z[-1])
        size = np.abs(w) @ size
    E = Z[-1] - Y
    back, gradients = E, []
    for w, z in zip(reversed(W), reversed(Z[:-1]), strict=True):
        gradients.append(back @ z.transpose(0, 2, 1))
        back = w.transpose(0, 2, 1) @ back
    return E, gamma(sum(w.shape[2] for w in W) + 1) * (size + np.abs(Y)), gradients[::-1]


def _noise(X: Floats, W: list[Floats], residual: Floats, delta: Floats, k: int) -> Floats:
    """‖δ‖ and k more roundings, carried through the products of the norms of the other factors."""
    sizes = [norms(w) for w in W]
    total = np.zeros(len(X))
    for i in range(len(W)):
        others = norms(X)
        for j, size in enumerate(sizes):
            others = others * size if j != i else others
        total += (others * (delta + gamma(k) * residual)) ** 2
    noise: Floats = np.sqrt(total) * _SLACK
    return noise


def _tail(a: Floats, rank: int) -> tuple[Floats, Floats]:
    """The distance of ``a`` from the matrices of that rank, and e, how far from it that may be."""
    left, s, right = np.linalg.svd(a, full_matrices=False)
    k, n = s.shape[1], max(a.shape[1:])
    eye = np.eye(k)
    off = norms(a - (left * s[:, None, :]) @ right)
    lost_left = norms(left.transpose(0, 2, 1) @ left - eye) + gamma(n + 1) * 2 * k
    lost_right = norms(right @ right.transpose(0, 2, 1) - eye) + gamma(n + 1) * 2 * k
    size = np.sqrt((s**2).sum(axis=1))
    e = off + gamma(k + 3) * (norms(a) + 2 * k * size)
    e = (e + (lost_left + lost_right + lost_left * lost_right) * size) * _SLACK
    tail: Floats = np.sqrt((s[:, rank:] ** 2).sum(axis=1))
    return tail, e + gamma(k + 2) * tail


def _descend(
    X: Floats, Y: Floats, W: list[Floats], *, iterations: int, chunk: int, device: Any
) -> tuple[list[Floats], NDArray[np.int64], Truths]:
    """Levenberg-Marquardt, then Newton at an inner bottleneck, on ½ ‖W_H ⋯ W₁ X − Y‖² for every instance.

    Only the active rows exist: those that stop are written out by index and replaced by waiting ones.
    """
    import torch

    with torch.inference_mode():
        x, y, *w = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (X, Y, *W))
        count, noise = len(x), gamma(X.shape[2] + sum(a.shape[2] for a in W) + Y.shape[1])
        ends = [a.clone() for a in w]
        steps = torch.zeros(count, dtype=torch.int64, device=device)
        done = torch.zeros(count, dtype=torch.bool, device=device)
        index, waiting = torch.arange(0, device=device), 0
        rows: _Rows | None = None
        while True:
            if waiting < count and len(index) < chunk:
                fresh = torch.arange(waiting, min(count, waiting + chunk - len(index)), device=device)
                waiting = int(fresh[-1]) + 1
                new = _Rows(x[fresh], y[fresh], [a[fresh] for a in w])
                rows = new if rows is None else rows.joined(new)
                index = torch.cat([index, fresh])
            assert rows is not None
            rows.iterate()
            quiet = rows.gradient_norm <= noise * rows.scale()
            stop = quiet | (rows.age >= iterations)
            stopped = int(stop.sum())
            # Regrouping copies the whole state: while rows wait, do it when a twentieth has stopped.
            if stopped and (waiting >= count or 20 * stopped >= len(index)):
                out = index[stop]
                for end, a in zip(ends, rows.weights, strict=True):
                    end[out] = a[stop]
                steps[out], done[out] = rows.age[stop], quiet[stop]
                index, rows = index[~stop], rows.only(~stop)
            if not len(index) and waiting >= count:
                return [a.cpu().numpy() for a in ends], steps.cpu().numpy(), done.cpu().numpy()


class _Rows:
    """The instances that are worked on: data, weights, and what was computed at these weights."""

    def __init__(self, x: Any, y: Any, weights: list[Any]) -> None:
        import torch

        self.x, self.y, self.weights = x, y, weights
        inner = [w.shape[1] for w in weights[:-1]]
        bottleneck = bool(inner) and min(inner) < min(y.shape[1], x.shape[2])
        self.narrow = inner.index(min(inner)) + 1 if bottleneck else 0  # p, or 0: none inside
        self.inverse = x.mT
        if bottleneck:
            q, t = torch.linalg.qr(x)  # compressed data have no more columns than rows
            self.inverse = torch.linalg.solve_triangular(t, q.mT, upper=True)
        self.y_norm = y.square().sum((1, 2)).sqrt()
        self.evaluate()
        self.damping = torch.ones_like(self.value)
        self.predicted = self.value.clone()
        self.age = torch.zeros(len(x), dtype=torch.int64, device=x.device)

    _PARTS = (
        "x",
        "y",
        "inverse",
        "y_norm",
        "residual",
        "value",
        "gradient_norm",
        "damping",
        "predicted",
        "age",
    )
    _LISTS = ("weights", "below", "above", "gradient")

    def _mapped(self, apply: Any) -> _Rows:
        new = object.__new__(_Rows)
        new.narrow = self.narrow
        for name in self._PARTS:
            setattr(new, name, apply(name, None))
        for name in self._LISTS:
            setattr(new, name, [apply(name, i) for i in range(len(getattr(self, name)))])
        return new

    def _part(self, name: str, i: int | None) -> Any:
        return getattr(self, name) if i is None else getattr(self, name)[i]

    def joined(self, other: _Rows) -> _Rows:
        """These rows and then the others."""
        import torch

        return self._mapped(lambda name, i: torch.cat([self._part(name, i), other._part(name, i)]))

    def only(self, which: Any) -> _Rows:
        """The rows named by a mask or an index."""
        return self._mapped(lambda name, i: self._part(name, i)[which])

    def evaluate(self) -> None:
        """Z_i (below), B_i (above), E, f = ½ ‖E‖², ∂_i = B_iᵀ E Z_{i−1}ᵀ and ‖∂‖ at the weights."""
        self.below = [self.x]
        for w in self.weights[:-1]:
            self.below.append(w @ self.below[-1])
        self.above = [self.weights[-1]]  # B_{H−1}, …, B₁; B_H = I is left out
        for w in reversed(self.weights[1:-1]):
            self.above.append(self.above[-1] @ w)
        self.above = self.above[::-1] if len(self.weights) > 1 else []
        self.residual = self.weights[-1] @ self.below[-1] - self.y
        self.gradient = self.pulled(self.residual)
        self.value = 0.5 * self.residual.square().sum((1, 2))
        self.gradient_norm = sum(g.square().sum((1, 2)) for g in self.gradient).sqrt()

    def pulled(self, e: Any) -> list[Any]:
        """Jᵀ e: the B_iᵀ e Z_{i−1}ᵀ."""
        return [b.mT @ e @ z.mT for b, z in zip(self.above, self.below[:-1], strict=True)] + [
            e @ self.below[-1].mT
        ]

    def scale(self) -> Any:
        """Σ ‖B_i‖ ‖Z_{i−1}‖ (‖Z_H‖ + ‖Y‖): times γ_k, the rounding error of the gradient."""
        reach = self.below[-1].square().sum((1, 2)).sqrt()
        for b, z in zip(self.above, self.below[:-1], strict=True):
            reach = reach + (b.square().sum((1, 2)) * z.square().sum((1, 2))).sqrt()
        return reach * ((self.residual + self.y).square().sum((1, 2)).sqrt() + self.y_norm)

    def gauss_newton(self, mu: Any) -> tuple[list[Any], Any, Any]:
        """−Jᵀ (J Jᵀ + μ)⁻¹ E, its predicted decrease, and where the equations were sound."""
        import torch

        count, d_h, k = self.residual.shape
        eye = torch.eye(d_h, dtype=self.x.dtype, device=self.x.device).expand(count, d_h, d_h)
        left = torch.stack([*(b @ b.mT for b in self.above), eye], dim=3)
        right = torch.stack([z.mT @ z for z in self.below], dim=1)
        m = left.flatten(1, 2) @ right.flatten(2)
        m = m.reshape(count, d_h, d_h, k, k).transpose(2, 3).reshape(count, d_h * k, d_h * k)
        m.diagonal(dim1=1, dim2=2).add_(mu[:, None])
        factor, info = torch.linalg.cholesky_ex(m)
        dual = torch.cholesky_solve(self.residual.reshape(count, -1, 1), factor).reshape(count, d_h, k)
        step = [-g for g in self.pulled(dual)]
        # E + J ΔW = μ Λ
        predicted = self.value - 0.5 * mu**2 * dual.square().sum((1, 2))
        return step, predicted, info == 0

    def newton(self) -> tuple[list[Any], Any, Any, Any]:
        """Newton's step in the row space of Z_p, its predicted decrease, where it is sound, where it is bent.

        Let Z_pᵀ = Q T (QR). The best B in f = ½ ‖B Tᵀ Qᵀ − Y‖² has B Tᵀ = C = Y Q; with P = Y − C Qᵀ it
        leaves ½ ‖P‖², a function on the Grassmann manifold of the spans of Q. Its Newton step is the turn
        Q + D, QᵀD = 0, with D CᵀC − PᵀP D + μ D = PᵀC, μ = max(ν, 1) ‖PᵀC‖. Where the least eigenvalue λ of
        these equations is not positive (bent), μ is raised by 2 |λ|: a descent direction, which leaves a
        saddle geometrically. The turn is made by W₁, and W_H makes B the best one for the turned span: the
        other layers stay.
        """
        import torch

        p = self.narrow
        weights, y = self.weights, self.y
        q, t = torch.linalg.qr(self.below[p].mT)
        c = y @ q
        left = y - c @ q.mT
        pull, outer = left.mT @ c, left.mT @ left
        count, k, r = pull.shape
        eye_k, eye_r = (torch.eye(n, dtype=y.dtype, device=y.device) for n in (k, r))
        m = eye_k[:, None, :, None] * (c.mT @ c)[:, None, :, None, :]
        m = (m - outer[:, :, None, :, None] * eye_r[:, None, :]).reshape(count, k * r, k * r)
        m.diagonal(dim1=1, dim2=2).add_(
            (self.damping.clamp(min=1) * pull.square().sum((1, 2)).sqrt())[:, None]
        )
        factor, info = torch.linalg.cholesky_ex(m)
        saddle = info != 0
        bent = saddle.nonzero()[:, 0]
        if len(bent):
            shifted = m[bent]
            least = torch.linalg.eigvalsh(torch.nan_to_num(shifted, posinf=0.0, neginf=0.0))[:, 0]
            shifted.diagonal(dim1=1, dim2=2).add_(2 * least.abs()[:, None])
            factor[bent], info[bent] = torch.linalg.cholesky_ex(shifted)
        turn = torch.cholesky_solve(pull.reshape(count, -1, 1), factor).reshape(count, k, r)
        moved = self.above[p - 1] @ t.mT - c
        predicted = 0.5 * (moved.square().sum((1, 2)) + (pull * turn).sum((1, 2)))

        best = torch.linalg.solve_ex(eye_r + turn.mT @ turn, c + left @ turn, left=False)[0]
        best = torch.linalg.solve_triangular(t.mT, best, upper=False, left=False)
        first, last = t.mT @ turn.mT @ self.inverse, best - self.above[p - 1]
        if p > 1:
            middle = weights[1]
            for w in weights[2:p]:
                middle = w @ middle
            first = middle.mT @ torch.linalg.solve_ex(middle @ middle.mT, first)[0]
        if p < len(weights) - 1:
            middle = weights[p]
            for w in weights[p + 1 : -1]:
                middle = w @ middle
            last = torch.linalg.solve_ex(middle.mT @ middle, last, left=False)[0] @ middle.mT
        near = (info == 0) & (predicted > 0)  # no layer moves by more than its own size
        for w, s in ((weights[0], first), (weights[-1], last)):
            near &= s.square().sum((1, 2)) <= w.square().sum((1, 2))
        return [first, *(torch.zeros_like(w) for w in weights[1:-1]), last], predicted, near, saddle

    def iterate(self) -> None:
        """One trial step for every row, accepted or not.

        Near the end the value cannot judge: once the predicted decrease is below 32 u f, the rounding noise
        of f, a step is accepted by the norm of the gradient, except that this may grow near a saddle. Newton
        replaces Gauss-Newton only at an inner bottleneck where the last prediction left more than nine tenths
        of f, and where its step is sound. The numbers steer the speed only.
        """
        import torch

        f, g = self.value, self.gradient_norm
        step, predicted = [torch.zeros_like(w) for w in self.weights], f.clone()
        sound, saddle = torch.zeros_like(f, dtype=torch.bool), torch.zeros_like(f, dtype=torch.bool)
        if self.narrow:
            which = (self.predicted < _CURVED * f).nonzero()[:, 0]
            if len(which):
                newton, decrease, definite, saddle[which] = self.only(which).newton()
                for s, n in zip(step, newton, strict=True):
                    s[which] = n
                predicted[which], sound[which] = decrease, definite
        saddle &= sound
        which = (~sound).nonzero()[:, 0]
        if len(which):
            rows = self.only(which) if len(which) < len(f) else self
            gauss, decrease, definite = rows.gauss_newton(rows.damping * rows.gradient_norm)
            for s, n in zip(step, gauss, strict=True):
                s[which] = n
            predicted[which], sound[which] = decrease, definite
        before = self.only(slice(None))
        finite = torch.isfinite(sum(s.sum((1, 2)) for s in step))
        sound = sound & finite
        self.weights = [
            torch.where(sound[:, None, None], w + s, w) for w, s in zip(self.weights, step, strict=True)
        ]
        self.evaluate()
        blind = predicted <= 32 * _U * f
        ratio = (f - self.value) / predicted
        calmer = (self.gradient_norm < g) | (saddle & (self.value <= f + 32 * _U * f))
        accepted = sound & torch.where(blind, calmer, ratio > 1e-4)
        refused = (~accepted).nonzero()[:, 0]
        if len(refused):
            for name in ("residual", "value", "gradient_norm"):
                getattr(self, name)[refused] = getattr(before, name)[refused]
            for name in self._LISTS:
                for new, old in zip(getattr(self, name), getattr(before, name), strict=True):
                    if new is not self.x:
                        new[refused] = old[refused]
        easier = accepted & (blind | (ratio > 0.75))
        harder = accepted & ~blind & (ratio < 0.25)
        factor = torch.where(easier, 1 / _EASE, torch.where(harder, 2.0, torch.where(accepted, 1.0, _RAISE)))
        self.damping = (self.damping * factor).clamp(min=_LEAST_DAMPING)
        self.predicted = torch.where(sound, predicted, self.predicted)
        self.age = self.age + 1


# Chosen by measurement; they steer the speed only.
_CURVED, _EASE, _RAISE, _LEAST_DAMPING = 0.1, 3.0, 6.0, 0.1


# --- certificates ------------------------------------------------------------------------------------------


class _Layers:
    """Products of a deep linear network in balls: A_j = W_j ⋯ W₁ (below) and B_j = W_H ⋯ W_{j+1} (above)."""

    def __init__(self, p: DeepLinearProblem, flat: list[arb]) -> None:
        self.widths = d = p.widths
        self.at = [0]
        for a, b in pairwise(d):
            self.at.append(self.at[-1] + a * b)
        self.weights = [arb_mat(d[i + 1], d[i], flat[self.at[i] : self.at[i + 1]]) for i in range(len(d) - 1)]
        self.below = [_identity(d[0])]
        for w in self.weights:
            self.below.append(w * self.below[-1])
        self.above = [_identity(d[-1])]
        for w in reversed(self.weights):
            self.above.append(self.above[-1] * w)
        self.above.reverse()

    def gradient(self, gram: arb_mat, cross: arb_mat) -> list[arb]:
        """∂L/∂W_i = B_iᵀ G A_{i−1}ᵀ, G = R XXᵀ − YXᵀ, layer by layer, each row by row."""
        g = self.below[-1] * gram - cross
        parts = [
            self.above[i + 1].transpose() * g * self.below[i].transpose() for i in range(len(self.weights))
        ]
        return [e for part in parts for e in part.entries()]

    def gauss_newton(self, gram: arb_mat) -> list[list[arb]]:
        """JᵀJ, J the derivative of R X.

        The entry of W_i[a, b] and W_j[c, e] is (B_iᵀB_j)[a, c] (A_{i−1} XXᵀ A_{j−1}ᵀ)[b, e].
        """
        n = self.at[-1]
        table: list[list[arb]] = [[arb(0)] * n for _ in range(n)]
        for i in range(len(self.weights)):
            for j in range(i + 1):
                left = (self.above[i + 1].transpose() * self.above[j + 1]).table()
                right = (self.below[i] * gram * self.below[j].transpose()).table()
                columns = [arb_mat(len(a), 1, a) for a in left]
                across = [arb_mat(1, len(b), b) for b in right]
                for row, (a, b) in enumerate((a, b) for a in columns for b in across):
                    table[self.at[i] + row][self.at[j] : self.at[j + 1]] = (a * b).entries()
        return _mirrored(table)

    def hessian(self, gram: arb_mat, cross: arb_mat) -> list[list[arb]]:
        """JᵀJ plus (B_iᵀ G A_{j−1}ᵀ)[a, e] (W_{i−1} ⋯ W_{j+1})[b, c] for the layers i > j."""
        table = self.gauss_newton(gram)
        g = self.below[-1] * gram - cross
        for i in range(1, len(self.weights)):
            pulled, between = self.above[i + 1].transpose() * g, _identity(self.widths[i])
            for j in range(i - 1, -1, -1):
                left = (pulled * self.below[j].transpose()).table()
                middle = between.table()
                for a, along in enumerate(left):
                    for b, across in enumerate(middle):
                        row = table[self.at[i] + a * len(middle) + b]
                        column = self.at[j]
                        for t in across:
                            for s in along:
                                row[column] = row[column] + s * t
                                column += 1
                between = between * self.weights[j]
        return _mirrored(table)


def _identity(n: int) -> arb_mat:
    return arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])


def _mirrored(table: list[list[arb]]) -> list[list[arb]]:
    for i, row in enumerate(table):
        for j in range(i):
            table[j][i] = row[j]
    return table


def _grams(p: DeepLinearProblem) -> tuple[fmpq_mat, fmpq_mat]:
    turned = p.X.transpose()
    return p.X * turned, p.Y * turned


def _transversal(p: DeepLinearProblem) -> np.ndarray[Any, Any]:
    """The leading right singular vectors of J, as many as R X has degrees of freedom: see the certificate."""
    q, d = min(p.least_width, int(p.X.rank())), p.widths
    k = q * (int(p.X.rank()) + d[-1] - q)
    W, X = [as_floats(w) for w in p.weights], as_floats(p.X)
    below, above = [X], [np.eye(d[-1])]
    for w in W:
        below.append(w @ below[-1])
    for w in reversed(W):
        above.append(above[-1] @ w)
    above.reverse()
    J = np.hstack([np.kron(above[i + 1], below[i].T) for i in range(len(W))])
    basis: np.ndarray[Any, Any] = np.linalg.svd(J, full_matrices=False)[2][:k].T
    return basis


def certify_deep_linear_minimum(
    problem: DeepLinearProblem, *, bits: int = 128, radius: float | None = None
) -> CriticalPoint | None:
    """A box around the weights in which a local minimum of L provably lies, or None: cannot.

    The weights must be floats (dyadics of 53 bits); X and Y are taken exactly. The product map π: W ↦ R X is
    constant along the gauge orbits W_{j+1} T⁻¹, T W_j, and so is L: the Hessian is singular. Interval Newton
    works on a slice x + B t with as many columns as the matrices R X have degrees of freedom,
    k = q (ρ + d_H − q), ρ = rank X, q = min(d_p, ρ). Let J = dπ. What is checked on the whole box is that
    BᵀJᵀJB is positive definite, that is, that J B is injective. Then a zero W of Bᵀ∇L in the box is critical,
    and a local minimum where Bᵀ∇²L B is positive definite:

    * rank J <= k at *every* W. If q is ρ or d_H, k = ρ d_H counts all matrices. Else the image of J lies in
      col(B_p) ⊗ R^ρ + R^{d_H} ⊗ row(A_p X), whose dimension s ρ + s' d_H − s s' (s, s' <= q the two ranks) is
      at most k. With J B injective on k columns, rank J = k on the box, and near it by continuity, and B and
      ker J together span the whole space.
    * L = ℓ ∘ π, so ∇L vanishes on ker J: with Bᵀ∇L = 0, ∇L = 0.
    * By the constant rank theorem the fibres of π near W are manifolds tangent to ker J, transversal to the
      slice: those through points of the slice near W cover a neighbourhood of W. L is constant on them, so a
      minimum on the slice (strict, by the Hessian) is a local minimum of L.

    The fibres contain the gauge orbits; that they may be larger (wide layers) does no harm. None where J
    loses rank, as it does where rank R X < q at an inner bottleneck: no such minimum is certified.
    ``point`` of the result encloses the local minimum (``enclose_loss`` its value). ``radius`` as in
    ``prove_critical_point``.
    """
    gram, cross = _grams(problem)
    x = [float(e) for w in problem.weights for e in as_floats(w).ravel()]
    basis = _transversal(problem)
    if not np.isfinite(basis).all():
        return None
    with ctx.workprec(bits):
        s, c = arb_mat(gram), arb_mat(cross)
        found = prove_critical_point(
            lambda t: _Layers(problem, t).gradient(s, c),
            lambda t: _Layers(problem, t).hessian(s, c),
            x,
            slice=basis,
            radius=radius,
            bits=bits,
        )
        if found is None or not found.positive_definite:
            return None
        n, k = basis.shape
        b = arb_mat(n, k, basis.ravel().tolist())
        full = arb_mat(n, n, [e for row in _Layers(problem, found.box).gauss_newton(s) for e in row])
        moved = (b.transpose() * full * b).table() if k else []
        moved = [[moved[min(i, j)][max(i, j)] for j in range(k)] for i in range(k)]
        return found if is_positive_definite(moved) else None


def enclose_loss(problem: DeepLinearProblem, weights: Sequence[arb]) -> arb:
    """L of the problem's data at weights in balls, layer by layer, each row by row."""
    products = _Layers(problem, list(weights)).below
    residual = products[-1] * arb_mat(problem.X) - arb_mat(problem.Y)
    return sum((e * e for e in residual.entries()), arb(0)) / 2
