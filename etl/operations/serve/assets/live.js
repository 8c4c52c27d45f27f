// A run under way: its steps and its log as they come. What comes is text, and is never read as HTML.
(function () {
  "use strict";
  const place = document.getElementById("live");
  if (!place) return;
  const log = document.getElementById("log");
  const body = document.querySelector("#steps tbody");
  const kinds = [...document.querySelectorAll("#steps thead th")].map((head) => head.className);
  const state = document.getElementById("state");
  const source = new EventSource(place.dataset.events);
  const cell = (tag, text, kind) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  source.addEventListener("line", (event) => {
    const line = JSON.parse(event.data);
    const isBelow = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.append(cell("span", line.text + "\n", line.level));
    while (log.childNodes.length > 2000) log.firstChild.remove();
    if (isBelow) log.scrollTop = log.scrollHeight;
  });
  source.addEventListener("steps", (event) => {
    const rows = JSON.parse(event.data).map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells.map((text, place) => cell(place ? "td" : "th", text, kinds[place])));
      return row;
    });
    body.replaceChildren(...rows);
  });
  source.addEventListener("end", () => { source.close(); location.reload(); });
  source.onopen = () => { state.textContent = "connected"; };
  source.onerror = () => { state.textContent = "not connected; trying again"; };
})();
