// SQL in colours: a dozen kinds of words, none of which is more than a text.
const KEYWORDS = new Set(("all and any as asc between by case cast cross current date desc distinct else end except " +
  "exclude exists false filter following from full group having if in inner intersect interval is join last lateral " +
  "left like limit not null nulls on or order outer over partition pivot preceding qualify range recursive replace " +
  "right row rows select set then timestamp true unbounded union unnest unpivot using values when where window with " +
  "import def return lambda for while class").split(" "));
const WORD = /(--[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^']|'')*')|("(?:[^"]|"")*")|(\b\d[\d_.]*(?:e[+-]?\d+)?\b)|([A-Za-z_]\w*)|[\s\S]/gi;

function highlighted(text) {
  const block = el("pre", { class: "sql", tabindex: "0", "aria-label": "SQL", role: "region" });
  let plain = "";
  const flush = () => { if (plain) block.append(plain); plain = ""; };
  for (const [all, comment, string, , number, word] of text.matchAll(WORD)) {
    const kind = comment ? "c" : string ? "s" : number ? "n" : word && KEYWORDS.has(word.toLowerCase()) ? "k" : "";
    if (!kind) { plain += all; continue; }
    flush();
    block.append(el("span", { class: kind }, all));
  }
  flush();
  return block;
}
