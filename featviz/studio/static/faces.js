// Two faces side by side: of two checkpoints, or of one both ways, free and with the rest kept.

import { toast } from "./dialogs.js";
import { make, option, setOptions } from "./dom.js";
import { Slot } from "./face_cards.js";
import { picture } from "./pictures.js";

const NAMES = ["A", "B"];

/**
 * Tells "choice" (detail: {checkpoints, kept}, one each by slot) and "rebase" (the kept face is to
 * become the base).
 */
export class Faces extends EventTarget {
  constructor(faces, differences) {
    super();
    this.slots = NAMES.map(
      (name, i) =>
        new Slot(name, {
          choose: () => this.#choose(i),
          lock: () => this.#lock(i),
          take: () => this.dispatchEvent(new CustomEvent("rebase")),
          compare: () => this.#compare(),
        }),
    );
    faces.append(...this.slots.map((slot) => slot.card));
    differences.append(...this.slots.map((slot) => slot.difference));
    this.start = false;
    this.differs = false;
    this.drawn = 0;
    this.keeping = new Set();
  }

  /**
   * What there is to choose from: the checkpoints that generate; and what is chosen, by slot a name
   * or null, and whether the rest is kept.
   */
  offer(checkpoints, chosen, kept) {
    const names = checkpoints.map((one) => one.name);
    this.keeping = new Set(checkpoints.filter((one) => one.keeps).map((one) => one.name));
    this.slots.forEach((slot, i) => {
      const options = names.map((name) => option(name, name));
      if (i > 0 || !names.length) options.push(make("option", { value: "", text: "faces.none" }));
      setOptions(slot.select, options, chosen[i] ?? "");
      slot.checkpoint = slot.select.value || null;
      slot.wantsKept = kept[i] === true;
    });
    const [first, second] = this.slots;
    const alike = second.wantsKept === first.wantsKept || !this.#canKeep(first);
    if (second.checkpoint === first.checkpoint && alike) this.#set(second, null);
    this.#mark();
  }

  /** start: whether there is a base to keep; differs: whether the drawing is another one by now. */
  allow({ start, differs }) {
    if (start === this.start && differs === this.differs) return;
    Object.assign(this, { start, differs });
    this.#mark();
  }

  /** The faces that are asked for: [{checkpoint, kept}, ...]. */
  get shown() {
    return this.slots
      .filter((slot) => slot.checkpoint && !this.#twice(slot))
      .map((slot) => ({ checkpoint: slot.checkpoint, kept: this.#keeps(slot) }));
  }

  #keeps(slot) {
    return slot.wantsKept && this.start && this.#canKeep(slot);
  }

  #canKeep(slot) {
    return !slot.checkpoint || this.keeping.has(slot.checkpoint);
  }

  /** Without a base both ways are the same: it is shown once. */
  #twice(slot) {
    const [first, second] = this.slots;
    return slot === second && this.#same(first, second);
  }

  #same(one, other) {
    return one.checkpoint === other.checkpoint && this.#keeps(one) === this.#keeps(other);
  }

  #slotOf(checkpoint, kept) {
    return this.slots.find((slot) => slot.checkpoint === checkpoint && this.#keeps(slot) === kept);
  }

  #set(slot, checkpoint) {
    slot.checkpoint = checkpoint;
    slot.select.value = checkpoint ?? "";
  }

  #choose(i) {
    const [slot, other] = [this.slots[i], this.slots[1 - i]];
    const before = slot.checkpoint;
    slot.checkpoint = slot.select.value || null;
    // The same face twice shows nothing: choosing the other one's swaps the two, or shows both ways.
    if (slot.checkpoint && this.#same(slot, other)) {
      if (before) this.#set(other, before);
      else if (this.start && this.#canKeep(slot)) slot.wantsKept = !slot.wantsKept;
      else this.#set(slot, null);
    }
    this.#changed();
  }

  #lock(i) {
    const [slot, other] = [this.slots[i], this.slots[1 - i]];
    if (!this.start || !this.#canKeep(slot)) {
      toast(this.#canKeep(slot) ? "keep.no-start" : "keep.photos");
      return;
    }
    slot.wantsKept = !slot.wantsKept;
    if (slot.checkpoint === other.checkpoint) other.wantsKept = !slot.wantsKept;
    this.#changed();
  }

  /** The one checkpoint both ways: free on the left, kept on the right. */
  #compare() {
    const [first, second] = this.slots;
    first.wantsKept = false;
    second.wantsKept = true;
    this.#set(second, first.checkpoint);
    this.#changed();
    second.lock.focus();
  }

  #changed() {
    this.#mark();
    const detail = {
      checkpoints: this.slots.map((slot) => slot.checkpoint),
      kept: this.slots.map((slot) => slot.wantsKept),
    };
    this.dispatchEvent(new CustomEvent("choice", { detail }));
  }

  #mark() {
    const [first, second] = this.slots;
    for (const slot of this.slots) {
      slot.mark(this.#keeps(slot));
      const why = this.#canKeep(slot) ? (this.start ? null : "keep.no-start") : "keep.photos";
      slot.showLock({ why, differs: this.differs });
      if (slot.checkpoint && this.#twice(slot)) {
        slot.say("keep.no-start", { name: slot.name });
        slot.noDifference("difference.no-start");
      }
    }
    const both = first.checkpoint && this.start && this.#canKeep(first);
    second.both.hidden = Boolean(second.checkpoint) || !both;
  }

  loading({ checkpoint, kept }) {
    const slot = this.#slotOf(checkpoint, kept);
    if (slot) slot.say("faces.loading", { name: checkpoint });
  }

  /** kept: which of the checkpoint's faces; all of them if not told, and all faces without a name. */
  failed({ checkpoint = null, kept }, message) {
    for (const slot of this.slots) {
      if (checkpoint && slot.checkpoint !== checkpoint) continue;
      if (kept === undefined || kept === this.#keeps(slot)) slot.fail(message);
    }
  }

  /** No checkpoint makes faces. */
  nothing() {
    for (const slot of this.slots) slot.say("faces.no-checkpoints");
  }

  /** The connection is gone: what is shown is no more of now. */
  stale(stale) {
    for (const slot of this.slots) slot.stale(stale);
  }

  /**
   * Show an answer. blank: nothing is drawn, and what a network makes of that is no face.
   * difference: what an empty difference map says. bases: how many bases the drawing has by now.
   */
  async show({ header, blob }, { blank, difference: why, bases }) {
    if (header.bases !== bases) return;
    const turn = (this.drawn += 1);
    const pictures = await Promise.all(
      header.faces.map(async (face) => ({
        face,
        image: await picture(blob(face.image)),
        map: face.difference ? await picture(blob(face.difference.image)) : null,
      })),
    );
    // Decoding may overtake: only the newest is shown.
    if (turn < this.drawn) return;
    for (const { face, image, map } of pictures) {
      const slot = this.#slotOf(face.checkpoint, face.kept);
      if (!slot || !image) continue;
      slot.show(image, face, header.seq, header.bases);
      if (face.retrieved && !face.retrieved.drawn) slot.say("photos.nothing");
      else if (blank) slot.say("faces.blank");
      if (map) slot.showDifference(face, map, header.edited);
      else slot.noDifference(why);
      image.close();
      map?.close();
    }
  }
}
