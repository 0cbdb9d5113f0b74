// The confusion matrix of one variant. The canvas is as large as its frame and draws the cells that are scrolled to, so
// that names stay in sight and no zoom is too large for it.
const SMALLEST = 10.5, LARGEST = 64;

const tested = variant => data.classes.map((name, row) => {
  const counts = variant.confusion.slice(row * data.classes.length, (row + 1) * data.classes.length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return { row, name, counts, total, recall: total ? counts[row] / total : null };
});
const orders = {
  number: (a, b) => a.row - b.row,
  name: (a, b) => a.name.localeCompare(b.name),
  recall: (a, b) => (a.recall ?? 2) - (b.recall ?? 2) || a.row - b.row,
  clips: (a, b) => b.total - a.total || a.row - b.row,
};

function confusion(section, variant) {
  const canvas = section.querySelector(".confusion"), frame = canvas.parentElement, room = frame.querySelector(".room");
  const [unit, order, zoom] = [".unit", ".order", ".zoom"].map(name => section.querySelector(name));
  const rows = tested(variant), font = "system-ui, sans-serif";
  canvas.setAttribute("aria-label", told(rows, variant));
  let cell, margin, sorted, left, top;
  const draw = () => {
    const printing = document.documentElement.classList.contains("printing");
    sorted = [...rows].sort(orders[order.value]);
    const width = printing ? 680 : frame.clientWidth, most = printing ? width : Math.min(width, innerHeight * 0.84);
    let pen = sized(canvas, 10, 10);
    pen.font = `12px ${font}`;
    margin = Math.min(170, width * 0.3, Math.max(...rows.map(row => pen.measureText(row.name).width)) + 10);
    const fit = (most - 4 - margin) / sorted.length;
    cell = printing ? Math.min(fit, LARGEST) : Math.max(SMALLEST, Math.min(LARGEST, fit)) * 2 ** (zoom.value / 10);
    const size = `${Math.min(12, cell * 0.86)}px ${font}`;
    const side = margin + cell * sorted.length + 2;
    const height = printing ? side : Math.min(side, innerHeight * 0.84);
    room.style.width = room.style.height = `${side}px`;
    pen = sized(canvas, Math.min(side, width), height);
    [left, top] = printing ? [0, 0] : [frame.scrollLeft, frame.scrollTop];
    const span = (from, length) => [Math.max(0, Math.floor(from / cell)), Math.min(sorted.length, Math.ceil((from + length - margin) / cell))];
    const [across, down] = [span(left, Math.min(side, width)), span(top, height)];
    const [ink, card, good, bad, line] = ["--ink", "--card", "--good", "--bad", "--line"].map(colour);
    const x = at => margin + at * cell - left, y = at => margin + at * cell - top;
    pen.save(); pen.beginPath(); pen.rect(margin, margin, side, side); pen.clip();
    pen.textAlign = "center"; pen.textBaseline = "middle"; pen.font = `11px ${font}`;
    for (let row = down[0]; row < down[1]; row++) for (let column = across[0]; column < across[1]; column++) {
      const truth = sorted[row], guess = sorted[column], count = truth.counts[guess.row], share = truth.total ? count / truth.total : 0;
      const fill = count ? mixed(card, guess === truth ? good : bad, 0.12 + 0.88 * Math.sqrt(share)) : mixed(card, line, 0.45);
      pen.fillStyle = `rgb(${fill})`;
      pen.fillRect(x(column), y(row), cell - 0.6, cell - 0.6);
      const text = unit.value === "percent" ? `${Math.round(100 * share)} %` : String(count);
      if (count && pen.measureText(text).width < cell - 2) { pen.fillStyle = legible(fill); pen.fillText(text, x(column) + cell / 2, y(row) + cell / 2); }
    }
    pen.restore();
    pen.fillStyle = ink; pen.font = size; pen.textBaseline = "middle";
    const names = (from, to, at, write) => { for (let place = from; place < to; place++) if (at(place) + cell / 2 > margin) write(cut(pen, sorted[place].name, margin - 8), at(place) + cell / 2); };
    pen.textAlign = "right";
    names(...down, y, (name, at) => pen.fillText(name, margin - 5, at));
    pen.textAlign = "left";
    names(...across, x, (name, at) => { pen.save(); pen.translate(at, margin - 5); pen.rotate(-Math.PI / 2); pen.fillText(name, 0, 0); pen.restore(); });
  };
  follow(canvas, (x, y) => {
    const [across, down] = [x + left, y + top].map(at => Math.floor((at - margin) / cell));
    if (x < margin || y < margin || !sorted[across] || !sorted[down]) return "";
    const [truth, guess] = [sorted[down], sorted[across]], count = truth.counts[guess.row];
    const verb = truth === guess ? "recognised" : `taken for “${guess.name}”`;
    return `“${truth.name}” ${verb}: ${count} of ${truth.total}` + (truth.total ? ` (${percent(count / truth.total)})` : "");
  });
  unit.onchange = order.onchange = zoom.oninput = frame.onscroll = draw;
  draw();
  return draw;
}

// The matrix in words: how much of it is right, and its largest mistakes.
function told(rows, variant) {
  const total = rows.reduce((sum, row) => sum + row.total, 0), right = rows.reduce((sum, row) => sum + row.counts[row.row], 0);
  const mistakes = rows.flatMap(row => row.counts.map((count, guess) => ({ row, guess, count })).filter(item => item.count && item.guess !== row.row));
  const worst = mistakes.sort((a, b) => b.count - a.count).slice(0, 5).map(item => `${item.row.name} taken for ${data.classes[item.guess]}, ${item.count} of ${item.row.total}`);
  return `Confusion matrix of ${variant.key}, ${rows.length} classes: ${percent(total ? right / total : 0)} recognised. ` + (worst.length ? `Largest mistakes: ${worst.join("; ")}.` : "No mistakes.");
}
