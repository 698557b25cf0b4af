// What Bokeh is given, and what it reports. A row of panels is one Bokeh document with one source, so
// Bokeh links the panels of a row; it takes 50 ms a panel.

Bokeh.set_log_level("warn");
const boardData = JSON.parse(document.getElementById("boards").textContent);

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
  this.points.selected.change.connect(() => {
    if (!this.quiet) this.report([...this.points.selected.indices].filter(shown));
  });
  this.points.inspect.connect(([, { geometry }]) => this.inspect(geometry));
  this.ready = true;
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
    this.words(i);
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
    const there = (at) => !map.problem && shown(at) && known(map.x[at]);
    for (const axis of ["x", "y"]) {
      data[`${axis}-${i}`] = numbers.map((at) => (there(at) ? map[axis][at] : NaN));
    }
  });
  return data;
};

/** What Bokeh found under the pointer, which may be late to say so. */
Board.prototype.inspect = function ({ sx, sy }) {
  const rests = [this.over, sx, sy].join() === this.inspected;
  this.inspected = [this.over, sx, sy].join();
  if (rests || this.over === undefined) return;
  const map = this.row.panels[this.over].maps[state.method];
  const under = [...this.points.inspected.indices].filter((i) => shown(i) && map.x && known(map.x[i]));
  const [left, right, bottom, top] = this.shownSquare(this.over);
  const { clientWidth, clientHeight } = this.panels[this.over].plot;
  const x = left + (sx / clientWidth) * (right - left);
  this.hover(under, x, top - (sy / clientHeight) * (top - bottom));
};

/** The square that a panel shows: left, right, bottom, top. */
Board.prototype.square = function (panel) {
  const { x_range, y_range } = this.model("plot", panel);
  return [x_range.start, x_range.end, y_range.start, y_range.end];
};

Board.prototype.show = function (panel, [left, right, bottom, top]) {
  const { x_range, y_range } = this.model("plot", panel);
  x_range.setv({ start: left, end: right });
  y_range.setv({ start: bottom, end: top });
};

/** A panel as it is seen, as a file's content. type: "png" or "svg". */
Board.prototype.picture = function (panel, type) {
  return this.views.find_one(this.model("plot", panel)).export(type).to_blob();
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

