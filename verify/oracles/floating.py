"""Minima in float64: found, planted and bounded for thousands of small ResNets at once, with stated errors.

The model is h = W (x + V z) at fixed z, the loss the mean square L = (1/m) ‖(X + Z Vᵀ) Wᵀ − Y‖²; only
``bound_infimum`` is about linear models and other losses. Arrays hold one instance per leading index: X is
B × m × d_x, Z is B × m × d_z, Y is B × m × d_y (rows are samples), W is B × d_y × d_x and V is
B × d_x × d_z. Everything is float64, at the door and inside.

Errors follow the standard model of floating-point arithmetic: u = 2⁻⁵³ and γ_k = k u / (1 − k u); a sum of
products with k roundings is off by at most γ_k times the sum of the absolute products, whatever the order
(Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., §3.1). A Householder QR of an m × n matrix
returns the exact triangle of a matrix each of whose columns is off by at most ε times its norm, with
ε = γ_K and K = (6 m − 3 n + 40) n (Lawson and Hanson, *Solving Least Squares Problems*, ch. 15).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategies.losses import Loss

__all__ = [
    "BoundedInfimum",
    "LeastLoss",
    "Minima",
    "PlantedMinima",
    "bound_infimum",
    "compress",
    "device_named",
    "door",
    "find_minima",
    "gamma",
    "householder",
    "least_loss",
    "norms",
    "planted_minima",
    "units",
]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]

_U = 2.0**-53
# Bounds are sums of non-negative terms, so computing them costs a relative error far below one per cent.
_SLACK = 1.01
# What underflow can add up to; it is added where scaled data make that certain.
_TINY = 2.0**-500
_GATE = _U**-0.5


def gamma(k: float) -> float:
    """γ_k of the module docstring. Raises ``ValueError`` where k roundings leave no bound."""
    if k * _U >= 0.5:
        raise ValueError(f"no error bound is left after {k:.3g} roundings in float64: use smaller instances")
    return k * _U / (1 - k * _U)


def householder(m: int, n: int) -> float:
    """ε of the module docstring: the columnwise backward error of one m × n Householder QR."""
    return gamma((6 * m - 3 * min(m, n) + 40) * n)


@dataclass(frozen=True)
class LeastLoss:
    """L* of linear models on B feature matrices: |value − L*| <= error, always; arrays of length B."""

    value: Floats
    error: Floats
    conclusive: Truths
    """False where the features are too ill-conditioned for float64; then error is the trivial bound."""


@dataclass(frozen=True)
class Minima:
    """Where B descents ended and what is known there; float64 arrays with the instance as leading index.

    |loss − L(W, V)|, |optimum − L*| and |gap − (L − L*)| are all at most ``error``; the gap alone is off by
    at most ``gap_error``, which is of second order where the gap is small: (rounding)², not rounding.
    """

    W: Floats
    V: Floats
    loss: Floats
    optimum: Floats
    gap: Floats
    gradient: Floats
    """The Euclidean norm of (∂L/∂W, ∂L/∂V), as computed."""
    iterations: NDArray[np.int64]
    error: Floats
    gap_error: Floats
    conclusive: Truths
    """False where the features are too ill-conditioned for L* in float64 (see ``least_loss``)."""


@dataclass(frozen=True)
class PlantedMinima:
    """B instances that are global minima by construction: L(W, V) and L* are both within error of value."""

    X: Floats
    Z: Floats
    Y: Floats
    W: Floats
    V: Floats
    value: Floats
    error: Floats


def door(name: str, given: Any, shape: tuple[int | None, ...], axes: str) -> Floats:
    """``given`` as a C-ordered float64 array of the wanted shape (None: any positive length).

    Raises ``TypeError`` for another type or precision, ``ValueError`` for another shape, NaN and infinities.
    """
    if hasattr(given, "detach"):
        if str(given.dtype) != "torch.float64":
            found = f"{name} is a {given.dtype} tensor"
            raise TypeError(f"{found}; only float64 is accepted: pass {name}.double()")
        given = given.detach().cpu().numpy()
    if not isinstance(given, np.ndarray):
        raise TypeError(f"{name} is a {type(given).__name__}; pass a float64 array of shape {axes}")
    if given.dtype != np.float64:
        found = f"{name} has dtype {given.dtype}"
        raise TypeError(f"{found}; only float64 is accepted: pass {name}.astype(np.float64)")
    fits = given.ndim == len(shape) and all(
        n > 0 if want is None else n == want for n, want in zip(given.shape, shape, strict=True)
    )
    if not fits:
        want = " x ".join("any" if n is None else str(n) for n in shape)
        found = f"{name} has shape {given.shape}"
        raise ValueError(f"{found}; it must be {axes}, here {want}, with no empty axis")
    if not np.isfinite(given).all():
        bad = int(given.size - np.isfinite(given).sum())
        raise ValueError(f"{name} has {bad} entries that are NaN or infinite; drop those instances first")
    return np.ascontiguousarray(given)


def device_named(name: str) -> Any:
    """The torch device called ``name``. Raises ``ValueError`` where it cannot hold a float64 number."""
    import torch

    try:
        device = torch.device(name)
        torch.ones(1, dtype=torch.float64, device=device).item()
    except Exception as error:
        there = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"device {name!r} cannot compute in float64 here ({reason}); there is {', '.join(there)}: "
            f"pass device='cpu' or install a torch built for that device"
        ) from None
    return device


def units(a: Floats) -> Floats:
    """The power of two nearest to the root mean square of each instance (1 where that is 0), B × 1 × 1."""
    size = np.sqrt(np.mean(a**2, axis=(1, 2), keepdims=True))
    power = np.round(np.log2(size, where=size > 0, out=np.zeros_like(size)))
    unit: Floats = np.ldexp(1.0, power.astype(np.int64))  # exp2 need not be exact
    return unit


def norms(a: Floats) -> Floats:
    """The Frobenius norms of B matrices."""
    norm: Floats = np.sqrt(np.einsum("bij,bij->b", a, a))
    return norm


def _triangle(a: Floats) -> Floats:
    """R of a = Q R by Householder reflections, for B matrices."""
    r: Floats = np.linalg.qr(a, mode="r")  # type: ignore[assignment]
    return r


def _inverse(triangle: Floats) -> Floats:
    """R⁻¹ for B upper triangles R, with infinities or NaN where R is singular."""
    import torch

    n = triangle.shape[2]
    eye = torch.eye(n, dtype=torch.float64).expand(len(triangle), n, n).contiguous()
    solved = torch.linalg.solve_triangular(torch.from_numpy(triangle), eye, upper=True, left=False)
    inverse: Floats = solved.numpy()
    return inverse


def _condition(inverse: Floats, scale: Floats) -> Floats:
    """An upper bound of ``scale`` / σ_min(R) from the computed R⁻¹: 2 scale ‖R⁻¹‖_F; inf where R is singular.

    The computed inverse of a triangle is off by at most a relative γ_k κ; below the gate κ <= u^(-1/2) that
    is far less than one half, which the factor 2 covers. Above the gate the value is only compared to it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        bound = 2 * scale * norms(inverse)
    return np.where(np.isfinite(bound), bound, np.inf)


def compress(features: Floats, Y: Floats) -> tuple[Floats, Floats, LeastLoss, Floats]:
    """The triangle of [Φ Y] as (features, labels), the least loss of Φ, and ε κ (κ: its condition bound)."""
    m, p, n_y = features.shape[1], features.shape[2], Y.shape[2]
    k = min(m, p)
    triangle = _triangle(np.concatenate([features, Y], axis=2))
    eps = householder(m, p + n_y)
    size, labels = norms(features), norms(Y)
    if m > p:
        kappa = _condition(_inverse(triangle[:, :p, :p]), size)
        rho = norms(triangle[:, p:, p:])
        eta = eps * labels * (1 + kappa / np.maximum(1 - eps * kappa, 0.5))
        error = (2 * rho * eta + eta**2 + gamma((m - p) * n_y + 2) * rho**2) / m * _SLACK
    else:
        kappa = _condition(_inverse(_triangle(features.transpose(0, 2, 1))), size)
        rho, error = np.zeros(len(Y)), np.zeros(len(Y))
    sharp = kappa <= min(_GATE, 0.5 / eps)
    error = np.where(sharp, error, (1 + eps) ** 2 * labels**2 / m * _SLACK)
    value = rho**2 / m
    if not sharp.all():
        value[~sharp] = _estimate(features[~sharp], Y[~sharp])
    least = LeastLoss(value=value, error=error, conclusive=sharp)
    return triangle[:, :k, :p], triangle[:, :k, p:], least, eps * np.where(sharp, kappa, 0)


def _estimate(features: Floats, Y: Floats) -> Floats:
    """What L* probably is where no bound is of use: singular values below max(m, p) u σ₁ are taken as 0."""
    left, sigma, _ = np.linalg.svd(features, full_matrices=False)
    kept = sigma > max(features.shape[1:]) * _U * sigma[:, :1]
    basis = left * kept[:, None, :]
    estimate: Floats = norms(Y - basis @ (basis.transpose(0, 2, 1) @ Y)) ** 2 / Y.shape[1]
    return estimate


def least_loss(features: Floats, Y: Floats) -> LeastLoss:
    """The least loss min_R (1/m) ‖Φ Rᵀ − Y‖² of linear models, with a bound on its rounding error.

    One Householder QR of [Φ Y] leaves L* = ‖R₂₂‖² / m in the bottom right corner. The computed corner is the
    exact one of data that are off by ε ‖Φ‖ and ε ‖Y‖; the distance ρ of Y from the columns of Φ then moves by
    at most η = ε ‖Y‖ (1 + κ / (1 − ε κ)), because the solution is no longer than ‖Y‖ / σ_min(Φ), with
    κ = 2 ‖Φ‖_F ‖R₁₁⁻¹‖_F >= cond Φ. Hence error = (2 ρ η + η² + γ ρ²) / m. Where m <= p, full row rank
    (σ_min > ε ‖Φ‖, from a QR of Φᵀ) makes L* = 0 exactly.

    Past κ = u^(-1/2) = 9.5e7 the bound leaves less than half of the digits: the row is inconclusive. Its
    value is then an estimate (singular values, the usual cutoff) and its error ‖Y‖² / m, which always holds,
    since value and L* both lie between 0 and that. Never NaN. Dependent features belong to exact arithmetic.

    ``features`` B × m × p, ``Y`` B × m × d_y. Raises ``TypeError`` and ``ValueError`` at the door.
    """
    phi = door("features", features, (None, None, None), "B x m x p")
    labels = door("Y", Y, (phi.shape[0], phi.shape[1], None), "B x m x d_y")
    return compress(phi, labels)[2]


def find_minima(
    X: Floats,
    Z: Floats,
    Y: Floats,
    *,
    seed: int,
    iterations: int = 200,
    device: str = "cpu",
    starts: tuple[Floats, Floats] | None = None,
    chunk: int = 1000,
) -> Minima:
    """Descends from random starts to where the gradient is rounding noise, and says how far from L* that is.

    Each instance is first compressed by one QR: with [X Z Y] = Q R, L equals (1/m) ‖(X̂ + Ẑ Vᵀ) Wᵀ − Ŷ‖²
    over the d_x + d_z top rows of R plus the constant ‖R₂₂‖² / m. Where [X Z] has full column rank that
    constant *is* L*, so what is minimised is the gap itself: no difference of nearly equal numbers, and
    zero residual at the minimum, where Levenberg-Marquardt converges quadratically. Where Gauss-Newton
    cannot predict the residual away (d_y > d_x, no minimum), the exact Hessian takes over.

    A row stops when ‖∇‖ is below its own rounding error, γ_k (‖Q‖ ‖W‖ + ‖Ŷ‖) (‖Q‖ + ‖W‖ ‖Ẑ‖) with
    Q = X̂ + Ẑ Vᵀ and k = rows + d_x + d_z, or after ``iterations``; only the errors are claimed.
    A descent that dies in a valley has a large gap and is *not* a counterexample: floats never refute.

    Starts are standard normal from ``seed``, in the units in which X, Z and Y have entries of order 1 (powers
    of two: nothing is rounded), unless ``starts`` = (W, V) is given. ``chunk`` rows are worked on at a time
    (300 to 2000 stay in cache); rows that stop are replaced by waiting ones. The QR and the final bounds are
    computed on the host, the descent on ``device``.

    Errors: with δ the componentwise bound γ_(d_x + d_z + 3) ((|X| + |Z| |V|ᵀ) |W|ᵀ + |Y|) of the residual r,
    the loss is off by (2 ‖r‖ ‖δ‖ + ‖δ‖² + γ ‖r‖²) / m; with η = ‖δ̂‖ + ε (‖[X Z]‖ ‖[W, W V]‖ + ‖Y‖) + ε κ ‖r‖
    for the compressed residual r̂ the gap is off by (2 ‖r̂‖ η + η² + γ ‖r̂‖²) / m: the last term of η is how far
    the projector onto the columns turns (Stewart, SIAM Review 19, 1977: ‖P − P'‖ <= ‖ΔΦ‖ ‖Φ⁺‖).

    Raises ``TypeError`` and ``ValueError`` at the door, ``ValueError`` for a device that is not there.
    Source of the claim: Kawaguchi and Bengio (2019), Theorem 1; Lemma 2 needs criticality in (W, V) only.
    """
    X = door("X", X, (None, None, None), "B x m x d_x")
    Z = door("Z", Z, (X.shape[0], X.shape[1], None), "B x m x d_z")
    Y = door("Y", Y, (X.shape[0], X.shape[1], None), "B x m x d_y")
    count, m, d_x = X.shape
    d_z, d_y = Z.shape[2], Y.shape[2]
    if iterations < 1 or chunk < 1:
        raise ValueError(f"iterations = {iterations} and chunk = {chunk} must be at least 1")
    s_x, s_z, s_y = (units(a) for a in (X, Z, Y))
    if starts is None:
        rng = np.random.default_rng(seed)
        W, V = rng.standard_normal((count, d_y, d_x)), rng.standard_normal((count, d_x, d_z))
    else:
        W = door("starts[0]", starts[0], (count, d_y, d_x), "B x d_y x d_x") * (s_x / s_y)
        V = door("starts[1]", starts[1], (count, d_x, d_z), "B x d_x x d_z") * (s_z / s_x)
    where = device_named(device)

    phi = np.concatenate([X, Z], axis=2)
    small, labels, least, turned = compress(phi, Y)
    x, z = small[:, :, :d_x], small[:, :, d_x:]
    scaled = x / s_x, z / s_z, labels / s_y
    W, V, steps = _descend(*scaled, W, V, iterations=iterations, chunk=chunk, device=where)
    W, V = W * (s_y / s_x), V * (s_x / s_z)

    residual, q, bound = _residual(X, Z, Y, W, V)
    r, delta = norms(residual), norms(bound)
    loss = r**2 / m
    loss_error = (2 * r * delta + delta**2 + gamma(m * d_y + 2) * r**2) / m * _SLACK
    along = residual.transpose(0, 2, 1)
    gradient = 2 / m * np.hypot(norms(along @ q), norms(W.transpose(0, 2, 1) @ (along @ Z)))

    inside, _, noise = _residual(x, z, labels, W, V)
    s = np.hypot(norms(W), norms(W @ V) + gamma(d_x + 2) * norms(W) * norms(V))
    eps = householder(m, d_x + d_z + d_y)
    eta = norms(noise) + eps * (norms(phi) * s + norms(Y)) + turned * (r + delta)
    g = norms(inside)
    sharp = least.conclusive & (m > d_x + d_z)
    gap = np.where(sharp, g**2 / m, loss - least.value)
    second = (2 * g * eta + eta**2 + gamma(labels.shape[1] * d_y + 2) * g**2) / m * _SLACK
    first = (loss_error + least.error + _U * np.abs(gap)) * _SLACK
    gap_error = np.where(sharp, second, first)
    error = np.maximum(np.maximum(loss_error, least.error), gap_error)
    return Minima(
        W=W, V=V, loss=loss, optimum=least.value, gap=gap, gradient=gradient, iterations=steps,
        error=error, gap_error=gap_error, conclusive=least.conclusive,
    )  # fmt: skip


def _residual(X: Floats, Z: Floats, Y: Floats, W: Floats, V: Floats) -> tuple[Floats, Floats, Floats]:
    """H − Y, Q = X + Z Vᵀ and the bound γ_k ((|X| + |Z| |V|ᵀ) |W|ᵀ + |Y|) with k = d_x + d_z + 3."""
    vt, wt = V.transpose(0, 2, 1), W.transpose(0, 2, 1)
    q = X + Z @ vt
    size = (np.abs(X) + np.abs(Z) @ np.abs(vt)) @ np.abs(wt) + np.abs(Y)
    return q @ wt - Y, q, gamma(X.shape[2] + Z.shape[2] + 3) * size


def _descend(
    X: Floats, Z: Floats, Y: Floats, W: Floats, V: Floats, *, iterations: int, chunk: int, device: Any
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Levenberg-Marquardt, then Newton, on ½ ‖(X + Z Vᵀ) Wᵀ − Y‖² for every instance; see ``find_minima``.

    Only the active rows exist: those that stop are written out by index and replaced by waiting ones.
    """
    import torch

    def load(a: Floats) -> Any:
        return torch.from_numpy(np.ascontiguousarray(a)).to(device)

    with torch.inference_mode():
        data = [load(a) for a in (X, Z, Y, W, V)]
        count, k = len(W), X.shape[1] + X.shape[2] + Z.shape[2]
        w_end, v_end = data[3].clone(), data[4].clone()
        steps = torch.zeros(count, dtype=torch.int64, device=device)
        index = torch.arange(0, device=device)
        state: list[Any] = []
        waiting = 0
        while True:
            if waiting < count and len(index) < chunk:
                fresh = torch.arange(waiting, min(count, waiting + chunk - len(index)), device=device)
                waiting = int(fresh[-1]) + 1
                new = _start([a[fresh] for a in data])
                state = [torch.cat(pair) for pair in zip(state, new, strict=True)] if state else new
                index = torch.cat([index, fresh])
            _iterate(state, gamma(k))
            stop = state[_STOP] | (state[_AGE] >= iterations)
            stopped = int(stop.sum())
            # Regrouping copies the whole state: while rows wait, do it when a twentieth has stopped.
            if stopped and (waiting >= count or 20 * stopped >= len(index)):
                out = index[stop]
                w_end[out], v_end[out], steps[out] = state[_W][stop], state[_V][stop], state[_AGE][stop]
                index, state = index[~stop], [a[~stop] for a in state]
            if not len(index) and waiting >= count:
                return w_end.cpu().numpy(), v_end.cpu().numpy(), steps.cpu().numpy()


# What a row carries between iterations: data, point, then residual, gradient and step control at that point.
_X, _Z, _Y, _ZZ, _W, _V, _Q, _RZ, _GW, _GV, _F, _G, _MU, _PREDICTED, _AGE, _STOP = range(16)


def _start(data: list[Any]) -> list[Any]:
    import torch

    x, z, y, w, v = data
    q, rz, gw, gv, f, g = _gradient(x, z, y, w, v)
    # u^(1/2) ‖Q‖²: too small to bend a step unless the equations are singular to half of the digits.
    mu = _U**0.5 * q.square().sum((1, 2))
    age = torch.zeros(len(w), dtype=torch.int64, device=w.device)
    return [x, z, y, z.mT @ z, w, v, q, rz, gw, gv, f, g, mu, f.clone(), age, age < 0]


def _gradient(x: Any, z: Any, y: Any, w: Any, v: Any) -> tuple[Any, ...]:
    """Q, rᵀZ, ∂_W = rᵀQ, ∂_V = Wᵀ rᵀZ, f = ½ ‖r‖² and ‖∂‖ for the residual r = Q Wᵀ − Y."""
    import torch

    q = torch.baddbmm(x, z, v.mT)
    r = torch.baddbmm(y, q, w.mT, beta=-1)
    rz, gw = r.mT @ z, r.mT @ q
    gv = w.mT @ rz
    g = (gw.square().sum((1, 2)) + gv.square().sum((1, 2))).sqrt()
    return q, rz, gw, gv, 0.5 * r.square().sum((1, 2)), g


def _step(state: list[Any], exact: Any) -> tuple[Any, Any, Any]:
    """The damped step −(H + μ I)⁻¹ ∂, and where H + μ I is positive definite.

    H is the Gauss-Newton matrix; with the second derivative of the residual added where ``exact`` is 1 it is
    the Hessian. In blocks, with K = Qᵀ Q + μ I the same for every row a of W,
    H_WW = I ⊗ Qᵀ Q, H_VV = Wᵀ W ⊗ Zᵀ Z and H_(aj)(j'k) = W_aj' (Qᵀ Z)_jk + δ_jj' (rᵀ Z)_ak: W is eliminated
    by one d_x × d_x Cholesky factor, which leaves d_x d_z equations for V.
    """
    import torch

    zz, w, q, rz, gw, gv, mu = (state[i] for i in (_ZZ, _W, _Q, _RZ, _GW, _GV, _MU))
    count, d_y, d_x = w.shape
    n = gv.shape[1] * gv.shape[2]
    eye = torch.eye(d_x, dtype=w.dtype, device=w.device)
    factor, _ = torch.linalg.cholesky_ex(q.mT @ q + mu[:, None, None] * eye)
    inverse = torch.linalg.solve_triangular(factor, eye.expand(count, d_x, d_x), upper=False)
    t = w[:, :, None, :, None] * (inverse @ (q.mT @ state[_Z]))[:, None, :, None, :]
    if exact is not None:
        t = t + inverse[:, None, :, :, None] * (exact[:, None, None] * rz)[:, :, None, None, :]
    t = t.reshape(count, d_y * d_x, n)
    ww = w.mT @ w
    schur = (ww[:, :, None, :, None] * zz[:, None, :, None, :]).reshape(count, n, n)
    schur = torch.baddbmm(schur, t.mT, t, alpha=-1)
    schur.diagonal(dim1=1, dim2=2).add_(mu[:, None])
    half = (gw @ inverse.mT).reshape(count, d_y * d_x, 1)
    right = torch.baddbmm(gv.reshape(count, n, 1), t.mT, half, alpha=-1)
    factor, info = torch.linalg.cholesky_ex(schur)
    dv = torch.linalg.solve_triangular(factor, right, upper=False)
    dv = torch.linalg.solve_triangular(factor.mT, dv, upper=True)
    dw = (half - t @ dv).reshape(count, d_y, d_x) @ inverse
    dv = dv.reshape(gv.shape)
    sound = (info == 0) & torch.isfinite(dw.sum((1, 2)) + dv.sum((1, 2)))
    keep = sound[:, None, None]
    return torch.where(keep, -dw, 0.0), torch.where(keep, -dv, 0.0), sound


def _iterate(state: list[Any], noise: float) -> None:
    """One trial step for every active row, accepted or not.

    Near the end the value cannot judge: once the predicted decrease is below 32 u f, the rounding noise of f,
    a step is accepted by the norm of the gradient. The Hessian replaces Gauss-Newton only where the gradient
    is below 1e-2 of its scale and the last prediction left more than nine tenths of f: that is where a
    residual remains at the minimum and Gauss-Newton would be linear. Both numbers steer the speed only.
    """
    import torch

    w, v, f, g, mu = (state[i] for i in (_W, _V, _F, _G, _MU))
    y_norm, z_norm = state[_Y].square().sum((1, 2)).sqrt(), state[_ZZ].diagonal(dim1=1, dim2=2).sum(1).sqrt()

    def scale() -> tuple[Any, Any, Any]:
        q_norm, w_norm = state[_Q].square().sum((1, 2)).sqrt(), state[_W].square().sum((1, 2)).sqrt()
        return q_norm, q_norm * w_norm + y_norm, q_norm + w_norm * z_norm

    _, _, steep = scale()
    exact = ((g < 1e-2 * y_norm * steep) & (state[_PREDICTED] < 0.1 * f)).to(w.dtype)
    dw, dv, sound = _step(state, exact if bool(exact.any()) else None)
    trial = (w + dw, v + dv)
    there = _gradient(state[_X], state[_Z], state[_Y], *trial)
    length = dw.square().sum((1, 2)) + dv.square().sum((1, 2))
    slope = (state[_GW] * dw).sum((1, 2)) + (state[_GV] * dv).sum((1, 2))
    predicted = 0.5 * (mu * length - slope)
    blind = predicted <= 32 * _U * f
    ratio = (f - there[4]) / predicted
    accepted = sound & torch.where(blind, there[5] < g, ratio > 1e-4)
    for i, new in zip((_W, _V, _Q, _RZ, _GW, _GV, _F, _G), (*trial, *there), strict=True):
        state[i] = torch.where(accepted if new.ndim == 1 else accepted[:, None, None], new, state[i])
    easier = accepted & (blind | (ratio > 0.75))
    harder = ~accepted * 9.0 + (accepted & ~blind & (ratio < 0.25)) + 1.0
    q_norm, size, steep = scale()
    state[_MU] = torch.maximum(torch.where(easier, mu / 9, mu * harder), 4 * _U * q_norm**2)
    state[_PREDICTED] = predicted
    state[_AGE] = state[_AGE] + 1
    state[_STOP] = state[_G] <= noise * size * steep


def planted_minima(
    m: int, d_y: int, d_x: int, d_z: int, *, count: int, seed: int, rank: int | None = None
) -> PlantedMinima:
    """Global minima in closed form, of any rank of W: Y = H − E with E orthogonal to the columns of [X Z].

    The gradient of the linear model on [X Z] is then (2/m) [X Z]ᵀ E = 0, so L(W, V) = L* = ‖E‖² / m. One
    Householder QR of Φ = [X Z] gives the basis Φ R⁻¹ that is projected out of a drawn E, twice.
    X, Z, V and that draw are uniform on the multiples of 1/128 in [−1, 1); W = A B with unit triangular
    leading blocks and entries in multiples of 1/16, so it has the rank asked for (default: the greatest)
    *exactly*, and H is free of rounding. E = 0 where m <= d_x + d_z or where Φ is past the gate of
    ``least_loss`` (repeated columns, say): such an instance is fitted exactly, L = L* = 0.

    Error, measured on the result: Y = fl(H − E) is off by η = u ‖Y‖; the part of E inside the columns of Φ is
    at most π = 2 κ (‖fl(Φᵀ E)‖ + γ_m ‖Φ‖ ‖E‖) / ‖Φ‖, κ as in ``least_loss`` (the 2 covers ε κ <= 1/2). Hence
    (‖E‖ − η)² − (π + η)² <= m L* <= m L <= (‖E‖ + η)² and error = (2 ‖E‖ η + η² + (π + η)²) / m + γ value.

    Raises ``ValueError`` for sizes below 1, a rank that W cannot have, and sizes at which H would be rounded.
    Source: Kawaguchi and Bengio (2019), Lemma 2 read backwards.
    """
    full = min(d_y, d_x)
    r = full if rank is None else rank
    if min(m, d_y, d_x, d_z, count) < 1:
        found = f"m, d_y, d_x, d_z, count = {m}, {d_y}, {d_x}, {d_z}, {count}"
        raise ValueError(f"{found}: all must be at least 1")
    if not 0 <= r <= full:
        raise ValueError(f"rank = {r}: a {d_y} x {d_x} matrix W has a rank from 0 to {full}")
    # H is a multiple of 2⁻²² and at most d_x r (1 + d_x d_z): it needs 22 bits and those of that bound.
    if d_x * max(r, 1) * (1 + d_x * d_z) > 2**31:
        raise ValueError(f"d_x, d_z, rank = {d_x}, {d_z}, {r} are too large for outputs without rounding")
    rng = np.random.default_rng(seed)
    shapes: tuple[tuple[int, ...], ...] = ((m, d_x), (m, d_z), (m, d_y), (d_y, d_x), (d_x, d_z), (), ())
    arrays = [np.empty((count, *shape)) for shape in shapes]
    for done in range(0, count, _CACHED):
        batch = _plant(rng, m, d_y, d_x, d_z, min(_CACHED, count - done), r)
        for array, part in zip(arrays, batch, strict=True):
            array[done : done + _CACHED] = part
    return PlantedMinima(*arrays)


# Instances worked on at a time, so that the arrays of one batch stay in cache.
_CACHED = 500


def _plant(
    rng: np.random.Generator, m: int, d_y: int, d_x: int, d_z: int, count: int, rank: int
) -> tuple[Floats, ...]:
    """X, Z, Y, W, V, value and error for one batch of ``planted_minima``."""
    p, spare = d_x + d_z, max(m - d_x - d_z, 0)
    phi = _grid(rng, count, m, p)
    V = _grid(rng, count, d_x, d_z)
    W = _matrices_of_rank(rng, count, d_y, d_x, rank)
    Y = phi @ np.concatenate([W, W @ V], axis=2).transpose(0, 2, 1)
    X, Z = phi[:, :, :d_x], phi[:, :, d_x:]
    if not spare:
        return X, Z, Y, W, V, np.zeros(count), np.zeros(count)
    inverse = _inverse(_triangle(phi))
    scale = norms(phi)
    kappa = _condition(inverse, scale)
    sharp = kappa <= min(_GATE, 0.5 / householder(m, p))
    if not sharp.all():
        inverse = np.where(sharp[:, None, None], inverse, 0.0)
    basis = phi @ inverse
    across = basis.transpose(0, 2, 1)
    E = _grid(rng, count, m, d_y)
    for _ in range(2):  # twice is enough: the first pass leaves κ u, the second u (Kahan; Parlett)
        E -= basis @ (across @ E)
    if not sharp.all():
        E[~sharp] = 0
    Y -= E
    size = norms(E)
    value = size**2 / m
    left = norms(phi.transpose(0, 2, 1) @ E) + gamma(m) * scale * size
    eta = _U * norms(Y)
    inside = np.where(sharp, 2 * kappa, 0) / scale * left + eta
    error = (2 * size * eta + eta**2 + inside**2) / m + gamma(m * d_y + 2) * value
    return X, Z, Y, W, V, value, error * _SLACK


def _grid(rng: np.random.Generator, count: int, rows: int, cols: int) -> Floats:
    """Independent entries, uniform on the 256 multiples of 2⁻⁷ in [−1, 1)."""
    drawn = np.frombuffer(rng.bytes(count * rows * cols), dtype=np.int8)
    return (drawn * np.float64(2.0**-7)).reshape(count, rows, cols)


def _matrices_of_rank(rng: np.random.Generator, count: int, rows: int, cols: int, rank: int) -> Floats:
    """``count`` matrices A B of exactly the given rank: A and Bᵀ have a unit triangle as leading block."""
    left: Floats = rng.integers(-16, 17, size=(count, rows, rank), dtype=np.int8) * np.float64(2.0**-4)
    right: Floats = rng.integers(-16, 17, size=(count, rank, cols), dtype=np.int8) * np.float64(2.0**-4)
    for i in range(rank):
        left[:, i, i:] = right[:, i:, i] = 0
        left[:, i, i] = right[:, i, i] = 1
    product: Any = left @ right
    return np.asarray(product, dtype=np.float64)


# --- the infimum of a convex loss --------------------------------------------------------------------------


@dataclass(frozen=True)
class BoundedInfimum:
    """lower <= inf_R E ℓ(R φ, y) <= upper for B instances, rounding included; arrays of length B."""

    lower: Floats
    upper: Floats
    minimiser: Floats
    """R, B × d_y × p, with E ℓ(R φ, y) <= upper. Whether the infimum is attained is not decided."""

    @property
    def gap(self) -> Floats:
        """(upper − lower) / max(1, |upper|): how sharp the bounds are, wherever they came from."""
        gap: Floats = (self.upper - self.lower) / np.maximum(1.0, np.abs(self.upper))
        return gap


_Conjugate = tuple[Floats, Floats, Floats, Floats, Truths]


@dataclass(frozen=True)
class _Curves:
    """A scalar loss ℓ(h, y), for arrays of scores h or slopes d with labels y, and its conjugate."""

    slope: Callable[[Floats, Floats], Floats]
    curvature: Callable[[Floats, Floats], Floats]
    value: Callable[[Floats, Floats], tuple[Floats, Floats]]
    """ℓ(h, y) and a bound of its rounding error; |∂ℓ/∂h| <= 1."""
    conjugate: Callable[[Floats, Floats, Floats], _Conjugate]
    """ℓ*(d), a bound of its rounding error, ∂ℓ*/∂d to a relative 2⁻²¹, half a bound of ∂²ℓ*/∂d² on
    [d − r, d + r], and whether that interval certainly lies in the domain of ℓ*."""


def _sigmoid(h: Floats) -> Floats:
    t = np.exp2(-np.abs(h))
    return np.where(h >= 0, 1.0, t) / (1.0 + t)


def _logistic_slope(h: Floats, y: Floats) -> Floats:
    """σ − y, written so that slopes at hard labels keep their relative accuracy however small."""
    return (1.0 - y) * _sigmoid(h) - y * _sigmoid(-h)


def _logistic_value(h: Floats, y: Floats) -> tuple[Floats, Floats]:
    size = np.abs(h)
    value = np.where(h >= 0, 1.0 - y, y) * size + np.log2(1.0 + np.exp2(-size))
    return value, 40 * _U * (1.0 + size)


def _logistic_conjugate(d: Floats, y: Floats, r: Floats) -> _Conjugate:
    p, q = d + y, (1.0 - y) - d
    least = np.minimum(p, q)
    inside = (least > 0) & (1.01 * r <= 0.49 * least) & ((y == 0) | (y == 1) | (least >= 2.0**-20))
    p, q = np.where(inside, p, 0.5), np.where(inside, q, 0.5)
    log_p, log_q = np.log2(p), np.log2(q)
    return p * log_p + q * log_q, np.full(d.shape, 128 * _U), log_p - log_q, 3.0 / p / q, inside


def _huber_value(h: Floats, y: Floats) -> tuple[Floats, Floats]:
    size = np.abs(h - y)
    inner = np.minimum(size, 1.0)
    return inner * (size - 0.5 * inner), 8 * _U * (1.0 + size)


def _huber_conjugate(d: Floats, y: Floats, r: Floats) -> _Conjugate:
    size = np.abs(d)
    inside = size + 1.01 * r <= np.where(r > 0, 1.0 - 2 * _U, 1.0)
    error = 8 * _U * (1.0 + np.abs(y))
    return d * (0.5 * d + y), error, d + y, np.full(d.shape, 0.5), inside


_CURVES = {
    "logistic": _Curves(
        slope=_logistic_slope,
        curvature=lambda h, y: np.log(2.0) * _sigmoid(h) * _sigmoid(-h),
        value=_logistic_value,
        conjugate=_logistic_conjugate,
    ),
    "Huber": _Curves(
        slope=lambda h, y: np.clip(h - y, -1.0, 1.0),
        curvature=lambda h, y: (np.abs(h - y) < 1).astype(np.float64),
        value=_huber_value,
        conjugate=_huber_conjugate,
    ),
}


def bound_infimum(
    features: Floats, labels: Floats, loss: Loss, weights: Floats | None = None
) -> BoundedInfimum:
    """The least loss inf_R E ℓ(R φ, y) of linear models on the features, between two rigorous bounds.

    ``features`` B × m × p, ``labels`` B × m × d_y, ``weights`` B × m, positive; only their ratios count
    (default: equal). ``loss`` is the logistic one (in bits) or Huber's. The gap is below 1e-12 on data of
    moderate condition (κ = 10⁴ costs four digits). Where the infimum is not attained, or the features are
    dependent, the bounds hold but may be far apart: ``enclose_infimum`` is exact there.

    Above: the loss at the computed R. Below, by Fenchel, −E ℓ*(D') for any D' with Φᵀ W D' = 0. The computed
    D (the gradient, less its first-order change along the last Newton step) is only nearly feasible. For a
    metric C = diag(c), c >= 0, and a p × p matrix T let Ψ = Φ T, A = Ψᵀ W C Ψ, s = Ψᵀ W D. If ‖I − A‖ <= a,
    a < 1, then T is regular and D' = D − C Ψ A⁻¹ s *is* feasible, with |D' − D|_i <= η_i = c_i ‖ψ_i‖ ρ,
    ρ = ‖s‖ / (1 − a). With g = ∂ℓ*/∂d and κ >= ½ ∂²ℓ*/∂d² on [D − η, D + η] inside the domain of ℓ*,

        Σ w ℓ*(D') <= Σ w ℓ*(D) + ‖Ψᵀ W C g‖ ρ + Σ w κ η².

    C is the curvature and T the inverse of the Cholesky factor there, so that A is nearly I, and saturated
    slopes, where c = 0, stay exactly where they are. D' = 0 is feasible too: the better bound counts.

    Rounding, with N = |Φ| |T|: s, computed as Tᵀ (Φᵀ (W D)), is off by γ_(m+p+1) Nᵀ W |D|; A by
    γ_(m+2p+3) Nᵀ W C N, in norm at most γ Σ w c ‖N_i‖²; ‖ψ_i‖ <= ‖N_i‖; Ψᵀ W C g by
    2⁻²⁰ Σ w c (1 + |g|) ‖N_i‖; scores by γ_p |Φ| |R|, and ℓ by no more, its slopes being at most 1; a sum of
    m terms by γ_(m+…) times that of the absolute values. numpy's exp2 and log2 are *assumed* to be within
    4 ulp (the tests compare them with balls): the logistic value is then off by less than 40 u (1 + |h|) and
    the entropy by less than 128 u.
    Columns and weights are first scaled by powers of two, T and R are bounded, so that all that underflows
    together stays below 2⁻⁵⁰⁰, which is added.

    Raises ``TypeError`` and ``ValueError`` at the door, ``ValueError`` for other losses, for logistic labels
    outside [0, 1], for features beyond 2⁴⁰⁰ and for weights that are not positive or more than 2¹⁰⁰ apart.
    Source: Rockafellar, Convex Analysis, Theorem 31.1; Rump (2010), Acta Numerica 19, for the method.
    """
    phi = door("features", features, (None, None, None), "B x m x p")
    count, m, p = phi.shape
    y = door("labels", labels, (count, m, None), "B x m x d_y")
    d_y = y.shape[2]
    curves = _CURVES.get(loss.name)
    if curves is None:
        known = " and ".join(_CURVES)
        raise ValueError(f"no float bounds for the {loss.name} loss, only for {known}: use enclose_infimum")
    if loss.name == "logistic" and not ((y >= 0) & (y <= 1)).all():
        raise ValueError(f"logistic labels lie between 0 and 1, here between {y.min()} and {y.max()}")
    w = np.ones((count, m)) if weights is None else door("weights", weights, (count, m), "B x m")
    top = w.max(axis=1, keepdims=True)
    if not (w.min(axis=1, keepdims=True) > top * 2.0**-100).all():
        raise ValueError("weights must be positive and less than a factor of 2^100 apart")
    w = np.ldexp(w, -np.frexp(top)[1])
    exponents = np.frexp(np.abs(phi).max(axis=1, keepdims=True))[1]
    if np.abs(exponents).max() > 400:
        raise ValueError("the largest entry of a column of features must lie between 2^-400 and 2^400")
    phi = np.ldexp(phi, -exponents)
    if d_y > 1:
        phi, w = np.repeat(phi, d_y, axis=0), np.repeat(w, d_y, axis=0)
    y = y.transpose(0, 2, 1).reshape(count * d_y, m)
    with np.errstate(all="ignore"):
        lower, upper, r = _bound(phi, y, w, curves)
    minimiser = np.ldexp(r.reshape(count, d_y, p), -exponents)
    # Sums over the outputs are d_y further roundings each.
    low, high = lower.reshape(count, d_y), upper.reshape(count, d_y)
    outward = np.where(d_y > 1, gamma(d_y), 0.0)
    return BoundedInfimum(
        lower=low.sum(axis=1) - outward * np.abs(low).sum(axis=1) * _SLACK,
        upper=high.sum(axis=1) + outward * np.abs(high).sum(axis=1) * _SLACK,
        minimiser=minimiser,
    )


def _times(a: Floats, x: Floats) -> Floats:
    """a x for B matrices and vectors."""
    product: Floats = (a @ x[:, :, None])[:, :, 0]
    return product


def _bound(phi: Floats, y: Floats, w: Floats, curves: _Curves) -> tuple[Floats, Floats, Floats]:
    """Lower bounds, upper bounds and R (n × p) for n instances of one output; see ``bound_infimum``."""
    (n, m, p), total = phi.shape, w.sum(axis=1)
    identity = np.eye(p)
    basis = np.tile(identity, (n, 1, 1))
    if m >= p:
        inverse = _inverse(_triangle(phi))
        tame = np.abs(inverse).max(axis=(1, 2), keepdims=True) <= 2.0**40
        basis = np.where(tame, inverse, basis)
    psi = phi @ basis
    x = _minimise(psi, y, w / total[:, None], curves)

    # T, and the last Newton step in its coordinates
    h = _times(psi, x)
    slope, c = curves.slope(h, y), curves.curvature(h, y)
    factor = _cholesky(psi.transpose(0, 2, 1) @ ((w * c)[:, :, None] * psi))
    t = basis @ _inverse(factor.transpose(0, 2, 1))
    usable = np.abs(t).max(axis=(1, 2)) <= 2.0**100
    t = np.where(usable[:, None, None], t, 0.0)
    psi = phi @ t
    across, wc = psi.transpose(0, 2, 1), w * c
    step = _times(across, w * slope)
    r = _times(basis, x) - _times(t, step)
    r = np.where(np.abs(r).max(axis=1, keepdims=True) <= 2.0**200, r, 0.0)
    d = slope - c * _times(psi, step)

    # above
    sizes = np.abs(phi)
    h = _times(phi, r)
    value, error = curves.value(h, y)
    away = gamma(p) * _times(sizes, np.abs(r)) + _TINY
    above = (w * value).sum(axis=1) / total
    error = (w * (error + away)).sum(axis=1) / total + gamma(2 * m + 10) * above
    upper = above + error * _SLACK

    # below, at D' near D and at 0
    n_abs = sizes @ np.abs(t)
    length = np.sqrt(np.einsum("bij,bij->bi", n_abs, n_abs))
    a = norms(identity - across @ (wc[:, :, None] * psi))
    a = (a + gamma(m + 2 * p + 3) * (wc * length**2).sum(axis=1)) * _SLACK
    s = _times(t.transpose(0, 2, 1), _times(phi.transpose(0, 2, 1), w * d))
    noise = gamma(m + p + 1) * _times(n_abs.transpose(0, 2, 1), w * np.abs(d))
    rho = (np.sqrt((s**2).sum(axis=1)) + np.sqrt((noise**2).sum(axis=1)) + _TINY) / (1.0 - a) * _SLACK
    eta = c * length * rho[:, None] * _SLACK
    star, error, g, bend, inside = curves.conjugate(d, y, eta)
    turn = _times(across, wc * g)
    turn_size = np.sqrt((turn**2).sum(axis=1)) + 2.0**-20 * (wc * (1.0 + np.abs(g)) * length).sum(axis=1)
    spread = turn_size * rho + (w * (bend * eta**2 + error)).sum(axis=1) + _TINY
    below = _below(star, spread, w, total)
    lower = np.where(usable & (a <= 0.5) & inside.all(axis=1), below, -np.inf)
    star, error, _, _, inside = curves.conjugate(np.zeros_like(y), y, np.zeros_like(y))
    hard = _below(np.where(inside, star, 0.0), (w * error).sum(axis=1), w, total)
    return np.fmax(lower, hard), upper, r


def _below(star: Floats, spread: Floats, w: Floats, total: Floats) -> Floats:
    """−(Σ w ℓ* + spread) / Σ w, rounded down."""
    below: Floats = -(w * star).sum(axis=1) / total
    size = (w * np.abs(star)).sum(axis=1)
    lowered: Floats = below - (spread + gamma(2 * w.shape[1] + 10) * size) / total * _SLACK
    return lowered


def _cholesky(a: Floats) -> Floats:
    """L with a = L Lᵀ, as far as it goes: NaN where ``a`` is not positive definite in float64."""
    import torch

    factor, info = torch.linalg.cholesky_ex(torch.from_numpy(a))
    lower: Floats = factor.numpy()
    return np.where(info.numpy()[:, None, None] == 0, lower, np.nan)


def _minimise(psi: Floats, y: Floats, w: Floats, curves: _Curves) -> Floats:
    """Near-minimisers of Σ w ℓ(ψ x, y), Σ w = 1, by Newton's method; nothing is promised of them.

    Levenberg's damping starts where it is invisible and rises only where a step does not lower the loss. A
    row stops when the predicted decrease is below 1e-13; the certificate takes one more step, which squares
    it.
    """
    n, m, p = psi.shape
    end, x = np.zeros((n, p)), np.zeros((n, p))
    index, identity = np.arange(n), np.eye(p)
    value = (w * curves.value(np.zeros((n, m)), y)[0]).sum(axis=1)
    unit = np.einsum("bi,bij,bij->b", w, psi, psi) / p + _TINY
    damping = np.full(n, _LEAST_DAMPING)
    for _ in range(100):
        h = _times(psi, x)
        gradient = _times(psi.transpose(0, 2, 1), w * curves.slope(h, y))
        hessian = psi.transpose(0, 2, 1) @ ((w * curves.curvature(h, y))[:, :, None] * psi)
        hessian += (damping * unit)[:, None, None] * identity
        step = np.linalg.solve(hessian, -gradient[:, :, None])[:, :, 0]
        decrement = -(gradient * step).sum(axis=1)
        there = (w * curves.value(_times(psi, x + step), y)[0]).sum(axis=1)
        lower = there <= value - 1e-4 * decrement + 8 * _U * value
        x = np.where(lower[:, None], x + step, x)
        value = np.where(lower, there, value)
        stop = (lower & (decrement <= 1e-13)) | (damping > 1e6)
        damping = np.where(lower, np.maximum(damping / 30, _LEAST_DAMPING), np.maximum(damping * 10, 1e-4))
        if stop.any():
            end[index[stop]] = x[stop]
            if stop.all():
                return end
            index, x, value, unit, damping, psi, y, w = (
                a[~stop] for a in (index, x, value, unit, damping, psi, y, w)
            )
    end[index] = x
    return end


_LEAST_DAMPING = 2.0**-50
