// Stick figures: a small canvas that plays while it is in view and turns when it is dragged.
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const still = matchMedia("(prefers-reduced-motion: reduce)");
const playing = new Set();

class StickFigure {
  constructor(canvas, figure, edges) {
    Object.assign(this, { canvas, figure, edges, turn: 0.35, moment: 0 });
    this.bytes = Uint8Array.from(atob(figure.data), letter => letter.charCodeAt(0));
    this.absent = new Set(figure.absent.map(pair => pair.join()));
    let from = null;
    canvas.addEventListener("pointerdown", event => { from = event.clientX; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", event => {
      if (from === null) return;
      this.turn += (event.clientX - from) / 60;
      from = event.clientX;
      this.draw();
    });
    canvas.addEventListener("pointerup", () => { from = null; });
    canvas.addEventListener("pointercancel", () => { from = null; });
    new IntersectionObserver(seen => {
      if (seen.at(-1).isIntersecting && !still.matches) playing.add(this); else playing.delete(this);
    }).observe(canvas);
    this.moment = Math.floor(figure.shown / 2);
    this.draw();
  }
  advance() { this.moment = (this.moment + 1) % (this.figure.shown + 6); this.draw(); }
  draw() {
    const { canvas, figure } = this, side = canvas.clientWidth || 150, dense = devicePixelRatio || 1;
    if (canvas.width !== Math.round(side * dense)) canvas.width = canvas.height = Math.round(side * dense);
    const brush = canvas.getContext("2d"), frame = Math.min(this.moment, figure.shown - 1);
    brush.setTransform(dense, 0, 0, dense, 0, 0);
    brush.clearRect(0, 0, side, side);
    const cos = Math.cos(this.turn), sin = Math.sin(this.turn), scale = side / 300;
    for (let body = 0; body < figure.bodies; body++) {
      if (this.absent.has([frame, body].join())) continue;
      const at = joint => {
        const byte = ((frame * figure.bodies + body) * figure.joints + joint) * 3;
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
    brush.fillRect(0, side - 2, side * (frame + 1) / figure.shown, 2);
    this.ondraw?.(frame);
  }
}
setInterval(() => playing.forEach(figure => figure.advance()), 90);
