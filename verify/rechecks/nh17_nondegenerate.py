"""Rechecks for ``verify/test_nh17_nondegenerate.py``: non-degenerate critical points that are not least."""

from __future__ import annotations

from typing import Any

from verify.rechecks.convex_traps import is_convex_trap
from verify.rechecks.layers import (
    double_well_is_lower_nearby,
    has_full_column_ranks,
    is_not_least,
    is_stationary,
    layers_at,
    loss_block,
    loss_of_layers,
    stack_of,
    widths_of,
)
from verify.rechecks.linear_algebra import determinant, matrix, rank


def block_is_regular(level):
    """Whether the Hessian's block of the layers of I has a determinant other than 0, with a fraction for log
    2."""
    return determinant(loss_block(level["net"], [int(l) for l in level["blocks"]["tuple"]])) != 0


def theorem_3_8_fails(
    level: dict[str, Any], degenerate: bool = False, ranks: bool = True, missing: int = 0
) -> bool:
    """n_k, the ranks of the weights above layer k + 1, the determinant of the Hessian's block (unless
    dropped) and ∇Φ = 0 are as supposed; and yet Φ(θ) is not least: min Φ = 0 (steep units), or outputs of one
    or two levels cost less, or some curvature of Φ at θ is negative."""
    net, k = level["net"], int(level["k"])
    stack = stack_of(net)
    return (
        widths_of(stack)[k] >= len(net["X"]) - 1 - missing
        and (not ranks or has_full_column_ranks(stack, k + 2))
        and is_stationary(net)
        and loss_of_layers(net) > 0
        and (degenerate or block_is_regular(level))
        and is_not_least(net)
    )


def regular_point_of_a_double_well_is_not_least(level: dict[str, Any]) -> bool:
    """The labels are F_L and l = 3a⁴ − 4a³ − 12a², so that ∇Φ = 0 and the Hessian's block is −24 JᵀJ, regular
    since its determinant is not 0; and yet 1 more in the first bias of the output makes Φ less."""
    net = {**level["net"], "loss": {"loss": "tilted double well"}}
    return (
        has_full_column_ranks(stack_of(net), int(level["k"]) + 2)
        and layers_at(net)[0][-1] == matrix(net["Y"])
        and block_is_regular({**level, "net": net})
        and double_well_is_lower_nearby(net)
    )


def widths_are_otherwise(at: dict[str, Any], order: str) -> bool:
    """All W_l of the list have full column rank, by elimination; and their widths do not fall, or do not
    rise, as the sentence says."""
    stack = [matrix(w) for w in at["stack"]["tuple"]]
    pairs = [(len(w), len(w[0])) for w in stack]
    holds = all(m > n if order == "falling" else m <= n for m, n in pairs)
    return all(rank(w) == len(w[0]) for w in stack) and not holds


def local_minimum_is_not_global(level: dict[str, Any]) -> bool:
    """W_2, …, W_L have full column rank and θ is a local minimum: W_1 = 0, the residuals are a balayage and
    every hidden unit is a convex function of x where they need it; and yet Φ(θ) > 0 = min Φ, reached by steep
    units."""
    net = level["net"]
    return has_full_column_ranks(stack_of(net), 2) and is_convex_trap(net) and is_not_least(net)
