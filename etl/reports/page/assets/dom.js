// Elements are made here and nowhere else: a text from the data is only ever a text node.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const link = (text, ...parts) => el("a", { href: place(...parts), class: "name" }, text);
// `#marts.flights.origin`: each part is quoted, so that any name is one
const place = (...parts) => "#" + parts.map(encodeURIComponent).join(".");
const tag = (text, kind) => el("span", { class: `tag ${kind || ""}` }, text);

// A table; a name that begins with `#` is of numbers. The first cell of a row names it.
function grid(caption, names, rows, more) {
  const number = (name) => (name.startsWith("#") ? "number" : null);
  const cell = (row, name, at) =>
    at === 0 ? el("th", { scope: "row" }, row[at])
      : el("td", { class: number(name) || (name.startsWith("~") ? "text" : typeof row[at] === "string" && row[at].length < 26 ? "nowrap" : null) }, row[at]);
  const line = (row) => el("tr", row.attributes, names.map((name, at) => cell(row, name, at)));
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    el("table", null, el("caption", { class: "hidden" }, caption),
      el("thead", null, el("tr", null, names.map((name) =>
        el("th", { scope: "col", class: number(name) }, name.replace(/^[#~]/, ""))))),
      el("tbody", null, rows.map(line))), more);
}

const section = (title, ...content) => el("section", null, el("h2", null, title), content);
