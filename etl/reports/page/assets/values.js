// Numbers, days and times as people read them.
const whole = new Intl.NumberFormat("en-US");
const count = (number) => (number === null || number === undefined ? "" : whole.format(number));
const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

function short(number) {
  if (number === null || number === undefined) return "";
  const size = Math.abs(number);
  const [by, unit] = size >= 1e9 ? [1e9, " bn"] : size >= 1e6 ? [1e6, " M"] : size >= 1e4 ? [1e3, " k"] : [1, ""];
  const value = number / by;
  return `${Number.isInteger(value) || Math.abs(value) >= 100 ? Math.round(value) : +value.toPrecision(3)}${unit}`;
}

function bytes(number) {
  if (number === null || number === undefined) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (number >= 1000 && at < units.length - 1) { number /= 1000; at += 1; }
  return `${number >= 10 || at === 0 ? Math.round(number) : number.toFixed(1)} ${units[at]}`;
}

function lasting(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(Math.round(seconds) / 60);
  const rest = Math.round(seconds) % 60;
  if (minutes < 60) return `${minutes} min ${String(rest).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

// The same for the axis of a chart, where there is little room.
const lastingShort = (seconds) => (seconds === 0 ? "0" : seconds < 90 ? `${+seconds.toPrecision(3)} s` : seconds < 5400 ? `${+(seconds / 60).toPrecision(2)} min` : `${+(seconds / 3600).toPrecision(2)} h`);

const DAY = 86400;
const dayText = (day) => new Date(day * DAY * 1000).toISOString().slice(0, 10);
const moment = (text) => (text ? text.slice(0, 16).replace("T", " ") + " UTC" : "");
// What is told as distances, as what it was.
function sums(distances) { let total = 0; return distances.map((step) => (total += step)); }
const median = (numbers) => {
  const sorted = numbers.filter((n) => n !== null && n !== undefined).sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor(sorted.length / 2)] : null;
};
