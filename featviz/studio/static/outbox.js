// What is drawn goes to the server through here: one queue, in order, kept in the browser until the
// server has it. The same request may be sent any number of times; the server stores it once.

import { ApiError, get, post, put } from "./api.js";

const PAUSES = [500, 1000, 2000, 4000, 10000];

/** A queue that survives the page: IndexedDB, or the memory where a browser refuses that. */
class Shelf {
  broken = false;

  static async open(name) {
    const shelf = new Shelf();
    try {
      shelf.database = await new Promise((resolve, reject) => {
        const opening = indexedDB.open(name, 1);
        opening.onupgradeneeded = () =>
          opening.result.createObjectStore("queue", { keyPath: "key", autoIncrement: true });
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error);
      });
    } catch {
      shelf.database = null;
    }
    return shelf;
  }

  get lasting() {
    return this.database !== null && !this.broken;
  }

  #run(mode, action) {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction("queue", mode, { durability: "strict" });
      const wish = action(transaction.objectStore("queue"));
      transaction.oncomplete = () => resolve(wish.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  }

  all() {
    return this.database ? this.#run("readonly", (store) => store.getAll()) : [];
  }

  async add(item) {
    if (this.database) item.key = await this.#run("readwrite", (store) => store.add(item));
  }

  async drop(keys) {
    const real = keys.filter((key) => key !== undefined);
    if (!this.database || !real.length) return;
    await this.#run("readwrite", (store) => real.map((key) => store.delete(key)).at(-1));
  }
}

/**
 * Items of the queue: {type: "event", drawing, base, after, event} and
 * {type: "save", drawing, base, id, group, revision, replaces, faces}.
 *
 * Tells by DOM events: "state" (see `state`), "stored" (detail: drawing), "saved" (detail: sketch),
 * "conflict" (detail: drawing; another page drew on it) and "refused" (detail: {item, error}).
 */
export class Outbox extends EventTarget {
  static async open({ pageVersion, limits }) {
    const outbox = new Outbox();
    Object.assign(outbox, { pageVersion, limits });
    outbox.shelf = await Shelf.open("featviz-outbox");
    outbox.queue = await outbox.shelf.all();
    outbox.created = new Set();
    outbox.trouble = null;
    outbox.running = false;
    outbox.wake = null;
    outbox.writes = Promise.resolve();
    return outbox;
  }

  /** "saved", "saving", or what keeps it: "offline", "busy", "full", "too-many", ... */
  get state() {
    if (!this.queue.length) return "saved";
    return this.trouble?.code ?? "saving";
  }

  get waiting() {
    return this.queue.length;
  }

  get lasting() {
    return this.shelf.lasting;
  }

  pendingOf(drawing) {
    return this.queue
      .filter((item) => item.type === "event" && item.drawing === drawing)
      .map((item) => item.event);
  }

  add(item) {
    this.queue.push(item);
    // Writes keep their order; the sender does not wait for them.
    this.writes = this.writes
      .then(() => this.shelf.add(item))
      .catch(() => {
        // Its space is used up: what waits lives as long as the page, which says so.
        this.shelf.broken = true;
        this.#tell("state");
      });
    this.#tell("state");
    this.run();
  }

  /** Send what waits, now; resolves when the queue is empty or something keeps it. */
  async flush() {
    this.wake?.();
    this.run();
    while (this.queue.length && !this.trouble) {
      const told = new Promise((go) => this.addEventListener("state", go, { once: true }));
      await Promise.race([told, this.idle]);
    }
    return !this.queue.length;
  }

  run() {
    if (!this.running) {
      this.running = true;
      this.idle = this.#loop().finally(() => {
        this.running = false;
      });
    }
    return this.idle;
  }

  async #loop() {
    let failures = 0;
    while (this.queue.length) {
      try {
        await this.#sendHead();
        failures = 0;
        this.trouble = null;
        this.#tell("state");
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.code === "conflict") {
          this.#putBehind(error.detail.last ?? null);
        } else if (error.code === "session" || error.code === "token") {
          this.trouble = error;
          this.#tell("state");
          this.#tell("session");
          await this.#pause(3000);
        } else if (error.passes) {
          this.trouble = error;
          this.#tell("state");
          const asked = error.retryAfter ? error.retryAfter * 1000 : 0;
          await this.#pause(Math.max(asked, PAUSES[Math.min(failures, PAUSES.length - 1)]));
          failures += 1;
        } else {
          await this.#giveUp(error);
        }
      }
    }
  }

  async #sendHead() {
    const head = this.queue[0];
    if (!this.created.has(head.drawing)) {
      await put(`/api/drawings/${head.drawing}`, {
        base: head.base,
        page_version: this.pageVersion,
      });
      this.created.add(head.drawing);
    }
    if (head.type === "save") {
      const { id, drawing, revision, group, replaces, faces } = head;
      const wanted = { drawing, revision, group, replaces, faces };
      const { sketch } = await put(`/api/sketches/${id}`, wanted);
      await this.#done([head]);
      this.#tell("saved", sketch);
      return;
    }
    const batch = [];
    let bytes = 0;
    for (const item of this.queue) {
      bytes += JSON.stringify(item.event ?? "").length;
      const fits =
        batch.length < this.limits.events_per_request && bytes < this.limits.body_bytes / 2;
      if (item.type !== "event" || item.drawing !== head.drawing || (batch.length && !fits)) break;
      batch.push(item);
    }
    const events = batch.map((item) => item.event);
    await post(`/api/drawings/${head.drawing}/events`, { after: head.after, events });
    await this.#done(batch);
    this.#tell("stored", head.drawing);
    if (head.moved) this.#tell("conflict", head.drawing);
  }

  async #done(items) {
    this.queue.splice(0, items.length);
    await this.writes;
    await this.shelf.drop(items.map((item) => item.key)).catch(() => {});
  }

  /** Another page drew on the same drawing: our events follow theirs. */
  #putBehind(last) {
    this.queue[0].after = last;
    this.queue[0].moved = true;
  }

  /** What the server will never take leaves the queue, with all that builds on it. */
  async #giveUp(error) {
    const head = this.queue[0];
    // Nothing builds on a saved sketch: what was drawn after it is still to be stored.
    const goes = (item) => (head.type === "save" ? item === head : item.drawing === head.drawing);
    const lost = this.queue.filter(goes);
    this.queue = this.queue.filter((item) => !goes(item));
    await this.writes;
    await this.shelf.drop(lost.map((item) => item.key)).catch(() => {});
    this.trouble = null;
    this.#tell("state");
    this.#tell("refused", { item: head, error });
  }

  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** A drawing as the server has it, or null if it has none of this id. */
export async function fetchDrawing(id) {
  try {
    return await get(`/api/drawings/${id}`);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}
