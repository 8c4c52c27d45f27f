// Tables: the catalog, to search and to filter.
const STATES = { failed: "failed", stale: "waits", changed: "new" };

function tablesPage() {
  const list = el("div", { "aria-live": "polite" });
  const words = el("input", { type: "search", "aria-label": "Search in the catalog", placeholder: "Name, meaning, unit, owner or tag", spellcheck: "false" });
  const schemas = [...new Set(report.tables.map((table) => schemaOf(table.n)))].sort();
  const owners = [...new Set(report.tables.map((table) => table.o).filter(Boolean))].sort();
  const choice = (label, all, names) => el("select", { "aria-label": label }, el("option", { value: "" }, all), names.map((name) => el("option", { value: name }, name)));
  const schema = choice("Schema", "all schemas", schemas);
  const owner = choice("Owner", "all owners", owners);
  const show = () => {
    const text = words.value.trim();
    let tables = report.tables;
    const columns = new Map();
    if (text) {
      const hits = search(text, 400);
      const order = [];
      for (const hit of hits) {
        const name = hit.parts[0];
        if (!columns.has(name)) { columns.set(name, []); order.push(name); }
        if (hit.parts[1]) columns.get(name).push(hit.parts[1]);
      }
      tables = order.map((name) => report.byName.get(name));
    }
    tables = tables.filter((table) => (!schema.value || schemaOf(table.n) === schema.value) && (!owner.value || table.o === owner.value));
    list.replaceChildren(el("p", { class: "small" }, counted(tables.length, "table")), catalogGrid(tables.slice(0, 300), columns));
  };
  for (const field of [words, schema, owner]) field.addEventListener("input", show);
  show();
  const total = report.tables.reduce((sum, table) => sum + table.c.length, 0);
  const described = report.tables.reduce((sum, table) => sum + table.c.filter((column) => column[2]).length, 0);
  return [el("h1", null, "Tables"),
    el("p", { class: "lead" }, `${counted(report.tables.length, "table")} with ${counted(total, "column")}, of which ${count(described)} are described.`),
    el("div", { class: "filters" }, words, schema, owner), list];
}

function catalogGrid(tables, columns) {
  return grid("Catalog", ["table", "~what it is", "#rows", "rows over time", "#columns", "checks", "owner"], tables.map((table) => {
    const hits = columns.get(table.n) || [];
    return [[link(table.n, table.n), " ", table.state === "failed" || table.state === "stale" ? tag(STATES[table.state], table.state === "stale" ? "amber" : "red") : null],
      [table.d || el("span", { class: "small" }, table.k === "source" ? table.place : ""), " ", table.t.map((name) => [tag(name), " "]),
        hits.length ? el("div", { class: "small" }, "columns: ", hits.slice(0, 6).map((name, at) => [at ? ", " : "", link(name, table.n, name)])) : null],
      count(rowsOf(table)), spark(rowsOverTime(table).values.slice(-60), `Rows of ${table.n}`) || "", count(table.c.length), checksDots(table.n), table.o];
  }));
}

function rowsOf(table) {
  const rows = rowsOverTime(table).values;
  return report.rows[table.n] ?? table.b?.rows ?? rows[rows.length - 1];
}

// Of a source, the rows of each delivery; of a model, those of each time that it was built.
function rowsOverTime(table) {
  if (table.k === "source") {
    const found = delivered(table.n.slice(4));
    return { x: found.days.map((day) => day * DAY), values: found.rows };
  }
  const found = built(table.n);
  return { x: found.x, values: found.rows };
}

function checksDots(name) {
  const checks = report.checksOf.get(name) || [];
  if (!checks.length) return "";
  const bad = checks.filter((check) => !check.ok);
  const worst = bad.some((check) => check.sev === "error") ? "red" : bad.length ? "amber" : "green";
  return tag(bad.length ? `${bad.length} of ${checks.length}` : `${checks.length} passed`, worst);
}
