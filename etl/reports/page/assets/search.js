// Search over tables and columns: by name, meaning, unit, owner and tag. The index is made when the page is at rest.
let index = null;
const shownAs = [];

function indexed() {
  if (index) return index;
  index = new MiniSearch({ fields: ["name", "words", "description", "unit", "owner", "tags"], searchOptions: {
    prefix: true, fuzzy: (term) => (term.length > 4 ? 0.2 : false), combineWith: "AND",
    boost: { name: 4, words: 3, description: 2 } } });
  const add = (parts, kind, facts) => {
    const name = parts.join(".");
    shownAs.push({ parts, kind, name, description: facts.description });
    return { id: shownAs.length - 1, name, words: name.split(/[._]/).join(" "), ...facts };
  };
  const entries = [];
  for (const table of report.tables) {
    const facts = { owner: table.o, tags: table.t.join(" ") };
    entries.push(add([table.n], "table", { ...facts, description: table.d, unit: "" }));
    for (const column of table.c) {
      entries.push(add([table.n, column[0]], "column", { description: column[2] || "", unit: column[3] || "", owner: "", tags: "" }));
    }
  }
  index.addAll(entries);
  return index;
}

const search = (text, limit) => indexed().search(text).map((hit) => ({ ...shownAs[hit.id], score: hit.score }))
  .sort((a, b) => b.score * (b.kind === "table" ? 1.3 : 1) - a.score * (a.kind === "table" ? 1.3 : 1)).slice(0, limit);

function startSearch() {
  const field = document.getElementById("query");
  const box = document.getElementById("found");
  let at = -1;
  const close = () => { box.hidden = true; at = -1; field.setAttribute("aria-expanded", "false"); field.removeAttribute("aria-activedescendant"); };
  const choose = (next) => {
    const options = [...box.querySelectorAll("a")];
    if (!options.length) return;
    at = (next + options.length) % options.length;
    options.forEach((option, place) => option.setAttribute("aria-selected", place === at));
    field.setAttribute("aria-activedescendant", options[at].id);
    options[at].scrollIntoView({ block: "nearest" });
  };
  const show = () => {
    const text = field.value.trim();
    if (!text) return close();
    const hits = search(text, 14);
    box.replaceChildren(...hits.map((hit, place) => el("a", { href: hrefOf(hit.parts), role: "option", id: `hit-${place}`, "aria-selected": false, tabindex: "-1", onclick: close },
      el("span", { class: "mono" }, hit.name), " ", tag(hit.kind), hit.description && el("div", { class: "small" }, hit.description))));
    if (!hits.length) box.append(el("a", { role: "option", "aria-selected": false, "aria-disabled": true }, `Nothing is called ${text}, or described so.`));
    box.hidden = false;
    field.setAttribute("aria-expanded", "true");
    choose(0);
  };
  field.addEventListener("input", show);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); choose(at + 1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); choose(at - 1); }
    else if (event.key === "Enter" && at >= 0) { box.querySelectorAll("a")[at].click(); field.blur(); }
    else if (event.key === "Escape") { close(); field.value = ""; }
  });
  field.addEventListener("blur", () => setTimeout(() => { if (!box.contains(document.activeElement)) close(); }, 150));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/input|select|textarea/i.test(event.target.tagName)) { event.preventDefault(); field.focus(); }
  });
}

const hrefOf = (parts) => place(...parts);
