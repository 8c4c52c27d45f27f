// The graph: raw files to marts and exports. It opens at one table with its neighbours; all of it is laid out in a worker.
const NEAR = 60;

function graphPage(rest) {
  const [kind, name] = rest || [];
  const start = report.tables.find((table) => table.state === "failed") || report.tables.find((table) => table.k !== "source" && table.state === "changed") || report.tables[report.tables.length - 1];
  const chosen = kind === "around" && report.byName.has(name) ? name : start?.n;
  return [el("h1", null, "Graph"), el("p", { class: "lead" }, "From raw files to marts and exports. What failed is red, what waits is amber and dashed, what the last night built is blue."),
    chosen ? graphBox(kind === "all" ? { all: true } : kind === "folders" ? { folders: true } : { around: chosen }, true) : el("p", null, "There is no table yet.")];
}

// `view` is {around: table}, {folders: true} or {all: true}.
function graphBox(view, withTools) {
  const drawing = svg("svg", { role: "group", "aria-label": graphTitle(view) });
  const status = el("p", { class: "small", "aria-live": "polite" });
  const box = el("div", { class: "graph" }, drawing, el("div", { class: "tools" },
    el("button", { type: "button", "aria-label": "Closer", onclick: () => box.zoom?.(1 / 1.3) }, "+"),
    el("button", { type: "button", "aria-label": "Further away", onclick: () => box.zoom?.(1.3) }, "−"),
    el("button", { type: "button", onclick: () => box.fit?.() }, "Fit")));
  showGraph(box, drawing, status, view);
  const choose = el("select", { "aria-label": "Table", oninput: (event) => { location.hash = place("graph", "around") + "/" + encodeURIComponent(event.target.value); } },
    report.tables.map((table) => el("option", { value: table.n, selected: table.n === view.around }, table.n)));
  const button = (text, hash, pressed) => el("button", { type: "button", "aria-pressed": pressed ? "true" : "false", onclick: () => { location.hash = hash; } }, text);
  return [withTools ? el("div", { class: "filters" }, choose, button("By folder", "#graph/folders", view.folders), button("Every table", "#graph/all", view.all)) : null, box, status,
    el("p", { class: "key" }, el("span", null, "A line is rows that are read. Click a table to go to it; drag to move, Ctrl and the wheel to zoom."))];
}

const graphTitle = (view) => (view.all ? "Graph of all tables" : view.folders ? "Graph of folders" : `${view.around} with its neighbours`);

async function showGraph(box, drawing, status, view) {
  const { nodes, edges } = view.all ? wholeGraph() : view.folders ? folderGraph() : nearGraph(view.around);
  const many = nodes.length > NEAR;
  status.textContent = many ? `Laying out ${counted(nodes.length, "node")} …` : `${counted(nodes.length, "node")}, ${counted(edges.length, "line")}.`;
  const began = performance.now();
  const found = many ? await laidOutAside(nodes, edges) : layoutOf(nodes, edges);
  drawGraph(box, drawing, nodes, edges, found, view);
  box.dataset.milliseconds = Math.round(performance.now() - began);
  status.textContent = `${counted(nodes.length, "node")}, ${counted(edges.length, "line")}.`;
}

let worker = null;
function laidOutAside(nodes, edges) {
  if (!worker) {
    const text = document.getElementById("layout").textContent;
    worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  }
  return new Promise((resolve) => {
    worker.onmessage = (event) => resolve(event.data);
    worker.onerror = () => resolve(layoutOf(nodes, edges));
    worker.postMessage({ nodes: nodes.map(({ id, width, height }) => ({ id, width, height })), edges });
  });
}

function nodeOf(table) {
  return { id: table.n, label: table.n, kind: table.k === "source" ? "source" : table.k, state: table.state, href: place(table.n), width: Math.max(table.n.length * 7.4 + 22, 90), height: 40 };
}
const fileNode = (table) => ({ id: `file ${table.n}`, label: cutText(table.place, 34), kind: "file", state: "", href: place(table.n), width: Math.min(table.place.length, 34) * 7.4 + 22, height: 40 });
const exportNode = (table) => ({ id: `export ${table.n}`, label: `${table.n} (Parquet)`, kind: "export", state: "", href: place(table.n), width: (table.n.length + 10) * 7.4 + 22, height: 40 });
const cutText = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);

function wholeGraph() {
  const nodes = [];
  const edges = [];
  for (const table of report.tables) {
    nodes.push(nodeOf(table));
    for (const read of new Set(table.r)) if (report.byName.has(read)) edges.push({ from: read, to: table.n });
    if (table.k === "source") { nodes.push(fileNode(table)); edges.push({ from: `file ${table.n}`, to: table.n }); }
    if (table.x) { nodes.push(exportNode(table)); edges.push({ from: table.n, to: `export ${table.n}` }); }
  }
  return { nodes, edges };
}

function nearGraph(name) {
  const near = new Set([name]);
  const table = report.byName.get(name);
  // two steps to where it comes from and one to where it goes, as long as there is room
  const around = [...table.r, ...(report.readers.get(name) || [])];
  const further = table.r.flatMap((read) => report.byName.get(read)?.r || []);
  for (const one of [...around, ...further]) if (report.byName.has(one) && near.size < NEAR - 10) near.add(one);
  const whole = wholeGraph();
  const ids = new Set([...near, ...[...near].flatMap((one) => [`file ${one}`, `export ${one}`])]);
  return { nodes: whole.nodes.filter((node) => ids.has(node.id)), edges: whole.edges.filter((edge) => ids.has(edge.from) && ids.has(edge.to)) };
}

function folderGraph() {
  const nodes = new Map();
  const edges = new Map();
  for (const table of report.tables) {
    const schema = schemaOf(table.n);
    const known = nodes.get(schema) || { id: schema, kind: "folder", tables: 0, state: "", href: "#graph/all", height: 40 };
    known.tables += 1;
    known.state = [known.state, table.state].includes("failed") ? "failed" : known.state || table.state;
    nodes.set(schema, known);
    for (const read of table.r) {
      const from = schemaOf(read);
      if (from !== schema && report.byName.has(read)) edges.set(`${from} ${schema}`, { from, to: schema });
    }
  }
  const list = [...nodes.values()].map((node) => ({ ...node, label: node.id, note: counted(node.tables, "table"), width: Math.max(node.id.length * 7.4 + 30, 110) }));
  return { nodes: list, edges: [...edges.values()] };
}

function drawGraph(box, drawing, nodes, edges, found, view) {
  const smooth = (points) => {
    const [first, ...rest] = points;
    let path = `M${first.x},${first.y}`;
    for (let at = 0; at < rest.length - 1; at += 1) {
      const [here, next] = [rest[at], rest[at + 1]];
      path += at === rest.length - 2 ? `Q${here.x},${here.y} ${next.x},${next.y}` : `Q${here.x},${here.y} ${(here.x + next.x) / 2},${(here.y + next.y) / 2}`;
    }
    return rest.length === 1 ? `${path}L${rest[0].x},${rest[0].y}` : path;
  };
  const lines = edges.map((edge, at) => svg("path", { class: "edge", d: smooth(found.edges[at]), "marker-end": "url(#arrow)", "data-from": edge.from, "data-to": edge.to }));
  const boxes = nodes.map((node, at) => {
    const { x, y } = found.nodes[at];
    const note = node.note || (node.state ? `${node.kind}, ${STATES[node.state]}` : node.kind);
    return svg("g", { class: `node ${node.kind} ${node.state} ${node.id === view.around ? "here" : ""}`, transform: `translate(${x - node.width / 2},${y - node.height / 2})` },
      svg("a", { href: node.href, onfocus: () => light(drawing, node.id), onmouseenter: () => light(drawing, node.id), onmouseleave: () => light(drawing, null) },
        svg("title", null, node.label), svg("rect", { width: node.width, height: node.height, rx: 7 }),
        svg("text", { x: 11, y: 17 }, node.label), svg("text", { x: 11, y: 32, class: "kind" }, ` ${note}`)));
  });
  const arrow = svg("defs", null, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: "7", refY: "4", markerWidth: "7", markerHeight: "7", orient: "auto" }, svg("path", { d: "M0,0L8,4L0,8z", class: "arrow" })));
  drawing.replaceChildren(arrow, ...lines, ...boxes);
  movable(box, drawing, found);
}

function light(drawing, id) {
  for (const line of drawing.querySelectorAll(".edge")) line.classList.toggle("lit", line.dataset.from === id || line.dataset.to === id);
}

// Zoom by buttons, wheel with Ctrl, and pinch; move by dragging.
function movable(box, drawing, found) {
  let frame = { x: 0, y: 0, width: found.width, height: found.height };
  const apply = () => drawing.setAttribute("viewBox", `${frame.x} ${frame.y} ${frame.width} ${frame.height}`);
  box.fit = () => {
    const few = Math.min(found.height + 30, 560);
    drawing.style.height = `${Math.max(few, 180)}px`;
    // small graphs keep their size, and do not fill the frame with two boxes
    const wide = Math.max(found.width, Math.min(drawing.clientWidth || 900, 1200));
    frame = { x: -(wide - found.width) / 2, y: 0, width: wide, height: found.height };
    apply();
  };
  box.zoom = (by, cx = 0.5, cy = 0.5) => {
    frame = { x: frame.x + frame.width * (1 - by) * cx, y: frame.y + frame.height * (1 - by) * cy, width: frame.width * by, height: frame.height * by };
    apply();
  };
  box.fit();
  requestAnimationFrame(() => box.fit());
  drawing.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const area = drawing.getBoundingClientRect();
    box.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, (event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height);
  }, { passive: false });
  const fingers = new Map();
  drawing.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, event); });
  addEventListener("pointerup", (event) => fingers.delete(event.pointerId));
  drawing.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const scale = frame.width / (drawing.clientWidth || 1);
    if (fingers.size === 2) {
      const other = [...fingers.values()].find((one) => one.pointerId !== event.pointerId);
      const apart = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
      box.zoom(apart(before, other) / apart(event, other));
    } else {
      frame = { ...frame, x: frame.x - (event.clientX - before.clientX) * scale, y: frame.y - (event.clientY - before.clientY) * scale };
      apply();
    }
    fingers.set(event.pointerId, event);
  });
}
