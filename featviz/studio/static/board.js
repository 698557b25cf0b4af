// The sheet: its sketch, its selection and its view; gestures and keys change them.

import { SIZE, clamp, pairs } from "./geometry.js";
import { render } from "./painter.js";
import { listen, updateCursor } from "./pointers.js";
import { boundsOfStrokes, deleteStrokes, moveStrokes, scaleStrokes } from "./sketch.js";
import { View } from "./view.js";

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
    this.corrected = [];
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
    this.palms = new Set();
    this.gesture = null;
    this.hover = null;
    this.spaceHeld = false;
    this.busy = false;
    this.penSeen = -Infinity;
    this.paths = new WeakMap();
    this.colors = {};
    listen(this);
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

  /** Lines that are where corrections have them, flat points each. */
  showCorrected(lines) {
    if (!lines.length && !this.corrected.length) return;
    this.corrected = lines.map((flat) => ({ points: pairs(flat) }));
    this.invalidate();
  }

  set(name, values) {
    Object.assign(this[name], values);
    this.invalidate();
  }

  /** While another drawing is fetched nothing can be drawn. */
  setBusy(busy) {
    if (busy) this.cancel();
    this.busy = busy;
    updateCursor(this);
  }

  setTool(tool) {
    this.cancel();
    this.tool = tool;
    if (tool !== "select") this.select([]);
    updateCursor(this);
    this.invalidate();
  }

  select(ids) {
    const next = new Set(ids);
    if (next.size === this.selected.size && [...next].every((id) => this.selected.has(id))) return;
    this.selected = next;
    this.invalidate();
    this.tell("selection");
  }

  // Changes of the selection, also for the keyboard ----------------------------------------------

  /** A change that is shown at once and becomes an event with `settle`. */
  attempt([state, ids]) {
    this.shown = state;
    this.selected = ids;
    this.invalidate();
    this.tell("preview", state);
    this.tell("selection");
  }

  nudge(dx, dy) {
    if (!this.selected.size) return;
    this.attempt(moveStrokes(this.strokes, this.selected, ...this.held(this.strokes, dx, dy)));
  }

  resizeSelection(factor) {
    const bounds = boundsOfStrokes(this.strokes, this.selected);
    if (!bounds) return;
    const centre = [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2];
    const room = Math.max(bounds[2] - bounds[0], bounds[3] - bounds[1]);
    if ((factor > 1 && room > 2 * SIZE) || (factor < 1 && room < 2)) return;
    this.attempt(scaleStrokes(this.strokes, this.selected, factor, factor, centre));
  }

  deleteSelection() {
    if (!this.selected.size) return;
    this.settle();
    const state = deleteStrokes(this.state, this.selected);
    this.selected = new Set();
    this.commit(state, "erase");
    this.tell("selection");
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
    if (this.shown && !this.gesture) this.commit(this.shown, "move");
  }

  /** A move that leaves something of the selection on the sheet. */
  held(state, dx, dy) {
    const bounds = boundsOfStrokes(state, this.selected);
    if (!bounds) return [0, 0];
    return [
      clamp(dx, -bounds[2], SIZE - 1 - bounds[0]),
      clamp(dy, -bounds[3], SIZE - 1 - bounds[1]),
    ];
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** Drop what a gesture has in hand; what keys have done stays. */
  cancel() {
    const { gesture } = this;
    if (!gesture) this.settle();
    this.gesture = null;
    if (this.shown) {
      if (gesture.ids) this.selected = gesture.ids;
      this.shown = null;
      this.tell("preview", this.state);
      this.tell("selection");
    }
    this.invalidate();
  }

  commit(state, kind) {
    this.shown = null;
    this.tell("commit", { state, kind });
  }

  zoom(factor) {
    this.view.zoom(factor);
    this.viewChanged();
  }

  fit() {
    this.view.fit();
    this.viewChanged();
  }

  holdSpace(held) {
    this.spaceHeld = held;
    updateCursor(this);
  }

  viewChanged() {
    this.invalidate();
    this.tell("view");
  }

  #resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.ratio = devicePixelRatio || 1;
    this.canvas.width = Math.max(Math.round(clientWidth * this.ratio), 1);
    this.canvas.height = Math.max(Math.round(clientHeight * this.ratio), 1);
    this.view.resize(clientWidth, clientHeight);
    this.viewChanged();
    render(this);
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

  // Rendering --------------------------------------------------------------------------------

  readColors() {
    const style = getComputedStyle(this.canvas);
    for (const name of ["paper", "ink", "accent", "desk", "edge", "ghost", "corrected"]) {
      this.colors[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.invalidate();
  }

  invalidate() {
    this.pending ??= requestAnimationFrame(() => render(this));
  }

  tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
