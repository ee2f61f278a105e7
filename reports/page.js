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
  // Made when they are first seen: a long record has thousands of them.
  document.addEventListener(
    "toggle",
    ({ target }) => {
      const pre = target.open && target.querySelector(":scope > pre");
      if (!pre || pre.querySelector("button")) return;
      const text = pre.textContent;
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

  tools.hidden = false;
  filter();
  follow();
})();
