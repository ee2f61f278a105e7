"""Is every claim of ours complete, and does its oracle see what is false, whatever the seed?"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import verify
from strategies.instance import to_json
from verify.claim import REFUTED, Claim
from verify.trial import BUDGETS, put_on_trial, snippet_of

FILES = sorted(Path(verify.__file__).parent.glob("test_*.py"))
CLAIMS = [
    test.claim
    for file in FILES
    for test in vars(import_module(f"verify.{file.stem}")).values()
    if isinstance(getattr(test, "claim", None), Claim)
]
ALWAYS_REFUTED = ("KB19/appc-inclusion", "LK17/rotation-formula")
"""Sentences that every instance refutes: a matter of shapes, and a constant that is always wrong."""
VARIANTS = [variant for claim in CLAIMS for variant in claim.variants]


def test_keys_are_unique():
    keys = [claim.key for claim in CLAIMS]
    assert len(keys) == len(set(keys)) == len(CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.key)
def test_every_claim_is_complete(claim):
    names = [v.name for v in claim.variants]
    mutants = [n for n in names if n.startswith("mutant:")]
    assert len(mutants) + len(claim.equivalent) >= 2, "a claim has at least two false neighbours"
    assert claim.where
    assert claim.says
    assert claim.paper.title
    printed = claim.variants[names.index("printed")]
    if printed.expected is REFUTED:
        assert "repaired" in names, "what is false as printed has a repaired sentence"
        assert printed.recheck is not None, "and a second opinion in the standard library"


@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if v.recheck is not None], ids=lambda v: v.claim.key
)
def test_snippets_run_with_nothing_but_the_standard_library(variant, tmp_path):
    record = put_on_trial(variant, budget=BUDGETS["quick"], seed_text="1", seconds=60)
    assert record.verdict == "refuted"
    script = tmp_path / "snippet.py"
    script.write_text(record.counterexample.snippet)
    done = subprocess.run([sys.executable, "-I", "-S", script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("still refuted", "")


@pytest.mark.parametrize(
    "variant",
    [v for v in VARIANTS if v.recheck is not None and v.claim.key not in ALWAYS_REFUTED],
    ids=lambda v: v.claim.key,
)
def test_rechecks_can_say_no(variant):
    """A recheck that always agrees is no second opinion: it must reject some instances of the strategy."""
    from hypothesis import HealthCheck, Phase, find, settings

    def rejected(instance):
        namespace = {"__name__": "recheck", "print": lambda *_: None}
        exec(compile(snippet_of(variant, to_json(instance)), "recheck", "exec"), namespace)
        return not namespace["refuted"]

    quick = settings(
        max_examples=500, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None
    )
    find(variant.draws, rejected, settings=quick)
