"""Can a reader of a counterexample learn what its names stand for?"""

from __future__ import annotations

import pytest
from flint import fmpq

from reports.typeset import typeset
from strategies.activations import ACTIVATIONS
from strategies.instance import instance
from strategies.losses import LOSSES, OutputwiseLoss, squared
from strategies.matrices import matrix
from strategies.networks import Layer, OneHiddenLayer
from verify.notation import notation_of, promise_of


@instance
class Undescribed:
    x: fmpq


@instance
class Pair:
    """A pair (x, ``y``) of numbers.

    y is not negative. Raises ``ValueError`` for any other. The rest is free.
    """

    x: fmpq
    y: fmpq


def test_types_losses_and_activations_are_explained_by_name() -> None:
    one = matrix([["1"]])
    found = notation_of(OneHiddenLayer(X=one, Y=one, W1=one, W2=one, activation="relu", loss=squared))
    assert list(found) == ["OneHiddenLayer", "relu", "squared"]
    assert found["OneHiddenLayer"].startswith("h = W₂ σ(W₁ x) without biases")
    assert found["relu"] == r"$\sigma(t) = \max(t, 0)$"
    assert found["squared"] == r"$\ell(h, y) = \sum_k (h_k - y_k)^2$"


def test_tuples_are_looked_into_and_what_has_no_words_is_left_out() -> None:
    layer = Layer(weight=matrix([["1"]]), bias=matrix([["0"]]), activation="tanh")
    assert list(notation_of((layer, Undescribed(x=fmpq(1))))) == ["Layer", "tanh"]
    assert notation_of("a word") == {}


def test_a_promise_is_running_text_without_errors() -> None:
    assert promise_of(Pair) == "A pair (x, ‘y’) of numbers. y is not negative. The rest is free."
    assert promise_of(None) == ""
    assert promise_of(lambda: None) == ""


@pytest.mark.parametrize("formula", [v.formula for v in (*LOSSES.values(), *ACTIVATIONS.values())])
def test_every_formula_can_be_typeset(formula: str) -> None:
    shown = typeset(f"${formula}$")
    assert shown.startswith("<math")
    assert "$" not in shown
    assert "<code" not in shown


def test_a_loss_of_ones_own_needs_no_formula() -> None:
    own = OutputwiseLoss(**{**vars(squared), "name": "own", "formula": ""})
    one = matrix([["1"]])
    found = notation_of(OneHiddenLayer(X=one, Y=one, W1=one, W2=one, activation="relu", loss=own))
    assert list(found) == ["OneHiddenLayer", "relu"]
