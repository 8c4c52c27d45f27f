// The page behind `#`: a page's name, a table, or a column of one. Links to tables outlive the report.
const PAGES = { history: historyPage, tables: tablesPage, graph: graphPage, quality: qualityPage, changes: changesPage, learned: learnedPage };

function wantedPlace() {
  const text = location.hash.slice(1);
  const [head, ...rest] = text.split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  if (!text || head === "night" || head === "main") return { page: "night" };
  // `graph.around/…` is written by place() for any name
  const [name, how] = head.split(".");
  if (name === "graph" && !report.byName.has(head)) return { page: "graph", rest: how ? [how, ...rest] : rest };
  // so is `learned.NAME`, of one model
  if (name === "learned" && how && !report.byName.has(head)) return { page: "learned", rest: decodeSafe(text).slice(name.length + 1) };
  if (PAGES[head]) return { page: head };
  const key = decodeSafe(text);
  if (report.byName.has(key)) return { page: "tables", table: report.byName.get(key) };
  // a check has no page of its own; the one of a column is told from the column by its name, which comes first
  if (report.checks.some((check) => check.n === key) && !isColumn(key)) return { page: "quality", rest: key };
  for (let cut = key.lastIndexOf("."); cut > 0; cut = key.lastIndexOf(".", cut - 1)) {
    const table = report.byName.get(key.slice(0, cut));
    const column = key.slice(cut + 1);
    if (table) return { page: "tables", table, column: table.c.some((one) => one[0] === column) ? column : null };
  }
  return { page: "lost", text: key };
}
const isColumn = (key) => report.tables.some((table) => key.startsWith(table.n + ".") && table.c.some((one) => one[0] === key.slice(table.n.length + 1)));
const decodeSafe = (text) => { try { return decodeURIComponent(text); } catch { return text; } };

function show(isFirst) {
  const wanted = wantedPlace();
  const page = document.getElementById("page");
  const isNight = wanted.page === "night";
  document.getElementById("page-night").hidden = !isNight;
  page.hidden = isNight;
  for (const item of document.querySelectorAll("nav a")) {
    if (item.getAttribute("href") === "#" + wanted.page) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  const content = isNight ? [] : wanted.table ? tablePage(wanted.table, wanted.column)
    : wanted.page === "lost" ? [el("h1", null, `There is no table or column ${wanted.text}`), el("p", null, "It may have another name now. ", el("a", { href: "#tables" }, "All tables"))]
      : PAGES[wanted.page](wanted.rest);
  page.replaceChildren(...content.flat(Infinity).filter(Boolean));
  const title = (isNight ? document.getElementById("night-title") : page.querySelector("h1"))?.textContent || "";
  document.title = `${title} · ${report.project.name}`;
  if (!isFirst) scrollTo(0, 0);
  if (!isFirst) document.getElementById("main").focus({ preventScroll: true });
}

function age() {
  const hours = (Date.now() - Date.parse(report.written)) / 3600000;
  if (hours < 26) return;
  const words = hours < 48 ? `${Math.round(hours)} hours` : `${Math.round(hours / 24)} days`;
  document.querySelector("#page-night .verdict").before(el("p", { class: "problem amber", role: "note" }, `This report is ${words} old: no night has written it since. Is the night scheduled, and does it run?`));
}

async function start() {
  document.documentElement.classList.add("js");
  document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); document.getElementById("main").focus(); });
  if (typeof DecompressionStream === "undefined") {
    document.documentElement.classList.remove("js");
    document.getElementById("main").prepend(el("p", { class: "problem amber" }, "This browser is too old for the other pages of the report; this one is whole."));
    return;
  }
  await unpack();
  age();
  show(true);
  addEventListener("hashchange", () => show(false));
  startSearch();
  document.documentElement.dataset.ready = Math.round(performance.now());
  (window.requestIdleCallback || ((then) => setTimeout(then, 200)))(() => { indexed(); document.documentElement.dataset.searchable = Math.round(performance.now()); });
}
start();
