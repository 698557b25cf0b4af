// Who moved most between two panels: a list, and lines from where a sketch was to where it is.

const MOST = 10;
const panelName = ([row, panel]) => `${rows[row].checkpoint} · ${rows[row].panels[panel].layer}`;
const pairs = contents.movements.map(([one, other, far]) => ({ one, other, far }));

/** The panels that can be compared with one, and how far sketches moved between the two. */
function partnersOf(place) {
  const same = ([row, panel]) => row === place[0] && panel === place[1];
  return pairs.flatMap(({ one, other, far }) =>
    same(one) ? [{ place: other, far }] : same(other) ? [{ place: one, far }] : [],
  );
}

const between = { one: null, other: null, far: null };

function mostMoved() {
  return sketches
    .map((_, at) => at)
    .filter((at) => shown(at) && known(between.far[at]))
    .sort((one, other) => between.far[other] - between.far[one])
    .slice(0, MOST);
}

function startMoved() {
  const section = document.getElementById("moved");
  section.hidden = !pairs.length;
  if (section.hidden) return;
  const [from, to] = ["moved-from", "moved-to"].map((id) => document.getElementById(id));
  const option = (place) => make("option", { value: place.join("-") }, panelName(place));
  const read = (select) => select.value.split("-").map(Number);
  const places = rows.flatMap((row, r) => row.panels.map((_, p) => [r, p]));
  from.append(...places.filter((place) => partnersOf(place).length).map(option));
  const fillPartners = () => {
    const before = to.value;
    to.replaceChildren(...partnersOf(read(from)).map(({ place }) => option(place)));
    to.value = before;
    if (!to.value) to.selectedIndex = to.options.length - 1;
    choose();
  };
  const choose = () => {
    between.one = read(from);
    between.other = read(to);
    const found = partnersOf(between.one).find(({ place }) => place.join("-") === to.value);
    between.far = found.far;
    fillMoved();
  };
  from.addEventListener("change", fillPartners);
  to.addEventListener("change", choose);
  section.addEventListener("toggle", () => (section.open ? fillPartners() : drawLines()));
  document.getElementById("select-moved").addEventListener("click", () => setSelection(mostMoved()));
  on("groups", () => section.open && fillMoved());
  for (const what of ["method", "large", "zoom", "theme", "current"]) on(what, () => drawLines());
  addEventListener("resize", () => drawLines());
}

function fillMoved() {
  const list = mostMoved();
  const largest = Math.max(...list.map((at) => between.far[at]), 1e-9);
  document.getElementById("moved-list").replaceChildren(
    ...list.map((at) =>
      make(
        "li",
        {},
        make(
          "button",
          { type: "button", onclick: () => visit(at), onfocus: () => visit(at) },
          mark(sketches[at].group),
          make("b", {}, sketches[at].name),
          make("span", { class: "faint" }, sketches[at].part),
          make("span", { class: "bar", style: `--share: ${between.far[at] / largest}` }),
          make("span", { class: "number" }, short(between.far[at])),
        ),
      ),
    ),
  );
  Promise.all([between.one[0], between.other[0]].map((row) => boards[row].draw())).then(drawLines);
}

/** Where a panel shows a sketch, in pixels of the rows; null if it does not. */
function placeOf(at, [row, panel]) {
  const board = boards[row];
  const map = rows[row].panels[panel].maps[state.method];
  if (!board.ready || map.problem || !known(map.x[at]) || !shown(at)) return null;
  const [left, right, bottom, top] = board.square(panel);
  const x = (map.x[at] - left) / (right - left);
  const y = (top - map.y[at]) / (top - bottom);
  if (x < 0 || x > 1 || y < 0 || y > 1) return null;
  const box = board.panels[panel].plot.getBoundingClientRect();
  const all = document.getElementById("rows").getBoundingClientRect();
  return [box.left - all.left + x * box.width, box.top - all.top + y * box.height];
}

let linesFrame = 0;
function drawLines() {
  cancelAnimationFrame(linesFrame);
  linesFrame = requestAnimationFrame(() => {
    const open = document.getElementById("moved").open && between.far;
    const lines = (open ? mostMoved() : []).flatMap((at) => {
      const [from, to] = [placeOf(at, between.one), placeOf(at, between.other)];
      if (!from || !to) return [];
      const current = at === state.current.sketch;
      const line = { x1: from[0], y1: from[1], x2: to[0], y2: to[1] };
      return [
        make("line", { ...line, class: "back" }),
        make("line", { ...line, class: current ? "here" : "", stroke: groups[sketches[at].group].color }),
      ];
    });
    document.getElementById("lines").replaceChildren(...lines);
  });
}
