"""Panels of matrices: singular values and vectors, and entries as heat maps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from reports.drawing import ACCENT, INK, WARNING, Scale, Sheet, cut, short
from reports.models import Floats, kind_of, matrix, stack_of
from reports.panels import PANEL, TALL, Panel, comma_separated, disc

__all__ = ["both_sides", "diagonal", "singular_values", "turned_vectors"]


def singular_values(part: dict[str, Any]) -> Panel | None:
    """Singular values where the instance is about them: of M and M + D, of layers and their product."""
    try:
        if {"M", "D"} <= part.keys():
            m, d = matrix(part["M"]), matrix(part["D"])
            if m.shape != d.shape:
                return None
            named = {"M": m, "M + D": m + d}
        elif kind_of(part) in ("DeepLinearProblem", "DeepLinear", "EntrywiseProblem"):
            weights = stack_of(part["weights"])
            if not 1 < len(weights) <= 4:
                return None
            product = weights[0]
            for w in weights[1:]:
                product = w @ product
            named = {f"W{i}": w for i, w in enumerate(weights, 1)} | {"product": product}
        else:
            return None
        spectra = {name: np.linalg.svd(m, compute_uv=False) for name, m in named.items()}
    except (ValueError, TypeError, KeyError, IndexError, np.linalg.LinAlgError):
        return None
    if max(len(s) for s in spectra.values()) < 2 or not all(np.isfinite(s).all() for s in spectra.values()):
        return None
    greatest = max(float(s.max()) for s in spectra.values())

    def draw(sheet: Sheet, left: float) -> None:
        up = Scale(0, greatest or 1, TALL - 24, 28)
        wide = (PANEL - 30) / len(spectra)
        sheet.draw([((left + 30, up.start + 0.5), (left + PANEL, up.start + 0.5))], stroke=INK, opacity=0.4)
        for i, (name, spectrum) in enumerate(spectra.items()):
            bar = min((wide - 8) / len(spectrum), 14)
            x = left + 30 + wide * i + (wide - bar * len(spectrum)) / 2
            boxes = [
                sheet.box(x + bar * k, up.start, max(bar - 2, 1), min(up(float(s)) - up.start, -1))
                for k, s in enumerate(spectrum)
            ]
            sheet.draw(boxes, fill=ACCENT)
            sheet.write(
                left + 30 + wide * (i + 0.5), TALL - 8, cut(name, wide + 6), anchor="middle", faint=True
            )
        sheet.write(left + 26, up(greatest) + 4, short(greatest), anchor="end", faint=True)
        sheet.write(left + 26, up.start + 4, "0", anchor="end", faint=True)

    says = "Singular values: " + "; ".join(
        f"{name}: {', '.join(short(round(float(s), 9) + 0.0) for s in spectrum[:6])}"
        for name, spectrum in spectra.items()
    )
    return Panel("singular values", says, draw)


def turned_vectors(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """The left singular vectors of two equal singular values, and those of M + t D as t tends to 0."""
    given, d = part["given"], matrix(part["D"])
    u, spectrum, v = matrix(given["U"]), matrix(given["values"])[0], matrix(given["V"])
    pair = [i for i, s in enumerate(spectrum) if s > 0 and np.count_nonzero(spectrum == s) == 2][:2]
    if len(pair) != 2 or spectrum[pair[0]] != spectrum[pair[1]]:
        return None
    block = u[:, pair].T @ d @ v[:, pair]
    change, vectors = np.linalg.eigh((block + block.T) / 2)
    if not np.isfinite(change).all() or change[1] - change[0] < 1e-9:
        return None
    angle = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))) % 90
    angle = min(angle, 90 - angle)
    if angle < 1e-6:
        return None
    names = [f"u_{i + 1}" for i in pair]

    def draw(sheet: Sheet, left: float) -> None:
        x, y, r = left + PANEL / 2, 80, 48
        rim = np.linspace(0, 2 * np.pi, 33)
        sheet.draw([[(x + r * np.cos(a), y - r * np.sin(a)) for a in rim]], stroke=INK, opacity=0.3)
        sheet.draw([((x, y), (x + r, y)), ((x, y), (x, y - r))], stroke=ACCENT, width=2)
        upwards = (e if e[1] >= 0 else -e for e in vectors.T)
        turned = [(x + r * float(a), y - r * float(b)) for a, b in upwards]
        sheet.draw([((x, y), end) for end in turned], stroke=WARNING, width=2, dashes=(4, 3))
        sheet.draw([disc(x + r, y), disc(x, y - r)], fill=ACCENT)
        sheet.draw([disc(*end) for end in turned], fill=WARNING)
        sheet.write(x + r + 7, y + 4, names[0])
        sheet.write(x + 8, y - r - 1, names[1])
        sheet.write(left, TALL - 4, "given", colour=ACCENT)
        sheet.write(left + 50, TALL - 4, "of M + t D, small t > 0", colour=WARNING)

    says = (
        f"The left singular vectors {' and '.join(names)} of the singular value {short(spectrum[pair[0]])}: "
        f"those of M + t D are turned by {short(angle)} degrees, however small t > 0 is"
    )
    return Panel("singular vectors", says, draw)


def diagonal(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """T beside the diagonal matrix it comes from."""
    named = {"Σ": matrix(part["sigma"]), "T": matrix(part["T"])}
    return _heat("T against Σ", named) if named["Σ"].shape == named["T"].shape else None


def both_sides(values: dict[str, str]) -> Panel | None:
    """Two matrices that ought to be equal."""
    found: dict[str, Floats] = {}
    for name, text in values.items():
        if isinstance(text, str) and text.startswith("[["):
            try:
                found[name] = matrix(json.loads(text))
            except ValueError:
                return None
    if set(found) != {"left", "right"} or found["left"].shape != found["right"].shape:
        return None
    return _heat("both sides", found, equal=True) if (found["left"] != found["right"]).any() else None


def _heat(title: str, named: dict[str, Floats], *, equal: bool = False) -> Panel | None:
    """Matrices of the same shape as heat maps; framed where they differ if they ought to be ``equal``."""
    first = next(iter(named.values()))
    rows, columns = first.shape
    greatest = max(float(np.abs(m).max()) for m in named.values())
    if not 2 <= rows * columns <= 12 or max(rows, columns) > 6 or not 0 < greatest < np.inf:
        return None
    differ = equal & np.any([m != first for m in named.values()], axis=0)
    share = PANEL / len(named)
    cell = min((share - 16) / columns, (TALL - 42) / rows, 34)

    def draw(sheet: Sheet, left: float) -> None:
        for i, (name, m) in enumerate(named.items()):
            x, levels = left + share * i + (share - cell * columns) / 2, np.ceil(4 * np.abs(m) / greatest)
            boxes = {
                (r, c): sheet.box(x + cell * c + 1, 22 + cell * r, cell - 2, cell - 2)
                for r, c in np.ndindex(rows, columns)
            }
            for level in range(1, 5):
                for colour, sign in ((ACCENT, 1), (WARNING, -1)):
                    of = [b for (r, c), b in boxes.items() if levels[r, c] == level and m[r, c] * sign > 0]
                    sheet.draw(of, fill=colour, opacity=0.15 * level)
            framed = [(*b, b[0]) for at, b in boxes.items() if differ[at]]
            plain = [(*b, b[0]) for at, b in boxes.items() if not differ[at]]
            sheet.draw(plain, stroke=INK, opacity=0.3)
            sheet.draw(framed, stroke=WARNING, width=1.5)
            for (r, c), b in boxes.items():
                if m[r, c] and cell >= 18:
                    words = cut(short(float(m[r, c])), cell)
                    sheet.write(b[0][0] + cell / 2 - 1, b[0][1] + cell / 2 + 3, words, anchor="middle")
            middle, bottom = left + share * (i + 0.5), 22 + cell * rows + 13
            sheet.write(middle, bottom, cut(name, share), anchor="middle", faint=True)

    said = "; ".join(f"{n} = [{'; '.join(comma_separated(row) for row in m)}]" for n, m in named.items())
    says = f"{title[0].upper()}{title[1:]} entry by entry: {said}"
    says += f"; they differ in {int(differ.sum())} of {differ.size}" if equal else ""
    return Panel(title, says, draw)
