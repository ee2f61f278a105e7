"""A claim with all its variants, as the table at the end of a run and the page show it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from reports.record import Rung, Variant

__all__ = ["Assumption", "Card", "cards", "readable_margin", "verdict_words"]

RUNGS: tuple[Rung, ...] = ("exact", "exact (symbolic)", "ball", "float", "statistical")
"""From the strongest to the weakest."""


@dataclass(frozen=True)
class Assumption:
    """What the ablations say of an assumption: ``needed``, ``superfluous``, ``undecided``, ``untested``."""

    name: str
    status: str


@dataclass(frozen=True)
class Card:
    """One claim: its variants in the order of collection, and what they say together."""

    claim: str
    variants: tuple[Variant, ...]

    @property
    def first(self) -> Variant:
        """The variant whose title, place and statement are the claim's."""
        return self.variants[0]

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every assumption that is dropped or stated.

        One whose drop is refuted is needed, one whose drop holds is superfluous as far as was tested.
        """
        found = [_of_drop(v) for v in self.family("drop")]
        dropped = [v.target for v in self.family("drop")]
        stated = {name: None for v in self.variants for name in v.assumes}
        return *found, *(
            Assumption(n, "untested") for n in stated if not any(_is_part(d, n) for d in dropped)
        )

    @property
    def mutants(self) -> int:
        """How many false neighbours were tried."""
        return len(self.family("mutant"))

    @property
    def killed(self) -> int:
        """How many of them were refuted."""
        return sum(v.verdict == "refuted" for v in self.family("mutant"))

    @property
    def effective(self) -> int:
        """Instances that met the premises, over all variants."""
        return sum(v.effective for v in self.variants)

    @property
    def margin(self) -> str:
        """The least margin of the printed and the repaired sentence, as recorded; empty if there is none."""
        found = [v.margin.least for v in self.variants if v.margin and v.family in ("printed", "repaired")]
        return min(found, key=_size, default="")

    @property
    def rung(self) -> str:
        """The weakest rung that any variant's verdict stands on; empty if there is none."""
        return max((v.rung for v in self.variants if v.rung), key=RUNGS.index, default="")

    @property
    def seconds(self) -> float:
        """Time over all variants."""
        return sum(v.seconds for v in self.variants)

    @property
    def unexpected(self) -> bool:
        """Whether any variant asks for attention."""
        return any(v.unexpected for v in self.variants)

    def family(self, name: str) -> tuple[Variant, ...]:
        """The variants that are ``printed``, ``repaired``, ``drop`` or ``mutant``."""
        return tuple(v for v in self.variants if v.family == name)

    def named(self, status: str) -> tuple[str, ...]:
        """The names of the assumptions with this status."""
        return tuple(a.name for a in self.assumptions if a.status == status)


def cards(variants: Iterable[Variant]) -> tuple[Card, ...]:
    """One card a claim, claims in the order of collection."""
    found: dict[str, list[Variant]] = {}
    for variant in sorted(variants, key=lambda v: v.order):
        found.setdefault(variant.claim, []).append(variant)
    return tuple(Card(claim, tuple(of_claim)) for claim, of_claim in found.items())


def verdict_words(variant: Variant) -> str:
    """The verdict, and where it is not the expected one, what was expected."""
    if variant.verdict != variant.expected:
        return f"{variant.verdict}, expected {variant.expected}"
    return f"{variant.verdict}, with faults" if variant.unexpected else variant.verdict


def readable_margin(text: str) -> str:
    """A margin short enough for a table: exact where that is short, otherwise to three digits after ≈."""
    if len(text) <= 10:
        return text
    try:
        size = float(_size(text))
    except OverflowError:
        size = float("inf")
    return f"≈ {size:.3g}" if size < float("inf") else f"{text[:9]}…"


def _of_drop(variant: Variant) -> Assumption:
    status = {"refuted": "needed", "holds": "superfluous"}.get(variant.verdict, "undecided")
    return Assumption(variant.target, status)


def _is_part(dropped: str, name: str) -> bool:
    """Whether ``dropped`` is the assumption ``name`` or a part of it, as "A2: differentiable" is of "A2"."""
    return re.match(re.escape(name) + r"(?!\w)", dropped) is not None


def _size(text: str) -> Fraction | float:
    """A margin as a number; a ball as its middle; infinity for what is none."""
    found = re.search(r"-?\d+/0*[1-9]\d*|-?\d+(\.\d+)?([eE][-+]?\d{1,3}(?!\d))?", text[:2000])
    return Fraction(found[0]) if found else float("inf")
