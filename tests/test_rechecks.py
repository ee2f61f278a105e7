"""Has every refutation a second opinion, and does it refute what the oracle refutes and nothing else?"""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from flint import ctx
from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from strategies.instance import to_json
from tests.test_claims import VARIANTS
from verify import rechecks
from verify.claim import HOLDS, REFUTED
from verify.trial import PRECISION

RECHECKED = [v for v in VARIANTS if v.recheck is not None]
ALWAYS_REFUTED = ("KB19/appc-inclusion", "LK17/rotation-formula")
"""Sentences that every instance refutes: a matter of shapes, and a constant that is always wrong."""
DRAWS = 8
"""Instances of each variant on which the two are compared."""


def of(variant):
    return f"{variant.claim.key}-{variant.name}"


def quick(examples):
    return settings(
        max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        deadline=None, database=None,
    )  # fmt: skip


def refutes(variant, instance):
    """What the recheck says of the instance's JSON."""
    return variant.recheck(json.loads(json.dumps(to_json(instance))))


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.expected is REFUTED], ids=of)
def test_every_refutation_has_a_second_opinion(variant):
    assert variant.recheck is not None


@pytest.mark.parametrize("variant", RECHECKED, ids=of)
def test_oracle_and_recheck_agree(variant):
    conclude = variant.conclude or variant.claim.conclude
    disagreements = []

    @seed(1)
    @quick(DRAWS)
    @given(variant.draws)
    def compare(instance):
        ctx.prec = PRECISION
        outcome = conclude(instance).outcome
        if outcome in (HOLDS, REFUTED) and refutes(variant, instance) != (outcome is REFUTED):
            disagreements.append((outcome, instance))

    precision = ctx.prec
    try:
        compare()
    finally:
        ctx.prec = precision
    assert disagreements == []


@pytest.mark.parametrize(
    "variant",
    [v for v in RECHECKED if v.name == "printed" and v.claim.key not in ALWAYS_REFUTED],
    ids=of,
)
def test_second_opinions_on_printed_sentences_can_say_no(variant):
    """To an instance of the same kind that some variant of the claim draws."""
    kinds = set()

    def refused(instance):
        if not kinds:
            kinds.add(type(instance))  # the first is the variant's own
        return type(instance) in kinds and not refutes(variant, instance)

    others = [v.draws for v in variant.claim.variants if v is not variant]
    try:
        find(variant.draws, refused, settings=quick(100))
    except NoSuchExample:
        find(st.one_of(others), refused, settings=quick(500))


@pytest.mark.parametrize("variant", RECHECKED, ids=of)
def test_what_a_recheck_confirms_is_said_in_sentences(variant):
    """The page prints its docstring."""
    from verify.notation import promise_of
    from verify.trial import function_of

    promise = promise_of(function_of(variant.recheck))
    assert len(promise) > 20
    assert re.search(r"[.)]$", promise)


def test_a_name_means_one_thing_in_all_rechecks():
    """So that the page can show every function once."""
    names = Counter(
        part.name
        for file in Path(rechecks.__file__).parent.glob("*.py")
        for part in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(part, (ast.FunctionDef, ast.ClassDef))
    )
    assert [name for name, n in names.items() if n > 1] == []
