// The map of a variant's representations: a ring or a disc per clip, coloured by what is asked for.
function plane(section, variant) {
  const canvas = section.querySelector(".map"), map = variant.map;
  if (!canvas || !map) return () => {};
  const legend = section.querySelector(".map-legend"), buttons = section.querySelectorAll(".by button");
  const names = { class: value => data.classes[value], view: value => value ? `view ${value}` : "unknown view", subject: value => value ? `subject ${value}` : "unknown subject", part: value => value ? "test" : "training" };
  const columns = { class: map.label, view: map.view, subject: map.subject, part: map.test };
  let by = "class", only = null, side;
  const hues = values => { const sorted = [...new Set(values)].sort((a, b) => a - b); return new Map(sorted.map((value, at) => [value, sorted.length <= 14 ? colour(`--s${at}`) : `hsl(${(at * 137.5) % 360} ${at % 2 ? 70 : 55}% ${[50, 62, 42][at % 3]}%)`])); };
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
