"""Whether instances are values: exact, immutable, equal by value, JSON both ways, closed to all else."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from flint import fmpq, fmpq_mat

from strategies.critical import planted_minima
from strategies.datasets import Atoms, UniformPolynomials, heavy_tails
from strategies.instance import CannotBeRead, from_json, instance, to_json
from strategies.losses import LOSSES, OutputwiseLoss, squared
from strategies.matrices import matrix
from strategies.networks import (
    ResNet,
    branches,
    chains_of_blocks,
    deep_linear_maps,
    moves,
    one_hidden_layer_nets,
    resnet,
    resnets,
)
from strategies.numbers import exact
from tests.debug import drawn

NET = resnet([[1, 2]], [["1/3"]], [[0.5]], [[1, 0]], [[0], [-1]])


@instance
class Pendulum:
    """A user's own instance, with every kind of field."""

    length: fmpq
    angles: tuple[fmpq, ...]
    couplings: fmpq_mat
    joints: int
    name: str
    loss: OutputwiseLoss
    inner: Atoms | None = None
    rest: fmpq | None = None


def pendulum(**changes):
    fields = {
        "length": fmpq(1, 3),
        "angles": (fmpq(1), fmpq(-2, 7)),
        "couplings": fmpq_mat(0, 3),
        "joints": 2,
        "name": "1/2",
        "loss": squared,
        "inner": Atoms.uniform(2),
    }
    return Pendulum(**{**fields, **changes})


STRATEGIES = {
    "ResNet": resnets(),
    "ResNet with every loss": planted_minima(),
    "ResNet, continuous": resnets(measure="uniform polynomials", bias="usual"),
    "Move": moves(resnets()),
    "Branch": branches(2, 2),
    "OneHiddenLayer": one_hidden_layer_nets(),
    "DeepLinear": deep_linear_maps(),
    "ChainOfBlocks": chains_of_blocks(),
    "HeavyTail": heavy_tails(),
}


def there_and_back(value, **options):
    return from_json(json.loads(json.dumps(to_json(value))), **options)


@pytest.mark.parametrize("name", STRATEGIES)
def test_json_goes_both_ways(name):
    for value in drawn(STRATEGIES[name], 60):
        back = there_and_back(value)
        assert back == value
        assert hash(back) == hash(value)
        assert type(back) is type(value)
        assert repr(back) == repr(value)
        assert to_json(back) == to_json(value)


def test_json_goes_both_ways_for_a_users_instance():
    for value in (pendulum(), pendulum(inner=None, rest=fmpq(0)), pendulum(angles=())):
        back = there_and_back(value)
        assert back == value
        assert [type(a) for a in back.angles] == [fmpq] * len(value.angles)
        assert (back.couplings.nrows(), back.couplings.ncols(), back.name) == (0, 3, "1/2")


def test_losses_are_read_by_name_and_a_users_loss_from_its_own_mapping():
    for ell in LOSSES.values():
        assert there_and_back(ell) is ell
    mine = dataclasses.replace(squared, name="half squared")
    with pytest.raises(CannotBeRead, match=r"unknown loss 'half squared'; known: Blake-Zisserman, "):
        there_and_back(pendulum(loss=mine))
    assert there_and_back(pendulum(loss=mine), losses={**LOSSES, mine.name: mine}) == pendulum(loss=mine)


def test_instances_are_equal_by_value_and_hash_alike():
    assert pendulum() == pendulum()
    assert hash(pendulum()) == hash(pendulum())
    assert pendulum() != pendulum(joints=3)
    assert pendulum(couplings=fmpq_mat(0, 3)) != pendulum(couplings=fmpq_mat(0, 4))
    assert dataclasses.replace(NET) == NET
    assert len({NET, dataclasses.replace(NET), dataclasses.replace(NET, W=matrix([[2, 0]]))}) == 2
    assert Atoms.uniform(3) != UniformPolynomials(degree=3)
    one, other = pendulum(length=fmpq(1)), pendulum(length=exact("3/3"))
    assert one == other
    assert hash(one) == hash(other)


def test_instances_cannot_be_changed():
    for name in ("X", "loss", "new"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(NET, name, None)
    with pytest.raises(TypeError, match="positional"):
        Pendulum(fmpq(1))
    mine = fmpq_mat(1, 1, [1])
    net = resnet(mine, [[0]], [[0]], [[1]], [[0]])
    mine[0, 0] = 5
    assert matrix([[1]]) == net.X


def test_instances_print_what_they_hold():
    assert "X=[1, 2], Z=[1/3], Y=[1/2]" in repr(NET)
    assert repr(pendulum()).startswith("Pendulum(length=1/3, angles=(1, -2/7)")


def broken(**changes):
    data = to_json(NET)
    data.update(changes)
    return {key: value for key, value in data.items() if value != "gone"}


WRONG = {
    "a missing field": (broken(W="gone"), "W"),
    "an unknown field": (broken(U=1), "ResNet has no field U"),
    "an unknown loss": (broken(loss={"loss": "exec"}), "unknown loss 'exec'; known: Blake-Zisserman"),
    "no loss": (broken(loss="squared"), r"ResNet.loss is 'squared' \(str\): a loss is needed"),
    "no number": (broken(X=[["1", "x"]]), "'x' is not an exact number"),
    "a division by zero": (broken(X=[["1", "1/0"]]), "'1/0' is not an exact number"),
    "a number that fills the memory": (broken(X=[["1", "1e999999999"]]), "1e999999999"),
    "infinity": (broken(X=[[1, float("inf")]]), "inf is not a real number"),
    "a truth value": (broken(X=[[1, True]]), "True is a truth value"),
    "ragged rows": (broken(X=[["1", "2"], ["3"]]), r"different lengths \[2, 1\]"),
    "rows of text": (broken(X=["12"]), "'12' is no row"),
    "no matrix": (broken(X="abc"), r"ResNet.X is 'abc' \(str\): make it exact with matrix"),
    "a number for a matrix": (broken(X=7), "ResNet.X is 7"),
    "wrong shapes": (broken(W=[["1"]]), r"W is 1 x 1; with X 1 x 2, .* it must be 1 x 2"),
    "weights that do not add up": (
        broken(measure={"type": "strategies.datasets:Atoms", "weights": [["1/2"]]}),
        "add up to 1/2",
    ),
    "a function": (broken(type="os:system"), "unknown instance type 'os:system'"),
    "a class": (broken(type="subprocess:Popen"), "unknown instance type 'subprocess:Popen'"),
    "a class of an instance": (broken(type="strategies.networks:ResNet.__class__"), "unknown instance type"),
    "the way round": (broken(type="strategies.instance:sys.modules"), "unknown instance type"),
    "a module that is not there": (broken(type="nowhere:ResNet"), "unknown instance type 'nowhere:ResNet'"),
    "no module": (broken(type="ResNet"), "unknown instance type 'ResNet'"),
    "no type": (broken(type=None), "neither an instance nor a loss nor a tuple"),
    "an empty object": ({}, r"an object with keys \[\]"),
    "a tuple of letters": ({"tuple": "abc"}, "an object with keys"),
    "a number where a tuple is": (
        {"type": "strategies.networks:DeepLinear", "weights": [["1"]]},
        "DeepLinear.weights is .* not a tuple of fmpq_mat",
    ),
    "a broken number field": ({**to_json(pendulum()), "length": "one"}, "'one' is not an exact number"),
    "no int": ({**to_json(pendulum()), "joints": "2"}, "joints is '2' .*: an int is needed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_instance_cannot_be_read(name):
    data, says = WRONG[name]
    with pytest.raises(CannotBeRead, match=says):
        from_json(data)


def test_deep_nesting_cannot_be_read():
    data: object = None
    for _ in range(100_000):
        data = {"tuple": [data]}
    with pytest.raises(CannotBeRead):
        from_json(data)
    while data:  # taken apart step by step: to forget it at once would recurse in the interpreter
        data = data["tuple"][0]


def test_reading_runs_nothing(monkeypatch):
    """No import, no attribute hook: modules that load lazily are left alone."""
    import sys
    import types

    touched = []
    lazy = types.ModuleType("lazy")
    lazy.__getattr__ = touched.append
    monkeypatch.setitem(sys.modules, "lazy", lazy)
    monkeypatch.setattr("builtins.__import__", lambda *names, **more: touched.append(names))
    for tag in ("lazy:ResNet", "antigravity:fly", "lazy:a.b"):
        with pytest.raises(CannotBeRead):
            from_json({"type": tag})
    assert touched == []


def test_floats_that_are_not_exact_are_refused_at_the_door():
    for bad, error, says in [
        (
            np.float32(0.1),
            TypeError,
            r"0\.1.* has type float32: only float64 is taken as it is: convert with float",
        ),
        (float("nan"), ValueError, "nan is not a real number"),
        (float("-inf"), ValueError, "-inf is not a real number"),
        ("two", ValueError, "'two' is not an exact number such as '3' or '-3/2'"),
        (True, TypeError, "True is a truth value"),
        (1j, TypeError, "1j .*is no exact number: give an int"),
        (None, TypeError, "None .*is no exact number"),
    ]:
        with pytest.raises(error, match=says):
            exact(bad)
        with pytest.raises(error, match=says):
            resnet([[bad]], [[0]], [[0]], [[0]], [[0]])
    with pytest.raises(TypeError, match="float32"):
        matrix(np.zeros((2, 2), dtype=np.float32))
    assert matrix(np.eye(2)) == matrix([[1, 0], [0, 1]])


def test_wrong_shapes_are_refused_with_the_shape_that_is_right():
    with pytest.raises(ValueError, match=r"two dimensions, got an array of shape \(3,\)"):
        matrix(np.zeros(3))
    with pytest.raises(ValueError, match=r"different lengths \[1, 2\]"):
        matrix([[1], [1, 2]])
    with pytest.raises(TypeError, match=r"1 is no row: write a matrix as a list of rows"):
        matrix([1, 2])
    with pytest.raises(ValueError, match=r"V is 1 x 1; with X 1 x 2, Z and Y given it must be 2 x 1"):
        dataclasses.replace(NET, V=matrix([[1]]))
    with pytest.raises(ValueError, match="the measure has 2 points for 1 samples"):
        dataclasses.replace(NET, measure=Atoms.uniform(2))
    with pytest.raises(ValueError, match="at least one sample"):
        resnet([], [], [], [], [])


def test_raw_arrays_are_refused_with_the_way_out():
    for raw in ([[1]], np.eye(2), "1", None):
        with pytest.raises(
            TypeError, match=r"ResNet\.X is .*: make it exact with matrix\(\.\.\.\).*resnet\(\.\.\.\)"
        ):
            dataclasses.replace(NET, X=raw)
    with pytest.raises(
        TypeError, match=r"Pendulum\.length is 0\.5 \(float\): make it exact with exact\(\.\.\.\)"
    ):
        pendulum(length=0.5)
    with pytest.raises(TypeError, match=r"Pendulum\.angles is 0\.5 \(float\)"):
        pendulum(angles=(fmpq(1), 0.5))
    with pytest.raises(TypeError, match=r"Pendulum\.angles is .* not a tuple of fmpq"):
        pendulum(angles=[fmpq(1)])
    with pytest.raises(TypeError, match="an int is needed"):
        pendulum(joints=True)
    with pytest.raises(TypeError, match=r"0\.5 \(float\) cannot be a part of an instance"):
        to_json((0.5,))


def test_the_decorator_keeps_the_class_and_its_own_checks():
    assert ResNet.__name__ == "ResNet"
    assert ResNet.__doc__.startswith("h = W (x + V z)")
    with pytest.raises(ValueError, match="positive numbers"):
        Atoms(weights=matrix([[2, -1]]))
