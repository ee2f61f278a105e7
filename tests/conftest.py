"""One BLAS thread, no randomness, and a pytest that runs in a folder of its own."""

# ruff: noqa: E402
from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # read once, when numpy and torch are first imported

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flint import ctx
from hypothesis import settings
from threadpoolctl import threadpool_limits

import verify.trial  # noqa: F401  numpy comes with it, and can be imported only once: not inside pytester

pytest_plugins = ["pytester"]

settings.register_profile(
    "tests", parent=settings.get_profile("default"), deadline=None, derandomize=True, database=None
)
settings.load_profile("tests")

Pytest = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    """flint's precision is global: what a test sets must not reach the next."""
    before = ctx.prec
    yield
    ctx.prec = before


def environment(**changed: str) -> dict[str, str]:
    """Ours without what a surrounding pytest (and its workers) put there."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "HYPOTHESIS", "CI", "COLUMNS"))
    }
    return {**kept, "COLUMNS": "200", **changed}


@pytest.fixture(scope="session")
def run_pytest() -> Pytest:
    """``run_pytest(folder, *args, CI="true")``: a pytest of its own process, with what it printed."""

    def run(
        folder: Path, *args: str, preexec: Any = None, **changed: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *args],
            cwd=folder, env=environment(**changed), preexec_fn=preexec,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        )  # fmt: skip

    return run
