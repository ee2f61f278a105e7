"""``python -m tests.subset_font STIXMath-Regular.otf``: makes ``reports/fonts/math.woff2``.

STIX Math 1.1.1 (Debian: fonts-stix) has a MATH table, without which browsers can neither stretch a bracket
nor place a limit. Kept are the characters that MathML made from LaTeX needs: letters and digits in italic,
bold, script, fraktur and double-struck, Greek, arrows, relations, operators, accents, pieces of large ones.
Its licence asks that a modified version has another name. Takes fontTools and brotli.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

OUTPUT = Path(__file__).parents[1] / "reports" / "fonts" / "math.woff2"
NAME = "Trial Math"

RANGES = (
    (0x20, 0x7E), (0xA0, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x131, 0x131),
    (0x237, 0x237), (0x2C6, 0x2DD), (0x300, 0x338), (0x391, 0x3F6), (0x2010, 0x2027),
    (0x2032, 0x2037), (0x203E, 0x203E), (0x2044, 0x2044), (0x2057, 0x2057), (0x2061, 0x2064),
    (0x2070, 0x209C), (0x2100, 0x214F), (0x2190, 0x21D9), (0x2200, 0x22FF), (0x2308, 0x230B),
    (0x2322, 0x2323), (0x239B, 0x23B9), (0x23DC, 0x23E1), (0x25A0, 0x25A1), (0x25B2, 0x25B3),
    (0x25BD, 0x25BD), (0x25C6, 0x25C7), (0x25CB, 0x25CB), (0x25CF, 0x25CF), (0x2713, 0x2717),
    (0x27E6, 0x27FA), (0x2A00, 0x2A0C), (0x2A2F, 0x2A2F), (0x2A7D, 0x2A88), (0x2AAF, 0x2AB0),
    (0x1D400, 0x1D4CF), (0x1D504, 0x1D56B), (0x1D6A4, 0x1D71B), (0x1D7CB, 0x1D7FF),
)  # fmt: skip


def main(source: str) -> None:
    """The same bytes for the same source and the same fontTools."""
    options = subset.Options()
    options.hinting = False
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14]
    options.drop_tables += ["FFTM"]
    font = TTFont(source, recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes={c for first, last in RANGES for c in range(first, last + 1)})
    subsetter.subset(font)
    names = {1: NAME, 2: "Regular", 3: f"{NAME}, a subset", 4: NAME, 6: NAME.replace(" ", "")}
    for entry in font["name"].names:
        entry.string = names.get(entry.nameID, str(entry))
    cff = font["CFF "].cff
    cff.fontNames[0] = NAME.replace(" ", "")
    cff.topDictIndex[0].FullName = cff.topDictIndex[0].FamilyName = NAME
    font["head"].modified = font["head"].created
    font.flavor = "woff2"
    font.save(OUTPUT)
    print(f"{OUTPUT}: {len(font.getGlyphOrder())} glyphs, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
