// History: nights as a calendar, time by step, rows of each source and day with its holes, rejects by rule, size.
const NIGHT = { published: "green", unchanged: "quiet", failed: "red", killed: "red", "missing data": "red", partial: "amber", "": "amber" };
const NIGHT_WORDS = { green: "published", quiet: "nothing new", amber: "part of it, or under way", red: "failed" };

function historyPage() {
  const nights = report.nights;
  const x = nights.id.map((_, at) => nightTime(at));
  const sized = nights.bytes.map((size, at) => [x[at], size]).filter(([, size]) => size);
  return [
    el("h1", null, "History"),
    el("p", { class: "lead" }, nights.id.length ? `${counted(nights.id.length, "night")} since ${nights.at[0].slice(0, 10)}.` : "Nothing has run yet."),
    nights.id.length ? calendar() : null,
    section("How long nights take", el("div", { class: "cards" },
      chart("Seconds by step", x, nights.steps.map(([step, values]) => ({ name: step, values })), lasting, { stacked: true, said: said("A night", x, nights.sec, lasting) }),
      chart("Records that came", x, [{ name: "accepted", values: nights.rows, bars: true }], short),
      chart("Records that were rejected", x, [{ name: "rejected", values: nights.rejected, bars: true }], short),
      chart("Size of the warehouse", sized.map(([at]) => at), [{ name: "bytes", values: sized.map(([, size]) => size) }], bytes))),
    section("Rows of each source and day", sourceDays()),
    section("Rejected records by rule", rulesOverTime()),
    section("Last nights", lastNights()),
  ];
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function calendar() {
  const nights = report.nights;
  const byDay = new Map();
  nights.time.forEach((time, place) => {
    const day = Math.floor(time / DAY);
    const kind = NIGHT[nights.out[place]] || "amber";
    byDay.set(day, { kind, place, runs: (byDay.get(day)?.runs || 0) + 1 });
  });
  const days = [...byDay.keys()];
  const last = Math.max(...days);
  const first = Math.max(Math.min(...days), last - 371);
  const cells = [];
  const weekday = (day) => (day + 3) % 7; // 0 is a Monday
  const put = (cell, week, row) => { cell.style.gridColumn = week; cell.style.gridRow = row; cells.push(cell); };
  const totals = {};
  for (let day = first; day <= last; day += 1) {
    const found = byDay.get(day);
    if (found) totals[found.kind] = (totals[found.kind] || 0) + 1;
    const words = found ? `${dayText(day)}: ${nights.out[found.place] || "under way"}, ${count(nights.rows[found.place])} rows` : `${dayText(day)}: no run`;
    const week = Math.floor((day - first + weekday(first)) / 7) + 1;
    put(el("span", { class: found ? found.kind : "", title: words }), week, weekday(day) + 2);
    if (dayText(day).endsWith("-01")) put(el("span", { class: "month" }, MONTHS[Number(dayText(day).slice(5, 7)) - 1]), week, 1);
  }
  const spoken = Object.entries(totals).map(([kind, number]) => `${number} ${NIGHT_WORDS[kind]}`).join(", ");
  return el("div", { class: "card" },
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Calendar of nights" },
      el("div", { class: "calendar", role: "img", "aria-label": `Nights from ${dayText(first)} to ${dayText(last)}: ${spoken}.` }, cells)),
    el("p", { class: "key" }, Object.entries(NIGHT_WORDS).map(([kind, words]) => el("span", null, el("i", { class: kind }), words)),
      el("span", null, el("i"), "no run")));
}

// One row of bars for each source; a day without a delivery is a gap in red, if deliveries come daily.
function sourceDays() {
  const rows = report.night.sources.map((source) => {
    const found = delivered(source.source);
    const spark = daysOf(source, found);
    return [link(source.source, `raw.${source.source}`), spark, source.newest || "never",
      source.holes.length ? tag(`${source.holes.length} missing`, "red") : source.late_since ? tag(`late since ${source.late_since}`, "amber") : tag("complete", "green"),
      count(median(found.rows))];
  });
  return rows.length ? grid("Rows of each source and day", ["source", "last 60 days", "newest", "state", "#usual rows"], rows)
    : el("p", null, "No contract declares a source yet.");
}

function daysOf(source, found) {
  if (!found.days.length) return "";
  const last = found.days[found.days.length - 1];
  const first = Math.max(found.days[0], last - 59);
  const byDay = new Map(found.days.map((day, at) => [day, at]));
  const most = Math.max(...found.rows, 1);
  const holes = new Set(source.holes.map((day) => Math.floor(Date.parse(day) / 1000 / DAY)));
  const marks = [];
  const [step, height] = [5, 26];
  for (let day = first; day <= last; day += 1) {
    const at = byDay.get(day);
    const x = (day - first) * step;
    if (at !== undefined) {
      const tall = Math.max((found.rows[at] / most) * height, 1.5);
      marks.push(svg("rect", { x, y: height - tall, width: step - 1, height: tall, class: found.rejected[at] ? "bad" : null },
        svg("title", null, `${dayText(day)}: ${count(found.rows[at])} rows, ${count(found.rejected[at])} rejected`)));
    } else if (holes.has(day)) {
      marks.push(svg("rect", { x, y: 0.5, width: step - 1, height: height - 1, class: "hole" }, svg("title", null, `${dayText(day)}: no delivery`)));
    }
  }
  const missing = source.holes.length ? `, missing ${source.holes.slice(-5).join(", ")}` : "";
  const width = Math.max((last - first + 1) * step, 5);
  return svg("svg", { class: "days", width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${source.source}: deliveries from ${dayText(first)} to ${dayText(last)}${missing}` }, marks);
}

function rulesOverTime() {
  if (!report.rules.length) return el("p", null, "No record was rejected.");
  return grid("Rejected records by rule", ["source", "rule", "#records", "#days", "newest", "trend"], report.rules.slice(0, 100).map((rule) => {
    const days = sums(rule.i);
    return [link(rule.source, `raw.${rule.source}`), rule.rule, count(rule.n.reduce((a, b) => a + b, 0)), count(days.length),
      dayText(days[days.length - 1]), spark(rule.n, "Rejected") || ""];
  }));
}

function lastNights() {
  const nights = report.nights;
  const places = nights.id.map((_, at) => at).slice(-30).reverse();
  return grid("The last nights", ["began", "batch date", "outcome", "#took", "#accepted", "#rejected", "begun by", "run"], places.map((at) => [
    nights.at[at].replace("T", " "), dayText(nights.day[at]), tag(nights.out[at] || "under way", { quiet: "green" }[NIGHT[nights.out[at]]] || NIGHT[nights.out[at]]),
    lasting(nights.sec[at]), count(nights.rows[at]), count(nights.rejected[at]), nights.trigger[at] || "", el("span", { class: "mono" }, nights.id[at])]));
}
