// The panels, whoever draws them: Bokeh, or of many points a canvas. They share a selection, what is
// pointed at, and keys. A row is drawn when it comes near the screen.

const boards = rows.map((row, number) => new Board(row, number));

function Board(row, number) {
  this.row = row;
  this.number = number;
  this.ready = false;
  this.panels = [];
}

Board.prototype.frame = function () {
  const facts = [
    this.row.variant && this.row.variant !== this.row.checkpoint ? this.row.variant : "",
    this.row.step === null || this.row.step === undefined ? "" : `step ${this.row.step}`,
    this.row.digest,
  ];
  this.panels = this.row.panels.map((panel, i) => {
    const name = `${this.row.checkpoint}, ${panel.layer}`;
    const plot = make("div", {
      class: "plot",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "map of sketches",
      "aria-label": `${name}: map of sketches`,
      "aria-describedby": "keys",
      onkeydown: (event) => this.key(event, i),
      onpointerenter: () => (this.over = i),
      ...doubleClick(this.number, i),
      onpointerleave: () => this.leave(),
    });
    const problem = make("p", { class: "problem", hidden: true });
    const axes = make("p", { class: "axes" });
    const facts = make("p", { class: "facts" });
    const element = make(
      "figure",
      { class: "panel" },
      make(
        "figcaption",
        {},
        make("b", {}, panel.layer),
        make("span", { class: "faint" }, `${panel.channels} ch`),
        this.buttons(i),
      ),
      make("div", { class: "square" }, plot, problem),
      axes,
      facts,
    );
    return { element, plot, problem, axes, facts };
  });
  this.element = make(
    "section",
    { class: "row" },
    make(
      "h3",
      {},
      this.row.checkpoint,
      make("small", { class: "faint" }, facts.filter(Boolean).join(" · ")),
    ),
    make(
      "div",
      { class: "panels", style: `--columns: ${this.row.panels.length}` },
      ...this.panels.map(({ element }) => element),
    ),
  );
  return this.element;
};

Board.prototype.draw = function () {
  return (this.drawing ??= this.start());
};

/** What is said around a panel; where there is no map, why. */
Board.prototype.words = function (i) {
  const { layer, maps } = this.row.panels[i];
  const map = maps[state.method];
  const { plot, problem, axes, facts } = this.panels[i];
  problem.hidden = !map.problem;
  problem.textContent = map.problem ?? "";
  plot.hidden = Boolean(map.problem);
  axes.textContent = map.problem ? "" : map.axes.join(" · ");
  facts.textContent = map.problem ? "" : map.facts;
  plot.setAttribute("aria-label", `${this.row.checkpoint}, ${layer}: map of sketches. ${map.facts ?? ""}`);
};

// What a reader points at -----------------------------------------------------------------------

/** What was selected in a panel of this row. */
Board.prototype.report = function (numbers) {
  if (this.over !== undefined && numbers.length && !numbers.includes(state.current.sketch)) {
    setCurrent(numbers[0], { row: this.number, panel: this.over });
  }
  state.pinned = numbers.length ? state.current : null;
  setSelection(numbers);
};

/** Where the pointer is in the window, and where it was when a key last said what is shown. */
const pointer = { at: "", whenKeyed: null };
document.addEventListener(
  "pointermove",
  ({ clientX, clientY }) => (pointer.at = `${clientX},${clientY}`),
  { capture: true },
);
document.addEventListener("keydown", () => (pointer.whenKeyed = pointer.at), { capture: true });

/** Of the points under the pointer, at (x, y) of a map, show the nearest; of selected ones, if any. */
Board.prototype.hover = function (under, x, y) {
  // A pointer that rests while a page is drawn anew beneath it says nothing, whatever keys say.
  if (pointer.at === pointer.whenKeyed || this.over === undefined) return;
  const map = this.row.panels[this.over].maps[state.method];
  const selected = under.filter((i) => state.selected.has(i));
  const candidates = selected.length ? selected : under;
  if (!candidates.length) return;
  const far = (i) => Math.hypot(map.x[i] - x, map.y[i] - y);
  const least = candidates.reduce((so_far, i) => Math.min(so_far, far(i)), Infinity);
  const nearest = candidates.filter((i) => far(i) <= least * (1 + 1e-9));
  // Of sketches in one place the one that is shown already stays.
  const keep = nearest.includes(state.current.sketch);
  const place = { row: this.number, panel: this.over };
  setCurrent(keep ? state.current.sketch : nearest[0], place);
};

Board.prototype.leave = function () {
  this.inspected = null;
  if (state.pinned) setCurrent(state.pinned.sketch, state.pinned);
};

// Keys ------------------------------------------------------------------------------------------

const DIRECTIONS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

Board.prototype.key = function (event, panel) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const map = this.row.panels[panel].maps[state.method];
  const there = sketches.map((_, i) => i).filter((i) => shown(i) && map.x && known(map.x[i]));
  if (!there.length) return;
  const place = { row: this.number, panel };
  const { sketch } = state.current;
  const go = (next) => {
    setCurrent(next, place);
    state.pinned = state.current;
    announce(describe());
  };
  if (event.key in DIRECTIONS) {
    go(there.includes(sketch) ? neighbour(map, there, sketch, DIRECTIONS[event.key]) : there[0]);
  } else if (event.key === "Home") go(there[0]);
  else if (event.key === "End") go(there.at(-1));
  else if (event.key === "Enter" || event.key === " ") {
    const next = new Set(state.selected);
    const tied = (map.ties ?? []).find(([, , members]) => members.includes(sketch));
    const members = (tied?.[2] ?? [sketch]).filter(shown);
    const add = !next.has(sketch);
    for (const member of members) add ? next.add(member) : next.delete(member);
    setSelection(next);
  } else if (event.key === "g" || event.key === "G") selectGroup(sketches[sketch].group);
  else if (event.key === "Escape") setSelection([]);
  else if (event.key === "e" || event.key === "E") toggleLarge(this.number, panel);
  else if (event.key === "+" || event.key === "=") this.zoom(panel, 1.25);
  else if (event.key === "-") this.zoom(panel, 0.8);
  else if (event.key === "0") this.show(panel, this.homeSquare(panel));
  else if (!stepKey(event.key)) return;
  event.preventDefault();
};

/** The nearest point in a direction: distance along it, and twice as dear across. */
function neighbour(map, there, from, [dx, dy]) {
  let best = from;
  let least = Infinity;
  for (const i of there) {
    const [x, y] = [map.x[i] - map.x[from], map.y[i] - map.y[from]];
    const along = x * dx + y * dy;
    if (along <= 1e-9 * map.half) continue;
    const cost = along + 2 * Math.abs(x * dy - y * dx);
    if (cost < least) [best, least] = [i, cost];
  }
  return best;
}

const drawn = (listener) => () => boards.forEach((board) => board.ready && listener(board));
on("method", drawn((board) => (board.fill(), board.point(), board.ring())));
on("groups", drawn((board) => (board.filter(), board.point(), board.ring())));
on("color", drawn((board) => board.paint()));
on("found", drawn((board) => board.ring()));
on("selection", drawn((board) => board.select()));
on("current", drawn((board) => board.point()));
on("theme", drawn((board) => board.look()));
