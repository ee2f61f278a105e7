"""Is every claim of ours complete?"""

from importlib import import_module
from pathlib import Path

import pytest

import verify
from verify.claim import REFUTED, Claim

FILES = sorted(Path(verify.__file__).parent.glob("test_*.py"))
CLAIMS = [
    test.claim
    for file in FILES
    for test in vars(import_module(f"verify.{file.stem}")).values()
    if isinstance(getattr(test, "claim", None), Claim)
]
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
