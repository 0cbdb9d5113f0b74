// One variant class by class: how much is recognised, and what the rest is taken for.
function classTable(section, variant) {
  const body = section.querySelector(".classes tbody"), head = [...section.querySelectorAll(".classes thead button")];
  const rows = tested(variant).filter(row => row.total).map(row => {
    const taken = row.counts.map((count, guess) => ({ count, guess })).filter(item => item.count && item.guess !== row.row);
    taken.sort((a, b) => b.count - a.count);
    return { ...row, taken, first: taken[0]?.count / row.total || 0 };
  });
  const keys = [row => row.name, row => row.total / variant.seeds, row => row.recall, row => row.first];
  const draw = (column, up) => {
    const key = keys[column];
    rows.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.row - b.row) * (up ? 1 : -1));
    head.forEach((button, at) => at === column ? button.parentElement.setAttribute("aria-sort", up ? "ascending" : "descending") : button.parentElement.removeAttribute("aria-sort"));
    body.replaceChildren(...rows.map(row => made("tr", {},
      made("th", { scope: "row", textContent: row.name }),
      made("td", { textContent: row.total / variant.seeds }),
      made("td", { className: "left" }, Object.assign(made("span", { className: "bar" }), { style: `width:${Math.max(1, 60 * row.recall)}px` }), percent(row.recall)),
      made("td", { className: "left wrap", textContent: row.taken.slice(0, 3).map(item => `${data.classes[item.guess]} ${percent(item.count / row.total)}`).join(", ") || "nothing else" }))));
  };
  head.forEach((button, column) => { button.onclick = () => draw(column, button.parentElement.getAttribute("aria-sort") !== "ascending"); });
  draw(2, true);
}
