"""Do the imports point one way (strategies → verify → reports), and is what is heavy imported late?"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reports
import strategies
import verify

FOLDERS = {p.__name__: Path(next(iter(p.__path__))) for p in (strategies, verify, reports)}
FILES = [(name, path) for name, folder in FOLDERS.items() for path in sorted(folder.rglob("*.py"))]
HEAVY = {"torch", "scipy", "sympy", "matplotlib", "jinja2"}
MAY = {
    "strategies": {"strategies", "numpy", "hypothesis", "flint"},
    "verify": {
        "verify",
        "strategies",
        "reports.record",
        "numpy",
        "hypothesis",
        "flint",
        "pytest",
        *HEAVY,
        "joblib",
    },
    "reports": {"reports", "jinja2", "markupsafe", "sympy", "matplotlib", "latex2mathml", "numpy"},
}


def imports(tree: ast.AST, *, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Every module that is imported, and whether only when a function is called."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            # `from reports import record` is an import of reports.record
            whole = node.module in FOLDERS
            yield from (
                (f"{node.module}.{a.name}" if whole else str(node.module), inside) for a in node.names
            )
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imports(ast.Module(node.body, []), inside=True)
            yield from imports(ast.Module(node.orelse, []), inside=inside)
        else:
            yield from imports(
                node, inside=inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            )


def allowed(module: str, may: set[str]) -> bool:
    root = module.partition(".")[0]
    return root in sys.stdlib_module_names or any(module == m or module.startswith(f"{m}.") for m in may)


@pytest.mark.parametrize(("layer", "path"), FILES, ids=[f"{n}/{p.name}" for n, p in FILES])
def test_the_arrows(layer: str, path: Path) -> None:
    may = set(MAY[layer])
    found = list(imports(ast.parse(path.read_text())))
    wrong = [m for m, inside in found if not allowed(m, may | shown(path, inside))]
    assert not wrong, f"{layer}/{path.name} may not import {', '.join(wrong)}"
    if layer != "reports":
        early = [m for m, inside in found if not inside and m.partition(".")[0] in HEAVY]
        assert not early, f"{layer}/{path.name} imports {', '.join(early)} before any function needs it"


def shown(path: Path, inside: bool) -> set[str]:
    """What shows the results is called at the end of a run, by the plugin and the command line alone."""
    return {"reports"} if inside and path.name in ("plugin.py", "__main__.py") else set()


@pytest.mark.parametrize(
    ("line", "layer", "right"),
    [
        ("import verify.claim", "strategies", False),
        ("from reports import show", "verify", False),
        ("from reports.record import Run", "verify", True),
        ("from reports import record", "verify", True),
        ("from strategies import numbers", "reports", False),
        ("import scipy.linalg", "strategies", False),
        ("import numpy.linalg, json", "strategies", True),
    ],
)
def test_the_test_sees_a_wrong_arrow(line: str, layer: str, right: bool) -> None:
    assert all(allowed(m, MAY[layer]) for m, _ in imports(ast.parse(line))) is right


def test_the_test_sees_what_is_late() -> None:
    text = "import a\ndef f():\n    import b\nif TYPE_CHECKING:\n    import c\nclass C:\n    import d\n"
    assert dict(imports(ast.parse(text))) == {"a": False, "b": True, "c": True, "d": False}
    assert len(FILES) > 20
