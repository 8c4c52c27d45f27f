// One table: what its columns mean, where it comes from, who reads it, what is promised of it, and how it grew.
function tablePage(table, wanted) {
  const readers = report.readers.get(table.n) || [];
  const rows = rowsOverTime(table);
  const times = built(table.n);
  return [
    el("h1", { class: "mono" }, wanted ? [el("a", { href: place(table.n) }, table.n), `.${wanted}`] : table.n),
    wanted ? columnPanel(table, wanted) : [el("p", { class: "lead" }, table.d || "Nobody has described it yet."), tableFacts(table, readers)],
    section(wanted ? `All columns of ${table.n}` : "Columns", columnsGrid(table, wanted)),
    section("What is promised of it", checksGrid(report.checksOf.get(table.n) || [], table.n)),
    section("Over time", el("div", { class: "cards" },
      chart(table.k === "source" ? "Rows by day of delivery" : "Rows when it was built", rows.x, [{ name: "rows", values: rows.values, bars: table.k === "source" }], short),
      table.k === "source" ? null : chart("Time to build it", times.x, [{ name: "seconds", values: times.seconds }], lasting))),
    section("Around it", graphBox({ around: table.n })),
    table.s ? section("SQL", el("p", { class: "small mono" }, table.f), highlighted(table.s)) : null,
  ];
}

function tableFacts(table, readers) {
  const fact = (name, value) => (value && (value instanceof Node || value.length) ? el("div", null, el("dt", null, name), el("dd", { class: "small" }, value)) : null);
  const links = (names) => names.flatMap((name, at) => [at ? ", " : "", report.byName.has(name) ? link(name, name) : name]);
  const state = { failed: "failed: what it held before stays", stale: "waits to be built", changed: "new tonight", "": "up to date" }[table.state];
  const last = table.b ? `${moment(table.b.at)}, ${lasting(table.b.seconds)}${table.b.why ? `: ${table.b.why}` : ""}${table.b.full ? `; in full: ${table.b.full}` : ""}` : "never";
  return el("dl", { class: "figures" },
    fact("State", tag(state, { failed: "red", stale: "amber", changed: "changed", "": "green" }[table.state])),
    fact("Rows", count(rowsOf(table))), fact("Built", last), fact("Kind", table.k === "source" ? `deliveries: ${table.place}` : table.k + (table.x ? ", exported as Parquet" : "")),
    fact("Reads", table.r.length ? links(table.r) : table.place), fact("Read by", readers.length ? links(readers) : "nothing in the project"),
    fact("Partition", table.p), fact("Owner", table.o), fact("Tags", table.t.map((name) => [tag(name), " "])));
}

function columnsGrid(table, wanted) {
  const checks = report.checksOf.get(table.n) || [];
  const rows = table.c.map((packed) => {
    const column = columnOf(packed);
    const own = checks.filter((check) => check.c === column.name);
    const row = [[link(column.name, table.n, column.name), column.pii ? [" ", tag("personal", "amber")] : null], el("span", { class: "mono small" }, column.type),
      [column.description, column.pii ? el("div", { class: "small" }, `masked: ${column.pii}`) : null], column.unit, ...profileCells(column),
      own.length ? tag(own.every((check) => check.ok) ? `${own.length} passed` : `${own.filter((check) => !check.ok).length} of ${own.length}`, own.every((check) => check.ok) ? "green" : own.some((check) => !check.ok && check.sev === "error") ? "red" : "amber") : ""];
    row.attributes = { id: `column-${column.name}`, class: column.name === wanted ? "here" : null, "aria-current": column.name === wanted ? "true" : null };
    return row;
  });
  const isProfiled = table.c.some((column) => column[5]);
  const names = ["column", "type", "~meaning", "unit", ...(isProfiled ? ["values", "~such as", "#null"] : []), "checks"];
  return grid(`Columns of ${table.n}`, names, rows.map((row) => { if (!isProfiled) { const at = row.attributes; row.splice(4, 3); row.attributes = at; } return row; }));
}

// What a profile shows: its bars, frequent values with the range, and the share of nulls.
function profileCells(column) {
  const found = column.profile;
  if (!found) return ["", "", ""];
  const range = found.least === null ? "" : `${found.least} to ${found.greatest}`;
  const shape = found.bars ? bars(found.bars, `Distribution of ${column.name}`) : null;
  const distinct = found.distinct === null ? "" : `${short(found.distinct)} different`;
  const share = found.rows ? (found.nulls || 0) / found.rows : null;
  return [[shape, el("div", { class: "small nowrap" }, distinct)], [found.top.join(", "), el("div", { class: "small" }, range)], share === null ? "" : `${(100 * share).toFixed(share && share < 0.1 ? 1 : 0)} %`];
}

// What is known of one column, before all others of its table.
function columnPanel(table, wanted) {
  const column = columnOf(table.c.find((one) => one[0] === wanted));
  const checks = (report.checksOf.get(table.n) || []).filter((check) => check.c === wanted);
  const [shape, such, nulls] = profileCells(column);
  const fact = (name, value) => (value && (value instanceof Node || value.length) ? el("div", null, el("dt", null, name), el("dd", { class: "small" }, value)) : null);
  return [el("p", { class: "lead" }, column.description || "Nobody has described it yet."),
    el("dl", { class: "figures" }, fact("Type", el("span", { class: "mono" }, column.type)), fact("Unit", column.unit), fact("Personal data", column.pii && `masked: ${column.pii}`),
      fact("Values", shape), fact("Such as", such), fact("Null", nulls)),
    columnLineage(table, wanted), checks.length ? section(`What is promised of ${wanted}`, checksGrid(checks, table.n)) : null];
}

// Where a column's values come from, down to the files, and apart from them what decides on the rows.
function columnLineage(table, wanted) {
  const lineage = report.lineage;
  const column = table.c.find((one) => one[0] === wanted);
  if (!column || !lineage.v) return null;
  const into = [];
  for (const [name, columns] of Object.entries(lineage.v)) {
    for (const [other, [origins]] of Object.entries(columns)) if (origins.some(([t, c]) => t === table.n && c === wanted)) into.push([name, other]);
  }
  const filters = lineage.f?.[table.n] || [];
  const seenBefore = new Set();
  const branch = ([name, one], depth) => {
    const key = `${name} ${one}`;
    const known = report.byName.has(name);
    const [origins, said] = lineage.v[name]?.[one] || [[], []];
    const label = known ? link(`${name}.${one}`, name, one) : el("span", { class: "mono" }, one ? `${name}: ${one}` : name);
    const again = seenBefore.has(key);
    seenBefore.add(key);
    return el("li", null, label, said.map((text) => [" = ", el("code", null, text)]),
      origins.length && depth < 12 && !again ? el("ul", { class: "tree" }, origins.map((origin) => branch(origin, depth + 1))) : null);
  };
  return section(`Where ${wanted} comes from`, el("div", { class: "cards" },
    el("div", { class: "card" }, el("h3", null, "Its values"), el("ul", { class: "tree" }, branch([table.n, wanted], 0)),
      lineage.opaque?.[table.n] ? el("p", { class: "small" }, `Its SQL cannot be taken apart: ${lineage.opaque[table.n]}.`) : null),
    el("div", { class: "card" }, el("h3", null, "Its values end up in"), into.length ? el("ul", { class: "tree" }, into.map(([name, one]) => el("li", null, link(`${name}.${one}`, name, one)))) : el("p", { class: "small" }, "no other column"),
      el("h3", null, "Which rows there are is decided by"), filters.length ? el("ul", { class: "tree" }, filters.slice(0, 40).map(([name, one]) => el("li", null, report.byName.has(name) ? link(`${name}.${one}`, name, one) : `${name} ${one}`))) : el("p", { class: "small" }, "no column: all rows are taken"))));
}
