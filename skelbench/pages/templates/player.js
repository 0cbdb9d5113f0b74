// The page of one clip: its figures move together, at the clip's own rate, and can be held and scrubbed.
const figures = [...document.querySelectorAll(".clips canvas")].map((canvas, at) => new StickFigure(canvas, data.figures[at], data.edges));
const player = document.querySelector(".player"), [button, slider, told] = ["button", "input", "output"].map(name => player.querySelector(name));
const [clip] = figures;
let playing = false, seconds = 0, before = 0;

function show(moment) {
  figures.forEach(figure => figure.seek(moment));
  slider.value = moment;
  const frame = clip.frameAt(moment), said = data.said[moment];
  const words = `${frame} of ${clip.figure.frames}` + (said ? `: ${said.name} ${said.percent} % ${said.right ? "✓" : "✗"}` : "");
  told.textContent = words;
  slider.setAttribute("aria-valuetext", `frame ${words}`);
}
function tick() {
  if (!playing) return;
  const now = performance.now();
  seconds += (now - before) / 1000;
  before = now;
  show(clip.momentAt(seconds));
  requestAnimationFrame(tick);
}
function play(start) {
  playing = start;
  button.textContent = playing ? "Pause" : "Play";
  if (playing) { before = performance.now(); requestAnimationFrame(tick); }
}
player.hidden = false;
slider.max = clip.figure.shown - 1;
slider.oninput = () => { play(false); seconds = slider.value / clip.figure.shown * clip.seconds; show(Number(slider.value)); };
button.onclick = () => play(!playing);
const again = () => figures.forEach(figure => figure.draw());
addEventListener("resize", again);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
addEventListener("beforeprint", () => { play(false); document.documentElement.classList.add("printing"); again(); });
addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); again(); });
show(0);
play(!still.matches);
