"""A planted minimum in float64 against the bare QR it needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.benchmarks.comparison import Comparison, seconds
from verify.oracles.floating import planted_minima

COUNT, M, D_Y, D_X, D_Z = 10_000, 20, 2, 3, 4


def compare(repeat: int) -> Iterator[Comparison]:
    """Data and weights drawn, labels planted, errors bounded; against ``numpy.linalg.qr`` of [X Z] alone.

    A projection needs Q, or R and two triangular solves: the first row is the fair floor, the second the
    lowest one (``mode="r"``), which draws nothing and projects nothing.
    """
    planted = planted_minima(M, D_Y, D_X, D_Z, count=COUNT, seed=0)
    features = np.concatenate([planted.X, planted.Z], axis=2)
    repeat = max(repeat, 5)  # a run takes a twentieth of a second
    ours = seconds(lambda: planted_minima(M, D_Y, D_X, D_Z, count=COUNT, seed=0), repeat=repeat, count=COUNT)
    full = seconds(lambda: np.linalg.qr(features), repeat=repeat, count=COUNT)
    triangle = seconds(lambda: np.linalg.qr(features, mode="r"), repeat=repeat, count=COUNT)
    note = f"{1 / ours:,.0f} instances/s, {COUNT} of m = {M}, d_y, d_x, d_z = {D_Y}, {D_X}, {D_Z}"
    what = "planted minimum / bare QR"
    yield Comparison(f"{what}, Q and R", ours, full, "<= 3x slower", floor=True, note=note)
    yield Comparison(f"{what}, R only", ours, triangle, "<= 4x slower", floor=True)
