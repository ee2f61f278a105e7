"""What the names in a counterexample stand for, in the words of the vocabulary's own docstrings."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from typing import Any

from strategies.activations import ACTIVATIONS

__all__ = ["notation_of", "promise_of"]


def promise_of(described: Any) -> str:
    """The docstring of a function or class as running text, without what it raises; empty for none."""
    doc = (inspect.getdoc(described) or "") if callable(described) else ""
    if doc.startswith(f"{getattr(described, '__name__', '')}("):
        return ""  # a signature, which is what dataclasses write where there are no words
    text = re.sub(r"``([^`]*)``", r"‘\1’", " ".join(doc.split()))
    return re.sub(r"\s*\bRaises [^.]*\.", "", text)


def notation_of(instance: Any) -> dict[str, str]:
    """The types, losses and activations that an instance is made of, by name.

    Types are described by their docstrings, losses and activations by their formulas, between dollars.
    """
    found: dict[str, str] = {}

    def visit(value: Any) -> None:
        if isinstance(value, tuple):
            for part in value:
                visit(part)
        elif isinstance(value, str) and value in ACTIVATIONS:
            found[value] = rf"$\sigma(t) = {ACTIVATIONS[value].formula}$"
        elif hasattr(value, "values_array"):
            if formula := getattr(value, "formula", ""):
                found[value.name] = rf"$\ell(h, y) = {formula}$"
        elif hasattr(type(value), "__is_instance__"):
            found.setdefault(type(value).__name__, promise_of(type(value)))
            for each in fields(value):
                visit(getattr(value, each.name))

    visit(instance)
    return {name: says for name, says in found.items() if says}
