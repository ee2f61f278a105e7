"""Does the page work in a browser: every formula visible, nothing overflowing, nothing asked for outside?

Chromium is taken from the environment variable CHROMIUM or the path, Playwright from PyPI. Where one is
missing the tests are skipped with its name; with REQUIRE_BROWSER=1 they fail. RECORD=run.jsonl looks at a
record of a run besides the formulas of all claims.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from reports import page as page_module
from reports.page import render, write_page
from reports.record import Record, Variant, read
from tests.test_claims import CLAIMS
from tests.test_page import BAD, END, EXHIBIT, GOOD, HOSTILE, PRINTED, RUN, hostile, many
from tests.test_programs import PROGRAM

WIDTHS = (1280, 390)
THEMES = ("light", "dark")


def missing(what: str) -> Any:
    """Skip or, where a browser is required, fail, saying what to install."""
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if program is None:
        missing("no Chromium: `apt-get install chromium`, or give its path in CHROMIUM")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("no Playwright: `pip install playwright` (its own browsers are not needed)")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


Open = Callable[..., Any]


@pytest.fixture
def opened(chromium: Any) -> Iterator[Open]:
    """``opened(path, width=, theme=, scripts=)``: the page, which must stay silent and ask for nothing."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def open_(
        path: Path, *, width: int = 1280, theme: str = "light", scripts: bool = True, at: str = ""
    ) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, java_script_enabled=scripts
        )
        contexts.append(context)
        found = context.new_page()
        found.on("console", lambda message: said.append(message.text))
        found.on("pageerror", lambda error: said.append(str(error)))
        found.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        found.on("request", lambda request: asked.append(request.url))
        found.goto(path.as_uri() + at)
        return found

    yield open_
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:font/"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)
    for context in contexts:
        context.close()


def of_claims() -> Record:
    """Every formula and name of every claim of ours, with made-up results."""
    variants = [
        Variant(
            claim=claim.key, paper=claim.paper.key, paper_title=claim.paper.title, where=claim.where,
            says=claim.says, title=claim.title, assumes=dict(claim.assumes), variant=v.name,
            sentence=v.sentence, note=v.note, expected=v.expected.value,
            equivalent_mutants=dict(claim.equivalent),
            verdict=v.expected.value, as_expected=True, rung="exact", effective=50, needed=40,
            classes=dict.fromkeys(v.reaches, 7),
            counterexample=replace(EXHIBIT, id=f"{claim.key}-{i}") if v.expected.value == "refuted" else None,
        )
        for claim in CLAIMS
        for i, v in enumerate(claim.variants)
    ]  # fmt: skip
    return Record(run=RUN, variants=tuple(replace(v, order=i) for i, v in enumerate(variants)), end=END)


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The page of all claims, and that of RECORD."""
    folder = tmp_path_factory.mktemp("full")
    records = [of_claims()] + ([read(os.environ["RECORD"])] if os.environ.get("RECORD") else [])
    paths = [folder / f"{i}.html" for i in range(len(records))]
    for path, record in zip(paths, records, strict=True):
        write_page(record, path)
    return paths


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    other = [
        replace(
            v, claim="LK17/thm2", paper="LK17", title="Another sentence.", order=10 + i, counterexample=None
        )
        for i, v in enumerate(BAD.variants[:2])
    ]
    path = tmp_path_factory.mktemp("small") / "report.html"
    write_page(replace(BAD, variants=(*BAD.variants, *other)), path)
    return path


def test_no_formula_is_left_as_it_was_written() -> None:
    html = render(of_claims())
    assert 'class="latex"' not in html
    assert html.count("<math") > 1000


OPEN_ALL = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"

WRONG_FORMULAS = """() => {
  const wrong = [];
  for (const m of document.querySelectorAll("math")) {
    const at = m.getBoundingClientRect();
    let box = m.parentElement;
    while (getComputedStyle(box).display.startsWith("inline")) box = box.parentElement;
    const frame = box.getBoundingClientRect();
    let scrolls = false;
    for (let up = box; up && !scrolls; up = up.parentElement) {
      scrolls = getComputedStyle(up).overflowX === "auto" && up.scrollWidth > up.clientWidth;
      if (up.matches("td, th, .inner, .pair > *, article")) break;
    }
    if (at.width < 1 || at.height < 1) wrong.push(["invisible", m.outerHTML]);
    else if (at.right > frame.right + 2 && !scrolls)
      wrong.push(["overflows", at.right - frame.right, m.outerHTML]);
    for (const e of m.querySelectorAll("merror")) wrong.push(["error", m.outerHTML]);
  }
  return wrong.map(String).slice(0, 20);
}"""

OVERFLOWING = """() => {
  const wrong = [];
  if (document.documentElement.scrollWidth > innerWidth)
    wrong.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${innerWidth}`);
  const boxes = "p, dd, dt, li, td, th, h2, h3, h4, h5, summary, figure, pre, .formula";
  for (const e of document.querySelectorAll(boxes)) {
    if (e.scrollWidth > e.clientWidth + 2 && e.clientWidth && getComputedStyle(e).overflowX === "visible")
      wrong.push([e.tagName, e.className, e.scrollWidth, e.clientWidth, e.textContent.trim().slice(0, 90)]);
  }
  return wrong.map(String).slice(0, 20);
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_every_formula_is_visible_and_nothing_overflows(full: list[Path], opened: Open, width: int) -> None:
    for path in full:
        found = opened(path, width=width)
        found.evaluate(OPEN_ALL)
        assert found.evaluate(WRONG_FORMULAS) == []
        assert found.evaluate(OVERFLOWING) == []
        assert found.evaluate("document.querySelectorAll('math').length") > 1000


def test_formulas_are_set_in_the_font_of_the_page(full: list[Path], chromium: Any) -> None:
    for path in full:
        # Not opened(): the inspector itself asks for the page a second time.
        found = chromium.new_page()
        found.goto(path.as_uri())
        found.evaluate(OPEN_ALL)
        found.evaluate("document.fonts.ready.then(() => 0)")
        session = found.context.new_cdp_session(found)
        session.send("DOM.enable")
        session.send("CSS.enable")
        root = session.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
        ids = session.send("DOM.querySelectorAll", {"nodeId": root, "selector": "math :is(mi, mo, mn)"})[
            "nodeIds"
        ]
        fonts: Counter[str] = Counter()
        for id in ids[:: max(len(ids) // 1500, 1)]:
            for font in session.send("CSS.getPlatformFontsForNode", {"nodeId": id})["fonts"]:
                fonts[font["familyName"]] += font["glyphCount"]
        assert fonts.keys() == {"Trial Math"}
        found.close()


def test_every_character_of_a_formula_is_in_the_font() -> None:
    pytest.importorskip("brotli", reason="reading a woff2 file takes brotli: `pip install brotli`")
    from html import unescape

    from fontTools.ttLib import TTFont

    known = TTFont(Path(page_module.__file__).parent / "fonts" / "math.woff2").getBestCmap().keys()
    records = [of_claims()] + ([read(os.environ["RECORD"])] if os.environ.get("RECORD") else [])
    formulas = re.findall(r"<math.*?</math>", "".join(map(render, records)), re.DOTALL)
    used = {c for formula in formulas for c in unescape(re.sub(r"<[^>]*>", "", formula))}
    assert {hex(ord(c)) for c in used if ord(c) not in known} == set()


def rows(found: Any) -> list[str]:
    """The claims that are shown, in their order."""
    return list(
        found.eval_on_selector_all(
            "table.claims > tbody",
            "all => all.filter(b => b.offsetHeight).map(b => b.rows[0].cells[0].textContent)",
        )
    )


def asked(found: Any, label: str) -> Any:
    """A control of the filter."""
    return found.get_by_role("search").get_by_label(label)


def test_filters_find_what_is_asked_for(small: Path, opened: Open) -> None:
    found = opened(small)
    assert rows(found) == ["KB19/thm1", "LK17/thm2"]
    asked(found, "Text").fill("another SENTENCE")
    assert rows(found) == ["LK17/thm2"]
    assert found.locator("[role=status]").last.inner_text() == "1 of 2 claims"
    assert not found.locator("section:has(h2#paper-KB19)").is_visible()
    found.get_by_role("button", name="Clear").click()
    assert rows(found) == ["KB19/thm1", "LK17/thm2"]
    asked(found, "Paper").select_option("KB19")
    assert rows(found) == ["KB19/thm1"]
    asked(found, "Paper").select_option("")
    asked(found, "Variant").select_option("mutant")
    assert rows(found) == ["KB19/thm1"]
    asked(found, "Variant").select_option("repaired")
    asked(found, "Verdict").select_option("refuted")
    assert rows(found) == []
    asked(found, "Variant").select_option("")
    asked(found, "Verdict").select_option("not as expected")
    assert rows(found) == ["KB19/thm1"]


def test_headings_sort_and_give_the_order_back(tmp_path: Path, opened: Open) -> None:
    variants = [
        replace(v, claim=f"KB19/thm{i}", effective=n, order=i, seconds=float(n))
        for i, (v, n) in enumerate((v, n) for n, v in zip((30, 4, 200), GOOD.variants, strict=False))
    ]
    write_page(replace(GOOD, variants=tuple(variants)), tmp_path / "r.html")
    found = opened(tmp_path / "r.html")
    given = rows(found)
    head = found.locator("table.claims thead th", has_text="Effective").first
    for state, order in (("ascending", [1, 0, 2]), ("descending", [2, 0, 1]), (None, [0, 1, 2])):
        head.get_by_role("button").click()
        assert rows(found) == [given[i] for i in order]
        assert head.get_attribute("aria-sort") == state


def test_all_cards_open_and_close_and_code_is_copied(small: Path, opened: Open) -> None:
    found = opened(small)
    cards = found.locator("table.claims > tbody > tr.more > td > details")
    found.get_by_role("button", name="Close all").click()
    assert cards.evaluate_all("all => all.map(d => d.open)") == [False, False]
    found.get_by_role("button", name="Open all").click()
    assert cards.evaluate_all("all => all.map(d => d.open)") == [True, True]
    found.context.grant_permissions(["clipboard-read", "clipboard-write"])
    found.get_by_text("JSON and program", exact=True).first.click()
    found.get_by_role("button", name="Copy").first.click()
    found.get_by_role("button", name="Copied").first.wait_for()
    assert found.evaluate("navigator.clipboard.readText()") == "print('still refuted')\n"


def test_a_copied_program_is_whole(tmp_path: Path, opened: Open) -> None:
    """Though what it shares with others stands elsewhere on the page."""
    kinds = ("printed", "drop:A1", "mutant:L = 0")
    snippets = [PROGRAM, PROGRAM.replace("half_", "own_"), PROGRAM.replace("half_is_less", "mine")]
    variants = [
        replace(PRINTED, variant=kind, order=i, counterexample=replace(EXHIBIT, id=f"A-{i}", snippet=text))
        for i, (kind, text) in enumerate(zip(kinds, snippets, strict=True))
    ]
    write_page(replace(GOOD, variants=tuple(variants)), tmp_path / "r.html")
    found = opened(tmp_path / "r.html")
    found.context.grant_permissions(["clipboard-read", "clipboard-write"])
    found.get_by_role("button", name="Open all").click()
    for i, text in enumerate(snippets):
        shown = found.locator(f"#A-{i} details, #A-{i} + details").filter(has_text="JSON and program").first
        shown.locator("summary").click()
        assert "def " not in shown.locator("pre").text_content()
        shown.get_by_role("button", name="Copy", exact=True).click()
        shown.get_by_role("button", name="Copied").wait_for()
        copied = found.evaluate("navigator.clipboard.readText()")
        assert sorted(copied.split()) == sorted(text.split())
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", copied], capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("still refuted\n", "")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_deep_link_opens_its_card(full: list[Path], opened: Open, scripts: bool) -> None:
    claim = CLAIMS[len(CLAIMS) // 2]
    found = opened(full[0], scripts=scripts, at=f"#{claim.key}")
    statement = found.locator(f'[id="{claim.key}"]')
    statement.wait_for(state="visible")
    assert statement.evaluate("e => e.closest('details').open") if scripts else statement.is_visible()
    box = statement.bounding_box()
    assert box is not None
    assert -200 < box["y"] < 900


def test_a_link_to_a_card_that_is_filtered_away_shows_it(small: Path, opened: Open) -> None:
    found = opened(small)
    asked(found, "Paper").select_option("LK17")
    found.get_by_role("link", name="KB19/thm1").first.click()
    assert rows(found) == ["KB19/thm1", "LK17/thm2"]
    assert found.locator('[id="KB19/thm1"]').is_visible()


def test_without_scripts_everything_can_be_read(small: Path, opened: Open) -> None:
    found = opened(small, scripts=False)
    assert not found.get_by_role("search").is_visible()
    found.get_by_text("Another sentence.").last.click()
    assert found.locator('[id="LK17/thm2"]').get_by_text("Assumptions").first.is_visible()


def test_the_keyboard_reaches_everything(small: Path, opened: Open) -> None:
    found = opened(small)
    focused = "document.activeElement.textContent.trim()"
    found.keyboard.press("Tab")
    assert found.evaluate(focused) == "Skip to the findings"
    seen = set()
    for _ in range(200):
        found.keyboard.press("Tab")
        seen.add(found.evaluate("document.activeElement.tagName"))
        if found.evaluate(focused) == "Another sentence.":
            break
    found.keyboard.press("Enter")
    assert found.locator('[id="LK17/thm2"]').is_visible()
    assert {"A", "INPUT", "SELECT", "BUTTON", "SUMMARY"} <= seen


NAMED = {
    "button",
    "link",
    "combobox",
    "searchbox",
    "textbox",
    "region",
    "search",
    "navigation",
    "table",
    "image",
}


def test_the_accessibility_tree_is_sound(small: Path, full: list[Path], opened: Open) -> None:
    """Whatever is operated or jumped to has a name, headings descend step by step, there is one main."""
    for path in (small, full[0]):
        found = opened(path)
        nodes = found.context.new_cdp_session(found).send("Accessibility.getFullAXTree")["nodes"]
        shown = [n for n in nodes if not n["ignored"]]
        roles = Counter(n["role"]["value"] for n in shown)
        assert roles["main"] == 1
        assert roles["search"] == 1
        nameless = [
            n["role"]["value"]
            for n in shown
            if n["role"]["value"] in NAMED and not n.get("name", {}).get("value", "").strip()
        ]
        assert nameless == []
        levels = [
            int(p["value"]["value"])
            for n in shown
            if n["role"]["value"] == "heading"
            for p in n["properties"]
            if p["name"] == "level"
        ]
        assert levels[0] == 1
        assert all(b <= a + 1 for a, b in pairwise(levels))
        assert found.evaluate(
            "() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
            "return ids.length === new Set(ids).size; }"
        )


@pytest.mark.parametrize(("which", "theme"), [("small", "light"), ("small", "dark"), ("full", "light")])
def test_axe_finds_nothing(small: Path, full: list[Path], opened: Open, which: str, theme: str) -> None:
    """axe-core, by the rules of WCAG A and AA and its best practices."""
    found = opened(small if which == "small" else full[-1], theme=theme)
    if which == "small":
        found.evaluate(OPEN_ALL)
    violations = Axe().run(found, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in violations] == []


CONTRAST = """() => {
  const light = (c) => {
    const [r, g, b] = c.match(/[\\d.]+/g)
      .map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const clear = "rgba(0, 0, 0, 0)";
  for (const e of document.querySelectorAll("body *")) {
    const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!words || !e.offsetHeight) continue;
    let under = e;
    while (under && getComputedStyle(under).backgroundColor === clear) under = under.parentElement;
    const ground = getComputedStyle(under ?? document.body).backgroundColor;
    const [a, b] = [getComputedStyle(e).color, ground].map(light);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push([ratio.toFixed(2), e.tagName, e.className, e.textContent.slice(0, 40)]);
  }
  return faint.map(String).slice(0, 10);
}"""


@pytest.mark.parametrize("theme", THEMES)
def test_words_stand_out_from_their_ground(small: Path, opened: Open, theme: str) -> None:
    """WCAG 2.2 AA: a contrast of 4.5 at least, in both themes."""
    found = opened(small, theme=theme)
    found.evaluate(OPEN_ALL)
    assert found.evaluate(CONTRAST) == []
    ground = found.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(22, 24, 27)") is (theme == "dark")


def test_what_is_open_can_be_printed(small: Path, opened: Open) -> None:
    found = opened(small, theme="dark")
    found.emulate_media(media="print")
    assert not found.get_by_role("search").is_visible()
    assert found.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    found.evaluate(OPEN_ALL)
    assert len(found.pdf()) > 10_000


def test_hostile_words_do_nothing(tmp_path: Path, opened: Open) -> None:
    variants = []
    for variant in BAD.variants:
        data = hostile(variant.to_json(), HOSTILE)
        data["faults"] = [{"kind": f.kind, "message": HOSTILE} for f in variant.faults]
        data["assumes"] = data["equivalent_mutants"] = {HOSTILE: HOSTILE}
        data["classes"] = {HOSTILE: 1}
        if data["counterexample"]:
            data["counterexample"]["notation"] = {HOSTILE: HOSTILE}
            data["counterexample"]["snippet"] = f"def f(x):\n    return {HOSTILE!r}\n\nrefuted = f(0)\n"
        variants.append(Variant.from_json(data))
    record = replace(BAD, variants=tuple(variants), run=replace(RUN, commit=HOSTILE, command=HOSTILE))
    write_page(record, tmp_path / "r.html")
    found = opened(tmp_path / "r.html")
    found.evaluate(OPEN_ALL)
    asked(found, "Text").fill("<img")
    assert found.locator("img, iframe, object, form").count() == 0
    assert found.locator("script").count() == 1


def test_ten_thousand_variants_open(tmp_path: Path, opened: Open) -> None:
    write_page(many(10_000), tmp_path / "r.html")
    found = opened(tmp_path / "r.html")
    paint = found.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"first paint of 10 000 variants after {paint:.0f} ms")  # measured, never asserted
    assert len(rows(found)) == 1667
    asked(found, "Text").fill("thm1234")
    assert rows(found) == ["P12/thm1234"]


def test_a_browser_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        missing("no Chromium: `apt-get install chromium`")
    monkeypatch.setenv("REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        missing("no Chromium: `apt-get install chromium`")
