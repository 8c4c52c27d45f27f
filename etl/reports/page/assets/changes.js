// Changes: what differs between the last two generations, in numbers.
function changesPage() {
  const found = report.changes;
  if (!found) return [el("h1", null, "Changes"), el("p", null, "There are no two generations to compare yet. The night after the next publish there are.")];
  const named = (one) => [el("b", null, one.at.slice(0, 16).replace("T", " ")), ` (batch date ${one.date})`];
  const change = (item) => (item.before === null || item.after === null ? null : item.after - item.before);
  const signed = (number) => (number === null ? "" : number > 0 ? `+${count(number)}` : count(number));
  const known = found.rows.tables;
  const lists = (days) => days.join(", ") + "";
  return [el("h1", null, "Changes"),
    el("p", { class: "lead" }, "From the generation of ", named(found.before), " to that of ", named(found.after), `: ${counted(found.tables.length, "table")} with other rows or columns, ${count(found.same)} the same; ${bytes(found.before.bytes)}, now ${bytes(found.after.bytes)}.`),
    section("Tables", found.tables.length ? [grid("Tables that differ", ["table", "how", "#rows before", "#rows now", "#difference", ...(known ? ["#added", "#removed", "#changed"] : [])], found.tables.map((item) => [
      report.byName.has(item.n) ? link(item.n, item.n) : item.n, tag(item.how, { new: "green", gone: "red", changed: "changed" }[item.how]), count(item.before), count(item.after),
      change(item) === 0 ? "other values" : signed(change(item)), ...(known ? known[item.n]?.map(count) || ["", "", ""] : [])])),
      known ? el("p", { class: "small" }, `Added, removed and changed rows were counted on ${moment(found.rows.at)}.`) : el("p", { class: "next" }, "Nobody has counted the rows that were added, removed or changed yet. To count them: ", el("code", null, "etl report --changes"))] : el("p", null, "Every table holds the same.")),
    section("Deliveries", found.inputs.length ? grid("Deliveries that differ", ["source", "#new", "#other content", "#gone", "~days"], found.inputs.map((item) => [
      link(item.source, `raw.${item.source}`), count(item.came), count(item.other), count(item.gone), [["new: ", item.days[0]], ["other: ", item.days[2]], ["gone: ", item.days[1]]].filter(([, days]) => days.length).map(([word, days]) => el("div", null, word, lists(days)))])) : el("p", null, "The same deliveries.")),
    section("Code", found.code.length ? el("ul", null, found.code.map((name) => el("li", { class: "mono" }, name))) : el("p", null, "No contract, model or audit changed.")),
    el("p", { class: "next" }, "To see the rows: ", el("code", null, `etl diff previous current${found.tables.length ? " " + found.tables[0].n : ""}`))];
}
