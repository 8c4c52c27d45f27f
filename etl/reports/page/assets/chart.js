// Charts: uPlot's, in our colours, each with a sentence and a table for those who do not see it; and small ones in SVG.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];
const drawn = new Set();
// Steps of an axis of seconds.
const TIMES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400];

function said(name, x, values, show) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (!known.length) return `${name}: nothing is known.`;
  const sorted = [...known].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.floor(sorted.length * 0.1)], sorted[Math.floor((sorted.length - 1) * 0.9)]];
  return `${name}: last ${show(known[known.length - 1])}, usually ${show(low)} to ${show(high)}.`;
}

// `series` are {name, values, bars}; `x` are seconds since 1970.
function chart(title, x, series, show, options = {}) {
  const box = el("div", { "aria-hidden": "true" });
  const shown = options.said || series.slice(0, 2).map((one) => said(one.name, x, one.values, show)).join(" ");
  const rows = () => {
    const places = x.map((_, at) => at).slice(-30).reverse();
    return grid(title, ["day", ...series.map((one) => "#" + one.name)],
      places.map((at) => [dayText(Math.floor(x[at] / DAY)), ...series.map((one) => show(one.values[at]))]));
  };
  const details = el("details", null, el("summary", null, "As a table"));
  details.addEventListener("toggle", () => { if (details.open && details.children.length < 2) details.append(rows()); });
  const figure = el("figure", { class: "card" }, el("figcaption", null, title), el("p", { class: "said" }, shown),
    x.length > 1 ? box : el("p", { class: "small" }, "There are too few nights for a chart yet."), details);
  if (x.length > 1) whenSeen(box, () => draw(box, x, series, show, options));
  return figure;
}

// A chart that nobody has scrolled to is not drawn.
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) { seen.unobserve(entry.target); entry.target.dispatchEvent(new Event("seen")); }
  }
}, { rootMargin: "300px" });
function whenSeen(node, then) { node.addEventListener("seen", then, { once: true }); seen.observe(node); node.style.minHeight = "210px"; }

function draw(box, x, series, show, options) {
  const ink = colour("--soft");
  const axis = { stroke: ink, grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
    font: "11px ui-sans-serif, system-ui, sans-serif" };
  const stacked = options.stacked ? stack(series) : series.map((one) => one.values);
  const lines = series.map((one, at) => {
    const stroke = colour(COLOURS[at % COLOURS.length]);
    const bars = (one.bars && x.length <= 90) || options.stacked ? uPlot.paths.bars({ size: [0.8, 26], align: 0 }) : undefined;
    return { label: one.name, stroke, width: bars ? 0 : 1.5, fill: bars ? stroke : series.length === 1 ? stroke + "22" : undefined, paths: bars, spanGaps: true,
      points: { show: bars ? false : x.length < 60, size: 4, fill: stroke },
      value: (_, __, ___, index) => (index === null ? "" : show(one.values[index]) || "–") };
  });
  // of bars on each other the highest is drawn first
  const order = options.stacked ? lines.map((_, at) => at).reverse() : lines.map((_, at) => at);
  const plot = new uPlot({
    width: Math.max(box.clientWidth, 200), height: 190, padding: [8, 8, 0, 0], legend: { live: true }, cursor: { y: false },
    scales: { x: { time: true, range: (_, low, high) => (high - low < 3 * DAY ? [low - 1.5 * DAY, high + 1.5 * DAY] : [low, high]) }, y: { range: (_, low, high) => [Math.min(0, low), high > low ? high * 1.05 : (high || 1) * 1.2] } },
    // until somebody points at a night, the last one's values are shown
    hooks: { ready: [(self) => self.setLegend({ idx: x.length - 1 })] },
    axes: [axis, { ...axis, size: 62, ...(show === lasting ? { incrs: TIMES } : {}), values: (_, ticks) => ticks.map(show === lasting ? lastingShort : show) }],
    series: [{ value: (_, at) => (at === null ? "" : dayText(Math.floor(at / DAY))), label: "Day" }, ...order.map((at) => lines[at])],
  }, [x, ...order.map((at) => stacked[at])], box);
  const size = new ResizeObserver(() => {
    if (!box.isConnected) { size.disconnect(); plot.destroy(); drawn.delete(again); return; }
    if (box.clientWidth && Math.abs(box.clientWidth - plot.width) > 1) plot.setSize({ width: box.clientWidth, height: 190 });
  });
  const again = () => { size.disconnect(); plot.destroy(); drawn.delete(again); if (box.isConnected) draw(box, x, series, show, options); };
  drawn.add(again);
  size.observe(box);
}

function stack(series) {
  const below = series[0].values.map(() => 0);
  return series.map((one) => one.values.map((value, at) => (below[at] += value || 0)));
}

// canvas does not follow the colours of the page by itself
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => [...drawn].forEach((again) => again()));

function spark(values, name, width = 110, height = 24) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (known.length < 2) return null;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const y = (value) => height - 2 - ((value - low) / (high - low || 1)) * (height - 4);
  const points = known.map((value, at) => `${((at / (known.length - 1)) * width).toFixed(1)},${y(value).toFixed(1)}`);
  return svg("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${name}: from ${short(known[0])} to ${short(known[known.length - 1])}` }, svg("polyline", { points: points.join(" ") }));
}

// A distribution: `shares` are digits, 9 for the highest bar.
function bars(shares, name, width = 84, height = 22) {
  const step = width / shares.length;
  return svg("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name },
    [...shares].map((digit, at) => {
      const tall = Math.max((Number(digit) / 9) * (height - 1), 0.8);
      return svg("rect", { class: "bar", x: (at * step).toFixed(1), width: Math.max(step - 1, 1).toFixed(1), y: (height - tall).toFixed(1), height: tall.toFixed(1) });
    }));
}
