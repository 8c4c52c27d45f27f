// Quality: every check, and its last 30 results.
function qualityPage(wanted) {
  const bad = report.checks.filter((check) => !check.ok);
  const errors = bad.filter((check) => check.sev === "error").length;
  const list = el("div", { "aria-live": "polite" });
  const words = el("input", { type: "search", "aria-label": "Search in the checks", placeholder: "Name, table or reason", spellcheck: "false", value: wanted || null });
  const state = el("select", { "aria-label": "State" }, ["all checks", "found something", "passed"].map((name, at) => el("option", { value: at }, name)));
  const show = () => {
    const text = words.value.trim().toLowerCase();
    const found = report.checks.filter((check) => (state.value === "0" || (state.value === "1") === !check.ok) &&
      (!text || `${check.n} ${check.t} ${check.w}`.toLowerCase().includes(text)));
    found.sort((a, b) => a.ok - b.ok || a.sev.localeCompare(b.sev) || a.n.localeCompare(b.n));
    list.replaceChildren(el("p", { class: "small" }, counted(found.length, "check")), checksGrid(found.slice(0, 500)));
  };
  words.addEventListener("input", show);
  state.addEventListener("input", show);
  show();
  return [el("h1", null, "Quality"),
    el("p", { class: "lead" }, `${counted(report.checks.length, "check")}: ${count(report.checks.length - bad.length)} passed, ${count(bad.length - errors)} warn, ${count(errors)} fail.`),
    el("div", { class: "filters" }, words, state), list];
}

function checksGrid(checks, table) {
  if (!checks.length) return el("p", { class: "small" }, "No check is asked for.");
  const own = (check) => (check.t && check.n.startsWith(check.t + ".") ? check.n.slice(check.t.length + 1) : "");
  const named = (check) => el("span", { class: "mono" }, own(check) ? [table ? null : [link(check.t, check.t), "."], own(check)] : check.n,
    own(check) ? null : el("div", { class: "small" }, (check.t ? [check.t] : check.r).filter((name) => name !== table).map((name, at) => [at ? ", " : "on ", link(name, name)])));
  return grid("Checks", ["check", "result", "last 30", "#rows found", "~why, and the first rows"], checks.map((check) => [
    named(check), tag(check.ok ? "passed" : check.sev === "error" ? "fails" : "warns", check.ok ? "green" : check.sev === "error" ? "red" : "amber"),
    dots(check), check.ok ? "" : count(check.fail), [check.w, !check.ok && check.ex.length ? el("ul", { class: "examples" }, check.ex.map((text) => el("li", null, text))) : null]]));
}

function dots(check) {
  if (!check.h.length) return "";
  const failed = check.h.filter(([, number]) => number > 0).length;
  const kind = check.sev === "error" ? "bad" : "warn";
  return el("span", { class: "dots", role: "img", "aria-label": `${check.h.length} results, ${failed} found something` },
    check.h.map(([at, number]) => el("i", { class: number > 0 ? kind : "", title: `${report.nights.at[at]?.slice(0, 10)}: ${number > 0 ? counted(number, "row") : "passed"}` })));
}
