// The part of the report that answers to the reader: confusion, classes, maps and failures of the chosen variant.
const data = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");
const percent = share => (100 * share).toFixed(1) + "\u00a0%";
const made = (tag, options = {}, ...children) => { const node = Object.assign(document.createElement(tag), options); node.append(...children); return node; };

function say(event, text) {
  if (!text) { tip.style.display = "none"; return; }
  tip.textContent = text; tip.style.display = "block";
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6)) + "px";
  tip.style.top = Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 6) + "px";
}
function follow(canvas, textAt) {
  canvas.addEventListener("pointermove", event => { const box = canvas.getBoundingClientRect(); say(event, textAt(event.clientX - box.left, event.clientY - box.top)); });
  canvas.addEventListener("pointerdown", event => { const box = canvas.getBoundingClientRect(); say(event, textAt(event.clientX - box.left, event.clientY - box.top)); });
  canvas.addEventListener("pointerleave", event => say(event, ""));
}
function sized(canvas, width, height) {
  const dense = devicePixelRatio || 1;
  canvas.width = Math.round(width * dense); canvas.height = Math.round(height * dense);
  canvas.style.width = width + "px"; canvas.style.height = height + "px";
  const brush = canvas.getContext("2d");
  brush.setTransform(dense, 0, 0, dense, 0, 0);
  return brush;
}
const tested = variant => data.classes.map((_, row) => {
  const counts = variant.confusion.slice(row * data.classes.length, (row + 1) * data.classes.length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return { row, name: data.classes[row], counts, total, recall: total ? counts[row] / total : null };
});

function confusion(section, variant) {
  const canvas = section.querySelector(".confusion"), frame = canvas.parentElement;
  const order = section.querySelector(".order"), zoom = section.querySelector(".zoom");
  const rows = tested(variant);
  const orders = {
    number: (a, b) => a.row - b.row,
    name: (a, b) => a.name.localeCompare(b.name),
    recall: (a, b) => (a.recall ?? 2) - (b.recall ?? 2) || a.row - b.row,
    clips: (a, b) => b.total - a.total || a.row - b.row,
  };
  let cell, margin, sorted;
  const draw = () => {
    sorted = [...rows].sort(orders[order.value]);
    const fit = Math.max(3, Math.min(46, (frame.clientWidth - 4 - 120) / sorted.length));
    cell = fit * 2 ** (zoom.value / 10);
    const readable = cell >= 9.5, font = Math.min(12, cell * 0.86);
    const brush = sized(canvas, 10, 10);
    brush.font = `${font}px system-ui, sans-serif`;
    margin = readable ? Math.min(170, Math.max(...rows.map(row => brush.measureText(row.name).width)) + 10) : 12;
    const side = margin + cell * sorted.length;
    const pen = sized(canvas, side + 4, side + 4);
    pen.font = `${font}px system-ui, sans-serif`;
    const [ink, good, bad, line] = ["--ink", "--good", "--bad", "--line"].map(colour);
    sorted.forEach((truth, down) => sorted.forEach((guess, across) => {
      const share = truth.total ? truth.counts[guess.row] / truth.total : 0;
      const [x, y] = [margin + across * cell, margin + down * cell];
      if (share > 0) {
        pen.globalAlpha = 0.12 + 0.88 * Math.sqrt(share);
        pen.fillStyle = guess === truth ? good : bad;
        pen.fillRect(x, y, cell - 0.6, cell - 0.6);
        pen.globalAlpha = 1;
        if (cell >= 26) {
          pen.fillStyle = share > 0.3 ? colour("--paper") : ink; pen.textAlign = "center"; pen.textBaseline = "middle";
          pen.fillText(Math.round(100 * share), x + cell / 2, y + cell / 2);
        }
      } else if (cell > 6) { pen.fillStyle = line; pen.globalAlpha = 0.45; pen.fillRect(x, y, cell - 0.6, cell - 0.6); pen.globalAlpha = 1; }
    }));
    if (readable) {
      pen.fillStyle = ink; pen.textBaseline = "middle";
      sorted.forEach((row, at) => {
        pen.textAlign = "right";
        pen.fillText(row.name, margin - 5, margin + (at + 0.5) * cell, margin - 8);
        pen.save(); pen.translate(margin + (at + 0.5) * cell, margin - 5); pen.rotate(-Math.PI / 2); pen.textAlign = "left";
        pen.fillText(row.name, 0, 0, margin - 8); pen.restore();
      });
    }
  };
  follow(canvas, (x, y) => {
    const [across, down] = [x, y].map(at => Math.floor((at - margin) / cell));
    if (across < 0 || down < 0 || !sorted[across] || !sorted[down]) return "";
    const [truth, guess] = [sorted[down], sorted[across]], count = truth.counts[guess.row];
    const verb = truth === guess ? "recognised" : `taken for “${guess.name}”`;
    return `“${truth.name}” ${verb}: ${count} of ${truth.total}` + (truth.total ? ` (${percent(count / truth.total)})` : "");
  });
  order.onchange = zoom.oninput = draw;
  draw();
  return draw;
}

function classTable(section, variant) {
  const body = section.querySelector(".classes tbody"), head = section.querySelectorAll(".classes thead button");
  const rows = tested(variant).filter(row => row.total).map(row => {
    const taken = row.counts.map((count, guess) => ({ count, guess })).filter(item => item.count && item.guess !== row.row);
    taken.sort((a, b) => b.count - a.count);
    return { ...row, taken, first: taken[0]?.count / row.total || 0 };
  });
  const keys = [row => row.name, row => row.total / variant.seeds, row => row.recall, row => row.first];
  const draw = (column, up) => {
    const key = keys[column];
    rows.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.row - b.row) * (up ? 1 : -1));
    head.forEach((button, at) => at === column ? button.setAttribute("aria-sort", up ? "ascending" : "descending") : button.removeAttribute("aria-sort"));
    body.replaceChildren(...rows.map(row => made("tr", {},
      made("td", { textContent: row.name }),
      made("td", { textContent: row.total / variant.seeds }),
      made("td", { className: "left" }, Object.assign(made("span", { className: "bar" }), { style: `width:${Math.max(1, 90 * row.recall)}px` }), percent(row.recall)),
      made("td", { className: "left wrap", textContent: row.taken.slice(0, 3).map(item => `${data.classes[item.guess]} ${percent(item.count / row.total)}`).join(", ") || "nothing else" }))));
  };
  head.forEach((button, column) => { button.onclick = () => draw(column, button.getAttribute("aria-sort") !== "ascending"); });
  draw(2, true);
}

function plane(section, variant) {
  const canvas = section.querySelector(".map"), map = variant.map;
  if (!canvas || !map) return () => {};
  const legend = section.querySelector(".map-legend"), buttons = section.querySelectorAll(".by button");
  const names = { class: value => data.classes[value], view: value => value ? `view ${value}` : "unknown view", subject: value => value ? `subject ${value}` : "unknown subject", part: value => value ? "test" : "training" };
  const columns = { class: map.label, view: map.view, subject: map.subject, part: map.test };
  let by = "class", only = null, side;
  const hues = values => { const sorted = [...new Set(values)].sort((a, b) => a - b); return new Map(sorted.map((value, at) => [value, sorted.length <= 8 ? colour(`--s${at}`) : `hsl(${(at * 137.5) % 360} ${at % 2 ? 70 : 55}% ${[50, 62, 42][at % 3]}%)`])); };
  const place = at => [10 + map.x[at] / 1000 * (side - 20), 10 + (1000 - map.y[at]) / 1000 * (side - 20)];
  const draw = () => {
    const frame = canvas.parentElement;
    side = Math.max(220, Math.min(560, frame.clientWidth - 2 * parseFloat(getComputedStyle(frame).paddingLeft)));
    const brush = sized(canvas, side, side), column = columns[by], paint = hues(column);
    map.x.forEach((_, at) => {
      const on = only === null || only === column[at];
      brush.globalAlpha = on ? 0.85 : 0.08;
      brush.strokeStyle = brush.fillStyle = paint.get(column[at]);
      brush.lineWidth = 1.2;
      brush.beginPath(); brush.arc(...place(at), 3, 0, 7);
      map.test[at] ? brush.fill() : brush.stroke();
    });
    brush.globalAlpha = 1;
    legend.classList.toggle("long", paint.size > 14);
    legend.replaceChildren(...[...paint].map(([value, tone]) => {
      const button = made("button", { type: "button" }, Object.assign(made("i"), { style: `background:${tone}` }), names[by](value));
      button.setAttribute("aria-pressed", only === value);
      button.onclick = () => { only = only === value ? null : value; draw(); };
      return made("li", {}, button);
    }));
    buttons.forEach(button => button.setAttribute("aria-pressed", button.value === by));
  };
  buttons.forEach(button => { button.onclick = () => { by = button.value; only = null; draw(); }; });
  follow(canvas, (x, y) => {
    let best = 12 ** 2, near = -1;
    map.x.forEach((_, at) => { const [a, b] = place(at), far = (a - x) ** 2 + (b - y) ** 2; if (far < best) [best, near] = [far, at]; });
    return near < 0 ? "" : Object.entries(columns).map(([key, column]) => names[key](column[near])).join(", ");
  });
  draw();
  return draw;
}

const redraws = new Map();
function open(key) {
  document.querySelectorAll("section.variant").forEach(section => { section.hidden = section.dataset.key !== key; });
  document.querySelectorAll(".tabs button").forEach(button => button.setAttribute("aria-selected", button.value === key));
  fill(key);
}
function fill(key) {
  if (redraws.has(key)) { redraws.get(key).forEach(draw => draw()); return; }
  const variant = data.variants.find(item => item.key === key), section = document.querySelector(`section.variant[data-key="${key}"]`);
  classTable(section, variant);
  const figures = [...section.querySelectorAll(".clips canvas")].map((canvas, at) => new StickFigure(canvas, variant.worst[at].figure, variant.edges));
  redraws.set(key, [confusion(section, variant), plane(section, variant), () => figures.forEach(figure => figure.draw())]);
}
const chosen = () => document.querySelector(".tabs button[aria-selected=true]").value;
document.querySelectorAll(".tabs button").forEach(button => { button.onclick = () => open(button.value); });
if (data.variants.length) open(data.variants[0].key);
let waiting;
addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => fill(chosen()), 120); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => fill(chosen()));
let before;
addEventListener("beforeprint", () => { before = chosen(); data.variants.forEach(item => open(item.key)); document.querySelectorAll("section.variant").forEach(section => { section.hidden = false; }); });
addEventListener("afterprint", () => open(before));
