// What the pointer does over a panel that is a canvas: points, selects, moves and zooms.

/** How far from a point, in pixels, the pointer means it. */
const REACH = 9;

Board.prototype.use = function (tool) {
  for (const { plot } of this.views) {
    // Without a drag one finger scrolls the page, and two zoom.
    plot.style.touchAction = tool === "none" ? "pan-y" : "none";
    plot.style.cursor = tool === "pan" ? "grab" : "";
  }
};

Board.prototype.placeAt = function (panel, u, v) {
  const { plot, square } = this.views[panel];
  const [left, right, bottom, top] = square;
  return [left + (u / plot.clientWidth) * (right - left), top - (v / plot.clientHeight) * (top - bottom)];
};

/** Visible sketches within REACH of a pixel of a panel. */
Board.prototype.under = function (panel, u, v) {
  const { plot, square } = this.views[panel];
  const map = this.row.panels[panel].maps[state.method];
  const { a, b, c, d } = scales(square, plot.clientWidth, plot.clientHeight);
  const found = [];
  for (let at = 0; !map.problem && at < sketches.length; at++) {
    const [dx, dy] = [map.x[at] * a + b - u, map.y[at] * c + d - v];
    if (dx * dx + dy * dy <= REACH * REACH && this.visible[at]) found.push(at);
  }
  return found;
};

Board.prototype.listen = function (view, panel) {
  const { plot } = view;
  const fingers = new Map();
  const at = ({ clientX, clientY }) => {
    const { left, top } = plot.getBoundingClientRect();
    return [clientX - left, clientY - top];
  };
  plot.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode ? 30 : 1);
    this.zoomAt(panel, 2 ** (-pixels / 300), ...this.placeAt(panel, ...at(event)));
  });
  plot.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    fingers.set(event.pointerId, at(event));
    const start = at(event);
    view.dragged = { tool: state.tool, start, square: view.square, path: null, adds: event.shiftKey };
    if (fingers.size > 1) view.dragged.tool = "pinch";
    if (state.tool !== "none" || event.pointerType === "mouse") plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    const [u, v] = at(event);
    if (!view.dragged) {
      this.over = panel;
      this.hover(this.under(panel, u, v), ...this.placeAt(panel, u, v));
      return;
    }
    const before = [...fingers.values()];
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, [u, v]);
    if (view.dragged.tool === "pinch") this.pinch(panel, before, [...fingers.values()]);
    else this.drag(panel, u, v);
  });
  const end = (event) => {
    if (!fingers.delete(event.pointerId) || !view.dragged) return;
    const { dragged } = view;
    if (!fingers.size) view.dragged = null;
    if (event.type === "pointerup" && dragged.tool !== "pinch") this.drop(panel, dragged, at(event));
    this.redraw(panel, true);
  };
  plot.addEventListener("pointerup", end);
  plot.addEventListener("pointercancel", end);
};

Board.prototype.drag = function (panel, u, v) {
  const { dragged, plot } = this.views[panel];
  const [du, dv] = [u - dragged.start[0], v - dragged.start[1]];
  if (dragged.tool === "none" || (!dragged.path && Math.hypot(du, dv) < 4)) return;
  (dragged.path ??= [dragged.start]).push([u, v]);
  if (dragged.tool === "pan") {
    const [left, right, bottom, top] = dragged.square;
    const [dx, dy] = [(du / plot.clientWidth) * (right - left), (-dv / plot.clientHeight) * (top - bottom)];
    this.show(panel, [left - dx, right - dx, bottom - dy, top - dy]);
  } else this.redraw(panel, true);
};

Board.prototype.pinch = function (panel, before, after) {
  if (before.length < 2) return;
  const apart = ([[a, b], [c, d]]) => Math.hypot(a - c, b - d);
  const [u, v] = [0, 1].map((axis) => (after[0][axis] + after[1][axis]) / 2);
  this.zoomAt(panel, apart(after) / Math.max(1, apart(before)), ...this.placeAt(panel, u, v));
};

/** The corners of what is dragged around, in pixels of the panel. */
function outlineOfDrag({ tool, path }) {
  if (tool === "pan") return [];
  if (tool === "lasso") return path;
  const [[a, b], [c, d]] = [path[0], path.at(-1)];
  return [[a, b], [c, b], [c, d], [a, d]];
}

Board.prototype.drop = function (panel, dragged, [u, v]) {
  this.over = panel;
  const added = (found) => (dragged.adds ? [...new Set([...state.selected, ...found])] : found);
  if (!dragged.path) {
    const found = this.under(panel, u, v);
    // All that share the place of the nearest.
    pointer.whenKeyed = null;
    this.hover(found, ...this.placeAt(panel, u, v));
    const map = this.row.panels[panel].maps[state.method];
    const { sketch } = state.current;
    const same = found.filter((i) => map.x[i] === map.x[sketch] && map.y[i] === map.y[sketch]);
    this.report(added(same));
    return;
  }
  const corners = outlineOfDrag(dragged).map(([x, y]) => this.placeAt(panel, x, y));
  if (dragged.tool === "zoom") {
    const [[x, y], , [z, w]] = corners;
    const half = Math.max(Math.abs(z - x), Math.abs(w - y)) / 2;
    const [p, q] = [(x + z) / 2, (y + w) / 2];
    if (half > 0) this.show(panel, [p - half, p + half, q - half, q + half]);
  } else if (dragged.tool !== "pan") this.report(added(this.enclosed(panel, corners)));
};

/** Visible sketches inside a polygon of a map's coordinates. */
Board.prototype.enclosed = function (panel, corners) {
  const { x, y } = this.row.panels[panel].maps[state.method];
  const ends = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  const [[left, bottom], [right, top]] = [ends.map((list) => Math.min(...list)), ends.map((list) => Math.max(...list))];
  const found = [];
  for (let at = 0; at < sketches.length; at++) {
    const [u, v] = [x[at], y[at]];
    if (!(u >= left && u <= right && v >= bottom && v <= top) || !this.visible[at]) continue;
    let inside = false;
    corners.forEach(([a, b], i) => {
      const [c, d] = corners.at(i - 1);
      if (b > v !== d > v && u < ((c - a) * (v - b)) / (d - b) + a) inside = !inside;
    });
    if (inside) found.push(at);
  }
  return found;
};
