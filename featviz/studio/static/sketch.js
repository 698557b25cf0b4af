// The sketch that is being drawn: immutable states, and a history of them without limit.
//
// A state is an array of strokes in drawing order. A stroke never changes; moving or cutting one
// takes it out and puts others in. What leads from a state to the next is an event
// {id, kind, of, add, remove}, and events are what the server stores.

import {
  boundsOf,
  cutPolyline,
  mirror,
  pairs,
  polylineMeets,
  round,
  scale,
  translate,
} from "./geometry.js";
import { makeId } from "./ids.js";
import { mirroredPart } from "./parts.js";

/** A stroke: points [[x, y], ...] of 0.01 px; order: its place among the others. */
export const makeStroke = (part, points, order, id = makeId()) =>
  Object.freeze({ id, part, order, points });

const nextOrder = (strokes) => (strokes.length ? Math.floor(strokes.at(-1).order) + 1 : 0);

export class History {
  constructor(base = []) {
    this.reset(base);
  }

  /** Begin anew with the strokes of the start sketch. */
  reset(base = []) {
    this.base = base;
    this.now = base;
    // Later states whose face became the base of what follows, one after the other.
    this.bases = [];
    this.past = [];
    this.future = [];
    // Every state that ever was, in order of time, for looking back.
    this.timeline = [];
    this.known = new Set(base.map((stroke) => stroke.id));
  }

  /** What the present strokes are an edit of. */
  get compared() {
    return this.bases.at(-1) ?? this.base;
  }

  /** Go on to a state; returns the event, or null if nothing changes. */
  push(state, kind, of = null, bases = this.bases) {
    const before = { state: this.now, bases: this.bases };
    const wire = this.#move({ state, bases }, kind, of);
    if (!wire) return null;
    this.past.push({ id: wire.id, before, after: { state, bases } });
    this.future = [];
    return wire;
  }

  /** The face of the present state becomes the base. */
  rebase() {
    return this.push(this.now, "rebase", null, [...this.bases, this.now]);
  }

  /** Go back to a step, an entry of `timeline` or the beginning: its strokes and its bases. */
  restore({ id, state, bases }) {
    return this.push(state, "restore", id, bases);
  }

  undo() {
    const entry = this.past.pop();
    if (!entry) return null;
    this.future.push(entry);
    return this.#move(entry.before, "undo", entry.id);
  }

  redo() {
    const entry = this.future.pop();
    if (!entry) return null;
    this.past.push(entry);
    return this.#move(entry.after, "redo", entry.id);
  }

  get canUndo() {
    return this.past.length > 0;
  }

  get canRedo() {
    return this.future.length > 0;
  }

  #move({ state, bases }, kind, of) {
    const before = this.now;
    const had = new Set(before.map((stroke) => stroke.id));
    const has = new Set(state.map((stroke) => stroke.id));
    const added = state.filter((stroke) => !had.has(stroke.id));
    const removed = before.filter((stroke) => !has.has(stroke.id));
    if (!added.length && !removed.length && sameBases(bases, this.bases)) return null;
    const wire = {
      id: makeId(),
      kind,
      of,
      // A stroke that was there before goes by its id alone.
      add: added.map((stroke) => (this.known.has(stroke.id) ? { id: stroke.id } : toWire(stroke))),
      remove: removed.map((stroke) => stroke.id),
    };
    added.forEach((stroke) => this.known.add(stroke.id));
    this.now = state;
    this.bases = bases;
    this.timeline.push({ id: wire.id, kind, time: Date.now(), state, bases });
    return wire;
  }

  /**
   * The history of a drawing as the server tells it: all strokes that ever were, and the events.
   * Events that only this browser has yet may follow (`pending`, with their strokes in full).
   */
  static fromServer(strokes, events, pending = []) {
    const all = new Map(strokes.map((stroke) => [stroke.id, fromWire(stroke)]));
    for (const event of pending) {
      for (const stroke of event.add) if (stroke.points) all.set(stroke.id, fromWire(stroke));
    }
    const history = new History();
    const done = new Map();
    for (const event of [...events, ...pending]) {
      if (done.has(event.id)) continue;
      const before = history.bases;
      history.#replay(event, all, done);
      done.set(event.id, { before, after: history.bases });
    }
    return history;
  }

  /** done: the bases before and after each event so far. */
  #replay(event, all, done) {
    const removed = new Set(event.remove);
    const added = event.add.map((item) => all.get(item.id ?? item)).filter(Boolean);
    const before = { state: this.now, bases: this.bases };
    const there = new Set(this.now.map((stroke) => stroke.id));
    const state = [
      ...this.now.filter((stroke) => !removed.has(stroke.id)),
      ...added.filter((stroke) => !there.has(stroke.id)),
    ].sort((one, other) => one.order - other.order);
    added.forEach((stroke) => this.known.add(stroke.id));
    this.now = state;
    if (event.kind === "start") {
      this.base = state;
      return;
    }
    const about = done.get(event.of);
    if (event.kind === "rebase") this.bases = [...this.bases, state];
    else if (about && event.kind === "undo") this.bases = about.before;
    else if (about && ["redo", "restore"].includes(event.kind)) this.bases = about.after;
    this.timeline.push({
      id: event.id,
      kind: event.kind,
      time: Date.parse(event.time) || Date.now(),
      state,
      bases: this.bases,
    });
    if (event.kind === "undo" && this.past.at(-1)?.id === event.of) {
      this.future.push(this.past.pop());
    } else if (event.kind === "redo" && this.future.at(-1)?.id === event.of) {
      this.past.push(this.future.pop());
    } else {
      this.past.push({ id: event.id, before, after: { state, bases: this.bases } });
      this.future = [];
    }
  }
}

const sameBases = (one, other) =>
  one.length === other.length && one.every((state, i) => state === other[i]);

/** How a stroke travels: its points flat. */
export const toWire = ({ id, part, order, points }) => ({ id, part, order, points: points.flat() });

export function fromWire({ id, part, order, points }) {
  return makeStroke(part, pairs(points).map(round), order, id);
}

/** The strokes of a start sketch, with the ids that the server gives their copies. */
export const startStrokes = (strokes) =>
  strokes.map(({ part, points }, i) => fromWire({ id: `b${i}`, part, order: i, points }));

/** A stroke more; with an axis its mirror image too, in the part of the other side. */
export function addStroke(state, part, points, axis = null) {
  const order = nextOrder(state);
  const added = [makeStroke(part, points, order)];
  if (axis !== null) added.push(makeStroke(mirroredPart(part), mirror(points, axis), order + 1));
  return [...state, ...added];
}

const alsoMirrored = (a, b, axis) => {
  const paths = [[a, b]];
  if (axis !== null)
    paths.push([
      [2 * axis - a[0], a[1]],
      [2 * axis - b[0], b[1]],
    ]);
  return paths;
};

/** Without the strokes that come within `reach` of the path from a to b. */
export function eraseStrokes(state, a, b, reach, axis = null) {
  let strokes = state;
  for (const [from, to] of alsoMirrored(a, b, axis)) {
    const kept = strokes.filter((stroke) => !polylineMeets(stroke.points, from, to, reach));
    if (kept.length < strokes.length) strokes = kept;
  }
  return strokes;
}

/** Without the ink under a disc of `radius` that goes from a to b; what is left stays in place. */
export function eraseArea(state, a, b, radius, axis = null) {
  let strokes = state;
  for (const [from, to] of alsoMirrored(a, b, axis)) {
    const before = strokes;
    const pieces = before.map((stroke, i) => {
      // A line is 2 px wide: its middle has to end a pixel before the disc.
      const cut = cutPolyline(stroke.points, from, to, radius + 1);
      if (cut === null) return stroke;
      const room = (before[i + 1]?.order ?? stroke.order + 1) - stroke.order;
      return cut.map((points, k) =>
        makeStroke(stroke.part, points.map(round), stroke.order + (room * k) / cut.length),
      );
    });
    if (pieces.some((piece, i) => piece !== before[i])) strokes = pieces.flat();
  }
  return strokes;
}

/** Some strokes replaced by changed ones; [state, ids of the new ones]. */
function change(state, ids, how) {
  const fresh = new Set();
  const strokes = state.map((stroke) => {
    if (!ids.has(stroke.id)) return stroke;
    const changed = makeStroke(stroke.part, how(stroke.points), stroke.order);
    fresh.add(changed.id);
    return changed;
  });
  return fresh.size ? [strokes, fresh] : [state, ids];
}

export const moveStrokes = (state, ids, dx, dy) =>
  change(state, ids, (points) => translate(points, dx, dy));

export const scaleStrokes = (state, ids, sx, sy, centre) =>
  change(state, ids, (points) => scale(points, sx, sy, centre));

export const deleteStrokes = (state, ids) => state.filter((stroke) => !ids.has(stroke.id));

export const boundsOfStrokes = (state, ids) =>
  boundsOf(state.filter((stroke) => ids.has(stroke.id)).map((stroke) => stroke.points));

/** The parts whose strokes differ from the start sketch's, in order of first appearance. */
export function editedParts(base, state) {
  const [before, after] = [byPart(base), byPart(state)];
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names.filter((name) => before.get(name) !== after.get(name));
}

function byPart(strokes) {
  const parts = new Map();
  for (const { part, points } of strokes) {
    parts.set(part, (parts.get(part) ?? "") + JSON.stringify(points));
  }
  return parts;
}
