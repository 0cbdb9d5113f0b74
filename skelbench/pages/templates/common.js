// What the other modules share: the page's data, elements, numbers, colours, tooltips.
const data = JSON.parse(document.getElementById("data").textContent);
const made = (tag, options = {}, ...children) => { const node = Object.assign(document.createElement(tag), options); node.append(...children); return node; };
const percent = share => (100 * share).toFixed(1) + "\u00a0%";
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Solid colours as [r, g, b]; `text` that can be read on them: black or white, whichever differs more, is at least 4.5 : 1.
const rgb = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
const full = hex => hex.length === 4 ? "#" + [...hex.slice(1)].map(digit => digit + digit).join("") : hex;
const mixed = (under, over, share) => rgb(full(under)).map((part, at) => Math.round(part + share * (rgb(full(over))[at] - part)));
const luminance = parts => parts.map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
const legible = parts => luminance(parts) > 0.179 ? "#000000" : "#ffffff";

const tip = made("div", { id: "tip" });
document.body.append(tip);
function say(event, text) {
  if (!text) { tip.style.display = "none"; return; }
  tip.textContent = text; tip.style.display = "block";
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6)) + "px";
  tip.style.top = Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 6) + "px";
}
function follow(canvas, textAt) {
  const tell = event => { const box = canvas.getBoundingClientRect(); say(event, textAt(event.clientX - box.left, event.clientY - box.top)); };
  canvas.addEventListener("pointermove", tell);
  canvas.addEventListener("pointerdown", tell);
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
// `text` as far as it fits.
function cut(brush, text, width) {
  if (brush.measureText(text).width <= width) return text;
  let length = text.length;
  while (length > 1 && brush.measureText(text.slice(0, length) + "…").width > width) length--;
  return text.slice(0, length) + "…";
}
