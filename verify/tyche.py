"""Observations of every case as JSON lines, for viewers such as Tyche: ``pytest verify --tyche PATH``.

The format is Hypothesis' own (https://hypothesis.readthedocs.io, "observability"): one object a case.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strategies.instance import to_json
from verify.claim import HOLDS, INCONCLUSIVE, REFUTED, Variant, Verdict
from verify.curves import as_float

__all__ = ["Observer", "start"]

HEAD = b'{"type": "test_case", '


def start(path: Path) -> None:
    """Make ``path`` an empty file. Raises ``OSError``, also for a file that holds something else."""
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(len(HEAD)) != HEAD:
                raise FileExistsError("it holds something that is not observations: choose another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


@dataclass(frozen=True)
class Observer:
    """Appends one line a case of one variant; several processes may append to one file."""

    path: Path
    name: str
    run_start: float

    def __call__(
        self, variant: Variant, instance: Any, verdict: Verdict | None, *, shrinking: bool, seconds: float
    ) -> None:
        """Note one case; no verdict means that the strategy gave the draw up.

        *Holds* is passed and *refuted* failed; vacuous and undecided cases are "gave up", with the reason.
        """
        status, reason, written = "gave_up", "rejected by a filter, or too long", None
        features: dict[str, Any] = {"verdict": "rejected"}
        if verdict is not None:
            status = {HOLDS: "passed", REFUTED: "failed"}.get(verdict.outcome, "gave_up")
            reason = "" if verdict.outcome is HOLDS else f"{verdict.outcome.value}: {verdict.why}"
            written = to_json(instance)
            features = {"verdict": verdict.outcome.value}
            if verdict.outcome in (HOLDS, REFUTED):
                features["rung"] = verdict.rung.word
            if verdict.outcome in (HOLDS, REFUTED, INCONCLUSIVE):
                features |= {name: bool(belongs(instance)) for name, belongs in variant.reaches.items()}
            if verdict.margin is not None and abs(margin := as_float(verdict.margin)) < float("inf"):
                features["margin"] = margin
        line = {
            "type": "test_case", "run_start": self.run_start, "property": self.name, "status": status,
            "status_reason": reason, "representation": "" if verdict is None else repr(instance),
            "arguments": {} if verdict is None else {"instance": written},
            "how_generated": "while shrinking" if shrinking else "while searching",
            "features": features, "coverage": None, "timing": {"execute:test": seconds}, "metadata": {},
        }  # fmt: skip
        data = (json.dumps(line, allow_nan=False) + "\n").encode()
        # One write to a file opened for appending: lines of several processes do not mix.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
