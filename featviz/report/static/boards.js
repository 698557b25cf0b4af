// The panels: what Bokeh is given, and what it reports. A row of panels is one Bokeh document with
// one source, so Bokeh links the panels of a row; rows mirror each other's selection. A row is
// drawn when it comes near the screen, for Bokeh takes 50 ms a panel.

const boards = rows.map((row, number) => new Board(row, number));

function Board(row, number) {
  this.row = row;
  this.number = number;
  this.document = null;
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

Board.prototype.start = async function () {
  const { document: json, roots } = boardData[this.number];
  const id = `board-${this.number}`;
  const places = Object.fromEntries(roots.map((root, i) => [root, this.panels[i].plot]));
  const item = { docid: id, roots: places, root_ids: roots };
  [this.views] = await Bokeh.embed.embed_items({ [id]: json }, [item]);
  // Not the newest: several rows may be on their way at once.
  const own = ({ id }) => id === roots[0];
  this.document = Bokeh.documents.find((document) => document.roots().some(own));
  this.points = this.document.get_model_by_name("points");
  this.mark = this.document.get_model_by_name("current");
  this.found = this.document.get_model_by_name("found");
  this.points.selected.change.connect(() => this.report());
  this.points.inspect.connect(([, { geometry }]) => this.hover(geometry));
  this.fill();
  this.look();
  this.filter();
  this.select();
  this.point();
  this.ring();
  this.use(state.tool);
  // What is enlarged has room for more counts.
  this.row.panels.forEach((_, i) => {
    this.restoreSquare(i);
    this.model("plot", i).x_range.change.connect(() => {
      clearTimeout(this.later);
      this.later = setTimeout(() => (this.tie(), tell("zoom")), 50);
    });
  });
  this.element.dataset.drawn = "";
};

Board.prototype.model = function (name, panel) {
  return this.document.get_model_by_name(`${name}-${panel}`);
};

/** Give the sources the coordinates of the chosen method, and show all of them. */
Board.prototype.fill = function () {
  const data = {
    marker: sketches.map(({ group }) => groups[group].marker[0]),
    angle: sketches.map(({ group }) => (groups[group].marker[1] * Math.PI) / 180),
    ...this.colors(),
  };
  this.row.panels.forEach((panel, i) => {
    const map = panel.maps[state.method];
    const { plot, problem, axes, facts } = this.panels[i];
    problem.hidden = !map.problem;
    problem.textContent = map.problem ?? "";
    plot.hidden = Boolean(map.problem);
    axes.textContent = map.problem ? "" : map.axes.join(" · ");
    facts.textContent = map.problem ? "" : map.facts;
    plot.setAttribute(
      "aria-label",
      `${this.row.checkpoint}, ${panel.layer}: map of sketches. ${map.facts ?? ""}`,
    );
    const number = (value) => value ?? NaN;
    data[`x-${i}`] = map.problem ? sketches.map(() => NaN) : map.x.map(number);
    data[`y-${i}`] = map.problem ? sketches.map(() => NaN) : map.y.map(number);
    data[`size-${i}`] = sketches.map(({ group }, at) => {
      const size = map.problem ? 1 : (map.sizes[at] ?? 1);
      return contents.point_size * groups[group].marker[2] * size;
    });
  });
  this.points.data = data;
  this.home();
};

/** The colours of the points of each panel, and of the lines around them. */
Board.prototype.colors = function () {
  const data = {};
  this.row.panels.forEach((_, i) => {
    const colors = sketches.map((_, at) => colorOf(at, this.number, i));
    data[`color-${i}`] = colors;
    data[`edge-${i}`] = colors.map(edgeOf);
  });
  return data;
};

/** Show all: what `homeSquare` says. */
Board.prototype.home = function () {
  this.row.panels.forEach((panel, i) => {
    const map = panel.maps[state.method];
    if (map.problem) return;
    const square = this.homeSquare(i);
    this.show(i, square);
    const half = (square[1] - square[0]) / 2;
    const step = half > 6 ? 5 : 1;
    const lines = map.unit ? Array.from({ length: 41 }, (_, n) => (n - 20) * step) : [];
    for (const dimension of [0, 1]) this.model(`grid-${dimension}`, i).ticker.ticks = lines;
  });
  this.tie();
};

/** Rings around points that several visible sketches share, and how many where there is room. */
Board.prototype.tie = function () {
  this.row.panels.forEach((panel, i) => {
    const data = { x: [], y: [], size: [], text: [], dx: [], dy: [], align: [] };
    const map = panel.maps[state.method];
    const range = this.model("plot", i).x_range;
    const scale = this.panels[i].plot.clientWidth / (range.end - range.start);
    const taken = [];
    const ties = (map.ties ?? [])
      .map(([x, y, members]) => ({ x, y, members: members.filter(shown) }))
      .filter(({ members }) => members.length > 1)
      .sort((one, other) => other.members.length - one.members.length);
    for (const { x, y, members } of ties) {
      const across = new Set(members.map((at) => sketches[at].group)).size;
      const size = contents.ring_size + 3 * (across - 1);
      const text = `×${members.length}`;
      const long = 7 * text.length;
      // To the left or right of the ring, a little up or down, where no other label lies.
      const places = [0, -9, 9].flatMap((dy) => [1, -1].map((side) => ({ side, dy })));
      const free = places.find(({ side, dy }) => {
        const left = x * scale + side * (size / 2 + 1) - (side < 0 ? long : 0);
        const middle = -y * scale + dy;
        const box = [left, left + long, middle - 6, middle + 6];
        const edge = [range.start * scale, range.end * scale];
        if (box[0] < edge[0] || box[1] > edge[1]) return false;
        if (taken.some((t) => t[0] < box[1] && box[0] < t[1] && t[2] < box[3] && box[2] < t[3]))
          return false;
        taken.push(box);
        return true;
      });
      data.x.push(x);
      data.y.push(y);
      data.size.push(size);
      data.text.push(free ? text : "");
      data.dx.push(free ? free.side * (size / 2 + 1) : 0);
      data.dy.push(free ? free.dy : 0);
      data.align.push(free && free.side < 0 ? "right" : "left");
    }
    this.model("ties", i).data = data;
  });
};

Board.prototype.filter = function () {
  this.document.get_model_by_name("shown").booleans = sketches.map((_, i) => shown(i));
  this.tie();
};

Board.prototype.look = function () {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  this.row.panels.forEach((_, i) => {
    for (const dimension of [0, 1]) {
      this.model(`grid-${dimension}`, i).grid_line_color = color("--grid");
    }
    this.model("rings", i).glyph.line_color = color("--text");
    this.model("counts", i).glyph.setv({
      text_color: color("--text"),
      text_font_size: "11px",
      text_font: "sans-serif",
      background_fill_color: color("--raised"),
    });
    this.model("mark", i).glyph.line_color = color("--accent");
    this.model("found", i).glyph.line_color = color("--found");
    this.model("plot", i).background_fill_color = color("--raised");
  });
  this.paint();
};

Board.prototype.paint = function () {
  this.points.data = { ...this.points.data, ...this.colors() };
};

Board.prototype.select = function () {
  const indices = [...state.selected].sort((a, b) => a - b);
  this.quiet = true;
  this.points.selected.indices = indices;
  this.quiet = false;
};

/** Ring the sketch that the card shows, in every panel. */
Board.prototype.point = function () {
  this.mark.data = this.placesOf([state.current.sketch]);
};

/** Ring what was found. */
Board.prototype.ring = function () {
  this.found.data = this.placesOf([...state.found]);
};

/** Where the panels show some sketches, as a source takes it. */
Board.prototype.placesOf = function (numbers) {
  const data = {};
  this.row.panels.forEach((panel, i) => {
    const map = panel.maps[state.method];
    const there = (at) => !map.problem && shown(at) && map.x[at] !== null;
    for (const axis of ["x", "y"]) {
      data[`${axis}-${i}`] = numbers.map((at) => (there(at) ? map[axis][at] : NaN));
    }
  });
  return data;
};

/** What the pointer does when it drags. */
Board.prototype.use = function (tool) {
  this.row.panels.forEach((_, i) => {
    for (const name of ["lasso", "box", "pan", "zoom"]) this.model(name, i).active = name === tool;
    // Bokeh keeps every touch for itself; without a drag one finger scrolls the page, and two zoom.
    const touch = tool === "none" ? "pan-y" : "none";
    for (const events of inside(this.panels[i].plot, ".bk-events")) {
      events.style.touchAction = touch;
    }
  });
};

/** What matches below an element, in its shadows too, where Bokeh keeps its own. */
function inside(element, selector) {
  const found = [];
  for (const child of (element.shadowRoot ?? element).querySelectorAll("*")) {
    if (child.matches(selector)) found.push(child);
    if (child.shadowRoot) found.push(...inside(child, selector));
  }
  return found;
}

// What Bokeh reports ----------------------------------------------------------------------------

Board.prototype.report = function () {
  if (this.quiet) return;
  const numbers = [...this.points.selected.indices].filter(shown);
  if (this.over !== undefined && numbers.length && !numbers.includes(state.current.sketch)) {
    setCurrent(numbers[0], { row: this.number, panel: this.over });
  }
  state.pinned = numbers.length ? state.current : null;
  setSelection(numbers);
};

/** Of the points under the pointer show the nearest; where some are selected, one of these. */
Board.prototype.hover = function ({ sx, sy }) {
  // A pointer that rests while a page is drawn anew beneath it says nothing, whatever keys say.
  const rests = [this.over, sx, sy].join() === this.hovered;
  this.hovered = [this.over, sx, sy].join();
  if (rests || this.over === undefined) return;
  const map = this.row.panels[this.over].maps[state.method];
  const under = [...this.points.inspected.indices].filter((i) => shown(i) && map.x?.[i] != null);
  const selected = under.filter((i) => state.selected.has(i));
  const candidates = selected.length ? selected : under;
  if (!candidates.length) return;
  const { x_range, y_range } = this.model("plot", this.over);
  const { clientWidth, clientHeight } = this.panels[this.over].plot;
  const x = x_range.start + (sx / clientWidth) * (x_range.end - x_range.start);
  const y = y_range.end - (sy / clientHeight) * (y_range.end - y_range.start);
  const far = (i) => Math.hypot(map.x[i] - x, map.y[i] - y);
  const least = Math.min(...candidates.map(far));
  const nearest = candidates.filter((i) => far(i) <= least * (1 + 1e-9));
  // Of sketches in one place the one that is shown already stays.
  const keep = nearest.includes(state.current.sketch);
  const place = { row: this.number, panel: this.over };
  setCurrent(keep ? state.current.sketch : nearest[0], place);
};

Board.prototype.leave = function () {
  this.hovered = null;
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
  const there = sketches.map((_, i) => i).filter((i) => shown(i) && map.x?.[i] != null);
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

const drawn = (listener) => () => boards.forEach((board) => board.document && listener(board));
on("method", drawn((board) => (board.fill(), board.point(), board.ring())));
on("groups", drawn((board) => (board.filter(), board.point(), board.ring())));
on("color", drawn((board) => board.paint()));
on("found", drawn((board) => board.ring()));
on("selection", () => boards.forEach((board) => board.document && board.select()));
on("current", () => boards.forEach((board) => board.document && board.point()));
on("theme", () => boards.forEach((board) => board.document && board.look()));
