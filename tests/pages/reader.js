// What a reader does with a page, and what comes of it: the browser's half of test_browser.py.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);
const wait = time => new Promise(done => setTimeout(done, time));
const pick = (element, value) => {
  element.value = value;
  element.dispatchEvent(new Event("input"));
  element.dispatchEvent(new Event("change"));
};
const check = (box, on) => { box.checked = on; box.dispatchEvent(new Event("change")); };
const press = (element, key) => element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const panels = () => all("[role=tabpanel]").map(panel => !panel.hidden);

const reader = {
  sorts() {
    const names = () => all("#results tbody tr[data-family] th > span").map(span => span.textContent);
    const head = title => all("#results thead th").find(cell => cell.textContent === title);
    const sort = title => one("button", head(title)).click();
    const found = { begin: names() };
    sort("top-1 %");
    found.within = names();
    found.sort = head("top-1 %").getAttribute("aria-sort");
    check(one("#results-grouped"), false);
    found.flat = names();
    found.headings = all("#results tr.group").length;
    sort("top-1 %");
    found.up = names();
    sort("variant");
    found.byName = names();
    pick(one("[data-by=group]"), "control");
    found.control = names();
    found.status = one("#results-tools [role=status]").textContent;
    pick(one("[data-by=group]"), "");
    pick(one("[data-by=family]"), "lab");
    found.lab = names();
    check(one(".menu input"), false);
    found.hidden = [head("top-1 %"), ...all("#results tbody td:nth-child(2)")].map(cell => cell.hidden);
    found.focusable = all("#results thead button").map(button => button.tabIndex);
    return found;
  },

  async copies() {
    const copied = {};
    let now;
    Object.defineProperty(navigator, "clipboard", { value: { writeText: async text => { copied[now] = text; } } });
    for (const button of all("#results-tools .row button")) {
      now = button.value;
      button.click();
      await wait(20);
    }
    return { ...copied, said: one("#results-tools [role=status]").textContent };
  },

  formulas() {
    const rows = [{ heading: "Table" }, { cells: ["=1+1", "1,234.5", 'a, "b"'] }, { cells: ["-x", "-", "50.0 ± 1.2"] }];
    return writers.CSV(["variant", "speed", "top"], rows);
  },

  tabs() {
    const tabs = all("[role=tab]"), found = { begin: panels(), order: tabs.map(tab => tab.tabIndex) };
    tabs[0].focus();
    press(tabs[0], "ArrowRight");
    found.right = panels();
    found.focus = document.activeElement.value;
    press(document.activeElement, "End");
    found.end = panels();
    press(document.activeElement, "ArrowRight");
    found.round = panels();
    return found;
  },

  matrix() {
    const panel = one("[role=tabpanel]"), canvas = one(".confusion", panel), room = one(".room", panel);
    const size = () => [canvas.clientWidth <= canvas.parentElement.clientWidth, parseFloat(room.style.width)];
    const first = () => one(".classes tbody th", panel).textContent;
    const found = { alt: canvas.getAttribute("aria-label"), fits: size(), worst: first() };
    pick(one(".zoom", panel), 25);
    found.zoomed = size();
    one(".classes thead button", panel).click();
    found.name = first();
    found.sorted = one(".classes thead th", panel).getAttribute("aria-sort");
    return found;
  },

  // The least contrast of the text in a cell, over every share.
  contrast() {
    let least = 99;
    for (const over of ["--good", "--bad"]) for (let share = 0; share <= 1; share += 0.002) {
      const ground = mixed(colour("--card"), colour(over), 0.12 + 0.88 * Math.sqrt(share)), text = rgb(legible(ground));
      const [high, low] = [luminance(ground), luminance(text)].sort((a, b) => b - a);
      least = Math.min(least, (high + 0.05) / (low + 0.05));
    }
    return [least, colour("--card")];
  },

  // What is written into the matrix: counts, then per cent.
  cells() {
    const said = [], write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { said.push(text); write.call(this, text, ...rest); };
    const unit = one(".unit");
    pick(unit, "counts");
    const counts = said.splice(0);
    pick(unit, "percent");
    return [counts, said];
  },

  prints() {
    const panel = one("[role=tabpanel]"), canvas = one(".confusion", panel), open = () => panels().filter(shown => shown).length;
    pick(one(".zoom", panel), 25);
    const found = { ink: colour("--ink") };
    dispatchEvent(new Event("beforeprint"));
    Object.assign(found, { paper: colour("--ink"), width: canvas.clientWidth, open: open() });
    dispatchEvent(new Event("afterprint"));
    return { ...found, after: open(), back: colour("--ink") };
  },

  async plays() {
    const [button, slider, told] = ["button", "input", "output"].map(name => one(`.player ${name}`));
    const found = { seconds: figures[0].seconds, begin: button.textContent };
    found.at = [0, 2, 6.06, 6.2, 6.7].map(seconds => figures[0].momentAt(seconds));
    pick(slider, 10);
    Object.assign(found, { held: button.textContent, ten: told.textContent, moments: figures.map(figure => figure.moment) });
    pick(slider, 30);
    Object.assign(found, { last: told.textContent, text: slider.getAttribute("aria-valuetext") });
    pick(slider, 0);
    // A browser without a screen draws when it likes.
    window.requestAnimationFrame = work => setTimeout(work, 16);
    button.click();
    found.playing = button.textContent;
    await wait(2000);
    button.click();
    Object.assign(found, { moved: figures.map(figure => figure.moment), paused: button.textContent });
    const before = figures[0].turn;
    press(figures[0].canvas, "ArrowRight");
    return { ...found, turned: figures[0].turn - before };
  },
};
