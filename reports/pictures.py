"""The picture of a counterexample, from what the record says of it and nothing else.

Up to three panels: the loss around the point where the loss computed here agrees with the one the record
gives, what the instance's type is about, the data, singular values, the pattern of the units. A picture
decides nothing: float64 throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reports.drawing import Figure, Sheet, cut
from reports.models import Floats, Model, kind_of, matrix, model, typed
from reports.panels import PANEL, TALL, Panel
from reports.panels_of_data import data, units_on_samples
from reports.panels_of_functions import (
    activation_range,
    analytic,
    listed,
    loss_point,
    plane_curve,
    polynomial,
    ramps,
    robust,
    zeros,
)
from reports.panels_of_losses import (
    entrywise,
    first_order,
    heavy_tail,
    laplace,
    loss_around,
    output_around,
    rotation,
)
from reports.panels_of_matrices import both_sides, diagonal, singular_values, turned_vectors
from reports.record import Counterexample, Variant

__all__ = ["picture"]

GAP = 20


def picture(variant: Variant) -> Figure | None:
    """What can be seen of the variant's counterexample; None where there is nothing to see.

    The same bytes for the same variant. A record that does not hold what its types promise gives None.
    """
    if variant.counterexample is None:
        return None
    try:
        with np.errstate(all="ignore"):
            panels = list(_panels(variant.counterexample))[:3]
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError):
        return None
    if not panels:
        return None
    sheet = Sheet(len(panels) * (PANEL + GAP) - GAP, TALL)
    for i, panel in enumerate(panels):
        x = i * (PANEL + GAP)
        sheet.write(x, 11, cut(panel.title, PANEL))
        panel.draw(sheet, x)
    said = ". ".join(panel.says for panel in panels) + "."
    return sheet.figure(f"Picture of the counterexample {variant.counterexample.id}", said)


def _panels(found: Counterexample) -> Iterator[Panel]:
    parts = list(typed(found.instance))
    at = next((m for part in parts if (m := model(part)) is not None), None)
    if at is not None:
        moves = [move for part in parts if (move := _moved(part, at)) is not None]
        if (panel := loss_around(at, found.values, moves[0] if moves else None)) is not None:
            yield panel
        if (panel := output_around(at, found.values)) is not None:
            yield panel
    for part in parts:
        if (panel := _special(part, found.values)) is not None:
            yield panel
            break
    for panel in (listed(found.values), both_sides(found.values)):
        if panel is not None:
            yield panel
    for part in parts:
        if (panel := data(part, model(part))) is not None:
            yield panel
            break
    for part in parts:
        if (panel := singular_values(part)) is not None:
            yield panel
            break
    pattern = units_on_samples(at) if at is not None else None
    if pattern is not None:
        yield pattern


def _moved(part: dict[str, Any], at: Model) -> tuple[Floats, ...] | None:
    """The direction A, B of an instance that is a network together with a move of its first two matrices."""
    if "net" not in part or not {"A", "B"} <= part.keys() or len(at.parameters) < 2:
        return None
    try:
        move = (matrix(part["A"]), matrix(part["B"]), *(np.zeros_like(p) for p in at.parameters[2:]))
    except ValueError:
        return None
    fits = all(m.shape == p.shape for m, p in zip(move, at.parameters, strict=True))
    return move if fits and any(m.any() for m in move) else None


_Reader = Callable[[dict[str, Any], dict[str, str]], Panel | None]


def _special(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """What can be seen of the one thing that instances of this type are about."""
    readers: dict[str, _Reader] = {
        "Analytic": analytic,
        "Bivariate": zeros,
        "Curve": plane_curve,
        "DiagonalProblem": diagonal,
        "EntrywiseProblem": entrywise,
        "HeavyTail": heavy_tail,
        "InducedModel": first_order,
        "LaplaceProblem": laplace,
        "LossPoint": loss_point,
        "PerturbedDecomposition": turned_vectors,
        "Polynomial": polynomial,
        "Problem": activation_range,
        "Ramps": ramps,
        "Robust": robust,
        "Rotation": rotation,
    }
    read = readers.get(kind_of(part))
    if read is None:
        return None
    try:
        return read(part, values)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, np.linalg.LinAlgError):
        return None
