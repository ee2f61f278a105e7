"""Kawaguchi & Bengio (2019), Section 3.2 and Appendix B: what residual representations improve, and Theorem 2's proof."""

from functools import partial

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.critical import planted_minima
from strategies.instance import instance
from strategies.losses import squared
from strategies.matrices import hstack, matrices
from strategies.networks import ResNet, resnets
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    decide_less,
    drop,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.exact import least_squares, least_squares_value, projector
from verify.oracles.landscape import basis_infimum, loss
from verify.papers import KB19
from verify.rechecks.kb19_improvement import (
    branch_leaves_the_span,
    cross_term_is_another,
    does_not_improve,
    farther_yet_more_different,
    gap_is_above,
    improvement_is_another,
    improvement_is_not_positive,
    least_loss_is_another,
    projector_does_not_split,
    second_line_fails,
    span_of_z_is_smaller,
)

data = resnets(weighted=False)
"""Data sets with features X, Z (all kinds and defects) and labels Y; the weights play no role."""


def square(a: fmpq_mat) -> fmpq:
    """‖a‖_F²."""
    return sum((e * e for e in a.entries()), fmpq(0))


def rest(x: fmpq_mat) -> fmpq_mat:
    """P_N[x] = I − P[x]."""
    p = projector(x)
    return (
        fmpq_mat(p.nrows(), p.nrows(), [int(i == j) for i in range(p.nrows()) for j in range(p.nrows())]) - p
    )


def improvement(net: ResNet) -> fmpq:
    """L*_x − L*_{x,z} for the squared loss, from two least-squares problems."""
    return least_squares_value(net.X, net.Y, net.measure) - least_squares_value(
        net.features, net.Y, net.measure
    )


def displayed(net: ResNet, middle: fmpq_mat | None = None) -> fmpq:
    """(1/m) ‖P[P_N[X] Z] (middle) Y‖²."""
    y = net.Y if middle is None else middle * net.Y
    return square(projector(rest(net.X) * net.Z) * y) / net.X.nrows()


@claim(
    "KB19/improvement",
    paper=KB19,
    where="Section 3.2, display below eq. (6)",
    says=r"L^*_{\{x\}} - L^*_{\{x,z\}} = \tfrac1m \lVert P[P_N[X]Z]Y \rVert_F^2 = \tfrac1m \lVert P[P_N[X]Z]P_N[X]Y \rVert_F^2 \ge 0",
    assumes={"B1": r"\ell(h,y) = \lVert h-y \rVert^2", "B2": r"\mu \text{ empirical}"},
)
@printed(
    HOLDS,
    data,
    examples=120,
    reaches={
        "Z in span(X)": lambda net: net.features.rank() == net.X.rank(),
        "improvement > 0": lambda net: improvement(net) > 0,
        "rank X < d_x": lambda net: net.X.rank() < net.X.ncols(),
        "one sample": lambda net: net.X.nrows() == 1,
    },
)
@drop("B2", REFUTED, resnets(), recheck=improvement_is_another, examples=300)
@mutant(
    "P[Z] for P[P_N[X] Z]",
    data,
    conclude=lambda net: decide_equal(
        improvement(net),
        square(projector(net.Z) * net.Y) / net.X.nrows(),
        named=("L*_x - L*_{x,z}", "|P[Z]Y|^2/m"),
    ),
    recheck=partial(improvement_is_another, onto="Z"),
)
@mutant(
    "no 1/m",
    data,
    conclude=lambda net: decide_equal(
        improvement(net), displayed(net) * net.X.nrows(), named=("L*_x - L*_{x,z}", "|P[P_N Z]Y|^2")
    ),
    recheck=partial(improvement_is_another, averaged=False),
)
@mutant(
    "always positive",
    data,
    conclude=lambda net: decide_less(fmpq(0), improvement(net), named=("0", "L*_x - L*_{x,z}")),
    recheck=improvement_is_not_positive,
)
def test_improvement_by_residual_representations(net: ResNet) -> Verdict:
    """The further improvement L*_x − L*_{x,z} is ‖P[P_N[X]Z]Y‖²/m, in both displayed forms, and never negative."""
    gain = improvement(net)
    return all_of(
        decide_equal(gain, displayed(net), named=("L*_x - L*_{x,z}", "|P[P_N Z]Y|^2/m")),
        decide_equal(gain, displayed(net, rest(net.X)), named=("L*_x - L*_{x,z}", "|P[P_N Z]P_N Y|^2/m")),
        decide_at_most(fmpq(0), gain, named=("0", "L*_x - L*_{x,z}")),
    )


@claim(
    "KB19/further-improve",
    paper=KB19,
    where="Abstract and Section 5",
    says=r"\text{local minimum values are guaranteed to further improve via residual representations: } L < L^*_{\{x\}}",
)
@printed(
    REFUTED, planted_minima(squared), recheck=does_not_improve, note="Remark 3 (ii) has the missing condition"
)
@repaired(
    r"L \le L^*_{\{x\}}, \text{ with } < \text{ iff } L^*_{\{x\}} \ne L^*_{\{x,z\}}",
    planted_minima(),
    examples=60,
    conclude=lambda net: all_of(
        decide_at_most(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
        vacuous("z is negligible")
        if decide_less(basis_infimum(net), basis_infimum(net, "x")).outcome is not HOLDS
        else decide_less(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    ),
)
@mutant(
    "whenever Z != 0",
    planted_minima(squared).filter(lambda net: any(net.Z.entries())),
    recheck=partial(does_not_improve, needs="Z is not zero"),
)
@mutant(
    "whenever Z is not in span(X)",
    planted_minima(squared, spare_samples=3).filter(lambda net: net.features.rank() > net.X.rank()),
    recheck=partial(does_not_improve, needs="Z is not in span(X)"),
    examples=200,
)
def test_residual_representations_always_improve(net: ResNet) -> Verdict:
    """Every local minimum value is strictly below L*_x."""
    return decide_less(loss(net), basis_infimum(net, "x"), named=("L", "L*_x"))


@instance
class TwoRepresentations:
    """Features X (m × d_x), labels Y (m × 1) and two residual representations Z, Z′ (m × d_z)."""

    X: fmpq_mat
    Y: fmpq_mat
    Z: fmpq_mat
    Z2: fmpq_mat

    def distance(self, z: fmpq_mat) -> fmpq:
        """Squared chordal distance of col z from col X: Σ sin² of the principal angles = rank z − tr(P[X] P[z])."""
        overlap = projector(self.X) * projector(z)
        return fmpq(z.rank()) - sum((overlap[k, k] for k in range(overlap.nrows())), fmpq(0))

    def shortfall(self, z: fmpq_mat) -> fmpq:
        """‖P[P_N[X] z] r‖² − ‖P[z] r‖² for r = P_N[X] Y."""
        remaining = rest(self.X)
        return square(projector(remaining * z) * remaining * self.Y) - square(
            projector(z) * remaining * self.Y
        )


@st.composite
def two_representations(draw: st.DrawFn) -> TwoRepresentations:
    """Four samples, two features each, entries −1 … 2."""
    entries = st.integers(-1, 2)
    x, y = draw(matrices(4, 2, entries)), draw(matrices(4, 1, entries))
    return TwoRepresentations(X=x, Y=y, Z=draw(matrices(4, 2, entries)), Z2=draw(matrices(4, 2, entries)))


pairs_of_equal_rank = two_representations().filter(
    lambda p: p.Z.rank() == p.Z2.rank() == 2 and p.X.rank() == 2
)


@claim(
    "KB19/differs",
    paper=KB19,
    where="Section 3.2",
    says=r"\text{as col } Z \text{ differs more from col } X,\ \lVert P[P_N[X]Z]P_N[X]Y \rVert^2 \text{ becomes closer to } \lVert P[Z]P_N[X]Y \rVert^2",
    assumes={"one direction": r"\mathrm{rank}\, Z = 1"},
    equivalent={
        "improvement >= |P[Z] P_N[X] Y|^2 / m for Z orthogonal to X": "equality there, hence a special case of the repaired sentence"
    },
)
@printed(
    REFUTED,
    pairs_of_equal_rank,
    recheck=farther_yet_more_different,
    examples=300,
    note="read with the chordal distance between subspaces of equal dimension; true direction by direction",
)
@repaired(
    r"\lVert P[P_N[X]Z]r \rVert^2 \ge \lVert P[Z]r \rVert^2,\ r = P_N[X]Y, \text{ with equality if } X^\top Z = 0",
    two_representations(),
    examples=80,
    conclude=lambda p: all_of(
        decide_at_most(fmpq(0), p.shortfall(p.Z), named=("0", "gap")),
        decide_equal(p.shortfall(rest(p.X) * p.Z), fmpq(0), named=("gap of P_N[X] Z", "0")),
    ),
)
@mutant(
    "the inequality reversed",
    two_representations(),
    conclude=lambda p: decide_at_most(p.shortfall(p.Z), fmpq(0), named=("gap", "0")),
    recheck=gap_is_above,
)
@mutant(
    "always equal",
    two_representations(),
    conclude=lambda p: decide_equal(p.shortfall(p.Z), fmpq(0), named=("gap", "0")),
    recheck=gap_is_above,
)
def test_different_representations_lose_less(pair: TwoRepresentations) -> Verdict:
    """Of two representations the one that differs more from X has the smaller gap."""
    nearer, farther = sorted((pair.Z, pair.Z2), key=lambda z: pair.distance(z))
    if pair.distance(nearer) == pair.distance(farther):
        return vacuous("equally different")
    return decide_at_most(
        pair.shortfall(farther),
        pair.shortfall(nearer),
        named=("gap of the more different", "gap of the less different"),
        why="The representation at the larger distance from col X has the larger gap.",
    )


@claim(
    "KB19/linear",
    paper=KB19,
    where="Section 3.2",
    says=r"\text{linear activations} \Rightarrow \mathrm{col}\, Z \subseteq \mathrm{col}\, X \Rightarrow L^*_{\{x,z\}} = L^*_{\{x\}}",
    assumes={"linear": r"z = A_H \cdots A_1 x", "no biases": r"z \text{ has no bias terms}"},
)
@printed(HOLDS, resnets(branch="linear"), examples=60)
@drop(
    "no biases",
    REFUTED,
    resnets(branch="affine"),
    recheck=branch_leaves_the_span,
    note="affine layers add the constant, unless x contains it",
)
@drop("linear", REFUTED, resnets(branch="relu"), recheck=branch_leaves_the_span)
@mutant(
    "col Z = col X",
    resnets(branch="linear"),
    conclude=lambda net: decide(net.Z.rank() == net.X.rank(), why="col Z is smaller than col X."),
    recheck=span_of_z_is_smaller,
)
@mutant("step units, too", resnets(branch="step"), recheck=branch_leaves_the_span)
def test_linear_branches_do_not_improve(net: ResNet) -> Verdict:
    """With linear residual functions col Z lies in col X and nothing is gained."""
    return all_of(
        decide(
            net.features.rank() == net.X.rank(),
            why="col Z does not lie in col X.",
            values={"rank [X Z]": str(net.features.rank()), "rank X": str(net.X.rank())},
        ),
        decide_equal(improvement(net), fmpq(0), named=("L*_x - L*_{x,z}", "0")),
    )


# --- Appendix B: the proof of Theorem 2 --------------------------------------------------------------


@claim(
    "KB19/thm2-projectors",
    paper=KB19,
    where="Appendix B, proof of Theorem 2",
    says=r"P[[X\ Z]] = P[[X\ P_N[X]Z]] = P[X] + P[P_N[X]Z]",
)
@printed(
    HOLDS,
    data,
    examples=80,
    reaches={
        "Z in span(X)": lambda net: net.features.rank() == net.X.rank(),
        "rank X < d_x": lambda net: net.X.rank() < net.X.ncols(),
    },
)
@mutant(
    "P[X] + P[Z]",
    data,
    conclude=lambda net: decide(
        projector(net.features) == projector(net.X) + projector(net.Z), why="The projectors differ."
    ),
    recheck=partial(projector_does_not_split, second="P[Z]"),
)
@mutant(
    "P[X] + P_N[X] P[Z]",
    data,
    conclude=lambda net: decide(
        projector(net.features) == projector(net.X) + rest(net.X) * projector(net.Z),
        why="The projectors differ.",
    ),
    recheck=partial(projector_does_not_split, second="P_N[X] P[Z]"),
)
def test_projector_onto_both_features(net: ResNet) -> Verdict:
    """The projector onto [X Z] splits into that onto X and that onto the rest of Z."""
    remaining = rest(net.X) * net.Z
    both = projector(net.features)
    return decide(
        both == projector(hstack(net.X, remaining)) == projector(net.X) + projector(remaining),
        why="The projectors differ.",
    )


def fit_and_trace(net: ResNet, factor: int = 2, onto: fmpq_mat | None = None) -> Verdict:
    """Φ R* = P[Φ] Y for the least-squares R*, and tr((P_N[X] Y)ᵀ P Y) = ‖P Y‖² with P = P[P_N[X] Z].

    With it ‖P_N[X] Y − P Y‖² = ‖P_N[X] Y‖² + ‖P Y‖² − ``factor`` tr(…) for factor 2.
    """
    remaining, p = rest(net.X), projector(rest(net.X) * net.Z) if onto is None else onto
    model = least_squares(net.features, net.Y, net.measure)
    product = (remaining * net.Y).transpose() * p * net.Y
    trace = sum((product[k, k] for k in range(product.nrows())), fmpq(0))
    left = square(remaining * net.Y - p * net.Y)
    return all_of(
        decide(
            net.features * model.transpose() == projector(net.features) * net.Y,
            why="The fit is not P[Phi] Y.",
        ),
        decide_equal(trace, square(p * net.Y), named=("trace", "|PY|^2")),
        decide_equal(
            left,
            square(remaining * net.Y) + square(p * net.Y) - factor * trace,
            named=("|P_N Y - P Y|^2", "expanded"),
        ),
    )


@claim(
    "KB19/thm2-trace",
    paper=KB19,
    where="Appendix B, proof of Theorem 2: the fit and the cross term",
    says=r"\Phi R = P[\Phi] Y,\quad \mathrm{tr}((P_N[X]Y)^\top P[P_N[X]Z]Y) = \lVert P[P_N[X]Z]Y \rVert_F^2",
)
@printed(HOLDS, data, examples=80)
@mutant(
    "P[Z] for P[P_N[X] Z]",
    data,
    conclude=lambda net: fit_and_trace(net, onto=projector(net.Z)),
    recheck=partial(cross_term_is_another, on="Z", factor=2),
)
@mutant(
    "one cross term",
    data,
    conclude=lambda net: fit_and_trace(net, factor=1),
    recheck=partial(cross_term_is_another, on="P_N[X] Z", factor=1),
)
def test_least_squares_fit_and_cross_term(net: ResNet) -> Verdict:
    """The fitted values are P[Φ] Y, and the cross term of the expansion is ‖P[P_N[X] Z] Y‖²."""
    return fit_and_trace(net)


@claim(
    "KB19/thm2-average",
    paper=KB19,
    where="Appendix B, proof of Theorem 2, last displays",
    says=r"L^*_{\{x,z\}} = \lVert Y - (P[X] + P[P_N[X]Z])Y \rVert_F^2",
)
@printed(
    REFUTED, data, recheck=least_loss_is_another, note="the factor 1/m is lost in four lines; eq. (6) has it"
)
@repaired(
    r"L^*_{\{x,z\}} = \tfrac1m \lVert Y - (P[X] + P[P_N[X]Z])Y \rVert_F^2",
    data,
    examples=60,
    conclude=lambda net: decide_equal(
        least_squares_value(net.features, net.Y, net.measure),
        fitted_residual(net) / net.X.nrows(),
        named=("L*_{x,z}", "|...|^2 / m"),
    ),
)
@mutant(
    "1/(2m)",
    data,
    conclude=lambda net: decide_equal(
        least_squares_value(net.features, net.Y, net.measure),
        fitted_residual(net) / (2 * net.X.nrows()),
        named=("L*_{x,z}", "|...|^2 / (2m)"),
    ),
    recheck=partial(least_loss_is_another, divisor="2m"),
)
@mutant(
    "1/m^2",
    data,
    conclude=lambda net: decide_equal(
        least_squares_value(net.features, net.Y, net.measure),
        fitted_residual(net) / net.X.nrows() ** 2,
        named=("L*_{x,z}", "|...|^2 / m^2"),
    ),
    recheck=partial(least_loss_is_another, divisor="m^2"),
)
def test_least_loss_is_the_squared_residual(net: ResNet) -> Verdict:
    """L*_{x,z} is the squared norm of what the projectors leave of Y."""
    return decide_equal(
        least_squares_value(net.features, net.Y, net.measure),
        fitted_residual(net),
        named=("L*_{x,z}", "|Y - (P[X] + P[P_N Z])Y|^2"),
    )


def fitted_residual(net: ResNet) -> fmpq:
    """‖Y − (P[X] + P[P_N[X] Z]) Y‖²."""
    return square(net.Y - (projector(net.X) + projector(rest(net.X) * net.Z)) * net.Y)


@claim(
    "KB19/thm2-derivative",
    paper=KB19,
    where="Appendix B, proof of Theorem 2, derivative of g",
    says=r"\tfrac2m \mathrm{vec}(\Phi R - Y)^\top [I_{d_y} \otimes \Phi] = \tfrac2m \mathrm{vec}(\Phi R - Y)^\top \Phi,\ \Phi = [X\ Z]",
    assumes={"d_y = 1": "d_y = 1"},
)
@printed(
    REFUTED, data, recheck=second_line_fails, note="the second line has no matching shapes unless d_y = 1"
)
@repaired(
    r"\tfrac2m \mathrm{vec}(\Phi R - Y)^\top [I_{d_y} \otimes \Phi] = \tfrac2m \mathrm{vec}(\Phi^\top(\Phi R - Y))^\top",
    data,
    examples=60,
    conclude=lambda net: derivative_lines(
        net,
        lambda phi, residual: [e for row in (phi.transpose() * residual).transpose().table() for e in row],
    ),
)
@mutant(
    "without Phi",
    resnets(weighted=False, d_y=1),
    conclude=lambda net: derivative_lines(net, lambda phi, residual: list(residual.entries())),
    recheck=partial(second_line_fails, second="vec(r)^T"),
)
@mutant(
    "[X X] for [X Z]",
    resnets(weighted=False, extra_inputs=0, extra_residuals=0),
    conclude=lambda net: derivative_lines(
        net,
        lambda phi, residual: [
            e for row in (hstack(net.X, net.X).transpose() * residual).transpose().table() for e in row
        ],
    ),
    recheck=partial(second_line_fails, second="vec([X X]^T r)^T"),
)
def test_derivative_of_the_linear_model_loss(net: ResNet) -> Verdict:
    """The displayed second line of the derivative equals the first."""
    return derivative_lines(
        net,
        lambda phi, residual: None if residual.ncols() != 1 else list((residual.transpose() * phi).entries()),
    )


def derivative_lines(net: ResNet, second_line) -> Verdict:
    """The first line of the derivative at R = [W, W V], entry by entry, against another form of it."""
    phi, residual = net.features, net.H - net.Y
    first = [
        sum((residual[i, k] * phi[i, j] for i in range(phi.nrows())), fmpq(0))
        for k in range(residual.ncols())
        for j in range(phi.ncols())
    ]
    second = second_line(phi, residual)
    if second is None:
        shape = f"1 x {residual.nrows() * residual.ncols()} times {phi.nrows()} x {phi.ncols()}"
        return decide(
            False,
            why=f"The second line multiplies {shape}: the shapes do not match.",
            values={"d_y": str(residual.ncols())},
        )
    return decide(first == second, why="The two lines differ.")
