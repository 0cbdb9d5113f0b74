// The variants of a run: a tab for each, drawn when it is opened; all of them are printed.
const tabs = [...document.querySelectorAll(".tabs button")], sections = [...document.querySelectorAll("section.variant")];
const redraws = new Map();
let chosen = 0;

function open(place) {
  chosen = place;
  sections.forEach((section, at) => { section.hidden = at !== place; });
  tabs.forEach((tab, at) => { tab.setAttribute("aria-selected", at === place); tab.tabIndex = at === place ? 0 : -1; });
  fill(place);
}
function fill(place) {
  if (redraws.has(place)) { redraws.get(place).forEach(draw => draw()); return; }
  const variant = data.variants[place], section = sections[place];
  classTable(section, variant);
  const figures = [...section.querySelectorAll(".clips canvas")].map((canvas, at) => new StickFigure(canvas, variant.worst[at].figure, variant.edges));
  if (figures.length) playInView(figures, section.querySelector(".pause"));
  redraws.set(place, [confusion(section, variant), plane(section, variant), () => figures.forEach(figure => figure.draw())]);
}
tabs.forEach((tab, at) => {
  tab.onclick = () => open(at);
  tab.onkeydown = event => {
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    open((next + tabs.length) % tabs.length);
    tabs[chosen].focus();
  };
});
if (tabs.length) {
  open(0);
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => fill(chosen), 120); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => fill(chosen));
  let before;
  addEventListener("beforeprint", () => {
    before = chosen;
    document.documentElement.classList.add("printing");
    tabs.forEach((_, at) => open(at));
    sections.forEach(section => { section.hidden = false; });
  });
  addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); open(before); });
}
