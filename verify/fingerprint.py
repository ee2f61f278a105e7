"""Which oracle decided: a short hash of the sources that a conclusion stands on.

A record keeps it beside each verdict, so that a later run can tell a changed verdict from a changed judge.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.util import find_spec, resolve_name
from inspect import getclosurevars
from pathlib import Path
from typing import Any, cast

__all__ = ["fingerprint"]

FOLLOWED = ("verify", "strategies")
"""The packages whose functions and classes belong to an oracle; with the one that holds the claim."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Source:
    """A module: its statements by the name they define, and what its imports mean."""

    name: str
    package: str
    tree: ast.Module
    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)


def fingerprint(conclude: Callable[..., Any]) -> str:
    """Twelve hexadecimal digits; empty where the source cannot be found.

    They cover the conclusion's body and, as far as names show it, every function, class and constant of its
    own package, of ``verify`` and of ``strategies`` that it uses, directly or not; arguments that a closure
    or a ``partial`` fixes too. Comments, docstrings, layout and decorators (a claim's variants and draws) do
    not count, nor what other libraries do: their versions stand in the record.
    """
    texts: set[str] = set()
    waiting: list[tuple[str, str]] = []
    for found in _fixed(conclude):
        if isinstance(found, str):
            texts.add(found)
            continue
        source, code = _source(found.__module__), found.__code__
        nodes = _functions(found.__module__).get((code.co_firstlineno, code.co_name))
        if source is None or not nodes:
            if found is conclude:
                return ""
            texts.add(found.__qualname__)
            continue
        for node in nodes:
            text, uses = _reading(node, source)
            texts.add(text)
            waiting += uses
    followed = {*FOLLOWED, _top(getattr(conclude, "__module__", ""))}
    seen: set[tuple[str, str]] = set()
    while waiting:
        module, name = waiting.pop()
        if (module, name) in seen or _top(module) not in followed:
            continue
        seen.add((module, name))
        meant, used = _definition(module, name)
        texts |= meant
        waiting += used
    return hashlib.sha256("\n\n".join(sorted(texts)).encode(errors="surrogatepass")).hexdigest()[:12]


def _top(module: str) -> str:
    return module.partition(".")[0]


def _fixed(value: Any, depth: int = 0) -> Iterator[Any]:
    """The functions that a callable consists of, and what they have been given, as text."""
    if isinstance(value, partial):
        for part in (value.func, *value.args, *value.keywords.items()):
            yield from _fixed(part, depth + 1)
    elif hasattr(value, "__code__"):
        yield value
        for name, inner in getclosurevars(value).nonlocals.items() if value.__closure__ else ():
            if depth < 4 and inner is not value:
                yield name
                yield from _fixed(inner, depth + 1)
    elif hasattr(value, "__wrapped__"):
        yield from _fixed(value.__wrapped__, depth + 1)
    elif isinstance(value, (tuple, list)) and depth < 4:
        for part in value:
            yield from _fixed(part, depth + 1)
    elif isinstance(value, (str, int, float, bytes)) or value is None:
        yield repr(value)
    else:  # its repr may hold an address
        if hasattr(type(value).__call__, "__code__"):
            yield type(value).__call__
        yield getattr(value, "__qualname__", "") or str(getattr(value, "name", type(value).__qualname__))


@cache
def _source(module: str) -> Source | None:
    """The module taken apart; None if it cannot be found or read."""
    try:
        spec = find_spec(module)
        if spec is None or not spec.origin or not spec.origin.endswith(".py"):
            return None
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (ImportError, AttributeError, ValueError, OSError, SyntaxError):
        return None
    package = module if spec.submodule_search_locations is not None else module.rpartition(".")[0]
    source = Source(module, package, tree)
    statements: list[ast.stmt] = list(tree.body)
    while statements:
        statement = statements.pop()
        if isinstance(statement, (ast.If, ast.Try)):
            statements += [inner for inner in ast.iter_child_nodes(statement) if isinstance(inner, ast.stmt)]
        source.imported.update(_imports(statement, package))
        for name in _defines(statement):
            source.defined.setdefault(name, []).append(statement)
    return source


@cache
def _functions(module: str) -> dict[tuple[int, str], list[Function]]:
    """The functions of a module, nested ones and lambdas too, by first line and name of their code."""
    source, found = _source(module), dict[tuple[int, str], list[Function]]()
    for node in () if source is None else ast.walk(source.tree):
        if isinstance(node, Function):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            found.setdefault((first, getattr(node, "name", "<lambda>")), []).append(node)
    return found


def _defines(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _imports(statement: ast.AST, package: str) -> dict[str, tuple[str, str]]:
    """What each imported name means: a module and a name in it, which is empty for the module itself."""
    if isinstance(statement, ast.Import):
        return {(a.asname or a.name): (a.name, "") for a in statement.names}
    if not isinstance(statement, ast.ImportFrom):
        return {}
    module = statement.module or ""
    if statement.level:
        try:
            module = resolve_name("." * statement.level + module, package)
        except ImportError:
            return {}
    return {(a.asname or a.name): (module, a.name) for a in statement.names}


@cache
def _definition(module: str, name: str) -> tuple[frozenset[str], tuple[tuple[str, str], ...]]:
    """The text of what a module means by a name, and what that uses in turn."""
    source = _source(module)
    if source is None:
        return frozenset(), ()
    if name in source.defined:
        read = [_reading(statement, source) for statement in source.defined[name]]
        return frozenset(text for text, _ in read), tuple(dict.fromkeys(u for _, uses in read for u in uses))
    return frozenset(), (source.imported[name],) if name in source.imported else ()


def _reading(node: ast.AST, source: Source) -> tuple[str, list[tuple[str, str]]]:
    """A piece of source without docstrings and decorators, and the names of its and other modules in it."""
    node = _bare(node)
    nodes, imported = list(ast.walk(node)), dict(source.imported)
    for found in nodes:
        imported.update(_imports(found, source.package))
    uses: list[tuple[str, str]] = []
    for found in nodes:
        if isinstance(found, ast.Name):
            uses += [(source.name, found.id)] if found.id in source.defined else []
            uses += [imported[found.id]] if found.id in imported else []
        elif isinstance(found, ast.Attribute) and isinstance(found.value, ast.Name):
            module, name = imported.get(found.value.id, ("", ""))
            uses += [(f"{module}.{name}" if name else module, found.attr)] if module else []
    return ast.unparse(node), uses


def _bare(node: ast.AST) -> ast.AST:
    """A copy of a function or class, and of those in its body, without docstring and decorators."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node
    bare, body = copy(node), node.body
    bare.decorator_list = []
    if ast.get_docstring(node, clean=False) is not None:
        body = body[1:] or [ast.Pass()]
    bare.body = [cast(ast.stmt, _bare(statement)) for statement in body]
    return bare
