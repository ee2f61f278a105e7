"""Lu & Kawaguchi (2017): the remarks, "beyond the Frobenius norm", "any function L", and matrix completion."""

from __future__ import annotations

from dataclasses import replace

from flint import arb, fmpq

from strategies.completion import (
    EntrywiseProblem,
    cyclic_completions,
    full_completions,
    plain_sums,
    planted_entrywise_points,
    split_completions,
    thin_chains,
)
from strategies.matrices import identity
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.completion import (
    certified_completion,
    find_lower,
    find_lower_thin,
    is_at_shallow_minimum,
    is_critical,
    is_entrywise_minimum,
    is_thin_minimum,
    local_minimum_value,
    loss,
    satisfies_theorem_3_2,
    shallow_minimum_value,
    slope,
)
from verify.oracles.landscape import RADII
from verify.oracles.rank_constrained import least_value
from verify.papers import LK17
from verify.rechecks.lk17_remarks import (
    bad_minimum_in_spite_of_theorem_3_2,
    completion_has_a_bad_minimum,
    completion_is_stuck,
    completion_is_stuck_above_another,
    critical_weights_are_not_least,
    minimum_has_no_shallow_value,
    minimum_is_above_zero,
    minimum_of_lower_rank,
    plain_sum_falls_for_ever,
    plain_sum_is_lower,
    slope_is_never_zero,
    targets_are_no_product,
)


def attains_a_shallow_value(p: EntrywiseProblem) -> Verdict:
    """At a certified local minimum of (D) whose (S) has no rank constraint: L(R) is the value of a local minimum of (S)."""
    reason = is_thin_minimum(p)
    if reason is None:
        return vacuous("W is not certainly a local minimum")
    value, here = shallow_minimum_value(p), loss(p)
    return decide(
        value is not None and value == here,
        why=f"W is a local minimum of (D) ({reason}), and (S) has "
        + ("no local minimum." if value is None else f"local minima of the value {value} only."),
        values={"L(R)": here, "value of local minima of (S)": value, "R^T": p.linear.R.transpose()},
    )


def under_theorem_3_2(p: EntrywiseProblem) -> Verdict:
    """The same where L satisfies Theorem 3.2 on these widths."""
    if satisfies_theorem_3_2(p) is not True:
        return vacuous("L does not satisfy Theorem 3.2")
    return attains_a_shallow_value(p)


def under_merged_theorem_3_2(p: EntrywiseProblem) -> Verdict:
    """L satisfies Theorem 3.2 on these widths and on those of (W₃, W₂W₁): R is a local minimum of L, or W is none of (D)."""
    if satisfies_theorem_3_2(p) is not True or satisfies_theorem_3_2(p, merged=True) is not True:
        return vacuous("L does not satisfy Theorem 3.2")
    if is_entrywise_minimum(p):
        return decide(True, why="R is a local minimum of (S)", values={"L(R)": loss(p)})
    if reason := is_thin_minimum(p):
        return decide(False, why=f"W is a local minimum of (D) ({reason}), and R is none of (S).")
    if any(find_lower_thin(p, radius) is None for radius in RADII):
        return inconclusive("R is no local minimum of (S) and no lower weights were found")
    return decide(
        True, why="R is no local minimum of (S) and W none of (D): lower weights within every radius"
    )


def minimum_corresponds(p: EntrywiseProblem) -> Verdict:
    """A critical W with a differentiable f: R is a local minimum of (S), or lower weights lie within every radius.

    Where rank R = d_p and ∇f(R) ≠ 0 the product is open at W (Theorem 3.1) and W is a local minimum iff R is: nothing to test.
    Where ∇f(R) = 0 and f is not convex the sentence claims nothing.
    """
    if not is_critical(p):
        return vacuous("the point is not critical")
    shallow = is_at_shallow_minimum(p)
    if shallow is None:
        return vacuous("rank R = d_p and the slope is not zero, or f is not convex where it is")
    if shallow:
        return decide(True, why="the slope of f at R is zero and f is convex", values={"f": loss(p)})
    for radius in RADII:
        if find_lower(p, radius) is None:
            return inconclusive("R is no local minimum of (S) and no lower weights were found")
    return decide(
        True, why="R is no local minimum of (S) and W none of (D): lower weights within every radius"
    )


def every_critical_point(p: EntrywiseProblem) -> Verdict:
    """R is a local minimum of (S) at every critical W."""
    shallow = is_at_shallow_minimum(p) if is_critical(p) else None
    if shallow is None:
        return vacuous("not critical, or rank R = d_p")
    return decide(shallow, why="W is critical and R is no local minimum of (S).", values={"slope": slope(p)})


CLASSES = {
    "slope = 0": lambda p: not any(slope(p).entries()),
    "slope != 0, rank R < d_p": lambda p: (
        any(slope(p).entries()) and p.linear.R.rank() < p.linear.least_width
    ),
    "R = 0": lambda p: not any(p.linear.R.entries()),
    "a bottleneck": lambda p: p.linear.least_width < min(p.linear.widths[0], p.linear.widths[-1]),
    "three layers or more": lambda p: len(p.weights) >= 3,
}


# --- any loss ----------------------------------------------------------------------------------------


@claim(
    "LK17/any-function",
    paper=LK17,
    where="Section 4, first remark (any function L)",
    says=r"L \text{ satisfies Theorem 3.2} \Rightarrow \text{any local minimum of (D) corresponds to a local minimum of (S)}",
    assumes={"Theorem 3.2": r"\text{the conclusion of Theorem 3.2 holds for } L(W_H \cdots W_1)"},
)
@printed(
    REFUTED,
    thin_chains("squares"),
    examples=1500,
    recheck=bad_minimum_in_spite_of_theorem_3_2,
    note="a polynomial L; the proof of Theorem 3.3 applies Theorem 3.2 to merged layers, of other widths",
)
@repaired(
    r"L \text{ satisfies Theorem 3.2 on these widths and on those of every product of neighbouring layers} \Rightarrow \dots",
    thin_chains("any") | thin_chains("any", fitted=True),
    conclude=under_merged_theorem_3_2,
    examples=200,
    needs=50,
    reaches={
        "not smooth": lambda p: not p.smooth,
        "smooth": lambda p: p.smooth,
        "R is a minimum": is_entrywise_minimum,
        "R is none": lambda p: not is_entrywise_minimum(p),
        "R = 0": lambda p: not any(p.linear.R.entries()),
    },
    note="not only the value: R itself is a local minimum of (S), and lower weights are near where it is none",
)
@drop(
    "Theorem 3.2",
    REFUTED,
    thin_chains("squares", middle=(0,)),
    conclude=attains_a_shallow_value,
    examples=1500,
    note="widths (1, 1, n): there Theorem 3.2 itself fails for this L",
    recheck=minimum_has_no_shallow_value,
)
@mutant(
    "L convex and satisfying Theorem 3.2",
    thin_chains("absolute"),
    examples=600,
    recheck=bad_minimum_in_spite_of_theorem_3_2,
)
@mutant(
    "the value 0",
    thin_chains("any"),
    conclude=lambda p: (
        vacuous("not certified")
        if is_thin_minimum(p) is None
        else decide_equal(loss(p), fmpq(0), named=("L(R)", "0"))
    ),
    examples=600,
    recheck=minimum_is_above_zero,
)
def test_theorem_3_2_is_enough_for_any_function(p: EntrywiseProblem) -> Verdict:
    """As long as L satisfies Theorem 3.2, every local minimum of the deep problem has the value of one of the shallow problem."""
    return under_theorem_3_2(p)


@claim(
    "LK17/beyond-frobenius",
    paper=LK17,
    where="Section 1, last paragraph, and Section 2 (loss functions)",
    says=r"\text{the loss satisfies Theorem 3.2} \Rightarrow \text{all local minima of the deep linear model correspond to local minima of the shallow model}",
    assumes={"Theorem 3.2": r"\text{the loss satisfies Theorem 3.2}"},
)
@printed(
    REFUTED,
    thin_chains("absolute"),
    examples=600,
    recheck=bad_minimum_in_spite_of_theorem_3_2,
    note="the l_1 loss at X = 1; X = [1 0 ... 0] and more columns of Y give both full row rank",
)
@repaired(
    r"L \text{ differentiable, } \nabla L(\bar R) \ne 0 \Rightarrow \bar R \text{ is a local minimum of (S)}",
    planted_entrywise_points("signed", optimal=False),
    conclude=minimum_corresponds,
    examples=120,
    needs=40,
    reaches={k: v for k, v in CLASSES.items() if k != "slope = 0"},
    note="no convexity is needed; any local minimum with a nonzero slope has rank d_p",
)
@drop(
    "Theorem 3.2",
    REFUTED,
    thin_chains("absolute", middle=(0,)),
    conclude=attains_a_shallow_value,
    note="three weights: the smallest bad local minimum of a deep linear model with a convex loss",
    recheck=minimum_has_no_shallow_value,
)
@mutant(
    "convex losses",
    thin_chains("absolute", middle=(0, 2)),
    conclude=attains_a_shallow_value,
    recheck=minimum_has_no_shallow_value,
)
@mutant(
    "hidden widths >= min(d_0, d_H)",
    thin_chains("absolute", middle=(1, 2, 3)),
    conclude=attains_a_shallow_value,
    recheck=minimum_has_no_shallow_value,
)
def test_theorem_3_2_is_enough_for_any_loss(p: EntrywiseProblem) -> Verdict:
    """As long as the loss function satisfies Theorem 3.2, every local minimum of the deep model has the value of a shallow one."""
    return under_theorem_3_2(p)


@claim(
    "LK17/general-loss",
    paper=LK17,
    where="Section 2 (the proof holds for general cases) and Section 4 (results beyond square loss)",
    says=r"L \text{ convex and differentiable} \Rightarrow \text{every local minimum of (D) is one of (S)}",
    assumes={"convex": r"L \text{ convex}", "differentiable": r"L \text{ differentiable}"},
)
@printed(HOLDS, planted_entrywise_points("convex"), examples=100, needs=40, reaches=CLASSES)
@drop(
    "convex",
    REFUTED,
    thin_chains("squares"),
    conclude=attains_a_shallow_value,
    examples=1500,
    recheck=minimum_has_no_shallow_value,
)
@drop(
    "differentiable",
    REFUTED,
    thin_chains("absolute", middle=(0, 2, 3)),
    conclude=attains_a_shallow_value,
    recheck=minimum_has_no_shallow_value,
)
@mutant(
    "every critical point",
    planted_entrywise_points("convex"),
    conclude=every_critical_point,
    recheck=critical_weights_are_not_least,
)
@mutant(
    "local minima have rank d_p",
    planted_entrywise_points("convex", optimal=True),
    conclude=lambda p: decide(
        p.linear.R.rank() == p.linear.least_width, why="W is a global minimum and rank R < d_p."
    ),
    recheck=minimum_of_lower_rank,
)
@mutant(
    "the slope is zero",
    full_completions(noise=True),
    conclude=lambda p: (
        vacuous("no certified minimum")
        if (found := certified_completion(p)) is None
        else decide_equal(found.value, fmpq(0), named=("f", "f where its slope is 0"))
    ),
    says=r"L \text{ convex, differentiable} \Rightarrow \nabla L(\bar R) = 0",
    recheck=slope_is_never_zero,
)
@mutant(
    "local minima are global",
    split_completions(),
    conclude=lambda p: is_global(p),
    recheck=completion_is_stuck,
)
def test_convex_differentiable_losses(p: EntrywiseProblem) -> Verdict:
    """For a convex and differentiable loss every local minimum of the deep problem is one of the shallow problem."""
    return minimum_corresponds(p)


# --- matrix completion -------------------------------------------------------------------------------


def plain_sum(p: EntrywiseProblem, added: fmpq | int = 0) -> fmpq:
    """Σ (Y − W₂W₁)_ij over the observed entries, as printed, with ``added`` taken from one of them."""
    errors = zip(p.squares.entries(), p.linear.E.entries(), strict=True)
    return sum((-e for c, e in errors if c), fmpq(0)) - added


def has_a_least_value(p: EntrywiseProblem) -> Verdict:
    """f is bounded below: at W₂W₁ = s E_ij with (i, j) observed it is a constant minus s."""
    origin = replace(p, weights=tuple(w * fmpq(0) for w in p.weights))
    at = next((k for k, c in enumerate(p.squares.entries()) if c), None)
    if at is None:
        return decide(True, why="nothing is observed: f = 0")
    i, j = divmod(at, p.squares.ncols())
    values = {}
    for s in (1, 2, 4, 8):
        first, last = origin.weights[0] * fmpq(1), origin.weights[1] * fmpq(1)
        first[0, j], last[i, 0] = 1, s
        values[f"f at s = {s}"] = plain_sum(replace(p, weights=(first, last)))
    falls = all(values[f"f at s = {s}"] == plain_sum(origin) - s for s in (1, 2, 4, 8))
    return decide(not falls, why=f"f falls without bound along W_2 W_1 = s E_{i + 1},{j + 1}.", values=values)


def exactly_factored(p: EntrywiseProblem) -> EntrywiseProblem:
    return replace(p, targets=p.linear.R)


def fully_observed(p: EntrywiseProblem) -> EntrywiseProblem:
    return replace(
        p,
        squares=p.squares * fmpq(0)
        + type(p.squares)(p.squares.nrows(), p.squares.ncols(), [1] * len(p.squares.entries())),
    )


@claim(
    "LK17/completion-objective",
    paper=LK17,
    where="Section 4, second remark, the functions f and h as printed",
    says=r"f(W) := \sum_{(i,j)\in\Omega} (Y - W_2 W_1)_{i,j} \text{ has a global minimum}",
)
@printed(
    REFUTED,
    plain_sums(),
    recheck=plain_sum_falls_for_ever,
    note="a square is missing: as printed f is bilinear and unbounded, without local minima as soon as something is observed, and the remark is void",
)
@repaired(
    r"f(W) := \sum_{(i,j)\in\Omega} (Y - W_2 W_1)_{i,j}^2 \text{ has the least value } 0 \text{ if } \operatorname{rank} Y \le d_p",
    plain_sums().map(exactly_factored),
    conclude=lambda p: decide_equal(loss(p), fmpq(0), named=("f", "0")),
    examples=60,
    reaches={"nothing observed": lambda p: not any(p.squares.entries())},
)
@mutant(
    "the plain sum is at least that of Y",
    plain_sums(),
    conclude=lambda p: decide_at_most(
        plain_sum(replace(p, weights=tuple(w * fmpq(0) for w in p.weights))),
        plain_sum(p),
        named=("f(0)", "f(W)"),
    ),
    recheck=plain_sum_is_lower,
)
@mutant(
    "least value 0 for every Y",
    plain_sums().map(fully_observed),
    conclude=lambda p: decide_equal(
        least_value(identity(p.targets.ncols()), p.targets, p.linear.least_width),
        fmpq(0),
        named=("min f", "0"),
    ),
    recheck=targets_are_no_product,
)
def test_the_completion_objective_has_a_minimum(p: EntrywiseProblem) -> Verdict:
    """The objective of matrix completion, as printed, has a global minimum."""
    return has_a_least_value(p)


def is_global(p: EntrywiseProblem) -> Verdict:
    """The certified local minimum at or near W has the least value: 0 for a target of rank one."""
    value = local_minimum_value(p)
    if value is None:
        return vacuous("no local minimum was certified")
    shown = value.str(8, radius=False) if isinstance(value, arb) else value
    return decide_equal(
        value, fmpq(0), named=("f at a local minimum", "min f"),
        why="" if not value > 0 else f"A local minimum of f has the value {shown}, and f = 0 at Y.",
    )  # fmt: skip


def is_best_approximation(p: EntrywiseProblem) -> Verdict:
    """All entries observed: the certified local minimum has the value of the best approximation (Eckart and Young)."""
    found = certified_completion(p)
    if found is None:
        return vacuous("no local minimum was certified")
    return decide_equal(
        found.value,
        least_value(identity(p.targets.ncols()), p.targets, 1),
        named=("f at a local minimum", "min f"),
    )


def not_above_another(p: EntrywiseProblem) -> Verdict:
    """The certified local minimum is not above f at a matrix of rank one that has a row and a column of Y."""
    value, Y = local_minimum_value(p), p.targets
    if value is None:
        return vacuous("no local minimum was certified")
    n, m = Y.nrows(), Y.ncols()
    crosses = [
        loss(p, type(Y)(n, m, [Y[i, l] * Y[k, j] / Y[k, l] for i in range(n) for j in range(m)]))
        for k in range(n)
        for l in range(m)
        if Y[k, l]
    ]
    if Y.rank() < 2:
        return vacuous("Y is of low rank")
    return decide_at_most(value, min(crosses), named=("f at a local minimum", "f elsewhere"))


def no_lower_point(p: EntrywiseProblem) -> Verdict:
    """W is critical; no lower weights are found."""
    if not is_critical(p):
        return vacuous("not critical")
    there = find_lower(p, fmpq(1))
    if there is None:
        return vacuous("the slope is zero or rank R = d_p")
    return decide(
        False, why="W is critical, and f is lower nearby.", values={"f": loss(p), "lower": loss(there)}
    )


def at_least_two_a_line(p: EntrywiseProblem) -> bool:
    lines = [*p.squares.table(), *p.squares.transpose().table()]
    return all(sum(map(bool, line)) >= 2 for line in lines)


@claim(
    "LK17/completion",
    paper=LK17,
    where="Section 4, second remark (asymmetric matrix completion), with the square restored, for a given set of observed entries",
    says=r"\text{every local minimum of } f(W) = \sum_{(i,j)\in\Omega} (Y - W_2 W_1)_{i,j}^2 \text{ is global}",
    assumes={"partial": r"\Omega \text{ not all entries}", "low rank": r"\operatorname{rank} Y \le d_p"},
)
@printed(
    REFUTED,
    split_completions(),
    recheck=completion_is_stuck,
    note="the remark says with high probability but names no law of the observed entries, no incoherence and no regulariser; for a given set it is false",
)
@repaired(
    r"\Omega = \text{all entries} \Rightarrow \text{every local minimum of } f \text{ is global}",
    full_completions() | full_completions(noise=True) | full_completions(noise=True, twist=False),
    conclude=is_best_approximation,
    examples=60,
    needs=25,
    reaches={"rank Y > 1": lambda p: p.targets.rank() > 1, "rank Y = 1": lambda p: p.targets.rank() == 1},
)
@drop("partial", HOLDS, full_completions() | full_completions(twist=False), examples=60, needs=25)
@drop(
    "low rank",
    REFUTED,
    split_completions(noise=True),
    conclude=not_above_another,
    recheck=completion_is_stuck_above_another,
)
@mutant(
    "no entry of Y is zero",
    cyclic_completions(),
    recheck=completion_has_a_bad_minimum,
    note="a strict local minimum up to scaling, by interval Newton",
)
@mutant("all entries but one are observed", split_completions(all_but_one=True), recheck=completion_is_stuck)
@mutant(
    "two entries a line are observed",
    split_completions(most=4, all_but_one=True).filter(at_least_two_a_line),
    recheck=completion_is_stuck,
)
@mutant(
    "every critical point",
    planted_entrywise_points("masked", low=2),
    conclude=no_lower_point,
    recheck=critical_weights_are_not_least,
)
def test_local_minima_of_matrix_completion_are_global(p: EntrywiseProblem) -> Verdict:
    """Every local minimum of the squared completion error of a low-rank matrix is global."""
    return is_global(p)


@claim(
    "LK17/completion-deep",
    paper=LK17,
    where="Section 4, last sentence (h, H layers), with the square restored, for a given set of observed entries",
    says=r"\text{every local minimum of } h(W) = \sum_{(i,j)\in\Omega} (Y - W_H \cdots W_1)_{i,j}^2 \text{ is global}",
    assumes={"partial": r"\Omega \text{ not all entries}"},
)
@printed(
    REFUTED,
    split_completions(depth=3) | split_completions(depth=4),
    recheck=completion_is_stuck,
    note="the weights change the last layer and the product of the others continuously: where these are at a local minimum of f, so are the weights",
)
@repaired(
    r"\Omega = \text{all entries} \Rightarrow \text{every local minimum of } h \text{ is global}",
    full_completions(depth=3, noise=True) | full_completions(depth=4, noise=True, twist=False),
    conclude=is_best_approximation,
    examples=60,
    needs=20,
)
@drop("partial", HOLDS, full_completions(depth=3), examples=60, needs=20)
@mutant(
    "every critical point",
    planted_entrywise_points("masked", low=3),
    conclude=no_lower_point,
    recheck=critical_weights_are_not_least,
)
@mutant(
    "all entries but one are observed",
    split_completions(depth=3, all_but_one=True),
    recheck=completion_is_stuck,
)
def test_local_minima_of_deep_matrix_completion_are_global(p: EntrywiseProblem) -> Verdict:
    """Every local minimum of the squared completion error over products of H matrices is global."""
    return is_global(p)


@claim(
    "LK17/completion-depth",
    paper=LK17,
    where="Section 4, second remark (the result can be extended for deep linear parameterization)",
    says=r"\text{every local minimum of } h \text{ has the value of a local minimum of } f, \text{ for every } \Omega",
    assumes={"local minimum": r"W \text{ is a local minimum of } h"},
)
@printed(
    HOLDS,
    planted_entrywise_points("masked", low=2),
    examples=80,
    needs=30,
    reaches={**CLASSES, "not all observed": lambda p: not all(p.squares.entries())},
    note="so depth creates no new values of local minima here either, whatever the shallow ones are",
)
@drop(
    "local minimum",
    REFUTED,
    planted_entrywise_points("masked", low=2),
    conclude=every_critical_point,
    recheck=critical_weights_are_not_least,
)
@mutant(
    "local minima of h have rank d_p",
    planted_entrywise_points("masked", low=2, optimal=True),
    conclude=lambda p: decide(
        p.linear.R.rank() == p.linear.least_width, why="W is a global minimum, rank R < d_p."
    ),
    recheck=minimum_of_lower_rank,
)
@mutant(
    "local minima of h are global",
    split_completions(depth=3),
    conclude=lambda p: is_global(p),
    recheck=completion_is_stuck,
)
def test_depth_creates_no_new_minima_of_completion(p: EntrywiseProblem) -> Verdict:
    """Every local minimum of the deep completion has the value of a local minimum of the shallow one."""
    return minimum_corresponds(p)
