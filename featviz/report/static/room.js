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
  if (!this.ready) return state.zooms.get(`${this.number}~${panel}`) ?? this.homeSquare(panel);
  return this.square(panel);
};

Board.prototype.isHome = function (panel) {
  const home = this.homeSquare(panel);
  if (!home) return true;
  const close = 1e-6 * (home[1] - home[0]);
  return this.shownSquare(panel).every((side, i) => Math.abs(side - home[i]) < close);
};

/** Show what the address says. */
Board.prototype.restoreSquare = function (panel) {
  const square = state.zooms.get(`${this.number}~${panel}`) ?? this.homeSquare(panel);
  if (square) this.show(panel, square);
};

/** Zoom by a factor around the current sketch, if the panel shows it, else around its middle. */
Board.prototype.zoom = function (panel, factor) {
  const [left, right, bottom, top] = this.square(panel);
  const map = this.row.panels[panel].maps[state.method];
  const { sketch } = state.current;
  const [x, y] = [map.x[sketch], map.y[sketch]];
  const there = known(x) && x > left && x < right && y > bottom && y < top;
  this.zoomAt(panel, factor, ...(there ? [x, y] : [(left + right) / 2, (bottom + top) / 2]));
};

Board.prototype.zoomAt = function (panel, factor, x, y) {
  const about = (side, i) => (i < 2 ? x + (side - x) / factor : y + (side - y) / factor);
  this.show(panel, this.square(panel).map(about));
};

function download(name, blob) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A panel as it is seen, as a file. type: "png" or "svg". */
Board.prototype.save = async function (panel, type) {
  const blob = await this.picture(panel, type);
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
  const save = (type) => () => this.ready && this.save(panel, type);
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
