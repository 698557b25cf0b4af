// The drawing on the sheet: what it is called, what it began with, its history, and its way to the
// server through the outbox.

import { get } from "./api.js";
import { makeId } from "./ids.js";
import { fetchDrawing } from "./outbox.js";
import { recall, remember } from "./preferences.js";
import { History, editedParts, startStrokes } from "./sketch.js";

/** A start: null (blank), {start: n} or {sketch: id}; as the server wants it. */
const wireBase = (base) => {
  if (!base) return null;
  return base.start !== undefined && base.start !== null
    ? { start: base.start }
    : { sketch: base.sketch };
};

/** Tells "change" (the strokes are others) and "drawing" (it is another drawing). */
export class Sheet extends EventTarget {
  /** opening: the start of a sheet that nobody chose, {start: n, label}, or null: a blank one. */
  constructor(outbox, opening = null) {
    super();
    this.outbox = outbox;
    this.opening = opening;
    this.history = new History();
    this.id = makeId();
    this.base = null;
    this.last = null;
    this.release = () => {};
  }

  get strokes() {
    return this.history.now;
  }

  get wireBase() {
    return wireBase(this.base);
  }

  /** The states whose face became the base, as the live connection takes them. */
  get wireBases() {
    return this.history.bases.map((state) =>
      state.map(({ part, points }) => ({ part, points: points.flat() })),
    );
  }

  /** Whether anything differs from what the drawing is an edit of. */
  get differs() {
    return editedParts(this.history.compared, this.history.now).length > 0;
  }

  get edited() {
    return editedParts(this.history.base, this.history.now);
  }

  /** How many events the server will have once the outbox is empty. */
  get revision() {
    return this.history.timeline.length + (this.base ? 1 : 0);
  }

  commit(state, kind) {
    this.#send(this.history.push(state, kind));
  }

  rebase() {
    this.#send(this.history.rebase());
  }

  restore(step) {
    this.#send(this.history.restore(step));
  }

  undo() {
    this.#send(this.history.undo());
  }

  redo() {
    this.#send(this.history.redo());
  }

  #send(event) {
    if (event) {
      this.outbox.add({
        type: "event",
        drawing: this.id,
        base: this.wireBase,
        after: this.last,
        event,
      });
      this.last = event.id;
      this.#remember();
    }
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** faces: what is shown, [{checkpoint, kept}, ...]. */
  save({ id, group, faces, replaces = null }) {
    this.outbox.add({
      type: "save",
      drawing: this.id,
      base: this.wireBase,
      id,
      group,
      revision: this.revision,
      replaces,
      faces,
    });
    this.#remember();
  }

  /** Begin a drawing: blank, or on a start sketch or a saved one. Nothing is sent before a stroke. */
  async begin(base, id = makeId()) {
    let strokes = [];
    if (base) {
      const path =
        base.start !== undefined ? `/api/start/${base.start}` : `/api/sketches/${base.sketch}`;
      const answer = await get(path);
      strokes = startStrokes(answer.strokes);
    }
    await this.#hold(id);
    this.id = id;
    this.base = base;
    this.last = base ? "start" : null;
    this.history = new History(strokes);
    this.#remember();
    this.#tellDrawing();
  }

  /** Go on with a drawing that the server or the outbox has; false if neither has it. */
  async open(id) {
    const document = await fetchDrawing(id);
    if (!document) return false;
    await this.#hold(id);
    const { drawing, strokes, events } = document;
    const pending = this.outbox.pendingOf(id);
    this.id = id;
    this.base = drawing.base;
    this.history = History.fromServer(strokes, events, pending);
    this.last = pending.at(-1)?.id ?? drawing.last;
    this.#remember();
    this.#tellDrawing();
    return true;
  }

  /** The drawing of before the page was left; else the opening one. Returns "resumed", "new" or "held". */
  async resume() {
    const before = recall("drawing", null);
    if (!before) {
      await this.#begin();
      return "new";
    }
    if (!(await this.#free(before.id))) {
      await this.#begin();
      return "held";
    }
    await this.outbox.flush();
    try {
      if (before.drawn && (await this.open(before.id))) return "resumed";
    } catch (error) {
      if (error.status !== 403) throw error;
      // This browser is somebody else by now, to whom that drawing does not belong.
      await this.#begin();
      return "new";
    }
    // Nothing was drawn on it yet, or the server has not got it: the outbox may have all of it.
    try {
      await this.begin(before.base, before.id);
    } catch {
      await this.#begin();
      return "new";
    }
    const pending = this.outbox.pendingOf(before.id);
    if (pending.length) {
      const start = {
        id: "start",
        kind: "start",
        of: null,
        add: this.history.base.map(({ id }) => id),
        remove: [],
      };
      const known = this.history.base.map(({ id, part, order, points }) => ({
        id,
        part,
        order,
        points: points.flat(),
      }));
      this.history = History.fromServer(known, this.base ? [start] : [], pending);
      this.last = pending.at(-1).id;
      this.#tellDrawing();
    }
    return "resumed";
  }

  /** The server will not take this drawing: go on with the same strokes under a new name. */
  async moveOn() {
    await this.#hold(makeId());
    // Only now: a stroke may have been finished meanwhile.
    const { base: start, bases, now: strokes } = this.history;
    this.id = this.holding;
    this.last = this.base ? "start" : null;
    this.history = new History(start);
    for (const state of bases) {
      this.commit(state, "restore");
      this.rebase();
    }
    this.commit(strokes, "restore");
    this.#tellDrawing();
  }

  /** Begin where nobody chose what to begin with. */
  async #begin() {
    try {
      await this.begin(this.opening);
    } catch {
      await this.begin(null);
    }
  }

  #remember() {
    remember("drawing", { id: this.id, base: this.base, drawn: this.history.timeline.length > 0 });
  }

  #tellDrawing() {
    this.dispatchEvent(new CustomEvent("drawing"));
    this.dispatchEvent(new CustomEvent("change"));
  }

  // Two windows on one drawing would overtake each other: a drawing is held by one.
  async #free(id) {
    if (!navigator.locks) return true;
    const { held } = await navigator.locks.query();
    return !held.some((lock) => lock.name === `featviz-${id}`);
  }

  async #hold(id) {
    if (this.holding === id) return;
    this.release();
    this.holding = id;
    if (!navigator.locks) return;
    await new Promise((ready) => {
      navigator.locks.request(`featviz-${id}`, { ifAvailable: true }, () => {
        ready();
        return new Promise((release) => {
          this.release = release;
        });
      });
    });
  }
}
