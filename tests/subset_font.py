"""``python -m tests.subset_font STIXMath-Regular.otf``: makes ``reports/fonts/math.woff2``.

STIX Math 1.1.1 (Debian: fonts-stix) has a MATH table, without which browsers can neither stretch a bracket
nor place a limit. Kept are the characters that MathML made from LaTeX needs: letters in italic and bold,
capitals in script, fraktur and double-struck, Greek, arrows, relations, operators, accents, pieces of large
ones. Rarer ones are left to the reader's own fonts: every glyph costs each page 90 bytes.
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
    (0x20, 0x7E), (0xA0, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x131, 0x131), (0x237, 0x237),
    (0x2C6, 0x2DD), (0x300, 0x30C), (0x338, 0x338), (0x391, 0x3D6), (0x3F1, 0x3F5), (0x2010, 0x2027),
    (0x2032, 0x2037), (0x203E, 0x203E), (0x2044, 0x2044), (0x2061, 0x2064), (0x2070, 0x209C),
    (0x2102, 0x2102), (0x210B, 0x210F), (0x2110, 0x211D), (0x2124, 0x2124), (0x2128, 0x2128),
    (0x212C, 0x2135), (0x2190, 0x2199), (0x21A6, 0x21A6), (0x21AA, 0x21AA), (0x21C0, 0x21C0),
    (0x21CC, 0x21CC), (0x21D0, 0x21D5), (0x2200, 0x226B), (0x227A, 0x228B), (0x2291, 0x22A5),
    (0x22C0, 0x22C6), (0x22EE, 0x22F1), (0x2308, 0x230B), (0x239B, 0x23B9), (0x23DC, 0x23E1),
    (0x25A0, 0x25A1), (0x25CB, 0x25CB), (0x27E6, 0x27EB), (0x27F5, 0x27FA), (0x2A00, 0x2A02),
    (0x2A7D, 0x2A7E), (0x1D400, 0x1D467), (0x1D49C, 0x1D4B5), (0x1D504, 0x1D51C), (0x1D538, 0x1D550),
    (0x1D6A4, 0x1D71B), (0x1D7CE, 0x1D7E1),
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
