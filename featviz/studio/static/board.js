// The sheet: what is on it is drawn here, and pointers become changes of the sketch.

import { SIZE, LINE, clamp, distanceToPolyline } from "./geometry.js";
import { AXIS } from "./parts.js";
import {
  addStroke,
  boundsOfStrokes,
  deleteStrokes,
  eraseArea,
  eraseStrokes,
  moveStrokes,
  scaleStrokes,
} from "./sketch.js";
import { StrokeInput } from "./smoothing.js";
import { View } from "./view.js";

export const LAYER_COLORS = ["#0d0887", "#6f00a8", "#b7318a", "#e87059", "#feba2c"];

const HANDLES = [
  [0, 0],
  [0.5, 0],
  [1, 0],
  [1, 0.5],
  [1, 1],
  [0.5, 1],
  [0, 1],
  [0, 0.5],
];
const CURSORS = ["nwse", "ns", "nesw", "ew", "nwse", "ns", "nesw", "ew"];
/** Pointers may leave the sheet this far; the rest of a line that goes on is cut off. */
const OUTSIDE = 60;
const PEN_REST = 800;

/**
 * Tells by DOM events: "preview" (detail: the strokes, with the one being drawn), "commit" (detail:
 * {state, kind}), "probe" (detail: point), "view", "selection", "hover".
 */
export class Board extends EventTarget {
  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.view = new View();
    this.state = [];
    this.base = [];
    this.shown = null;
    this.selected = new Set();
    this.tool = "pen";
    this.radius = 10;
    this.symmetric = false;
    this.choosePart = () => "doodle";
    this.underlay = { image: null, opacity: 0.4, visible: true };
    this.network = { image: null, visible: false };
    this.probe = { visible: false, point: null, layers: [], chosen: null };
    this.pointers = new Map();
    this.gesture = null;
    this.hover = null;
    this.spaceHeld = false;
    this.busy = false;
    this.penSeen = -Infinity;
    this.paths = new WeakMap();
    this.colors = {};
    this.#listen();
    this.readColors();
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#watchRatio();
  }

  // What is shown -----------------------------------------------------------------------------

  /** Another state of the sketch; what a gesture had in hand is dropped. */
  show(state, base = this.base) {
    this.state = state;
    this.base = base;
    this.shown = null;
    const ids = new Set(state.map((stroke) => stroke.id));
    this.select([...this.selected].filter((id) => ids.has(id)));
    this.invalidate();
  }

  get strokes() {
    return this.shown ?? this.state;
  }

  set(name, values) {
    Object.assign(this[name], values);
    this.invalidate();
  }

  /** While another drawing is fetched nothing can be drawn. */
  setBusy(busy) {
    if (busy) this.cancel();
    this.busy = busy;
    this.#updateCursor();
  }

  setTool(tool) {
    this.cancel();
    this.tool = tool;
    if (tool !== "select") this.select([]);
    this.#updateCursor();
    this.invalidate();
  }

  select(ids) {
    const next = new Set(ids);
    if (next.size === this.selected.size && [...next].every((id) => this.selected.has(id))) return;
    this.selected = next;
    this.invalidate();
    this.#tell("selection");
  }

  // Changes of the selection, also for the keyboard ----------------------------------------------

  /** A change that is shown at once and becomes an event with `settle`. */
  #try([state, ids]) {
    this.shown = state;
    this.selected = ids;
    this.invalidate();
    this.#tell("preview", state);
    this.#tell("selection");
  }

  nudge(dx, dy) {
    if (!this.selected.size) return;
    this.#try(moveStrokes(this.strokes, this.selected, ...this.#held(this.strokes, dx, dy)));
  }

  resizeSelection(factor) {
    const bounds = boundsOfStrokes(this.strokes, this.selected);
    if (!bounds) return;
    const centre = [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2];
    const room = Math.max(bounds[2] - bounds[0], bounds[3] - bounds[1]);
    if ((factor > 1 && room > 2 * SIZE) || (factor < 1 && room < 2)) return;
    this.#try(scaleStrokes(this.strokes, this.selected, factor, factor, centre));
  }

  deleteSelection() {
    if (!this.selected.size) return;
    this.settle();
    const state = deleteStrokes(this.state, this.selected);
    this.selected = new Set();
    this.#commit(state, "erase");
    this.#tell("selection");
  }

  /** Select the next or the one before, in drawing order. */
  step(direction) {
    const ids = this.strokes.map((stroke) => stroke.id);
    if (!ids.length) return;
    const at = ids.findIndex((id) => this.selected.has(id));
    const next =
      at < 0 ? (direction > 0 ? 0 : ids.length - 1) : (at + direction + ids.length) % ids.length;
    this.settle();
    this.select([this.strokes[next].id]);
  }

  /** Make an event of what a key has changed so far. */
  settle() {
    if (this.shown && !this.gesture) this.#commit(this.shown, "move");
  }

  /** A move that leaves something of the selection on the sheet. */
  #held(state, dx, dy) {
    const bounds = boundsOfStrokes(state, this.selected);
    if (!bounds) return [0, 0];
    return [
      clamp(dx, -bounds[2], SIZE - 1 - bounds[0]),
      clamp(dy, -bounds[3], SIZE - 1 - bounds[1]),
    ];
  }

  // Pointers ---------------------------------------------------------------------------------

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#up(event, true));
    canvas.addEventListener("pointerleave", () => {
      this.hover = null;
      this.#tell("hover");
      this.invalidate();
    });
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("dblclick", (event) => this.#doubleClick(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("focus", () => this.invalidate());
    canvas.addEventListener("blur", () => {
      this.spaceHeld = false;
      delete canvas.dataset.pointer;
      this.settle();
      this.invalidate();
    });
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #sketch(event) {
    return this.view
      .toSketch(this.#at(event))
      .map((value) => clamp(value, -OUTSIDE, SIZE + OUTSIDE));
  }

  #down(event) {
    const touch = event.pointerType === "touch";
    if (event.pointerType === "pen") {
      this.penSeen = performance.now();
      // A hand that lies on the screen has begun something: the pen takes over.
      for (const [id, pointer] of this.pointers) if (pointer.touch) this.pointers.delete(id);
      if (this.gesture?.touch) this.cancel();
    }
    if (this.busy || (touch && this.#penInUse())) return;
    this.canvas.dataset.pointer = "";
    this.canvas.focus({ preventScroll: true });
    try {
      this.canvas.setPointerCapture(event.pointerId);
    } catch {
      // A pointer that is gone already cannot be captured.
    }
    this.pointers.set(event.pointerId, { touch, at: this.#at(event) });
    const touches = [...this.pointers.values()].filter((pointer) => pointer.touch);
    if (touches.length === 2) {
      this.cancel();
      this.gesture = { kind: "pinch", touch: true, ...this.#pinch() };
      return;
    }
    if (this.gesture || touches.length > 2) return;
    this.settle();
    this.gesture = this.#begin(event);
    if (this.gesture) this.gesture.touch = touch;
    if (this.gesture) this.gesture.pointer = event.pointerId;
    this.#updateCursor();
  }

  #penInUse() {
    const held = this.gesture && !this.gesture.touch && this.gesture.kind !== "pinch";
    return held || performance.now() - this.penSeen < PEN_REST;
  }

  #pinch() {
    const [one, other] = [...this.pointers.values()]
      .filter((pointer) => pointer.touch)
      .map((pointer) => pointer.at);
    return {
      middle: [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2],
      span: Math.max(Math.hypot(other[0] - one[0], other[1] - one[1]), 1),
    };
  }

  #begin(event) {
    const point = this.#sketch(event);
    if (event.button === 1 || this.spaceHeld || (this.tool === "pan" && event.button === 0)) {
      return { kind: "pan", last: this.#at(event) };
    }
    // 5 is the other end of a stylus.
    const tool = event.button === 5 ? "erase-stroke" : event.button === 0 ? this.tool : null;
    const axis = this.symmetric ? AXIS : null;
    if (tool === "pen") {
      const input = new StrokeInput();
      input.add(point, event.timeStamp);
      this.invalidate();
      return { kind: "pen", input, axis, before: this.state };
    }
    if (tool === "erase-stroke" || tool === "erase-area") {
      const gesture = { kind: tool, axis, last: point };
      this.#erase(gesture, point);
      return gesture;
    }
    if (tool === "probe") {
      this.#pointProbe(point);
      return { kind: "probe" };
    }
    if (tool === "select") return this.#beginSelect(event, point);
    return null;
  }

  #move(event) {
    if (event.pointerType === "pen") this.penSeen = performance.now();
    const pointer = this.pointers.get(event.pointerId);
    if (!(event.pointerType === "touch")) {
      this.hover = this.view.toSketch(this.#at(event));
      if (!this.gesture) this.#updateCursor(this.hover);
      if (this.tool === "erase-area") this.invalidate();
      this.#tell("hover");
    }
    if (!pointer) return;
    pointer.at = this.#at(event);
    const { gesture } = this;
    if (!gesture) return;
    if (gesture.kind === "pinch") {
      this.#movePinch(gesture);
      return;
    }
    if (gesture.pointer !== event.pointerId) return;
    const coalesced = event.getCoalescedEvents?.() ?? [];
    const events = coalesced.length ? coalesced : [event];
    if (gesture.kind === "pen") {
      for (const one of events) gesture.input.add(this.#sketch(one), one.timeStamp);
      this.#previewPen(gesture);
    } else if (gesture.kind === "pan") {
      const at = this.#at(event);
      this.view.pan(at[0] - gesture.last[0], at[1] - gesture.last[1]);
      gesture.last = at;
      this.#viewChanged();
    } else if (gesture.kind === "probe") {
      this.#pointProbe(this.#sketch(event));
    } else if (gesture.kind.startsWith("erase")) {
      for (const one of events) this.#erase(gesture, this.#sketch(one));
    } else {
      this.#moveSelect(gesture, this.#sketch(event));
    }
  }

  #up(event, cancelled = false) {
    const known = this.pointers.delete(event.pointerId);
    const { gesture } = this;
    if (!known || !gesture) return;
    if (gesture.kind === "pinch") {
      const touches = [...this.pointers.values()].filter((pointer) => pointer.touch);
      if (touches.length < 2) this.gesture = null;
      return;
    }
    if (gesture.pointer !== event.pointerId) return;
    if (cancelled) {
      this.cancel();
      return;
    }
    if (gesture.kind === "pen") gesture.input.add(this.#sketch(event), event.timeStamp);
    this.gesture = null;
    this.#finish(gesture);
    this.#updateCursor(this.hover);
  }

  #finish(gesture) {
    if (gesture.kind === "pen") {
      const points = gesture.input.finish();
      const state = addStroke(this.state, this.choosePart(points), points, gesture.axis);
      this.#commit(state, "draw");
    } else if (gesture.kind.startsWith("erase")) {
      const kind = gesture.kind === "erase-area" ? "cut" : "erase";
      if (this.shown) this.#commit(this.shown, kind);
    } else if (gesture.kind === "marquee") {
      this.select(this.#inMarquee(gesture));
    } else if (this.shown) {
      this.#commit(this.shown, "move");
    }
    this.invalidate();
  }

  /** Drop what a gesture has in hand; what keys have done stays. */
  cancel() {
    const { gesture } = this;
    if (!gesture) this.settle();
    this.gesture = null;
    if (this.shown) {
      if (gesture.ids) this.selected = gesture.ids;
      this.shown = null;
      this.#tell("preview", this.state);
      this.#tell("selection");
    }
    this.invalidate();
  }

  #previewPen(gesture) {
    gesture.points = gesture.input.preview();
    if (gesture.points.length) {
      this.shown = addStroke(gesture.before, "doodle", gesture.points, gesture.axis);
      this.#tell("preview", this.shown);
    }
    this.invalidate();
  }

  #erase(gesture, point) {
    const before = this.strokes;
    const after =
      gesture.kind === "erase-area"
        ? eraseArea(before, gesture.last, point, this.radius, gesture.axis)
        : eraseStrokes(before, gesture.last, point, this.#reach(4), gesture.axis);
    gesture.last = point;
    if (after !== before) {
      this.shown = after;
      this.#tell("preview", after);
    }
    this.invalidate();
  }

  /** So many pixels of the screen in pixels of the sketch, but at least the line itself. */
  #reach(pixels) {
    return Math.max(pixels / this.view.scale, LINE);
  }

  #pointProbe(point) {
    const whole = point.map((value) => clamp(Math.round(value), 0, SIZE - 1));
    this.#tell("probe", whole);
  }

  #commit(state, kind) {
    this.shown = null;
    this.#tell("commit", { state, kind });
  }

  // Selecting, moving, scaling ---------------------------------------------------------------

  #beginSelect(event, point) {
    const handle = this.#handleAt(this.#at(event), event.pointerType === "touch" ? 22 : 11);
    const bounds = boundsOfStrokes(this.strokes, this.selected);
    if (handle !== null) {
      return {
        kind: "scale",
        handle,
        bounds,
        ids: this.selected,
        start: point,
        before: this.strokes,
      };
    }
    const hit = this.#hit(point, event.pointerType === "touch" ? 18 : 8);
    const adds = event.shiftKey || event.ctrlKey || event.metaKey;
    if (hit && adds) {
      const ids = new Set(this.selected);
      if (!ids.delete(hit.id)) ids.add(hit.id);
      this.select(ids);
      return null;
    }
    const inside =
      bounds &&
      point[0] >= bounds[0] &&
      point[0] <= bounds[2] &&
      point[1] >= bounds[1] &&
      point[1] <= bounds[3];
    if (hit && !this.selected.has(hit.id)) this.select([hit.id]);
    else if (!hit && !inside) {
      if (!adds) this.select([]);
      return { kind: "marquee", start: point, end: point, adds: adds ? [...this.selected] : [] };
    }
    return { kind: "move", ids: this.selected, start: point, before: this.strokes };
  }

  #moveSelect(gesture, point) {
    if (gesture.kind === "marquee") {
      gesture.end = point;
      this.invalidate();
      return;
    }
    const [dx, dy] = [point[0] - gesture.start[0], point[1] - gesture.start[1]];
    this.selected = gesture.ids;
    if (gesture.kind === "move") {
      if (!this.shown && Math.hypot(dx, dy) * this.view.scale < 3) return;
      this.#try(moveStrokes(gesture.before, gesture.ids, ...this.#held(gesture.before, dx, dy)));
      return;
    }
    const [left, top, right, bottom] = gesture.bounds;
    const [hx, hy] = HANDLES[gesture.handle];
    const fixed = [hx === 0 ? right : left, hy === 0 ? bottom : top];
    const factor = (place, moved, extent) => {
      const sign = place === 0 ? -1 : 1;
      return place === 0.5 || extent < 0.5 ? 1 : clamp((extent + sign * moved) / extent, 0.05, 20);
    };
    let sx = factor(hx, dx, right - left);
    let sy = factor(hy, dy, bottom - top);
    if (hx !== 0.5 && hy !== 0.5) {
      // Corners keep the proportions, by the side that was moved farther.
      const both = Math.abs(Math.log(sx)) > Math.abs(Math.log(sy)) ? sx : sy;
      sx = sy = both;
    }
    this.#try(scaleStrokes(gesture.before, gesture.ids, sx, sy, fixed));
  }

  #inMarquee({ start, end, adds }) {
    const [left, right] = [Math.min(start[0], end[0]), Math.max(start[0], end[0])];
    const [top, bottom] = [Math.min(start[1], end[1]), Math.max(start[1], end[1])];
    const inside = this.strokes.filter(({ points }) =>
      points.every(([x, y]) => x >= left && x <= right && y >= top && y <= bottom),
    );
    return [...adds, ...inside.map((stroke) => stroke.id)];
  }

  #hit(point, pixels) {
    let best = null;
    let least = this.#reach(pixels);
    for (const stroke of this.strokes) {
      const distance = distanceToPolyline(point, stroke.points);
      if (distance <= least) [best, least] = [stroke, distance];
    }
    return best;
  }

  #frame() {
    const bounds = boundsOfStrokes(this.strokes, this.selected);
    if (!bounds) return null;
    const [left, top] = this.view.toScreen([bounds[0], bounds[1]]);
    const [right, bottom] = this.view.toScreen([bounds[2], bounds[3]]);
    const gap = 8;
    return [left - gap, top - gap, right + gap, bottom + gap];
  }

  #handleAt(at, reach) {
    const frame = this.#frame();
    if (!frame || this.tool !== "select") return null;
    let best = null;
    let least = reach;
    HANDLES.forEach(([hx, hy], i) => {
      const x = frame[0] + (frame[2] - frame[0]) * hx;
      const y = frame[1] + (frame[3] - frame[1]) * hy;
      const distance = Math.hypot(at[0] - x, at[1] - y);
      if (distance < least) [best, least] = [i, distance];
    });
    return best;
  }

  #doubleClick(event) {
    if (this.tool !== "select") return;
    const hit = this.#hit(this.#sketch(event), 8);
    if (hit)
      this.select(
        this.strokes.filter((stroke) => stroke.part === hit.part).map((stroke) => stroke.id),
      );
  }

  // The view ---------------------------------------------------------------------------------

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) {
      this.view.pan(-(event.deltaX || event.deltaY) * lines, 0);
    } else {
      // A pinch on a touch pad arrives as a wheel with Ctrl, in smaller steps.
      const speed = event.ctrlKey ? 0.01 : 0.0015;
      this.view.zoom(Math.exp(-clamp(event.deltaY * lines, -240, 240) * speed), this.#at(event));
    }
    this.#viewChanged();
  }

  #movePinch(gesture) {
    if ([...this.pointers.values()].filter((pointer) => pointer.touch).length < 2) return;
    const { middle, span } = this.#pinch();
    this.view.pan(middle[0] - gesture.middle[0], middle[1] - gesture.middle[1]);
    this.view.zoom(span / gesture.span, middle);
    Object.assign(gesture, { middle, span });
    this.#viewChanged();
  }

  zoom(factor) {
    this.view.zoom(factor);
    this.#viewChanged();
  }

  fit() {
    this.view.fit();
    this.#viewChanged();
  }

  holdSpace(held) {
    this.spaceHeld = held;
    this.#updateCursor();
  }

  #viewChanged() {
    this.invalidate();
    this.#tell("view");
  }

  #resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.ratio = devicePixelRatio || 1;
    this.canvas.width = Math.max(Math.round(clientWidth * this.ratio), 1);
    this.canvas.height = Math.max(Math.round(clientHeight * this.ratio), 1);
    this.view.resize(clientWidth, clientHeight);
    this.#viewChanged();
    this.#render();
  }

  /** The pixel ratio changes when the page is zoomed or goes to another screen. */
  #watchRatio() {
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener(
      "change",
      () => {
        this.#resize();
        this.#watchRatio();
      },
      { once: true },
    );
  }

  #updateCursor(point = null) {
    const { gesture } = this;
    let cursor = "crosshair";
    if (this.busy) {
      cursor = "progress";
    } else if (this.spaceHeld || this.tool === "pan" || gesture?.kind === "pan") {
      cursor = gesture?.kind === "pan" ? "grabbing" : "grab";
    } else if (this.tool === "erase-area") {
      cursor = "none";
    } else if (this.tool === "select") {
      cursor = "default";
      const handle = point && this.#handleAt(this.view.toScreen(point), 11);
      if (handle !== null && handle !== undefined) cursor = `${CURSORS[handle]}-resize`;
      else if (point && this.#hit(point, 8)) cursor = "move";
    }
    this.canvas.style.cursor = cursor;
  }

  // Rendering --------------------------------------------------------------------------------

  readColors() {
    const style = getComputedStyle(this.canvas);
    for (const name of ["paper", "ink", "accent", "desk", "edge", "ghost"]) {
      this.colors[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.invalidate();
  }

  invalidate() {
    this.pending ??= requestAnimationFrame(() => this.#render());
  }

  #render() {
    this.pending = null;
    const { context, view, colors, ratio = 1 } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    const side = SIZE * view.scale;
    context.fillStyle = colors.paper;
    context.fillRect(view.x, view.y, side, side);

    context.save();
    context.beginPath();
    context.rect(view.x, view.y, side, side);
    context.clip();
    if (this.network.visible) this.#renderNetwork(side);
    else this.#renderVectors();
    context.restore();

    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.strokeStyle = colors.edge;
    context.lineWidth = 1;
    context.strokeRect(view.x - 0.5, view.y - 0.5, side + 1, side + 1);
    if (this.probe.visible) this.#renderProbe();
    if (this.tool === "select") this.#renderSelection();
    if (this.tool === "erase-area" && this.hover) this.#renderEraser();
  }

  #renderNetwork(side) {
    const { context, view, network } = this;
    if (!network.image) return;
    context.imageSmoothingEnabled = view.scale * this.ratio < 1;
    context.drawImage(network.image, view.x, view.y, side, side);
    if (view.scale < 10) return;
    // Far enough in, the grid of the pixels.
    context.beginPath();
    for (let i = 0; i <= SIZE; i++) {
      const [x, y] = [view.x + i * view.scale, view.y + i * view.scale];
      if (x >= 0 && x <= view.width) context.rect(x, view.y, 0, side);
      if (y >= 0 && y <= view.height) context.rect(view.x, y, side, 0);
    }
    context.strokeStyle = "rgb(128 128 128 / 35%)";
    context.lineWidth = 1;
    context.stroke();
  }

  #renderVectors() {
    const { context, view, colors, ratio, underlay } = this;
    const side = SIZE * view.scale;
    if (underlay.visible && underlay.image) {
      context.globalAlpha = underlay.opacity;
      context.globalCompositeOperation = "multiply";
      context.imageSmoothingEnabled = true;
      context.drawImage(underlay.image, view.x, view.y, side, side);
      context.globalCompositeOperation = "source-over";
      context.globalAlpha = 1;
    }
    if (this.symmetric) {
      const [x] = view.toScreen([AXIS, 0]);
      context.strokeStyle = colors.accent;
      context.lineWidth = 1;
      context.setLineDash([6, 5]);
      context.beginPath();
      context.moveTo(x, view.y);
      context.lineTo(x, view.y + side);
      context.stroke();
      context.setLineDash([]);
    }
    const k = view.scale * ratio;
    context.setTransform(
      k,
      0,
      0,
      k,
      (view.x + view.scale / 2) * ratio,
      (view.y + view.scale / 2) * ratio,
    );
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = LINE;
    const strokes = this.strokes;
    if (underlay.visible) {
      // What the start sketch had here and the sketch has no more.
      const kept = new Set(strokes.map((stroke) => stroke.id));
      context.strokeStyle = colors.ghost;
      for (const stroke of this.base) if (!kept.has(stroke.id)) context.stroke(this.#path(stroke));
    }
    const chosen = this.tool === "select" ? this.selected : new Set();
    for (const stroke of strokes) {
      context.strokeStyle = chosen.has(stroke.id) ? colors.accent : colors.ink;
      context.stroke(this.#path(stroke));
    }
  }

  #path(stroke) {
    let path = this.paths.get(stroke);
    if (!path) {
      path = new Path2D();
      const [first, ...rest] = stroke.points;
      path.moveTo(...first);
      // A tap is a dot; a line of no length would not be drawn.
      if (!rest.length) path.lineTo(first[0] + 1e-3, first[1]);
      for (const point of rest) path.lineTo(...point);
      this.paths.set(stroke, path);
    }
    return path;
  }

  #renderProbe() {
    const { context, view, probe } = this;
    if (!probe.point) return;
    // Large boxes first, so that small ones lie on top.
    const boxes = probe.layers
      .map((layer, i) => ({ ...layer, color: LAYER_COLORS[i % LAYER_COLORS.length] }))
      .reverse();
    for (const { box, layer, color } of boxes) {
      if (!box) continue;
      const [left, top] = view.toScreen([box[0] - 0.5, box[1] - 0.5]);
      const [right, bottom] = view.toScreen([box[2] + 0.5, box[3] + 0.5]);
      const chosen = layer === probe.chosen;
      context.strokeStyle = "white";
      context.lineWidth = chosen ? 5 : 3;
      context.strokeRect(left, top, right - left, bottom - top);
      context.strokeStyle = color;
      context.lineWidth = chosen ? 3 : 1.5;
      context.strokeRect(left, top, right - left, bottom - top);
    }
    const [x, y] = view.toScreen(probe.point);
    context.beginPath();
    for (const [dx, dy] of [
      [1, 0],
      [0, 1],
    ]) {
      context.moveTo(x - 9 * dx, y - 9 * dy);
      context.lineTo(x + 9 * dx, y + 9 * dy);
    }
    context.strokeStyle = "white";
    context.lineWidth = 4;
    context.stroke();
    context.strokeStyle = "#00724f";
    context.lineWidth = 2;
    context.stroke();
  }

  #renderSelection() {
    const { context, colors, gesture } = this;
    context.strokeStyle = colors.accent;
    context.lineWidth = 1;
    if (gesture?.kind === "marquee") {
      const [x0, y0] = this.view.toScreen(gesture.start);
      const [x1, y1] = this.view.toScreen(gesture.end);
      context.setLineDash([4, 3]);
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
      context.setLineDash([]);
    }
    const frame = this.#frame();
    if (!frame) return;
    const [left, top, right, bottom] = frame;
    context.strokeRect(left, top, right - left, bottom - top);
    context.fillStyle = colors.paper;
    for (const [hx, hy] of HANDLES) {
      const x = left + (right - left) * hx;
      const y = top + (bottom - top) * hy;
      context.beginPath();
      context.rect(x - 4, y - 4, 8, 8);
      context.fill();
      context.stroke();
    }
  }

  #renderEraser() {
    const { context, view } = this;
    const circles = [this.hover];
    if (this.symmetric) circles.push([2 * AXIS - this.hover[0], this.hover[1]]);
    for (const centre of circles) {
      const [x, y] = view.toScreen(centre);
      context.beginPath();
      context.arc(x, y, this.radius * view.scale, 0, 2 * Math.PI);
      context.fillStyle = "rgb(128 128 128 / 12%)";
      context.fill();
      context.strokeStyle = "#6b6b6b";
      context.lineWidth = 1.25;
      context.stroke();
    }
  }

  #tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
