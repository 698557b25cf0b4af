// Panels of very many points, each drawn into the pixels of one canvas; what moves lies on a second one.
// Points are written as discs of a few pixels while there are many in sight, else as markers.

const MANY = 2000;
/** In no order that a group could be on top by. */
const order = Uint32Array.from(sketches.keys()).sort((one, other) => scattered(one) - scattered(other));

function scattered(at) {
  return Math.imul(at + 1, 2654435761) >>> 0;
}

/** "#rrggbb" as the four bytes of a pixel. */
const packedColors = new Map();
function packedColor(color) {
  if (!packedColors.has(color)) {
    const [red, green, blue] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    packedColors.set(color, ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0);
  }
  return packedColors.get(color);
}

Board.prototype.start = async function () {
  this.visible = new Uint8Array(sketches.length);
  this.views = this.panels.map(({ plot }, i) => {
    const [points, marks] = [make("canvas", {}), make("canvas", {})];
    plot.append(points, marks);
    const view = { plot, points, marks, square: [-1, 1, -1, 1], colors: new Uint32Array(sketches.length), dragged: null };
    new ResizeObserver(() => this.redraw(i)).observe(plot);
    this.listen(view, i);
    return view;
  });
  this.ready = true;
  this.fill();
  this.views.forEach((_, i) => this.restoreSquare(i));
  this.use(state.tool);
  this.element.dataset.drawn = "";
};

Board.prototype.fill = function () {
  this.views.forEach((_, i) => this.words(i));
  this.paint();
  this.filter();
  this.home();
};

Board.prototype.home = function () {
  this.views.forEach((_, i) => !this.row.panels[i].maps[state.method].problem && this.show(i, this.homeSquare(i)));
};

Board.prototype.filter = function () {
  sketches.forEach((_, at) => (this.visible[at] = shown(at)));
  this.redrawAll();
};

/** A disc has no line around it: on a dark ground dark colours take some of that line's. */
function discColor(color) {
  if (!isDark() || luminance(color) > 0.08) return packedColor(color);
  const edge = edgeOf(color);
  const byte = (of, i) => parseInt(of.slice(i, i + 2), 16);
  const mixed = [1, 3, 5].map((i) => Math.round(0.65 * byte(color, i) + 0.35 * byte(edge, i)));
  return packedColor(`#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`);
}

Board.prototype.look = Board.prototype.paint = function () {
  const discs = new Map();
  this.views.forEach(({ colors }, i) => {
    sketches.forEach((_, at) => {
      const color = colorOf(at, this.number, i);
      if (!discs.has(color)) discs.set(color, discColor(color));
      colors[at] = discs.get(color);
    });
  });
  this.redrawAll();
};

Board.prototype.select = Board.prototype.redrawAll = function () {
  this.views.forEach((_, i) => this.redraw(i));
};

Board.prototype.point = Board.prototype.ring = function () {
  this.views.forEach((_, i) => this.redraw(i, true));
};

Board.prototype.square = function (panel) {
  return this.views[panel].square;
};

Board.prototype.show = function (panel, square) {
  this.views[panel].square = square;
  this.redraw(panel);
  clearTimeout(this.later);
  this.later = setTimeout(() => tell("zoom"), 50);
};

/** Draw a panel in the next frame; with marks alone where its points stay as they are. */
Board.prototype.redraw = function (panel, marksAlone = false) {
  const view = this.views[panel];
  view.stale ||= !marksAlone;
  view.frame ??= requestAnimationFrame(() => {
    view.frame = null;
    if (!view.plot.clientWidth) return;
    if (view.stale) this.drawPoints(panel);
    view.stale = false;
    this.drawMarks(panel);
  });
};

/** Fit a canvas to the panel; its context in the panel's own pixels. */
function fitted(canvas, plot) {
  const ratio = devicePixelRatio;
  [canvas.width, canvas.height] = [plot.clientWidth, plot.clientHeight].map((side) => Math.round(side * ratio));
  const drawing = canvas.getContext("2d");
  drawing.scale(ratio, ratio);
  return drawing;
}

/** From coordinates of a map to pixels of a panel: x * a + b, y * c + d. */
function scales([left, right, bottom, top], wide, high) {
  const [a, c] = [wide / (right - left), -high / (top - bottom)];
  return { a, b: -left * a, c, d: -top * c };
}

/** Visible points in sight, those that are not selected first, where some are. */
Board.prototype.inSight = function (panel) {
  const { x, y } = this.row.panels[panel].maps[state.method];
  const [left, right, bottom, top] = this.views[panel].square;
  const { selected } = state;
  const [behind, before] = [[], []];
  for (const at of order) {
    const [u, v] = [x[at], y[at]];
    if (!(u >= left && u <= right && v >= bottom && v <= top) || !this.visible[at]) continue;
    (selected.size && !selected.has(at) ? behind : before).push(at);
  }
  return { behind, before };
};

Board.prototype.drawPoints = function (panel) {
  const view = this.views[panel];
  const drawing = fitted(view.points, view.plot);
  if (this.row.panels[panel].maps[state.method].problem) return;
  const { behind, before } = this.inSight(panel);
  view.count = behind.length + before.length;
  if (view.count > MANY) this.drawDiscs(panel, drawing, behind, before);
  else this.drawMarkers(panel, drawing, behind, before);
};

Board.prototype.drawDiscs = function (panel, drawing, behind, before) {
  const view = this.views[panel];
  const { width: wide, height: high } = view.points;
  const { x, y } = this.row.panels[panel].maps[state.method];
  const { a, b, c, d } = scales(view.square, wide, high);
  const image = drawing.createImageData(wide, high);
  const pixels = new Uint32Array(image.data.buffer);
  // Discs together cover about a third of a panel on which they lay evenly.
  const even = Math.sqrt((0.1 * wide * high) / (behind.length + before.length));
  const radius = Math.min(3, Math.max(1, even)) * Math.max(1, devicePixelRatio);
  const reach = Math.floor(radius);
  const offsets = [];
  for (let v = -reach; v <= reach; v++) {
    for (let u = -reach; u <= reach; u++) if (Math.hypot(u, v) <= radius + 0.2) offsets.push([u, v]);
  }
  const [across, steps] = [Int32Array.from(offsets, ([u]) => u), Int32Array.from(offsets, ([u, v]) => v * wide + u)];
  const stamp = (list, mask) => {
    for (const at of list) {
      const [u, v] = [(x[at] * a + b) | 0, (y[at] * c + d) | 0];
      const [from, color] = [v * wide + u, (view.colors[at] & mask) >>> 0];
      for (let i = 0; i < steps.length; i++) {
        const column = u + across[i];
        if (column >= 0 && column < wide) pixels[from + steps[i]] = color;
      }
    }
  };
  stamp(behind, 0x30ffffff);
  stamp(before, 0xffffffff);
  drawing.putImageData(image, 0, 0);
};

const markers = Object.fromEntries(Object.entries(MARKS).map(([shape, path]) => [shape, new Path2D(path)]));

Board.prototype.drawMarkers = function (panel, drawing, behind, before) {
  const { plot, square } = this.views[panel];
  const { x, y, sizes } = this.row.panels[panel].maps[state.method];
  const { a, b, c, d } = scales(square, plot.clientWidth, plot.clientHeight);
  const ratio = devicePixelRatio;
  const draw = (list, alpha) => {
    drawing.globalAlpha = alpha;
    for (const at of list) {
      const color = colorOf(at, this.number, panel);
      const size = ratio * 0.7 * sizes[at];
      drawing.setTransform(size, 0, 0, size, ratio * (x[at] * a + b), ratio * (y[at] * c + d));
      drawing.fillStyle = color;
      drawing.strokeStyle = edgeOf(color);
      const marker = markers[groups[sketches[at].group].shape];
      drawing.fill(marker);
      drawing.stroke(marker);
    }
  };
  draw(behind, 0.14);
  draw(before, 1);
};

/** What was found and what is shown, the ties in sight, and what is being drawn around. */
Board.prototype.drawMarks = function (panel) {
  const view = this.views[panel];
  const drawing = fitted(view.marks, view.plot);
  const map = this.row.panels[panel].maps[state.method];
  if (map.problem) return;
  const { a, b, c, d } = scales(view.square, view.plot.clientWidth, view.plot.clientHeight);
  const style = getComputedStyle(document.documentElement);
  const ring = (list, radius, width, color) => {
    drawing.strokeStyle = style.getPropertyValue(color);
    drawing.lineWidth = width;
    drawing.beginPath();
    for (const at of list) {
      if (!known(map.x[at]) || !this.visible[at]) continue;
      const [u, v] = [map.x[at] * a + b, map.y[at] * c + d];
      drawing.moveTo(u + radius, v);
      drawing.arc(u, v, radius, 0, 7);
    }
    drawing.stroke();
  };
  ring([...state.found].slice(0, MANY), 5.5, 1.6, "--found");
  ring([state.current.sketch], 8.5, 2, "--accent");
  if (view.count <= MANY) this.countTies(map, drawing, { a, b, c, d }, style.getPropertyValue("--text"));
  if (view.dragged?.path) {
    drawing.strokeStyle = style.getPropertyValue("--accent");
    drawing.lineWidth = 1.5;
    drawing.setLineDash([5, 3]);
    drawing.beginPath();
    for (const [u, v] of outlineOfDrag(view.dragged)) drawing.lineTo(u, v);
    drawing.closePath();
    drawing.stroke();
  }
};

Board.prototype.countTies = function (map, drawing, { a, b, c, d }, color) {
  drawing.fillStyle = drawing.strokeStyle = color;
  drawing.lineWidth = 0.9;
  drawing.font = "11px sans-serif";
  const { clientWidth: wide, clientHeight: high } = drawing.canvas;
  let room = 60;
  for (const [x, y, members] of map.ties) {
    const [u, v] = [x * a + b, y * c + d];
    if (u < 0 || v < 0 || u > wide || v > high || !room) continue;
    const count = members.filter((at) => this.visible[at]).length;
    if (count < 2) continue;
    room -= 1;
    drawing.beginPath();
    drawing.arc(u, v, 6.5, 0, 7);
    drawing.stroke();
    drawing.fillText(`×${count}`, u + 8, v + 4);
  }
};

/** A panel as it is seen, as a file's content. type: "png" or "svg". */
Board.prototype.picture = async function (panel, type) {
  const { plot, points, marks, square } = this.views[panel];
  const ground = getComputedStyle(document.documentElement).getPropertyValue("--raised");
  const { clientWidth: wide, clientHeight: high } = plot;
  if (type === "svg") {
    const { x, y } = this.row.panels[panel].maps[state.method];
    const { a, b, c, d } = scales(square, wide, high);
    const { behind, before } = this.inSight(panel);
    const circle = (opacity) => (at) =>
      `<circle cx="${(x[at] * a + b).toFixed(1)}" cy="${(y[at] * c + d).toFixed(1)}" r="2" ` +
      `fill="${colorOf(at, this.number, panel)}" opacity="${opacity}"/>`;
    const drawn = [...behind.map(circle(0.14)), ...before.map(circle(1))].join("\n");
    const size = `width="${wide}" height="${high}"`;
    return new Blob([`<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n<rect ${size} fill="${ground}"/>\n${drawn}\n</svg>`]);
  }
  const whole = make("canvas", { width: points.width, height: points.height });
  const drawing = whole.getContext("2d");
  drawing.fillStyle = ground;
  drawing.fillRect(0, 0, whole.width, whole.height);
  const pictures = this.panels[panel].element.querySelector(".pictures-near");
  for (const layer of [points, marks, pictures]) if (layer?.width) drawing.drawImage(layer, 0, 0, whole.width, whole.height);
  return new Promise((done) => whole.toBlob(done, `image/${type}`));
};
