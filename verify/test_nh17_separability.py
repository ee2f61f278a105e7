"""Nguyen & Hein (2017), Section 5: Theorem 5.3, linear separability and critical points.

Theorem 5.3 is false. Its proof carries "not zero" from layer L down to layer k + 1; but where a hidden unit
feeds two outputs, the slopes of both classes mix with weights σ′ that differ from sample to sample, and can
cancel. The counterexamples are exact: samples (t, ±1) in two classes, and a layer that sees t alone. What
then is left of the gradient is one equation a hidden unit. Networks are F_l = σ([F_{l−1}, 1] W̃_l), W̃_l = W_l
over b_l, the output layer included; l₁(a) = min(a, 0)², l₂(a) = max(a, 0)².

The theorem holds where the signs cannot mix (``signs_cannot_mix``), and there for all targets and all l₁, l₂ at
once: Farkas' multiplier shows that no Δ_L but 0 with the signs of the classes has a zero gradient in W̃_{k+1}.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from flint import arb, fmpq, fmpq_mat

from strategies.matrices import matrices
from strategies.numbers import dyadics
from strategies.separable import (
    Classifier,
    benign_classifiers,
    bordered,
    encoded_classifiers,
    flat_classifiers,
    inseparable_classifiers,
    labelled_classifiers,
    lattice_classifiers,
    paired_classifiers,
    rank_deficient_classifiers,
    score_classifiers,
    some_moved,
    squared_classifiers,
    stationarity,
)
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
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
from verify.oracles.linear_programs import Infeasible
from verify.oracles.separability import (
    NotSeparable,
    find_lower,
    gradients,
    has_full_column_ranks,
    is_strict_minimum,
    loss,
    margin_bounds,
    output_slopes,
    outputs,
    separators,
    signs_cannot_mix,
    slopes_vanish,
)
from verify.papers import NH17
from verify.rechecks.nh17_separability import (
    columns_do_not_survive,
    difference_quotients_differ,
    inseparable_point_is_not_global,
    loss_is_not_least,
    loss_is_not_the_hinge,
    margin_exceeds_the_gradient,
    slope_is_not_negative,
    squared_critical_point_is_not_global,
    strict_minimum_is_not_global,
    theorem_5_3_fails,
)

A5 = r"\sigma \in C^1 \text{ strictly increasing};\ l_1, l_2 \ge 0 \text{ in } C^1,\ l_1(a) = 0 \Leftrightarrow a \ge 0 \Leftrightarrow l_1'(a) = 0,\ l_1'(a) < 0 \text{ for } a < 0;\ l_2 \text{ mirrored}"
SEPARABLE = r"\exists a_j, b_j:\ a_j^T x + b_j > 0 \text{ for the rows } x \text{ of } F_k \text{ in } C_j,\ < 0 \text{ for the others}"
FULL_RANK = r"\operatorname{rank}(W_l) = n_l,\ k + 2 \le l \le L"
REPAIRED = (
    r"\text{Theorem 5.3 holds if } \sigma' > 0 \text{ and the signs of } \Delta_L \text{ cannot mix: } k = L - 1; "
    r"\ k = L - 2,\ m = 1;\ \text{rows of } W_l,\ l \ge k + 2, \text{ with one entry } \ne 0 \text{ at most}; "
    r"\ k = L - 2,\ m = 2 \text{ and a row } W_{p:} \ne 0 \text{ of } W_L \text{ with } W_{p1} W_{p2} \le 0"
)
Premise = Callable[[Classifier], bool]


def is_critical(net: Classifier) -> bool:
    """∇Φ = 0, exactly."""
    return not any(e for g in gradients(net) for e in g.entries())


def above_the_minimum(net: Classifier, k: int) -> Verdict:
    """θ is a global minimum: refuted by parameters with a smaller Φ."""
    here = loss(net)
    if here == 0:
        return decide(True, why="Φ = 0", values={"Phi": here})
    found = find_lower(net, k)
    if found is None:
        return inconclusive("Φ > 0, and nothing lower was found", Phi=here)
    there, lower = found
    return decide(
        False,
        why="θ is critical, yet Φ is smaller at θ*.",
        values={"Phi": here, "Phi(θ*)": lower, "Delta_L": output_slopes(net)}
        | {f"W~*_{l}": w for l, w in enumerate(there.stack, 1)},
        margin=here - lower,
    )


def theorem(
    net: Classifier,
    k: int,
    *also: Premise,
    separable: bool = True,
    ranks: int = 2,
    from_layer: int | None = None,
) -> Verdict:
    """Theorem 5.3 at layer k: F_k separable, rank(W_l) = n_l for l >= k + ``ranks``, ∇Φ = 0: Φ is least.

    ``also`` are further premises; ``separable`` = False drops that one. Lower parameters are looked for in
    the layers above k, or above ``from_layer``.
    """
    if not all(premise(net) for premise in also):
        return vacuous("a premise of the variant fails")
    if separable and isinstance(separators(net.features(k), net.signs), NotSeparable):
        return vacuous("F_k is not linearly separable")
    if not has_full_column_ranks(net, range(k + ranks, net.depth + 1)):
        return vacuous("a W_l has not full column rank")
    if not is_critical(net):
        return vacuous("θ is not critical")
    return above_the_minimum(net, k if from_layer is None else from_layer)


def no_critical_point_but_zero_loss(net: Classifier) -> Verdict:
    """Theorem 5.3 at every k where its repaired premises hold, for all targets, l₁ and l₂ at once."""
    verdicts = []
    for k in range(net.depth):
        if (
            signs_cannot_mix(net, k)
            and has_full_column_ranks(net, range(k + 2, net.depth + 1))
            and not isinstance(separators(net.features(k), net.signs), NotSeparable)
        ):
            left = slopes_vanish(net, k)
            found = isinstance(left, Infeasible)
            verdicts.append(
                decide(
                    found,
                    why="No gradient of layer k + 1 vanishes with Δ_L ≠ 0 of these signs."
                    if found
                    else "A Δ_L ≠ 0 with the signs of the classes has no gradient in layer k + 1.",
                    values={"k": k, "multiplier" if found else "Delta_L": left.multiplier if found else left},
                )
            )
    return all_of(*verdicts) if verdicts else vacuous("no layer is separable with full ranks above")


def everywhere(net: Classifier) -> Verdict:
    """Φ = 0."""
    return decide(loss(net) == 0, why="Φ > 0.", values={"Phi": loss(net)})


def invertible(net: Classifier) -> bool:
    """Whether every W_l has full column rank, the first one too."""
    return has_full_column_ranks(net, range(1, net.depth + 1))


def targets_inside(net: Classifier) -> bool:
    """Whether all targets lie in (0, 1)."""
    return all(0 < y < 1 for y in net.Y.entries())


def positive_top(net: Classifier) -> bool:
    """Whether every weight of the last layer is positive."""
    return all(e > 0 for e in net.weight(net.depth).entries())


benign = benign_classifiers()
paired = paired_classifiers()
sigmoids = paired_classifiers(activation="sigmoid", pairs=(2, 2))
ALL_REGIMES = {
    "k = L - 1": lambda net: signs_cannot_mix(net, net.depth - 1),
    "k <= L - 2": lambda net: net.depth > 1 and signs_cannot_mix(net, net.depth - 2),
    "two outputs": lambda net: net.outputs == 2,
    "both classes": lambda net: len(set(net.classes.entries())) == 2,
}


@claim(
    "NH17/thm5.3.2",
    paper=NH17,
    where="Theorem 5.3, part 2",
    says=r"X \text{ separable},\ \operatorname{rank}(W_l) = n_l\ (l \ge 2),\ \nabla\Phi = 0 \ \Rightarrow\ \Phi \text{ is at its global minimum}",
    assumes={
        "5.2": A5,
        "separable": SEPARABLE,
        "full rank": r"\operatorname{rank}(W_l) = n_l,\ 2 \le l \le L",
    },
)
@printed(
    REFUTED,
    paired,
    recheck=theorem_5_3_fails,
    note="L = 2, two outputs, σ = softsign with σ′ > 0, so that everything is rational; the samples are "
    "(t, ±1), a sample's class is the sign of its second entry, and layer 1 does not see it",
)
@repaired(REPAIRED, benign, conclude=no_critical_point_but_zero_loss, reaches=ALL_REGIMES)
@drop(
    "separable",
    REFUTED,
    inseparable_classifiers(),
    conclude=lambda net: theorem(net, 0, separable=False),
    note="even one output and L = 2, where the theorem holds",
    recheck=inseparable_point_is_not_global,
)
@drop(
    "full rank",
    REFUTED,
    rank_deficient_classifiers(),
    conclude=lambda net: theorem(net, 0, ranks=3),
    recheck=partial(theorem_5_3_fails, ranks=3),
)
@drop(
    "5.2: l_1, l_2",
    REFUTED,
    squared_classifiers(),
    says=r"l_1(a) = l_2(a) = a^2",
    conclude=lambda net: theorem_for_squares(net),
    recheck=squared_critical_point_is_not_global,
)
@mutant(
    "with rank(W_1) = n_1 as well",
    lattice_classifiers(),
    conclude=lambda net: theorem(net, 0, invertible),
    recheck=partial(theorem_5_3_fails, ranks=1),
)
@mutant("at every point", labelled_classifiers(lower=(0, 0)), conclude=everywhere, recheck=loss_is_not_least)
def test_separable_inputs_make_critical_points_global(net: Classifier) -> Verdict:
    """With linearly separable inputs and full column ranks from layer 2 on, every critical point is global."""
    return theorem(net, 0)


@claim(
    "NH17/thm5.3.2-sigmoid",
    paper=NH17,
    where="Theorem 5.3, part 2, with the sigmoid",
    says=r"\sigma(t) = 1 / (1 + e^{-t}),\ X \text{ separable},\ \operatorname{rank}(W_l) = n_l\ (l \ge 2),\ \nabla\Phi = 0 \ \Rightarrow\ \Phi \text{ is at its global minimum}",
)
@printed(
    REFUTED,
    sigmoids,
    recheck=theorem_5_3_fails,
    note="weights in units of ln 2, so that the hidden units and the outputs are rational",
)
@repaired(REPAIRED, benign_classifiers(activations=("sigmoid",)), conclude=no_critical_point_but_zero_loss)
@mutant(
    "with targets in (0, 1)",
    sigmoids,
    conclude=lambda net: theorem(net, 0, targets_inside),
    recheck=partial(theorem_5_3_fails, also="targets in (0, 1)"),
)
@mutant(
    "with W_2 > 0",
    sigmoids,
    conclude=lambda net: theorem(net, 0, positive_top),
    recheck=partial(theorem_5_3_fails, also="W_L > 0"),
)
def test_separable_inputs_make_critical_points_of_sigmoids_global(net: Classifier) -> Verdict:
    """With sigmoids, separable inputs and full column ranks from layer 2 on, every critical point is global."""
    return theorem(net, 0)


@claim(
    "NH17/thm5.3.1",
    paper=NH17,
    where="Theorem 5.3, part 1",
    says=r"F_k \text{ separable},\ \operatorname{rank}(W_l) = n_l\ (l \ge k + 2),\ \nabla\Phi = 0 \ \Rightarrow\ \Phi \text{ is at its global minimum}",
    assumes={"5.2": A5, "separable": SEPARABLE, "full rank": FULL_RANK},
)
@printed(
    REFUTED,
    paired_classifiers(below=True, pairs=(2, 4)),
    recheck=partial(theorem_5_3_fails, k=1),
    note="L = 3 and k = 1, all three layers critical; layer 1 is the softsign of x, layer 2 does not see its "
    "second unit",
)
@repaired(
    REPAIRED,
    benign_classifiers(lower=(1, 1)),
    conclude=no_critical_point_but_zero_loss,
    reaches=ALL_REGIMES,
)
@drop(
    "separable",
    REFUTED,
    rank_deficient_classifiers(),
    conclude=lambda net: theorem(net, 1, separable=False, from_layer=0),
    note="L = 2, k = 1: all rows of F_1 are equal, though X is separable",
    recheck=partial(theorem_5_3_fails, ranks=3),
)
@drop(
    "full rank",
    REFUTED,
    rank_deficient_classifiers(),
    conclude=lambda net: theorem(net, 0, ranks=3),
    note="k = 0",
    recheck=partial(theorem_5_3_fails, ranks=3),
)
@drop(
    "5.2: l_1, l_2",
    REFUTED,
    squared_classifiers(),
    says=r"l_1(a) = l_2(a) = a^2",
    conclude=lambda net: theorem_for_squares(net),
    note="k = 0",
    recheck=squared_critical_point_is_not_global,
)
@mutant(
    "rank(W_l) = n_l for l >= k + 3 only",
    rank_deficient_classifiers(),
    conclude=lambda net: theorem(net, 0, ranks=3),
    recheck=partial(theorem_5_3_fails, ranks=3),
)
@mutant(
    "at every point",
    labelled_classifiers(lower=(1, 1)),
    conclude=everywhere,
    recheck=partial(loss_is_not_least, k=1),
)
def test_separable_features_make_critical_points_global(net: Classifier) -> Verdict:
    """With linearly separable features F_k and full column ranks above, every critical point is global."""
    return theorem(net, net.depth - 2)


def no_strict_minimum(net: Classifier, *also: Premise) -> Verdict:
    """Theorem 5.3(2) at strict local minima."""
    answer = theorem(net, 0, *also)
    if answer.outcome is not REFUTED:
        return answer
    if not is_strict_minimum(net):
        return vacuous("the Hessian does not prove a strict local minimum")
    return replace(
        answer, why="θ is a strict local minimum (∇²Φ is positive definite), yet Φ is smaller at θ*."
    )


minima = lattice_classifiers(minima=True)


@claim(
    "NH17/thm5.3.2-minima",
    paper=NH17,
    where="Theorem 5.3, part 2, at local minima",
    says=r"X \text{ separable},\ \operatorname{rank}(W_l) = n_l\ (l \ge 2),\ \theta \text{ a strict local minimum} \ \Rightarrow\ \Phi \text{ is at its global minimum}",
)
@printed(
    REFUTED,
    minima,
    recheck=strict_minimum_is_not_global,
    note="∇²Φ is rational and positive definite: all its leading minors are positive numbers",
)
@repaired(REPAIRED, benign, conclude=no_critical_point_but_zero_loss)
@mutant(
    "with rank(W_1) = n_1 as well",
    minima,
    conclude=lambda net: no_strict_minimum(net, invertible),
    recheck=partial(strict_minimum_is_not_global, ranks=1),
)
@mutant(
    "with W_2 > 0",
    minima,
    conclude=lambda net: no_strict_minimum(net, positive_top),
    recheck=partial(strict_minimum_is_not_global, also="W_L > 0"),
)
def test_separable_inputs_make_strict_minima_global(net: Classifier) -> Verdict:
    """With linearly separable inputs and full column ranks, every strict local minimum is global."""
    return no_strict_minimum(net)


one_output = paired_classifiers(outputs=1, middle=True, pairs=(3, 5))


@claim(
    "NH17/thm5.3.2-one-output",
    paper=NH17,
    where="Theorem 5.3, part 2, with a single output",
    says=r"m = 1,\ X \text{ separable},\ \operatorname{rank}(W_l) = n_l\ (l \ge 2),\ \nabla\Phi = 0 \ \Rightarrow\ \Phi \text{ is at its global minimum}",
)
@printed(
    REFUTED,
    one_output,
    recheck=partial(theorem_5_3_fails, also="one output"),
    note="L = 3; a unit of layer 1 feeds the output through two units of layer 2, with both signs",
)
@repaired(
    r"m = 1,\ \sigma' > 0: \text{ Theorem 5.3 holds for } k \ge L - 2",
    benign_classifiers(("one output",)),
    conclude=no_critical_point_but_zero_loss,
    reaches={"k = L - 2": lambda net: net.depth == 2, "L = 3": lambda net: net.depth == 3},
)
@mutant(
    "for pyramids of constant width",
    one_output,
    conclude=lambda net: theorem(net, 0, lambda at: at.X.ncols() == 2),
    recheck=partial(theorem_5_3_fails, also="constant width"),
)
@mutant(
    "at every point",
    labelled_classifiers(lower=(0, 0), regimes=("one output",)),
    conclude=everywhere,
    recheck=loss_is_not_least,
)
def test_one_output_makes_critical_points_global(net: Classifier) -> Verdict:
    """With one output, separable inputs and full column ranks, every critical point is global."""
    return theorem(net, 0)


encoded = encoded_classifiers()


@claim(
    "NH17/thm5.3.2-labels",
    paper=NH17,
    where="Section 5, with one label encoding for all samples",
    says=r"y_{ij} = y^+\ (x_i \in C_j),\ y^-\ (x_i \notin C_j),\ X \text{ separable},\ \operatorname{rank}(W_l) = n_l\ (l \ge 2),\ \nabla\Phi = 0 \ \Rightarrow\ \Phi \text{ is at its global minimum}",
)
@printed(
    REFUTED,
    some_moved(encoded),
    recheck=partial(theorem_5_3_fails, also="two labels"),
    note="distinct samples and the same two labels for all of them; W_2 and b_2 are solved for",
)
@repaired(REPAIRED, benign, conclude=no_critical_point_but_zero_loss)
@mutant(
    "for the sigmoid",
    encoded_classifiers(activation="sigmoid"),
    recheck=partial(theorem_5_3_fails, also="two labels"),
)
@mutant("at every point", labelled_classifiers(lower=(0, 0)), conclude=everywhere, recheck=loss_is_not_least)
def test_one_encoding_makes_critical_points_global(net: Classifier) -> Verdict:
    """With the same two labels for all samples, separable inputs and full ranks, every critical point is global."""
    return theorem(net, 0, two_labels)


def two_labels(net: Classifier) -> bool:
    """Whether the targets depend on the class alone, and differ."""
    pairs = {(s, y) for s, y in zip([s for row in net.signs for s in row], net.Y.entries(), strict=True)}
    values = [y for _, y in sorted(pairs)]
    return len(values) == 2 and values[0] < values[1]


# --- the gap in the proof -----------------------------------------------------------------------------


def columns_of_the_proof(net: Classifier) -> list[fmpq_mat] | None:
    """H^T [X, 1]^T Σ_i Δ_2 W_2^T for i = 1, …, n_1, L = 2; None where the proof has not come that far."""
    h = separators(net.X, net.signs)
    delta = output_slopes(net)
    if net.depth != 2 or isinstance(h, NotSeparable) or not any(delta.entries()):
        return None
    if not has_full_column_ranks(net, range(2, 3)):
        return None
    moved, slopes = (delta * net.weight(2).transpose()).table(), net.slopes(1).table()
    n = len(moved[0])
    return [
        h.transpose()
        * bordered(net.X).transpose()
        * fmpq_mat(net.samples, n, [s[i] * e for s, row in zip(slopes, moved, strict=True) for e in row])
        for i in range(n)
    ]


def some_column_survives(net: Classifier, *, every: bool = False) -> Verdict:
    """A column p of the product for some i is not zero; then column p of the product for i = p is not zero."""
    products = columns_of_the_proof(net)
    if products is None:
        return vacuous("X is not separable, W_2 has not full rank, or Δ_2 = 0")
    alive = [
        (i, p) for i, a in enumerate(products) for p in range(len(products)) if any(r[p] for r in a.table())
    ]
    if not alive:
        return vacuous("every product is zero")
    own = [p for i, p in alive if i == p]
    return decide(
        all(p in own for _, p in alive) if every else bool(own),
        why="Column p is zero in the product for i = p, "
        + ("for a p" if every else "for every p")
        + ", although it is not in another product.",
        values={"columns (i, p) that are not zero": str([(i + 1, p + 1) for i, p in alive])},
    )


def products_have_rank_one(net: Classifier) -> Verdict:
    """m = 1: column p of the product for i is W_p times the same column c_i, and no c_i is zero."""
    products = columns_of_the_proof(net)
    if products is None or net.outputs != 1:
        return vacuous("several outputs, X is not separable, W_2 has not full rank, or Δ_2 = 0")
    weights = net.weight(2).entries()
    q = next(p for p, w in enumerate(weights) if w)
    columns = [[row[q] / weights[q] for row in a.table()] for a in products]
    return all_of(
        *(
            decide(
                any(c)
                and all(
                    row[p] == e * w
                    for row, e in zip(a.table(), c, strict=True)
                    for p, w in enumerate(weights)
                ),
                why=f"The product for i = {i} is not W_2^T times a column that is not zero.",
                values={"product": a},
            )
            for i, (a, c) in enumerate(zip(products, columns, strict=True), 1)
        )
    )


@claim(
    "NH17/thm5.3-proof",
    paper=NH17,
    where="proof of Theorem 5.3, from (6) to (7)",
    says=r"0 \ne (H^T \tilde F_k^T \Sigma_i^{L-1} \Delta_L W_L^T)_{:,p} \text{ for some } i, p \ \Rightarrow\ 0 \ne (H^T \tilde F_k^T \Sigma_p^{L-1} \Delta_L W_L^T)_{:,p} \text{ for some } p",
)
@printed(
    REFUTED,
    paired,
    recheck=columns_do_not_survive,
    note="p was found for one i; with i = p the product is another one. L = 2, k = 0",
)
@repaired(
    r"m = 1: \text{ all products are } W_p \text{ times columns that are not zero}",
    labelled_classifiers(lower=(0, 0), regimes=("one output",)),
    conclude=products_have_rank_one,
    needs=20,
)
@mutant(
    "for every p that was found",
    paired,
    conclude=lambda net: some_column_survives(net, every=True),
    recheck=partial(columns_do_not_survive, every=True),
)
@mutant("whatever W_1 is", lattice_classifiers(), recheck=columns_do_not_survive)
def test_column_survives_the_choice_of_the_unit(net: Classifier) -> Verdict:
    """A column of the product that is not zero stays so when the unit is chosen to be that column."""
    return some_column_survives(net)


# --- what Assumption 5.2 leaves out, and the comparison with Theorem 3.4 ----------------------------------


@claim(
    "NH17/thm5.3-slope",
    paper=NH17,
    where="Assumption 5.2.1 and Theorem 5.3, L = 1",
    says=r"\sigma \in C^1 \text{ strictly increasing},\ X \text{ separable},\ L = 1,\ \nabla\Phi = 0 \ \Rightarrow\ \Phi \text{ is at its global minimum}",
)
@printed(
    REFUTED,
    some_moved(flat_classifiers()),
    recheck=partial(theorem_5_3_fails, also="one layer"),
    note="σ(t) = t³ increases strictly, and σ′(0) = 0",
)
@repaired(
    r"\sigma' > 0,\ k = L - 1",
    benign_classifiers(("last layer",)),
    conclude=no_critical_point_but_zero_loss,
)
@mutant(
    "one sample",
    flat_classifiers(),
    conclude=lambda net: theorem(net, 0, lambda at: at.samples == 1),
    recheck=partial(theorem_5_3_fails, also="one layer and one sample"),
)
@mutant(
    "at every point",
    labelled_classifiers(lower=(0, 0), regimes=("last layer",)),
    conclude=everywhere,
    recheck=loss_is_not_least,
)
def test_strictly_increasing_is_enough(net: Classifier) -> Verdict:
    """With a strictly increasing activation, one layer and separable inputs, every critical point is global."""
    return theorem(net, 0)


def squares(net: Classifier) -> fmpq | arb:
    """Σ (f − y)²."""
    return sum(((f - y) * (f - y) for f, y in zip(outputs(net), net.Y.entries(), strict=True)), fmpq(0))


def theorem_for_squares(net: Classifier) -> Verdict:
    """Theorem 5.3(2) with the squared loss in place of l₁ and l₂."""
    if isinstance(separators(net.X, net.signs), NotSeparable) or not has_full_column_ranks(net, range(2, 3)):
        return vacuous("X is not separable or W_2 has not full rank")
    r = (net.features(net.depth) - net.Y).entries()
    top = fmpq_mat(
        net.samples, net.outputs, [2 * e * s for e, s in zip(r, net.slopes(net.depth).entries(), strict=True)]
    )
    if any(e for g in gradients(net, top) for e in g.entries()):
        return vacuous("θ is not critical")
    here, found = squares(net), find_lower(net, 0, squares)
    if found is None:
        return decide(True, why="Φ = 0") if not any(r) else inconclusive("nothing lower was found", Phi=here)
    there, lower = found
    return decide(
        False,
        why="θ is critical, yet the squared loss is smaller at θ*.",
        values={"Phi": here, "Phi(θ*)": lower} | {f"W~*_{l}": w for l, w in enumerate(there.stack, 1)},
        margin=here - lower,
    )


squared_sigmoids = squared_classifiers(activation="sigmoid")


def gradient_is_injective(net: Classifier) -> Verdict:
    """rank([X, 1]) = N: Δ_L = 0 wherever the gradient in W̃_1 vanishes, for any loss."""
    if bordered(net.X).rank() < net.samples or not has_full_column_ranks(net, range(2, net.depth + 1)):
        return vacuous("rank([X, 1]) < N, or a W_l has not full column rank")
    a = stationarity(net, [1])
    return decide(
        a.rank() == net.samples * net.outputs,
        why="A Δ_L ≠ 0 has no gradient in W̃_1.",
        values={"rank": a.rank(), "N m": net.samples * net.outputs},
    )


@claim(
    "NH17/5.3-gen",
    paper=NH17,
    where='Section 5, "Theorem 5.3 can be seen as a direct generalization of Theorem 3.4"',
    says=r"\text{Theorem 3.4 with } X \text{ separable in place of } \operatorname{rank}([X, 1]) = N \text{, for the squared loss}",
)
@printed(
    REFUTED,
    some_moved(squared_sigmoids),
    recheck=squared_critical_point_is_not_global,
    note="Theorem 3.4 is about losses such as the square, Theorem 5.3 about l₁ and l₂; for the square, "
    "separability is too little",
)
@repaired(
    r"\operatorname{rank}([X, 1]) = N,\ \sigma' > 0: \text{ a zero gradient leaves } \Delta_L = 0 \text{ for any loss (Theorem 3.4)}",
    benign_classifiers(lower=(0, 0), samples=(2, 3)),
    conclude=gradient_is_injective,
    needs=20,
)
@mutant(
    "N = 3 and d = 1",
    squared_sigmoids,
    conclude=lambda net: theorem_for_squares(net),
    recheck=partial(squared_critical_point_is_not_global, also="N = 3 and d = 1"),
)
@mutant(
    "rank([X, 1]) >= N - 1",
    squared_sigmoids,
    conclude=lambda net: (
        theorem_for_squares(net) if bordered(net.X).rank() >= net.samples - 1 else vacuous("rank")
    ),
    recheck=partial(squared_critical_point_is_not_global, also="rank([X, 1]) >= N - 1"),
)
def test_separable_inputs_do_for_the_squared_loss(net: Classifier) -> Verdict:
    """With the squared loss, separable inputs and full column ranks, every critical point is global."""
    return theorem_for_squares(net)


# --- the quantitative form ----------------------------------------------------------------------------


def gradient_exceeds_the_margin(net: Classifier, *, feeds_one: bool = True, **options: bool) -> Verdict:
    """The margin bound at every k where rows of W_l, l >= k + 2, have at most one entry that is not 0."""
    verdicts = []
    for k in range(net.depth):
        upper = [row for l in range(k + 2, net.depth + 1) for row in net.weight(l).table()]
        alone = all(sum(map(bool, row)) <= 1 for row in upper)
        if (feeds_one and not alone) or not has_full_column_ranks(net, range(k + 2, net.depth + 1)):
            continue
        pairs = margin_bounds(net, k, **options)
        if pairs is None:
            continue
        verdicts += [
            decide_at_most(
                bound, norm, named=("(gamma Π|W| Π min sigma' |Delta_L[:, j]|)²", "|grad W~_{k+1}[:, p]|²")
            )
            for bound, norm in pairs
        ]
    return all_of(*verdicts) if verdicts else vacuous("no layer is separable, or its rows feed several units")


ALL_SIGMAS = ("softsign", "sigmoid", "tanh", "softplus")
random_points = labelled_classifiers(ALL_SIGMAS, regimes=("last layer", "one output", "one weight a row"))


@claim(
    "NH17/thm5.3-margin",
    paper=NH17,
    where="Theorem 5.3, where it holds, as an inequality at every point",
    says=r"\|(\nabla_{\tilde W_{k+1}} \Phi)_{:,p}\|_2 \ge \gamma_j \prod |W| \prod \min_i \sigma' \ \|(\Delta_L)_{:,j}\|_1,\quad \gamma_j = \min_i |\langle h_j, (F_k, 1)_i \rangle| / \|h_j\|",
    assumes={
        "separable": SEPARABLE,
        "one unit above": r"\text{rows of } W_l,\ l \ge k + 2, \text{ have one entry } \ne 0 \text{ at most; p feeds output j}",
    },
)
@printed(
    HOLDS,
    random_points,
    reaches={
        "k = L - 1": lambda net: net.depth == 1,
        "k <= L - 2": lambda net: net.depth > 1,
        "a slope": lambda net: loss(net) > 0,
        "two outputs": lambda net: net.outputs == 2,
    },
    note="never empty: no critical point is needed. At a critical point it says Δ_L = 0",
)
@drop(
    "separable",
    REFUTED,
    inseparable_classifiers(),
    conclude=lambda net: gradient_exceeds_the_margin(net, separating=False),
    note="with the hyperplane h = (0, 1) in place of a separator",
    recheck=partial(margin_exceeds_the_gradient, separating=False),
)
@drop(
    "one unit above",
    REFUTED,
    paired,
    conclude=lambda net: gradient_exceeds_the_margin(net, feeds_one=False),
    note="at the critical points that refute Theorem 5.3",
    recheck=partial(margin_exceeds_the_gradient, alone=False),
)
@mutant(
    "with the greatest margin",
    labelled_classifiers(regimes=("last layer",), lower=(0, 0)),
    conclude=lambda net: gradient_exceeds_the_margin(net, greatest=True),
    recheck=partial(margin_exceeds_the_gradient, greatest=True),
)
@mutant(
    "without the slopes in between",
    labelled_classifiers(regimes=("one output",), lower=(0, 0)),
    conclude=lambda net: gradient_exceeds_the_margin(net, slopes_count=False),
    recheck=partial(margin_exceeds_the_gradient, slopes_count=False),
)
def test_gradient_exceeds_the_margin(net: Classifier) -> Verdict:
    """Where a unit feeds one output, the gradient is at least the margin times the slopes of that output."""
    return gradient_exceeds_the_margin(net)


# --- the losses ---------------------------------------------------------------------------------------


def hinge(net: Classifier, power: int = 2) -> fmpq:
    """Σ max(0, 1 − y f)^power."""
    terms = [1 - y * f for y, f in zip(net.Y.entries(), net.features(net.depth).entries(), strict=True)]
    return sum((t**power for t in terms if t > 0), fmpq(0))


@claim(
    "NH17/hinge",
    paper=NH17,
    where="Section 5, below Assumptions 5.2",
    says=r"y_{ij} = \pm 1: \quad \Phi = \sum_{ij} \max\{0, 1 - y_{ij} f_{Lj}(x_i)\}^2",
    assumes={"labels": r"y_{ij} = 1 \text{ for } x_i \in C_j,\ -1 \text{ otherwise}"},
)
@printed(
    HOLDS,
    score_classifiers(),
    reaches={
        "a residual of 0": lambda net: 0 in (net.features(1) - net.Y).entries(),
        "a loss": lambda net: loss(net) > 0,
    },
)
@drop(
    "labels",
    REFUTED,
    score_classifiers(labels=(1, 0)),
    note="the encoding 1, 0",
    recheck=loss_is_not_the_hinge,
)
@mutant(
    "without the square",
    score_classifiers(),
    conclude=lambda net: decide_equal(loss(net), hinge(net, 1), named=("Phi", "hinge")),
    recheck=partial(loss_is_not_the_hinge, power=1),
)
@mutant("labels 2 and -2", score_classifiers(labels=(2, -2)), recheck=loss_is_not_the_hinge)
def test_loss_is_the_squared_hinge(net: Classifier) -> Verdict:
    """With labels ±1 the losses l₁ and l₂ make Φ the squared hinge loss."""
    return decide_equal(loss(net), hinge(net), named=("Phi", "squared hinge"))


def own(a: fmpq) -> fmpq:
    """l₁(a) = min(a, 0)²."""
    return min(a, fmpq(0)) ** 2


def own_slope(a: fmpq) -> fmpq:
    """l₁′(a)."""
    return 2 * min(a, fmpq(0))


def other(a: fmpq) -> fmpq:
    """l₂(a) = max(a, 0)²."""
    return max(a, fmpq(0)) ** 2


def other_slope(a: fmpq) -> fmpq:
    """l₂′(a)."""
    return 2 * max(a, fmpq(0))


def second_differences(a: fmpq, h: fmpq) -> tuple[fmpq, fmpq]:
    """(l₁′(a + h) − l₁′(a)) / h and the same from the left, h > 0."""
    return (own_slope(a + h) - own_slope(a)) / h, (own_slope(a) - own_slope(a - h)) / h


@claim(
    "NH17/assumption5.2",
    paper=NH17,
    where="Assumptions 5.2 and the example below them",
    says=r"l_1(a) = \min(a, 0)^2,\ l_2(a) = \max(a, 0)^2 \text{ satisfy Assumptions 5.2}",
)
@printed(
    HOLDS,
    matrices(1, 2, dyadics(3, 3)),
    reaches={
        "a = 0": lambda at: at[0, 0] == 0,
        "a < 0": lambda at: at[0, 0] < 0,
        "a > 0": lambda at: at[0, 0] > 0,
    },
    note="the slopes as limits: |l(a + h) − l(a) − h l′(a)| <= h², for all h at once by the quadratic pieces",
)
@mutant(
    "twice differentiable",
    matrices(1, 2, dyadics(3, 3)),
    conclude=lambda at: (
        vacuous("a ≠ 0, or h = 0")
        if at[0, 0] != 0 or at[0, 1] == 0
        else decide_equal(*second_differences(at[0, 0], abs(at[0, 1])), named=("right", "left"))
    ),
    recheck=difference_quotients_differ,
)
@mutant(
    "l_1'(a) < 0 everywhere",
    matrices(1, 2, dyadics(3, 3)),
    conclude=lambda at: decide(own_slope(at[0, 0]) < 0, why="l₁′(a) = 0", values={"a": at[0, 0]}),
    recheck=slope_is_not_negative,
)
def test_the_example_satisfies_the_assumptions(at: fmpq_mat) -> Verdict:
    """The one-sided squares are nonnegative and C¹, and vanish, with their slopes, on one half-line exactly."""
    a, h = at.entries()
    wanted = {
        "l₁, l₂ >= 0": own(a) >= 0 and other(a) >= 0,
        "l₁ = 0 iff a >= 0": (own(a) == 0) == (a >= 0) == (own_slope(a) == 0),
        "l₂ = 0 iff a <= 0": (other(a) == 0) == (a <= 0) == (other_slope(a) == 0),
        "signs of the slopes": own_slope(a) <= 0 <= other_slope(a),
        "l₁′ is the slope": abs(own(a + h) - own(a) - h * own_slope(a)) <= h * h,
        "l₂′ is the slope": abs(other(a + h) - other(a) - h * other_slope(a)) <= h * h,
    }
    wrong = [name for name, holds in wanted.items() if not holds]
    return decide(not wrong, why=f"{wrong} fails", values={"a": a, "h": h})
