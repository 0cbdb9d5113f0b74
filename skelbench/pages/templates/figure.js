// Stick figures: a canvas that shows one moment of a clip, and turns when it is dragged or by the arrow keys.
const still = matchMedia("(prefers-reduced-motion: reduce)");
const USUAL_RATE = 30, REST = 0.5;

class StickFigure {
  constructor(canvas, figure, edges) {
    Object.assign(this, { canvas, figure, edges, turn: 0.35, moment: Math.floor(figure.shown / 2) });
    this.bytes = Uint8Array.from(atob(figure.data), letter => letter.charCodeAt(0));
    this.absent = new Set(figure.absent.map(pair => pair.join()));
    let from = null;
    canvas.addEventListener("pointerdown", event => { from = event.clientX; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", event => {
      if (from === null) return;
      this.turnBy((event.clientX - from) / 60);
      from = event.clientX;
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { from = null; });
    canvas.addEventListener("keydown", event => {
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (way) { event.preventDefault(); this.turnBy(way * 0.2); }
    });
    this.draw();
  }
  get seconds() { return this.figure.frames / (this.figure.fps ?? USUAL_RATE); }
  // The frame of the clip, from 1, that is shown at a moment.
  frameAt(moment) { const { shown, frames } = this.figure; return shown < 2 ? 1 : Math.round(moment * (frames - 1) / (shown - 1)) + 1; }
  turnBy(angle) { this.turn += angle; this.draw(); }
  // What is shown after so many seconds, when the clip is played again and again with a rest at its end.
  momentAt(seconds) { return Math.min(this.figure.shown - 1, Math.floor(seconds % (this.seconds + REST) / this.seconds * this.figure.shown)); }
  seek(moment) {
    if (moment !== this.moment) { this.moment = moment; this.draw(); }
  }
  draw() {
    const { canvas, figure, moment } = this, side = canvas.clientWidth || 150, dense = devicePixelRatio || 1;
    if (canvas.width !== Math.round(side * dense)) canvas.width = canvas.height = Math.round(side * dense);
    const brush = canvas.getContext("2d");
    brush.setTransform(dense, 0, 0, dense, 0, 0);
    brush.clearRect(0, 0, side, side);
    const cos = Math.cos(this.turn), sin = Math.sin(this.turn), scale = side / 300;
    for (let body = 0; body < figure.bodies; body++) {
      if (this.absent.has([moment, body].join())) continue;
      const at = joint => {
        const byte = ((moment * figure.bodies + body) * figure.joints + joint) * 3;
        const [x, y, z] = [0, 1, 2].map(axis => this.bytes[byte + axis] - 127.5);
        return [side / 2 + (x * cos + z * sin) * scale, side / 2 - y * scale];
      };
      brush.strokeStyle = brush.fillStyle = colour(body ? "--s1" : "--s0");
      brush.lineWidth = 2.2; brush.lineCap = "round";
      brush.beginPath();
      for (const [child, parent] of this.edges) { brush.moveTo(...at(child)); brush.lineTo(...at(parent)); }
      brush.stroke();
      for (let joint = 0; joint < figure.joints; joint++) {
        brush.beginPath(); brush.arc(...at(joint), 1.7, 0, 7); brush.fill();
      }
    }
    brush.fillStyle = colour("--accent");
    brush.fillRect(0, side - 2, side * (moment + 1) / figure.shown, 2);
  }
}

// Plays figures each at its own rate while they are in view, until the button pauses them.
function playInView(figures, button) {
  const seen = new Set();
  let playing = !still.matches;
  const watch = new IntersectionObserver(entries => entries.forEach(entry => {
    const figure = figures.find(item => item.canvas === entry.target);
    if (entry.isIntersecting) seen.add(figure); else seen.delete(figure);
  }));
  figures.forEach(figure => watch.observe(figure.canvas));
  const tick = () => { if (playing) { seen.forEach(figure => figure.seek(figure.momentAt(performance.now() / 1000))); requestAnimationFrame(tick); } };
  const tell = () => { button.textContent = playing ? "Pause" : "Play"; if (playing) requestAnimationFrame(tick); };
  button.onclick = () => { playing = !playing; tell(); };
  tell();
}
