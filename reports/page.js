"use strict";
(() => {
  const every = (selector, from = document) => [...from.querySelectorAll(selector)];
  const tools = document.querySelector("[data-tools]");
  const control = (name) => tools.querySelector(`[data-control="${name}"]`);
  const [words, paper, verdict, family, status] = ["words", "paper", "verdict", "variant", "status"].map(control);

  const cards = every("tbody[data-paper]").map((body) => ({
    body,
    section: body.closest("section"),
    details: body.querySelector("details"),
    variants: every("tr[data-is]", body),
    text: null,
  }));

  function matches(row) {
    const [kind, said] = row.dataset.is.split(":");
    const asked = verdict.value;
    const agrees =
      !asked || (asked === "not as expected" ? "odd" in row.dataset : said === asked);
    return agrees && (!family.value || kind === family.value);
  }

  function filter() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const picky = verdict.value || family.value;
    const sections = new Map();
    let shown = 0;
    for (const card of cards) {
      if (wanted.length) card.text ??= card.body.textContent.toLowerCase();
      let visible = !paper.value || card.body.dataset.paper === paper.value;
      visible &&= wanted.every((word) => card.text.includes(word));
      if (visible && picky) visible = card.variants.some(matches);
      card.body.hidden = !visible;
      for (const row of card.variants) row.classList.toggle("dim", Boolean(picky) && !matches(row));
      shown += visible;
      sections.set(card.section, sections.get(card.section) || visible);
    }
    for (const [section, visible] of sections) section.hidden = !visible;
    status.textContent =
      shown === cards.length ? `${shown} claims` : `${shown} of ${cards.length} claims`;
  }

  function clear() {
    for (const each of [words, paper, verdict, family]) each.value = "";
    filter();
  }

  function expand(open) {
    for (const { body, details } of cards) if (!body.hidden) details.open = open;
  }

  for (const each of [words, paper, verdict, family]) each.addEventListener("input", filter);
  control("clear").addEventListener("click", clear);
  control("expand").addEventListener("click", () => expand(true));
  control("collapse").addEventListener("click", () => expand(false));

  // Sorting moves whole cards; the third press on a heading gives the paper's own order back.
  for (const table of every("table.claims")) {
    const bodies = [...table.tBodies];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const key = (body) => {
        const cell = body.rows[0].cells[column];
        return cell.dataset.key === undefined ? cell.textContent.trim() : Number(cell.dataset.key);
      };
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
        for (const each of heads) each.removeAttribute("aria-sort");
        const sorted = [...bodies];
        if (next) {
          head.setAttribute("aria-sort", next);
          const sign = next === "ascending" ? 1 : -1;
          const keys = new Map(bodies.map((body) => [body, key(body)]));
          const order = (a, b) =>
            typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
          sorted.sort((a, b) => sign * order(keys.get(a), keys.get(b)));
        }
        table.append(...sorted);
      });
    });
  }

  function follow() {
    let name = location.hash.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch {
      return;
    }
    const target = name && document.getElementById(name);
    if (!target) return;
    if (target.closest("[hidden]")) clear();
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    (target.matches(".inner") ? target.closest("tbody") : target).scrollIntoView();
  }
  addEventListener("hashchange", follow);
  // A link to where one already is changes no hash, but is still to open what was closed.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) follow();
  });

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }
  // Programs of mutants are packed, with the pieces that only they need.
  const packed = document.getElementById("packed");
  let pieces = {};
  async function unpack() {
    const bytes = Uint8Array.from(atob(packed.content.textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const found = await new Response(stream).json();
    pieces = found.pieces;
    return found.programs;
  }
  const programs = packed ? unpack() : null;
  async function show(card) {
    const lines = every("p.counterexample[id]", card).filter((p) => !p.nextElementSibling?.matches("details"));
    if (!packed || !lines.length) return;
    const texts = await programs;
    for (const line of lines) {
      if (!Object.hasOwn(texts, line.id)) continue;
      const made = document.createElement("details");
      const [label, pre] = ["summary", "pre"].map((name) => made.appendChild(document.createElement(name)));
      label.textContent = "JSON and program";
      pre.textContent = texts[line.id];
      pre.tabIndex = 0;
      line.after(made);
    }
  }
  document.addEventListener("toggle", ({ target }) => target.open && target.matches("tr.more details") && show(target), true);

  // What programs share stands once on the page, each piece under the names of those that it needs.
  function whole(text, had = new Set()) {
    const piece = (name) => {
      if (had.has(name)) return "";
      had.add(name);
      const here = document.getElementById(`program-${name}`)?.querySelector("pre").firstChild.data;
      return whole(here ?? (Object.hasOwn(pieces, name) ? pieces[name] : ""), had);
    };
    const put = (line) =>
      line.startsWith(SHARED) ? line.slice(SHARED.length).split(", ").map(piece).filter(Boolean).join("\n\n\n") : line;
    return text.split("\n").map(put).join("\n");
  }
  // Made when they are first seen: a long record has thousands of them.
  document.addEventListener(
    "toggle",
    ({ target }) => {
      const pre = target.open && target.querySelector(":scope > pre");
      if (!pre || pre.querySelector("button")) return;
      const text = whole(pre.textContent);
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        button.textContent = (await copy(text)) ? "Copied" : "Select and copy by hand";
        button.focus();
      });
      pre.append(button);
    },
    true,
  );

  // What scrolls sideways is reached by the keyboard in every browser.
  function reach(within) {
    for (const each of every(".statement, .formula, dd", within))
      if (each.checkVisibility() && each.scrollWidth > each.clientWidth) each.tabIndex = 0;
  }
  document.addEventListener("toggle", ({ target }) => target.open && reach(target), true);
  reach(document);

  tools.hidden = false;
  filter();
  follow();
})();
