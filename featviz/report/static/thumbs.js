// Pictures beside the points of a panel that is zoomed in, wherever there is room for them: none lies
// over a point or over another picture, and those that are looked at or selected come first.

/** At most so many pictures in a panel, beside at most so many points; the narrowest panel with any. */
const MOST_PICTURES = 40;
const MOST_NEAR = 600;
const PICTURE = 64;
const NARROWEST = 240;
/** Pictures are shown of what is at most this part of the whole map. */
const ZOOMED = 0.7;

/** The points that a panel shows, each place once: [sketch, x, y] in its pixels. */
Board.prototype.placesShown = function (panel) {
  const map = this.row.panels[panel].maps[state.method];
  const [left, right, bottom, top] = this.square(panel);
  const { clientWidth: wide, clientHeight: high } = this.panels[panel].plot;
  const places = new Map();
  for (let at = 0; at < sketches.length; at++) {
    const [x, y] = [map.x[at], map.y[at]];
    if (!(x > left && x < right && y > bottom && y < top) || !shown(at)) continue;
    const place = `${x},${y}`;
    if (!places.has(place) || at === state.current.sketch) {
      places.set(place, [at, ((x - left) / (right - left)) * wide, ((top - y) / (top - bottom)) * high]);
    }
    if (places.size > MOST_NEAR) return null;
  }
  return [...places.values()];
};

/** Where pictures go: [sketch, left, top] of each, beside its point. */
Board.prototype.pictureSpots = function (panel) {
  const { clientWidth: wide, clientHeight: high } = this.panels[panel].plot;
  const map = this.row.panels[panel].maps[state.method];
  const home = this.homeSquare(panel);
  const [left, right] = home ? this.square(panel) : [0, 0];
  if (map.problem || !home || wide < NARROWEST || right - left > ZOOMED * (home[1] - home[0])) return [];
  const places = this.placesShown(panel);
  if (!places) return [];
  const first = (at) => (at === state.current.sketch ? 0 : state.selected.has(at) || state.found.has(at) ? 1 : 2);
  const taken = [];
  const clear = ([x, y]) =>
    x >= 0 && y >= 0 && x + PICTURE <= wide && y + PICTURE <= high &&
    taken.every(([, u, v]) => Math.abs(u - x) > PICTURE + 2 || Math.abs(v - y) > PICTURE + 2) &&
    places.every(([, u, v]) => u < x - 4 || u > x + PICTURE + 4 || v < y - 4 || v > y + PICTURE + 4);
  for (const [at, x, y] of places.sort(([one], [other]) => first(one) - first(other))) {
    const [gap, half] = [9, PICTURE / 2];
    const beside = [[x - half, y - gap - PICTURE], [x + gap, y - half], [x - half, y + gap], [x - gap - PICTURE, y - half]];
    const free = sketches[at].picture && beside.find(clear);
    if (free) taken.push([at, ...free.map(Math.round), x, y]);
    if (taken.length === MOST_PICTURES) break;
  }
  return taken;
};

/** Draw them over a panel; those that are not decoded yet come as they are. */
Board.prototype.showPictures = function (panel) {
  const { plot, element } = this.panels[panel];
  const spots = this.pictureSpots(panel);
  let canvas = element.querySelector(".pictures-near");
  if (!canvas) {
    if (!spots.length) return;
    plot.after((canvas = make("canvas", { class: "pictures-near", "aria-hidden": "true" })));
  }
  const ratio = devicePixelRatio;
  [canvas.width, canvas.height] = [plot.clientWidth * ratio, plot.clientHeight * ratio];
  canvas.dataset.spots = spots.map(([at, left, top]) => [at, left, top].join()).join(" ");
  const drawing = canvas.getContext("2d");
  drawing.scale(ratio, ratio);
  this.spots ??= [];
  this.spots[panel] = spots;
  for (const spot of spots) {
    const [at, left, top, x, y] = spot;
    thumbnailOf(at).then((picture) => {
      // The panel may show something else by now.
      if (this.spots[panel] !== spots) return;
      drawing.strokeStyle = colorOf(at, this.number, panel);
      drawing.lineWidth = at === state.current.sketch ? 4 : 2;
      drawing.beginPath();
      drawing.moveTo(x, y);
      drawing.lineTo(Math.min(Math.max(x, left), left + PICTURE), Math.min(Math.max(y, top), top + PICTURE));
      drawing.stroke();
      drawing.drawImage(picture, left, top, PICTURE, PICTURE);
      drawing.strokeRect(left, top, PICTURE, PICTURE);
    });
  }
};

const pictureSoon = new Set();
Board.prototype.picturesSoon = function () {
  if (pictureSoon.has(this)) return;
  pictureSoon.add(this);
  setTimeout(() => {
    pictureSoon.delete(this);
    this.row.panels.forEach((_, panel) => this.showPictures(panel));
  }, 80);
};
for (const what of ["zoom", "method", "groups", "selection", "current", "theme", "color", "found", "large"]) {
  on(what, drawn((board) => board.picturesSoon()));
}
addEventListener("resize", drawn((board) => board.picturesSoon()));
