// The data: unpacked once, and the ways into it.
const report = {};

async function unpack() {
  const text = document.getElementById("data").textContent;
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  Object.assign(report, await new Response(stream).json());
  report.byName = new Map(report.tables.map((table) => [table.n, table]));
  report.readers = new Map(report.tables.map((table) => [table.n, []]));
  for (const table of report.tables) for (const read of table.r) report.readers.get(read)?.push(table.n);
  report.checksOf = new Map();
  for (const check of report.checks) {
    for (const name of check.t ? [check.t] : check.r) {
      if (!report.checksOf.has(name)) report.checksOf.set(name, []);
      report.checksOf.get(name).push(check);
    }
  }
  report.nights.day = sums(report.nights.date);
  report.nights.time = nightTimes();
}

// When each night was, as charts and calendar have it: its beginning; or its batch date, where many nights were
// caught up with on a day.
function nightTimes() {
  const begun = report.nights.at.map((at) => Date.parse(at + "Z") / 1000);
  const days = new Set(begun.map((time) => Math.floor(time / DAY))).size;
  const dates = report.nights.day;
  const isInOrder = dates.every((day, at) => at === 0 || day >= dates[at - 1]);
  return isInOrder && new Set(dates).size > 2 * days ? dates.map((day) => day * DAY) : begun;
}
const nightTime = (at) => report.nights.time[at];

function built(name) {
  const found = report.built[name];
  if (!found) return { x: [], rows: [], seconds: [] };
  // there are many tables, and one is looked at
  return { x: sums(found.i).map(nightTime), rows: JSON.parse(found.r), seconds: JSON.parse(found.ms).map((ms) => ms / 1000) };
}

function delivered(name) {
  const found = report.deliveries[name];
  return found ? { days: sums(found.i), rows: found.r, rejected: found.x } : { days: [], rows: [], rejected: [] };
}

const columnOf = ([name, type, description, unit, pii, profile]) =>
  ({ name, type, description: description || "", unit: unit || "", pii: pii || "", profile: profile ? profileOf(profile) : null });
const profileOf = ([rows, nulls, distinct, least, greatest, top, bars]) => ({ rows, nulls, distinct, least, greatest, top: top || [], bars });

// A table's folder in the graph and the catalog: its schema.
const schemaOf = (name) => name.split(".")[0];
