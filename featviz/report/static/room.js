// Room for one panel: enlarged, zoomed by wheel, fingers and keys, and saved as it is seen.

/** A wheel that scrolls the page goes on doing so over a panel; one that starts there zooms. */
const PAUSE = 300;
let lastScroll = -Infinity;
document.addEventListener(
  "wheel",
  (event) => {
    const over = event.target.closest?.(".plot");
    if (over && (event.ctrlKey || event.timeStamp - lastScroll > PAUSE)) return;
    lastScroll = event.timeStamp;
    if (over) event.stopPropagation();
  },
  { capture: true, passive: true },
);

function isLarge(row, panel) {
  return state.large?.row === row && state.large?.panel === panel;
}

function setLarge(place) {
  state.large = place;
  tell("large");
}

function toggleLarge(row, panel) {
  setLarge(isLarge(row, panel) ? null : { row, panel });
  const { element, plot } = boards[row].panels[panel];
  element.scrollIntoView({ block: "nearest" });
  plot.focus({ preventScroll: true });
  const name = `${rows[row].checkpoint}, ${rows[row].panels[panel].layer}`;
  announce(isLarge(row, panel) ? `${name} enlarged` : `${name} as small as the others`);
}

/** What a double click enlarges; the selection that its first click changed comes back. */
function doubleClick(row, panel) {
  let before = [];
  return {
    onpointerdown: ({ timeStamp }) => {
      before = [...before.slice(-1), { timeStamp, selected: state.selected }];
    },
    ondblclick: () => {
      const [first] = before;
      setTimeout(() => first && setSelection(first.selected));
      toggleLarge(row, panel);
    },
  };
}

/** The square that a panel shows at first: of methods with a unit all equally large. */
Board.prototype.homeSquare = function (panel) {
  const maps = rows.flatMap((row) => row.panels.map(({ maps }) => maps[state.method]));
  const largest = Math.max(...maps.map((map) => (map.unit ? map.half : 0)));
  const map = this.row.panels[panel].maps[state.method];
  if (map.problem) return null;
  const half = map.unit ? largest : map.half;
  const [x, y] = map.centre;
  return [x - half, x + half, y - half, y + half];
};

/** The square that it shows now, or will show when it is drawn; null where there is no map. */
Board.prototype.shownSquare = function (panel) {
  if (!this.document) return state.zooms.get(`${this.number}~${panel}`) ?? this.homeSquare(panel);
  const { x_range, y_range } = this.model("plot", panel);
  return [x_range.start, x_range.end, y_range.start, y_range.end];
};

Board.prototype.isHome = function (panel) {
  const home = this.homeSquare(panel);
  if (!home) return true;
  const close = 1e-6 * (home[1] - home[0]);
  return this.shownSquare(panel).every((side, i) => Math.abs(side - home[i]) < close);
};

Board.prototype.show = function (panel, [left, right, bottom, top]) {
  const { x_range, y_range } = this.model("plot", panel);
  x_range.setv({ start: left, end: right });
  y_range.setv({ start: bottom, end: top });
};

/** Show what the address says. */
Board.prototype.restoreSquare = function (panel) {
  const square = state.zooms.get(`${this.number}~${panel}`) ?? this.homeSquare(panel);
  if (square) this.show(panel, square);
};

/** Zoom by a factor around the current sketch, if the panel shows it, else around its middle. */
Board.prototype.zoom = function (panel, factor) {
  const { x_range, y_range } = this.model("plot", panel);
  const map = this.row.panels[panel].maps[state.method];
  const inside = (value, { start, end }) => known(value) && value > start && value < end;
  const middle = ({ start, end }) => (start + end) / 2;
  const { sketch } = state.current;
  const there = inside(map.x[sketch], x_range) && inside(map.y[sketch], y_range);
  const [x, y] = there ? [map.x[sketch], map.y[sketch]] : [middle(x_range), middle(y_range)];
  for (const [range, at] of [
    [x_range, x],
    [y_range, y],
  ]) {
    range.setv({ start: at + (range.start - at) / factor, end: at + (range.end - at) / factor });
  }
};

function download(name, blob) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A panel as it is seen, as a file. type: "png" or "svg". */
Board.prototype.save = async function (panel, type) {
  const view = this.views.find_one(this.model("plot", panel));
  const blob = await view.export(type).to_blob();
  const name = `${this.row.checkpoint}-${this.row.panels[panel].layer}-${state.method}`;
  download(`${name.replace(/[^\p{L}\p{N}.-]+/gu, "_")}.${type}`, blob);
};

/** The small buttons of a panel. */
Board.prototype.buttons = function (panel) {
  // One stop for the Tab key; a panel that is enlarged has all three.
  const tabindex = { PNG: "-1", SVG: "-1" };
  const button = (text, title, onclick) =>
    make(
      "button",
      { type: "button", class: "tiny", title, "aria-label": title, tabindex: tabindex[text] ?? "0", onclick },
      text,
    );
  const name = `${this.row.checkpoint}, ${this.row.panels[panel].layer}`;
  const save = (type) => () => this.document && this.save(panel, type);
  return make(
    "span",
    { class: "tools" },
    button("PNG", `Save ${name} as PNG`, save("png")),
    button("SVG", `Save ${name} as SVG`, save("svg")),
    button("⤢", `Enlarge ${name}, or make it small again`, () => toggleLarge(this.number, panel)),
  );
};

on("large", () =>
  boards.forEach((board, row) =>
    board.panels.forEach(({ element }, panel) => {
      const large = element.classList.toggle("large", isLarge(row, panel));
      for (const button of element.querySelectorAll(".tiny:not(:last-child)")) {
        button.tabIndex = large ? 0 : -1;
      }
    }),
  ),
);
