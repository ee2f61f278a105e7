"""Lu & Kawaguchi (2017), Section 3.1: perturbations of matrices, of their decompositions and of products."""

from functools import partial
from itertools import pairwise

from flint import arb, fmpq

from strategies.perturbations import (
    FactoredPair,
    PerturbedDecomposition,
    PerturbedMatrix,
    PerturbedProduct,
    SplitPair,
    decomposition_pairs,
    doubled_pairs,
    factored_pairs,
    near_singular_matrices,
    perturbed_decompositions,
    perturbed_factors,
    perturbed_matrices,
    perturbed_products,
    split_pairs,
    vanishing_pairs,
)
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    drop,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.perturbations import (
    decide_any_decomposition,
    decide_given_decomposition,
    decide_lift,
    decide_one_factor,
    decide_wedin,
    eigenvalues,
    lift,
    operator_norm,
    pseudo_inverse,
    singular_values,
    spectral_radius,
    squared_norm,
    wedin_gap,
    wedin_sines,
)
from verify.papers import LK17
from verify.rechecks.lk17_perturbations import (
    a_singular_value_is_not_convex,
    a_singular_value_is_not_subadditive,
    a_singular_value_moves_by_more,
    base_case_has_another_product,
    corrected_factor_is_wrong,
    decomposition_is_far,
    given_decomposition_is_left,
    merged_matrix_is_another,
    other_weights_cannot_stay,
    product_does_not_follow,
    product_has_no_factor_left,
    rank_changes,
    rank_exceeds_the_least_width,
    singular_vectors_move_by_more,
    small_change_is_not_small,
    small_change_lowers_the_rank,
    spectral_radius_moves_by_more,
    wedin_fails,
)


def moved_at_most(near: PerturbedMatrix, bound) -> Verdict:
    """max_i |σ_i(M + ε D) − σ_i(M)| <= bound."""
    pairs = zip(singular_values(near.perturbed), singular_values(near.M), strict=True)
    return all_of(
        *(decide_at_most(abs(s - t), bound, named=("change of a singular value", "bound")) for s, t in pairs)
    )


def largest_entry(a):
    """max |a_ij|."""
    return max(abs(e) for e in a.entries())


def convex_values(near: PerturbedMatrix) -> Verdict:
    """2 σ_i(M) <= σ_i(M + ε D) + σ_i(M − ε D) for each i."""
    before, after, back = (singular_values(a) for a in (near.M, near.perturbed, near.M - near.change))
    return all_of(
        *(
            decide_at_most(2 * s, t + r, named=("2 s_i(M)", "s_i(M+D) + s_i(M-D)"))
            for s, t, r in zip(before, after, back, strict=True)
        )
    )


def subadditive_values(near: PerturbedMatrix) -> Verdict:
    """σ_i(M + ε D) <= σ_i(M) + σ_i(ε D) for each i."""
    of = zip(
        singular_values(near.perturbed), singular_values(near.M), singular_values(near.change), strict=True
    )
    return all_of(*(decide_at_most(s, t + r, named=("s_i(M+D)", "s_i(M) + s_i(D)")) for s, t, r in of))


SINGULAR_VALUE_CLASSES = {
    "M = 0": lambda near: not any(near.M.entries()),
    "rank-deficient M": lambda near: 0 < near.M.rank() < min(near.M.nrows(), near.M.ncols()),
    "rank changes": lambda near: near.M.rank() != near.perturbed.rank(),
    "not square": lambda near: near.M.nrows() != near.M.ncols(),
}


@claim(
    "LK17/lemma3.1",
    paper=LK17,
    where="Lemma 3.1, Section 3.1",
    says=r"\sigma_i(M) \text{ is a continuous map of the entries of } M:\ |\sigma_i(M + D) - \sigma_i(M)| \le \|D\|_2",
)
@printed(
    HOLDS,
    perturbed_matrices(),
    examples=100,
    reaches=SINGULAR_VALUE_CLASSES,
    note="decided in Weyl's form, which gives continuity its modulus; singular values in descending order",
)
@mutant(
    "by the largest entry of D",
    perturbed_matrices(),
    conclude=lambda near: moved_at_most(near, arb(largest_entry(near.change))),
    recheck=partial(a_singular_value_moves_by_more, bound="the largest entry"),
)
@mutant(
    "by half the norm of D",
    perturbed_matrices(),
    conclude=lambda near: moved_at_most(near, operator_norm(near.change) / 2),
    recheck=partial(a_singular_value_moves_by_more, bound="half the norm"),
)
@mutant(
    "moduli of eigenvalues",
    perturbed_matrices(square=True),
    says=r"|\rho(M + D) - \rho(M)| \le \|D\|_2 \text{ for the spectral radius}",
    conclude=lambda near: decide_at_most(
        abs(spectral_radius(near.perturbed) - spectral_radius(near.M)),
        operator_norm(near.change),
        named=("change", "norm of D"),
    ),
    recheck=spectral_radius_moves_by_more,
)
@mutant(
    "every singular value is convex",
    perturbed_matrices(),
    conclude=convex_values,
    recheck=a_singular_value_is_not_convex,
)
@mutant(
    "s_i(M + D) <= s_i(M) + s_i(D)",
    perturbed_matrices(),
    conclude=subadditive_values,
    recheck=a_singular_value_is_not_subadditive,
)
def test_singular_values_are_continuous(near: PerturbedMatrix) -> Verdict:
    """No singular value moves by more than the spectral norm of the change (Weyl)."""
    return moved_at_most(near, operator_norm(near.change))


def gap_zero_in_m(pair: SplitPair) -> bool:
    return wedin_gap(pair, against="before", sigma="") == 0


WEDIN_CLASSES = {
    "k = n": lambda pair: pair.k == pair.before.values.ncols(),
    "m > n": lambda pair: pair.before.U.nrows() > pair.before.V.nrows(),
    "rho = min sigma_i": lambda pair: wedin_gap(pair) == min(pair.before.values.entries()[: pair.k]),
    "rho from the gaps": lambda pair: wedin_gap(pair) != min(pair.before.values.entries()[: pair.k]),
    "equal values inside the block": lambda pair: len({*pair.before.values.entries()[: pair.k]}) < pair.k,
    "equal values inside and outside": gap_zero_in_m,
    "a value 0 outside": lambda pair: 0 in pair.before.values.entries()[pair.k :],
    "equal singular spaces": lambda pair: not any(wedin_sines(pair)),
    "orthogonal singular spaces": lambda pair: wedin_sines(pair)[1] == pair.k,
}


@claim(
    "LK17/lemma3.2",
    paper=LK17,
    where="Lemma 3.2 (Wedin 1972), Section 3.1",
    says=r"\rho > 0 \Rightarrow \sqrt{\|\sin(U_1,\bar U_1)\|_F^2 + \|\sin(V_1,\bar V_1)\|_F^2} \le \sqrt{\|(\bar M - M)V_1\|_F^2 + \|(\bar M^* - M^*)U_1\|_F^2}\,/\,\rho",
    assumes={
        "m >= n": r"m \ge n",
        "rho > 0": r"\rho = \min\{\min_{i \le k,\, j \le n-k} |\sigma_i - \bar\sigma_{k+j}|,\ \min_{i \le k} \sigma_i\} > 0",
    },
)
@printed(
    HOLDS,
    split_pairs(),
    examples=220,
    needs=150,
    reaches=WEDIN_CLASSES,
    note="read with B = M, rows of zeros below Sigma for m > n, any k values in any order, and min over nothing = infinity",
)
@drop("m >= n", HOLDS, split_pairs(wide=True), examples=120, needs=80, note="superfluous: transpose")
@mutant(
    "without min sigma_i",
    split_pairs(kind="apart"),
    conclude=lambda pair: decide_wedin(pair, gap=lambda p: wedin_gap(p, sigma="")),
    recheck=partial(wedin_fails, least="none"),
    examples=200,
)
@mutant(
    "gap inside M alone",
    split_pairs(kind="reordered"),
    conclude=lambda pair: decide_wedin(pair, gap=lambda p: wedin_gap(p, against="before")),
    recheck=partial(wedin_fails, against="before"),
    examples=300,
)
@mutant(
    "min of the perturbed sigma_i",
    vanishing_pairs(),
    conclude=lambda pair: decide_wedin(pair, gap=lambda p: wedin_gap(p, sigma="after")),
    recheck=partial(wedin_fails, least="after"),
    examples=500,
)
@mutant(
    "half the numerator",
    split_pairs(),
    conclude=lambda pair: decide_wedin(pair, right=lambda a, b: (squared_norm(a) + squared_norm(b)) / 4),
    recheck=partial(wedin_fails, right="a quarter"),
    examples=300,
)
@mutant(
    "the larger norm for the root of the sum",
    split_pairs(kind="reordered"),
    conclude=lambda pair: decide_wedin(pair, right=lambda a, b: max(squared_norm(a), squared_norm(b))),
    recheck=partial(wedin_fails, right="the larger"),
    examples=300,
)
@mutant(
    "spectral norms on the right",
    doubled_pairs(),
    conclude=lambda pair: decide_wedin(
        pair, right=lambda a, b: eigenvalues(a.transpose() * a)[0] + eigenvalues(b.transpose() * b)[0]
    ),
    recheck=partial(wedin_fails, right="spectral"),
    examples=400,
)
def test_wedin(pair: SplitPair) -> Verdict:
    """Singular spaces move by at most the change on them over the gap to the complementary perturbed values."""
    return decide_wedin(pair)


TENTH = fmpq(1, 10)


def within_gloss(near: PerturbedMatrix, verdict: Verdict) -> Verdict:
    """``verdict`` if every entry of the difference is below a tenth of every non-zero number in M."""
    nonzero = [abs(e) for e in near.M.entries() if e]
    if nonzero and largest_entry(near.change) >= TENTH * min(nonzero):
        return vacuous("the difference is not small against a non-zero entry of M")
    return verdict


def small_against(near: PerturbedMatrix, factor=TENTH, size=largest_entry) -> Verdict:
    """max |difference| <= max |M| / 10."""
    return within_gloss(
        near,
        decide_at_most(
            largest_entry(near.change), size(near.M) * factor, named=("difference", "size of M times factor")
        ),
    )


@claim(
    "LK17/perturbation",
    paper=LK17,
    where="Section 3.1, definition of a perturbation",
    says=r"|a_{ij} - b_{ij}| \ll \text{any non-zero number in } B \;\Rightarrow\; \|A - B\|_\infty \text{ is small}\quad(\ll: \text{less than a tenth})",
    assumes={"B != 0": r"B \ne 0"},
)
@printed(
    REFUTED,
    perturbed_matrices(),
    recheck=small_change_is_not_small,
    note="B = 0 holds no non-zero number, so that every A would be a perturbation of it; perturbation is no relation of two matrices: read every lemma as 'for all epsilon there is a delta'",
)
@repaired(
    r"B \ne 0: |a_{ij} - b_{ij}| < \tfrac1{10}\min_{b_{ij} \ne 0}|b_{ij}| \Rightarrow \|A - B\|_\infty \le \tfrac1{10}\|B\|_\infty",
    perturbed_matrices(epsilons=(fmpq(1, 10**3), fmpq(1, 100), fmpq(1, 50))),
    conclude=lambda near: small_against(near) if any(near.M.entries()) else vacuous("B = 0"),
    examples=80,
)
@mutant(
    "and small against every entry",
    perturbed_matrices(epsilons=(fmpq(1, 10**3),)),
    conclude=lambda near: small_against(near, size=lambda m: min(abs(e) for e in m.entries())),
    recheck=partial(small_change_is_not_small, size="the least"),
)
@mutant(
    "and 1/100 of B",
    perturbed_matrices(epsilons=(fmpq(1, 30), fmpq(1, 100))),
    conclude=lambda near: (
        small_against(near, factor=fmpq(1, 100)) if any(near.M.entries()) else vacuous("B = 0")
    ),
    recheck=partial(small_change_is_not_small, part=100),
)
def test_definition_of_a_perturbation(near: PerturbedMatrix) -> Verdict:
    """What is small against every non-zero number in B is small against B."""
    return small_against(near)


def rank_is_kept(near: PerturbedMatrix, *, strictly: bool = True) -> Verdict:
    """rank(M + ε D) >= rank(M)."""
    before, after = near.M.rank(), near.perturbed.rank()
    return decide(
        after >= before if strictly else after == before,
        why="The rank is another one.",
        values={"rank(M)": before, "rank(M + D)": after},
    )


def below_least_value(near: PerturbedMatrix, factor: int = 1, **options) -> Verdict:
    """``rank_is_kept`` where ‖D‖₂ is below ``factor`` times the least positive singular value."""
    positive = [s for s in singular_values(near.M) if s > 0]
    if positive and not operator_norm(near.change) < positive[-1] * factor:
        return vacuous("the change reaches the least positive singular value")
    return rank_is_kept(near, **options)


@claim(
    "LK17/perturbation-rank",
    paper=LK17,
    where="Section 3.1, definition of a perturbation, as used in the proof of Theorem 3.1",
    says=r"|a_{ij} - b_{ij}| \ll \text{any non-zero number in } B \;\Rightarrow\; \mathrm{rank}(A) \ge \mathrm{rank}(B): \text{ the positive singular values remain strictly positive}",
)
@printed(
    REFUTED,
    near_singular_matrices(),
    examples=500,
    recheck=small_change_lowers_the_rank,
    note="entries say nothing about singular values: no fixed ratio of entries makes a difference small enough",
)
@repaired(
    r"\|A - B\|_2 < \sigma_{\min}^{+}(B) \Rightarrow \mathrm{rank}(A) \ge \mathrm{rank}(B)",
    perturbed_matrices(epsilons=(fmpq(1, 5), fmpq(1, 1000), fmpq(1))),
    conclude=below_least_value,
    examples=200,
    needs=80,
)
@mutant(
    "rank(A) = rank(B)",
    perturbed_matrices(),
    conclude=lambda near: below_least_value(near, strictly=False),
    recheck=rank_changes,
)
@mutant(
    "below twice the least value",
    near_singular_matrices(),
    conclude=lambda near: below_least_value(near, 2),
    recheck=partial(rank_changes, factor=2, falls=True),
    examples=500,
)
def test_small_changes_keep_the_rank(near: PerturbedMatrix) -> Verdict:
    """A change that is small against every entry keeps the positive singular values positive."""
    return within_gloss(near, rank_is_kept(near))


def is_tied(pair) -> bool:
    values = pair.before.values.entries()
    return len({*values}) < len(values)


def has_null(pair) -> bool:
    return pair.before.rank < max(pair.before.U.nrows(), pair.before.V.nrows())


@claim(
    "LK17/any-svd",
    paper=LK17,
    where="Section 3.1, sentence before Lemma 3.3",
    says=r"\text{any SVD } U\Sigma V^\top \text{ of a perturbed matrix is a perturbation of some SVD of the original}",
    assumes={"full rank": r"\bar M \text{ of full rank}"},
)
@printed(
    HOLDS,
    decomposition_pairs(),
    examples=120,
    reaches={"repeated singular value": is_tied, "null vectors": has_null},
)
@drop(
    "full rank",
    HOLDS,
    decomposition_pairs(rank="deficient"),
    examples=120,
    reaches={"repeated singular value": is_tied},
    note="superfluous: bases of the null spaces may be chosen independently",
)
@mutant(
    "of the given SVD",
    decomposition_pairs(),
    conclude=lambda pair: decide_any_decomposition(pair, given=True),
    recheck=partial(decomposition_is_far, nearest="given"),
)
@mutant(
    "one rotation for both null spaces",
    decomposition_pairs(rank="deficient"),
    conclude=lambda pair: decide_any_decomposition(pair, jointly=True),
    recheck=partial(decomposition_is_far, nearest="one rotation"),
)
@mutant(
    "within a hundredth of the change",
    decomposition_pairs(),
    conclude=lambda pair: decide_any_decomposition(pair, factor=fmpq(1, 100)),
    recheck=partial(decomposition_is_far, factor="1/100"),
)
def test_every_svd_is_near_some_svd(pair) -> Verdict:
    """Every decomposition of M is within 8 |M - M'| / gap of some decomposition of M'."""
    return decide_any_decomposition(pair)


def distinct(ray: PerturbedDecomposition) -> bool:
    values = ray.given.values.entries()
    return len({*values}) == len(values)


def least_step(ray: PerturbedDecomposition):
    """The least difference of two singular values of the given decomposition."""
    values = sorted(ray.given.values.entries())
    return min((b - a for a, b in pairwise(values)), default=fmpq(9))


@claim(
    "LK17/lemma3.3",
    paper=LK17,
    where="Lemma 3.3, Section 3.1",
    says=r"\bar M = \bar U \bar\Sigma \bar V^\top \text{ of full rank},\ M \to \bar M \;\Rightarrow\; \exists\, \text{SVD } M = U\Sigma V^\top: U \to \bar U,\ \Sigma \to \bar\Sigma,\ V \to \bar V",
    assumes={
        "full rank": r"\mathrm{rank}(\bar M) = \min(m, n)",
        "distinct": r"\bar\sigma_1 > \dots > \bar\sigma_n",
    },
)
@printed(
    REFUTED,
    perturbed_decompositions(kind="full rank"),
    recheck=partial(given_decomposition_is_left, premise="full rank"),
    note="false where a singular value is repeated: the perturbation chooses the basis of its space, not the reader",
)
@repaired(
    r"\bar\sigma_i \text{ distinct and positive}: \|u_i - \bar u_i\|^2 + \|v_i - \bar v_i\|^2 \le (4\|M - \bar M\| / \mathrm{gap})^2",
    perturbed_decompositions(kind="distinct"),
    examples=220,
    needs=205,
    reaches={
        "close values": lambda ray: least_step(ray) <= TENTH,
        "three values": lambda ray: ray.given.rank == 3,
        "not square": lambda ray: ray.given.U.nrows() != ray.given.V.nrows(),
    },
)
@drop(
    "full rank",
    REFUTED,
    perturbed_decompositions(kind="distinct", rank="deficient"),
    recheck=partial(given_decomposition_is_left, premise="distinct"),
    note="M = (0), D = (-1): u v = -1, so that u = v = 1 has nothing near it",
)
@drop(
    "distinct",
    REFUTED,
    perturbed_decompositions(kind="repeated"),
    recheck=partial(given_decomposition_is_left, premise="full rank"),
)
@mutant(
    "distinct, but not the value 0",
    perturbed_decompositions(kind="any", rank="deficient"),
    conclude=lambda ray: decide_given_decomposition(ray) if distinct(ray) else vacuous("a repeated value"),
    recheck=partial(given_decomposition_is_left, premise="distinct"),
    examples=200,
)
@mutant(
    "repeated at most twice",
    perturbed_decompositions(kind="repeated"),
    conclude=lambda ray: (
        decide_given_decomposition(ray)
        if len({*ray.given.values.entries()}) >= ray.given.rank - 1
        else vacuous("more often")
    ),
    recheck=partial(given_decomposition_is_left, premise="at most twice"),
)
@mutant(
    "by a ten-thousandth of the change over the gap",
    perturbed_decompositions(kind="distinct"),
    conclude=lambda ray: decide_given_decomposition(ray, modulus=fmpq(1, 10000)),
    recheck=partial(singular_vectors_move_by_more, part=10000),
)
def test_given_svd_is_followed(ray: PerturbedDecomposition) -> Verdict:
    """Near a full-rank matrix with a given decomposition every matrix has a decomposition near that one."""
    return decide_given_decomposition(ray)


@claim(
    "LK17/thm3.1-svd",
    paper=LK17,
    where="Proof of Theorem 3.1, case H = 2: 'It follows Lemma 3.3 that there exists an SVD of R'",
    says=r"\bar R = \bar U\bar\Sigma\bar V^\top \text{ given},\ \mathrm{rank}(R) = \mathrm{rank}(\bar R) = d_p,\ R \to \bar R \Rightarrow \exists\, \text{SVD of } R \text{ near it}",
    assumes={"equal ranks": r"\mathrm{rank}(R) = \mathrm{rank}(\bar R)"},
)
@printed(
    REFUTED,
    perturbed_decompositions(kind="full rank", rank="deficient", within=True)
    | perturbed_decompositions(kind="repeated", rank="deficient", within=True),
    recheck=partial(given_decomposition_is_left, premise="equal ranks"),
    note="the lemma asks for full rank, which R has not; repeated values break it again; mended by choosing the SVD of the original after that of R",
)
@repaired(
    r"\text{positive } \bar\sigma_i \text{ distinct}",
    perturbed_decompositions(kind="distinct", rank="deficient", within=True),
    examples=80,
)
@drop(
    "equal ranks",
    REFUTED,
    perturbed_decompositions(kind="distinct", rank="deficient"),
    recheck=partial(given_decomposition_is_left, premise="distinct"),
)
@mutant(
    "descending values",
    perturbed_decompositions(kind="repeated", rank="deficient", within=True),
    conclude=lambda ray: (
        decide_given_decomposition(ray)
        if list(ray.given.values.entries()) == sorted(ray.given.values.entries(), reverse=True)
        else vacuous("not sorted")
    ),
    recheck=partial(given_decomposition_is_left, premise="descending"),
)
@mutant(
    "by a ten-thousandth of the change over the gap",
    perturbed_decompositions(kind="distinct", rank="deficient", within=True),
    conclude=lambda ray: decide_given_decomposition(ray, modulus=fmpq(1, 10000)),
    recheck=partial(singular_vectors_move_by_more, part=10000),
)
def test_given_svd_is_followed_at_equal_rank(ray: PerturbedDecomposition) -> Verdict:
    """Near a matrix of rank d_p with a given decomposition every matrix of that rank has one near it."""
    return decide_given_decomposition(ray)


PRODUCT_CLASSES = {
    "H = 1": lambda near: len(near.weights) == 1,
    "H = 2": lambda near: len(near.weights) == 2,
    "H >= 3": lambda near: len(near.weights) >= 3,
    "p = 0": lambda near: near.widths.index(min(near.widths)) == 0,
    "p = H": lambda near: near.widths.index(min(near.widths)) == len(near.weights),
    "0 < p < H": lambda near: 0 < near.widths.index(min(near.widths)) < len(near.weights),
    "d_p >= 2": lambda near: min(near.widths) >= 2,
    "a deficient layer": lambda near: any(w.rank() < min(w.nrows(), w.ncols()) for w in near.weights),
}


narrow_inside = perturbed_products(layers=(2, 4), inside=True)


def one_weight(near: PerturbedProduct, changed: str) -> Verdict:
    """R is a product in which only the first (last) weight is changed."""
    verdict = decide_lift(near)
    if verdict.outcome is not HOLDS:
        return verdict
    return decide(lift(near, changed) is not None, why=f"No change of the {changed} weight alone gives R.")


@claim(
    "LK17/thm3.1",
    paper=LK17,
    where="Theorem 3.1, Section 3.1",
    says=r"\mathrm{rank}(\bar W_H \cdots \bar W_1) = d_p,\ R \to \bar R,\ \mathrm{rank}(R) \le d_p \;\Rightarrow\; R = W_H \cdots W_1 \text{ with } W_i \to \bar W_i",
    assumes={"rank(R') = d_p": r"\mathrm{rank}(\bar R) = d_p", "rank(R) <= d_p": r"\mathrm{rank}(R) \le d_p"},
    equivalent={"only W_1 and W_H change": "true: the lift changes no other weight"},
)
@printed(
    HOLDS,
    perturbed_products(),
    examples=160,
    reaches=PRODUCT_CLASSES,
    note=r"by an exact lift with |W_i - W_i'| <= 2 |A^+| |B^+| |W_i'| |R - R'|",
)
@drop(
    "rank(R') = d_p",
    REFUTED,
    perturbed_products(rank="deficient"),
    conclude=lambda near: decide_lift(near, premise="deficient"),
    recheck=product_does_not_follow,
)
@drop(
    "rank(R) <= d_p",
    REFUTED,
    perturbed_products(rank="too large", layers=(2, 4), inside=True),
    recheck=rank_exceeds_the_least_width,
)
@mutant(
    "every layer of full rank for rank(R') = d_p",
    perturbed_products(rank="full layers", layers=(3, 4)),
    conclude=lambda near: decide_lift(near, premise="layers"),
    recheck=partial(product_does_not_follow, full_layers=True),
    examples=400,
)
@mutant(
    "only W_1 changes",
    narrow_inside,
    conclude=lambda near: one_weight(near, "first"),
    recheck=partial(other_weights_cannot_stay, changed="first"),
)
@mutant(
    "only W_H changes",
    narrow_inside,
    conclude=lambda near: one_weight(near, "last"),
    recheck=partial(other_weights_cannot_stay, changed="last"),
)
def test_product_is_open(near: PerturbedProduct) -> Verdict:
    """Every R of rank at most d_p near a product of rank d_p is a product of nearby weights."""
    return decide_lift(near)


def keeps_a_factor(near: PerturbedProduct, verdict=decide_one_factor) -> Verdict:
    """``verdict`` under the premises of Theorem 3.1 for H = 2."""
    lifted = decide_lift(near)
    return verdict(near) if lifted.outcome is HOLDS else lifted


@claim(
    "LK17/thm3.1-sketch",
    paper=LK17,
    where="Sketch before the proof of Theorem 3.1",
    says=r"H = 2: \text{ the perturbation of } \bar W_2 \bar W_1 \text{ is the product of one matrix and the perturbation of the other}",
    assumes={"rank(R') = d_p": r"\mathrm{rank}(\bar R) = d_p"},
)
@printed(
    REFUTED,
    perturbed_products(layers=(2, 2), inside=True),
    recheck=partial(other_weights_cannot_stay, changed="either"),
    note="d = (2, 1, 2): both factors must turn",
)
@repaired(
    r"\min(d_0, d_2) \le d_1 \Rightarrow R = \bar W_2 W_1 \text{ or } R = W_2 \bar W_1",
    perturbed_products(layers=(2, 2)),
    conclude=lambda near: (
        keeps_a_factor(near)
        if near.widths[1] >= min(near.widths) and near.widths[1] >= min(near.widths[0], near.widths[2])
        else vacuous("d_1 is the least width")
    ),
    examples=150,
    needs=60,
)
@mutant(
    "the first factor is kept",
    perturbed_products(layers=(2, 2)),
    conclude=lambda near: keeps_a_factor(
        near, lambda near: decide(lift(near, "last") is not None, why="R has rows outside row W1.")
    ),
    recheck=partial(other_weights_cannot_stay, changed="last"),
)
@mutant(
    "the second factor is kept",
    perturbed_products(layers=(2, 2)),
    conclude=lambda near: keeps_a_factor(
        near, lambda near: decide(lift(near, "first") is not None, why="R has columns outside col W2.")
    ),
    recheck=partial(other_weights_cannot_stay, changed="first"),
)
def test_one_factor_can_be_kept(near: PerturbedProduct) -> Verdict:
    """A perturbation of a product of two matrices is one of them times a perturbation of the other."""
    return keeps_a_factor(near)


def scaled(pair: FactoredPair, *, of_rows: bool = True, inverse: bool = False):
    """S̄₂ with row (column) i scaled by σ_i / σ̄_i."""
    s, old, new = pair.S2 * 1, pair.before.values.entries(), pair.after.values.entries()
    for i in range(s.nrows()):
        for j in range(s.ncols()):
            k = i if of_rows else j
            if k < len(old) and old[k]:
                s[i, j] = s[i, j] * (old[k] / new[k] if inverse else new[k] / old[k])
    return s


def is_r(product, pair: FactoredPair) -> Verdict:
    """The product is R = U Σ Vᵀ."""
    try:
        made = product(pair)
    except ValueError:
        return decide(False, why="The shapes do not match.")
    return decide(
        made == pair.after.matrix,
        why="The product is not R.",
        values={"product": made, "R": pair.after.matrix},
    )


@claim(
    "LK17/thm3.1-base",
    paper=LK17,
    where="Proof of Theorem 3.1, case H = 2",
    says=r"S_2 = \text{rows of } \bar S_2 \text{ scaled},\ W_2 = U S_2,\ W_1 = \bar S_1 V \;\Rightarrow\; W_1 W_2 = R",
)
@printed(
    REFUTED,
    factored_pairs(),
    recheck=partial(base_case_has_another_product, made="W1 W2"),
    note="two slips: W_1 = S_1 V^T, and the product is W_2 W_1",
)
@repaired(
    r"W_2 = U S_2,\ W_1 = \bar S_1 V^\top: \quad S_2 \bar S_1 = \Sigma,\ W_2 W_1 = R",
    factored_pairs(),
    conclude=lambda pair: all_of(
        decide(scaled(pair) * pair.S1 == pair.after.S, why="S2 S1 is not the new diagonal."),
        is_r(lambda p: p.after.U * scaled(p) * pair.S1 * p.after.V.transpose(), pair),
    ),
    examples=80,
    reaches={
        "repeated value": lambda pair: len({*pair.before.values.entries()}) < pair.before.values.ncols()
    },
)
@mutant(
    "W_2 W_1 with V",
    factored_pairs(),
    conclude=lambda pair: is_r(lambda p: p.after.U * scaled(p) * p.S1 * p.after.V, pair),
    recheck=partial(base_case_has_another_product, made="W2 W1 with V"),
    examples=200,
)
@mutant(
    "columns scaled",
    factored_pairs(),
    conclude=lambda pair: is_r(
        lambda p: p.after.U * scaled(p, of_rows=False) * p.S1 * p.after.V.transpose(), pair
    ),
    recheck=partial(base_case_has_another_product, scale="columns"),
    examples=400,
)
@mutant(
    "scaled by the inverse",
    factored_pairs(),
    conclude=lambda pair: is_r(
        lambda p: p.after.U * scaled(p, inverse=True) * p.S1 * p.after.V.transpose(), pair
    ),
    recheck=partial(base_case_has_another_product, scale="inverse"),
)
def test_base_case_of_theorem_3_1(pair: FactoredPair) -> Verdict:
    """The weights displayed for H = 2 have the product R."""
    return is_r(lambda p: p.S1 * p.after.V * (p.after.U * scaled(p)), pair)


def merged(near: PerturbedProduct, indices, *, swapped: bool = False) -> Verdict:
    """W_a W_b for (a, b) = indices(p, H) has rank d_p, and the merged product has least width d_p."""
    least = min(near.widths)
    if near.product.rank() < least:
        return vacuous("rank(R̄) < d_p")
    p = near.widths.index(least)
    a, b = indices(p, len(near.weights))
    first, second = near.weights[a - 1], near.weights[b - 1]
    if swapped:
        first, second = second, first
    if first.ncols() != second.nrows():
        return decide(False, why="The shapes do not match.", values={"p": p, "I_1": a, "I_2": b})
    rank = (first * second).rank()
    kept = min(w for j, w in enumerate(near.widths) if j != b)
    return decide(
        rank == least == kept,
        why="The merged matrix has another rank, or the merged product another least width.",
        values={"p": p, "rank": rank, "d_p": least, "least width after merging": kept},
    )


def as_in_the_proof(p: int, h: int) -> tuple[int, int]:
    return (p, p - 1) if p >= 2 else (p + 2, p + 1)


deep = perturbed_products(layers=(3, 4))
deep_narrow_inside = perturbed_products(layers=(3, 4), inside=True)


@claim(
    "LK17/thm3.1-merge",
    paper=LK17,
    where="Proof of Theorem 3.1, inductive step",
    says=r"\bar M = \bar W_{\mathcal I_2}\bar W_{\mathcal I_1},\ \mathcal I = \{p, p-1\} \text{ or } \{p+2, p+1\}: \quad \mathrm{rank}(\bar M) = d_p",
    assumes={"rank(R') = d_p": r"\mathrm{rank}(\bar R) = d_p"},
)
@printed(
    REFUTED,
    deep,
    recheck=partial(merged_matrix_is_another, merge="printed"),
    note="the factors stand in the wrong order",
)
@repaired(
    r"\bar M = \bar W_{\mathcal I_1}\bar W_{\mathcal I_2}: \mathrm{rank}(\bar M) = d_p, \text{ and the merged product has the same } d_p",
    deep,
    conclude=lambda near: merged(near, as_in_the_proof),
    examples=80,
    reaches={"p = 0": PRODUCT_CLASSES["p = 0"], "0 < p < H": PRODUCT_CLASSES["0 < p < H"]},
)
@mutant(
    "W_{p+1} W_p where they exist",
    deep,
    conclude=lambda near: merged(near, lambda p, h: (p + 1, p) if 1 <= p < h else as_in_the_proof(p, h)),
    recheck=partial(merged_matrix_is_another, merge="across p"),
)
@mutant(
    "W_H W_{H-1}",
    deep_narrow_inside,
    conclude=lambda near: merged(near, lambda p, h: (h, h - 1)),
    recheck=partial(merged_matrix_is_another, merge="the last two"),
    examples=200,
)
def test_merged_matrix_has_rank_d_p(near: PerturbedProduct) -> Verdict:
    """The product of the two matrices that the induction merges exists and has rank d_p."""
    return merged(near, as_in_the_proof, swapped=True)


def corrected(near: PerturbedProduct, inverse=pseudo_inverse, *, keeps_b: bool = True) -> Verdict:
    """A (B + A⁺(R̄ − R)) = R̄, and the correction of B is at most ‖A⁺‖ ‖R̄ − R‖."""
    b, a = near.weights
    if a.rank() < a.nrows():
        return vacuous("rank(A) < d_1")
    plus = inverse(a)
    there = b + plus * near.change if keeps_b else plus * near.R
    bound = squared_norm(plus) * squared_norm(near.change)
    return all_of(
        decide(
            a * there == near.R,
            why="A times the corrected B is not the perturbed product.",
            values={"A B'": a * there, "R'": near.R},
        ),
        decide_at_most(squared_norm(there - b), bound, named=("change of B squared", "bound squared")),
    )


def solvable(near: PerturbedProduct) -> Verdict:
    """R̄ = A B̄ has a solution at all (then A⁺ gives one near B)."""
    _, a = near.weights
    return decide(
        a * pseudo_inverse(a) * near.R == near.R,
        why="R' has columns outside the columns of A: it is A times no matrix.",
        values={"A": a, "R'": near.R},
    )


@claim(
    "LK17/lemma3.4",
    paper=LK17,
    where="Lemma 3.4, Section 3.1",
    says=r"R = AB,\ \mathrm{rank}(A) = d_1,\ \bar R \to R \;\Rightarrow\; \bar R = A\bar B,\quad \bar B = B + V D^+ U^\top(\bar R - R)",
    assumes={
        "d_1 <= d_3": r"d_1 \le d_3",
        "rank(A) = d_1": r"\mathrm{rank}(A) = d_1 \ (\Rightarrow d_1 \le d_2)",
    },
    equivalent={"without d_1 <= d_2": "the same statement: rank(A) = d_1 implies it"},
)
@printed(
    HOLDS,
    perturbed_factors(d_3="at least d_1"),
    examples=80,
    reaches={
        "d_1 < d_2": lambda near: near.widths[2] < near.widths[1],
        "d_1 = d_2": lambda near: near.widths[2] == near.widths[1],
    },
)
@drop("d_1 <= d_3", HOLDS, perturbed_factors(d_3="less than d_1"), examples=80, note="superfluous")
@drop(
    "rank(A) = d_1",
    REFUTED,
    perturbed_factors(rank="deficient"),
    conclude=solvable,
    recheck=product_has_no_factor_left,
)
@mutant(
    "A^T for A^+",
    perturbed_factors(),
    conclude=lambda near: corrected(near, lambda a: a.transpose()),
    recheck=partial(corrected_factor_is_wrong, correction="A^T"),
)
@mutant(
    "rank(A) = d_2",
    perturbed_factors(rank="full columns"),
    conclude=solvable,
    recheck=partial(product_has_no_factor_left, premise="full columns"),
)
@mutant(
    "A^+ R' alone",
    perturbed_factors(),
    conclude=lambda near: corrected(near, keeps_b=False),
    recheck=partial(corrected_factor_is_wrong, correction="A+ R'"),
)
def test_perturbed_product_is_a_times_a_perturbation(near: PerturbedProduct) -> Verdict:
    """Every matrix near A B is A times a matrix near B, given explicitly."""
    return corrected(near)
