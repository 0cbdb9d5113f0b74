// The table of results: sorted by a column, filtered by family and group, with the columns that were chosen, copied.
const number = text => parseFloat(text.replaceAll(",", ""));

// Rows of texts to paste elsewhere. `rows` are {cells} or, for the heading of a table, {heading}.
const writers = {
  CSV(titles, rows) {
    // A mean and its deviation are two columns; a dash is an empty cell; a spreadsheet reads no formula.
    const split = titles.map((_, at) => rows.some(row => row.cells?.[at].includes(" ± ")));
    const quoted = text => /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    const safe = text => text === "-" ? "" : /^[=+@\t]|^-(?![\d.])/.test(text) ? `'${text}` : text;
    const line = (cells, ends) => cells.flatMap((cell, at) => split[at] ? ends(cell) : [cell]).map(safe).map(quoted).join(",");
    const plain = text => /^[\d,.]+( ± [\d.]+)?$/.test(text) ? text.replaceAll(",", "") : text;
    return [line(titles, title => [title, `${title} deviation`]),
      ...rows.filter(row => row.cells).map(row => line(row.cells.map(plain), cell => [...cell.split(" ± "), ""].slice(0, 2)))].join("\n") + "\n";
  },
  Markdown(titles, rows) {
    const safe = text => text.replace(/[\\`*[\]#|~$]|\b_\B|\B_\b/g, "\\$&").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    const line = cells => `| ${cells.map(safe).join(" | ")} |`;
    return [line(titles), `| --- |${" ---: |".repeat(titles.length - 1)}`, ...rows.filter(row => row.cells).map(row => line(row.cells))].join("\n") + "\n";
  },
  LaTeX(titles, rows) {
    const names = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$", "<": "$<$", ">": "$>$", "|": "$|$" };
    const safe = text => text.replace(/[\\~^±<>|&%$#_{}]/g, found => names[found] ?? `\\${found}`).replace(/(\d)-(\d)/g, "$1--$2");
    const line = cells => `${cells.map(safe).join(" & ")} \\\\`;
    const body = rows.map((row, at) => row.cells ? line(row.cells) : `${at ? "\\midrule\n" : ""}\\multicolumn{${titles.length}}{l}{${safe(row.heading)}} \\\\`);
    return ["% \\usepackage{booktabs}", `\\begin{tabular}{l${"r".repeat(titles.length - 1)}}`, "\\toprule", line(titles), "\\midrule", ...body, "\\bottomrule", "\\end{tabular}"].join("\n") + "\n";
  },
};

async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* No clipboard on this page: by the selection. */ }
  const area = made("textarea", { value: text });
  document.body.append(area); area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

function resultsTable(table, tools) {
  const heads = [...table.tHead.rows[0].cells], titles = heads.map(head => head.textContent);
  const bodies = [...table.tBodies].map(body => ({ body, heading: body.rows[0], rows: [...body.rows].slice(1) }));
  const every = bodies.flatMap(item => item.rows);
  const grouped = tools.querySelector("#results-grouped"), status = tools.querySelector("[role=status]");
  const filters = [...tools.querySelectorAll("select")], boxes = [...tools.querySelectorAll(".menu input")];
  const text = cell => (cell.querySelector("span") ?? cell).textContent;
  let by = null, up = false;
  const before = (a, b) => {
    const [first, second] = [a, b].map(row => text(row.cells[by]));
    if (heads[by].classList.contains("text")) return first.localeCompare(second) * (up ? 1 : -1);
    const [x, y] = [first, second].map(number);
    // What is not known comes last.
    return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : (x - y) * (up ? 1 : -1);
  };
  const shown = row => filters.every(filter => !filter.value || row.dataset[filter.dataset.by] === filter.value);
  const sorted = rows => by === null ? rows : [...rows].sort((a, b) => before(a, b) || every.indexOf(a) - every.indexOf(b));
  const parts = () => grouped.checked ? bodies.map(({ body, heading, rows }) => ({ body, heading, rows: sorted(rows) }))
    : bodies.map(({ body }, at) => ({ body, rows: at ? [] : sorted(every) }));
  const draw = () => {
    for (const { body, heading, rows } of parts()) {
      const seen = rows.filter(shown);
      body.replaceChildren(...(heading && seen.length ? [heading] : []), ...seen);
    }
    heads.forEach((head, at) => at === by ? head.setAttribute("aria-sort", up ? "ascending" : "descending") : head.removeAttribute("aria-sort"));
    const count = every.filter(shown).length;
    status.textContent = count < every.length ? `${count} of ${every.length} variants` : "";
  };
  const visible = at => !heads[at].hidden;
  const chosen = () => {
    const of = row => ({ cells: [...row.cells].map(text).filter((_, at) => visible(at)) });
    return parts().flatMap(({ heading, rows }) => {
      const seen = rows.filter(shown);
      return [...(heading && seen.length ? [{ heading: text(heading.cells[0]) }] : []), ...seen.map(of)];
    });
  };
  heads.forEach((head, at) => {
    const button = made("button", { type: "button", textContent: titles[at] });
    // Names begin with a, numbers with the largest.
    button.onclick = () => { up = by === at ? !up : head.classList.contains("text"); by = at; draw(); };
    head.replaceChildren(button);
  });
  [grouped, ...filters].forEach(input => { input.onchange = draw; });
  boxes.forEach(box => { box.onchange = () => [heads, ...every.map(row => row.cells)].forEach(cells => { cells[box.value].hidden = !box.checked; }); });
  tools.querySelectorAll(".row button").forEach(button => {
    button.onclick = async () => {
      const done = await copy(writers[button.value](titles.filter((_, at) => visible(at)), chosen()));
      status.textContent = done ? `Copied as ${button.value}.` : "The browser refused to copy.";
    };
  });
  tools.hidden = false;
}
const results = document.getElementById("results");
if (results) resultsTable(results, document.getElementById("results-tools"));
