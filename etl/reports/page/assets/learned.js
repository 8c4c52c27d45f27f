// Learning: of each model that learns its card, its curves, and its trainings with parameters beside results.
const OUTCOMES = { champion: "green", failed: "red", pruned: "", trial: "", "challenger lost": "amber" };
// Of these more is better, so that the best comes first where somebody sorts by one.
const MORE_IS_BETTER = ["accuracy", "auc", "f1", "precision", "r2", "recall"];

function learnedPage(wanted) {
  const names = Object.keys(report.learned);
  if (wanted && report.learned[wanted]) return modelPage(report.learned[wanted], names);
  if (names.length === 1 && !wanted) return modelPage(report.learned[names[0]], names);
  if (!names.length) return [el("h1", null, "Learning"), el("p", null, "No model was trained yet.")];
  return [el("h1", null, wanted ? `There is no model ${wanted}` : "Learning"),
    el("p", { class: "lead" }, `${counted(names.length, "model")} that learn.`),
    grid("Models that learn", ["model", "~what it is", "#trainings", "newest", "what counts"], names.map((name) => {
      const { card, all, runs } = report.learned[name];
      return [link(name, "learned", name), card.description.split("\n\n")[0], count(all), moment(runs[0]?.at), card.counts_as];
    }))];
}

function modelPage({ card, all, runs }, names) {
  const one = card.training;
  return [
    el("h1", null, card.model), names.length > 1 ? el("p", { class: "small" }, el("a", { href: "#learned" }, "All models that learn")) : null,
    card.description ? card.description.split("\n\n").map((text, at) => el("p", { class: at ? null : "lead" }, text)) : el("p", { class: "lead" }, "Nobody has described it yet."),
    modelFacts(card),
    card.gaps.length ? section("Known gaps", el("ul", null, card.gaps.map((text) => el("li", null, text)))) : null,
    one.experiment_id ? [section(`Curves of ${card.counts_as}`, curvesOf(card, runs)), section(`Results and parameters of ${card.counts_as}`, el("div", { class: "cards" }, valuesGrid("Result", one.metrics), valuesGrid("Parameter", one.params)))] : null,
    section("Trainings", all > runs.length ? el("p", { class: "small" }, `The newest ${count(runs.length)} of ${count(all)}: `, el("code", null, `etl ml runs ${card.model}`), " lists all.") : null, runsGrid(card, runs)),
    card.features.columns ? section("What it may learn from", featuresGrid(card)) : null,
    section("To do it again", el("pre", { class: "sql", tabindex: "0" }, card.again.join("\n"))),
  ];
}

function modelFacts(card) {
  const one = card.training, said = card.declared;
  const fact = (name, value) => (value && (value instanceof Node || value.length) ? el("div", null, el("dt", null, name), el("dd", { class: "small" }, value)) : null);
  const table = (name) => (report.byName.has(name) ? link(name, name) : name);
  return el("dl", { class: "figures" },
    fact("Verdict", one.verdict && tag(one.verdict, OUTCOMES[one.verdict])), fact("Began", moment(one.started_at)), fact("Cut-off", one.cut_off),
    fact("Rows", count(one.rows)), fact("Took", lasting(one.seconds)), fact("Learns from", said.table && table(said.table)), fact("Tells", said.label),
    fact("Judged by", said.judged_by && `${said.judged_by}, on ${counted(said.held_out_days, "day")}`),
    fact("Libraries", Object.entries(one.libraries || {}).map(([name, version]) => `${name} ${version}`).join(", ")),
    fact("Seed", count(one.seed)), fact("Commit", named(one.commit_id)), fact("Generation", named(one.run_id)), fact("Data and code", named(one.fingerprint)),
    fact("Tables", Object.keys(card.tables).flatMap((name, at) => [at ? ", " : "", table(name)])));
}
// A long name by its beginning; all of it is in the title.
const named = (text) => (text ? el("span", { class: "mono", title: text }, text.length > 25 ? `${text.slice(0, 16)}…` : text) : "");
const figure5 = (value) => (typeof value === "number" ? (Number.isInteger(value) ? count(value) : +value.toPrecision(5)) : value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));
const valuesGrid = (name, found) => grid(`${name}s`, [name.toLowerCase(), "#value"], Object.entries(found || {}).map(([key, value]) => [key, String(figure5(value))]));

// The curves of one name in one chart: of the training that counts, and of the newest others.
function curvesOf(card, runs) {
  const first = { id: card.training.experiment_id, c: card.training.curves };
  const all = [first, ...runs.filter((run) => run.id !== first.id)];
  const names = [...new Set(all.flatMap((run) => Object.keys(run.c)))].slice(0, 6);
  if (!names.length) return el("p", null, "No training reported a curve.");
  return el("div", { class: "cards" }, names.map((name) => curveFigure(name, all.filter((run) => run.c[name]).slice(0, COLOURS.length))));
}

function curveFigure(name, runs) {
  const lines = runs.map((run) => ({ id: run.id.slice(0, 12), x: run.c[name][0], y: run.c[name][1] }));
  const [shown] = lines;
  const known = shown.y.filter(Number.isFinite);
  const told = known.length ? `${shown.id}: ${figure5(known[0])} at the beginning, ${figure5(known[known.length - 1])} at the end, least ${figure5(Math.min(...known))}, greatest ${figure5(Math.max(...known))}.` : `${shown.id}: nothing is known.`;
  return el("figure", { class: "card" }, el("figcaption", null, name), el("p", { class: "said" }, told), curveLines(name, lines),
    el("p", { class: "key" }, lines.map((line, at) => el("span", { class: "mono" }, el("i", { class: `c${at + 1}` }), line.id))),
    el("details", null, el("summary", null, "As a table"), grid(name, ["step", "#value"], shown.x.map((step, at) => [count(step), String(figure5(shown.y[at]))]))));
}

function curveLines(name, lines, width = 420, height = 150) {
  const all = lines.flatMap((line) => line.y).filter(Number.isFinite), steps = lines.flatMap((line) => line.x);
  if (!all.length) return null;
  const [low, high, first, last] = [Math.min(...all), Math.max(...all), Math.min(...steps), Math.max(...steps)];
  const left = 66, foot = 18;
  const x = (step) => left + ((step - first) / (last - first || 1)) * (width - left - 4);
  const y = (value) => 8 + (1 - (value - low) / (high - low || 1)) * (height - foot - 16);
  const points = (line) => line.x.map((step, at) => [step, line.y[at]]).filter(([, value]) => Number.isFinite(value)).map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`);
  const label = (text, at, up, anchor) => svg("text", { x: at, y: up, "text-anchor": anchor }, text);
  return svg("svg", { class: "curves", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name} by step, of ${counted(lines.length, "training")}` },
    [low, high].map((value) => svg("line", { class: "rule", x1: left, x2: width, y1: y(value), y2: y(value) })),
    label(String(figure5(high)), left - 6, y(high) + 4, "end"), low === high ? null : label(String(figure5(low)), left - 6, y(low) + 4, "end"),
    label(`step ${count(first)}`, left, height - 4, "start"), label(count(last), width - 2, height - 4, "end"),
    // the first one is drawn last, above the others
    lines.map((line, at) => [line, at]).reverse().map(([line, at]) => (line.x.length > 1 ? svg("polyline", { class: `c${at + 1}`, points: points(line).join(" ") }) : svg("circle", { class: `c${at + 1}`, cx: x(line.x[0]), cy: y(line.y[0]), r: 3 }))));
}

// Parameters beside results; a click on a heading sorts by it, the best first.
function runsGrid(card, runs) {
  if (!runs.length) return el("p", null, "It was never trained.");
  const metrics = [...new Set(runs.flatMap((run) => Object.keys(run.m)))], params = [...new Set(runs.flatMap((run) => Object.keys(run.p)))];
  const columns = [["training", (run) => run.id], ["began", (run) => run.at], ["verdict", (run) => run.out], ["by", (run) => run.by],
    ...metrics.map((name) => ["#" + name, (run) => run.m[name]]), ...params.map((name) => ["#" + name, (run) => run.p[name]]),
    ["cut-off", (run) => run.cut], ["#rows", (run) => run.rows], ["#seconds", (run) => run.sec]];
  const box = el("div");
  const cells = (run) => [[el("span", { class: "mono" }, run.id.slice(0, 12)), run.id === card.training.experiment_id ? [" ", tag("counts", "changed")] : null, sparkOf(run)],
    run.at.slice(0, 16).replace("T", " "), run.out ? tag(run.out, OUTCOMES[run.out]) : "", run.by,
    ...[...metrics.map((name) => run.m[name]), ...params.map((name) => run.p[name])].map((value) => String(figure5(value))), run.cut, count(run.rows), run.sec === null ? "" : lasting(run.sec)];
  const show = (chosen, isDown) => {
    const sorted = chosen === null ? runs : [...runs].sort((a, b) => ordered(columns[chosen][1](a), columns[chosen][1](b), isDown));
    box.replaceChildren(grid("Trainings", columns.map(([name]) => name), sorted.map(cells)));
    box.querySelectorAll("thead th").forEach((head, at) => {
      const name = head.textContent, isMore = MORE_IS_BETTER.includes(name);
      const next = chosen === at ? !isDown : isMore || name === "began";
      if (chosen === at) head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      head.replaceChildren(el("button", { class: "sorts", onclick: () => { show(at, next); box.querySelectorAll("thead button")[at].focus(); } }, name, chosen === at ? (isDown ? " ↓" : " ↑") : ""));
    });
  };
  show(null, false);
  return box;
}

// Numbers before texts, and what is not known last, whichever way.
function ordered(a, b, isDown) {
  const place = (value) => (Number.isFinite(value) ? 0 : value === null || value === undefined || value === "" || typeof value === "number" ? 2 : 1);
  if (place(a) !== place(b)) return place(a) - place(b);
  const way = isDown ? -1 : 1;
  return place(a) === 0 ? way * (a - b) : way * String(figure5(a)).localeCompare(String(figure5(b)));
}

const sparkOf = (run) => { const [name] = Object.keys(run.c); return name ? spark(run.c[name][1].filter(Number.isFinite), name, 90, 18) : null; };

function featuresGrid(card) {
  const { columns, files, at, sets } = card.features, table = card.declared.table;
  const origin = (text) => {
    if (report.byName.has(text)) return link(text, text);
    const dot = text.lastIndexOf("."), name = text.slice(0, dot);
    return report.byName.has(name) ? link(text, name, text.slice(dot + 1)) : text;
  };
  const brought = grid("Features", ["feature", "~what it is", "by", "value of", "used for", "owner"], sets.map((one) => [
    origin(one.table), one.description, one.entity.join(", "), one.event_time, one.ttl || "ever", one.owner]));
  return [sets.length ? [el("p", null, "Of each row, what was known at ", el("code", null, at), ":"), brought, el("br")] : null, grid("Columns that it may learn from", ["column", "is", "type", "~meaning", "~made of"], columns.map((one) => [
    [link(one.column, table, one.column), one.pii ? [" ", tag("personal", "amber")] : null], one.part, el("span", { class: "mono small" }, one.type),
    [one.description, one.unit ? ` (${one.unit})` : null], one.made_of.map((text, at) => [at ? ", " : null, origin(text)])])),
  el("p", { class: "small" }, Object.entries(files).map(([name, file], at) => [at ? "; " : null, name, " comes from ", el("span", { class: "mono" }, file)]))];
}
