// A face, and below it how it differs from its base's: their elements, and what they show.

import { icon, make, makeSvg, setLabel, setText } from "./dom.js";
import { SIZE } from "./geometry.js";
import { number, partName } from "./i18n.js";

const UNCHANGED = "#000004";

/** Where one face is shown. choose, lock, take, compare: what its select and its buttons do. */
export class Slot {
  constructor(name, { choose, lock, take, compare }) {
    this.name = name;
    this.checkpoint = null;
    this.wantsKept = false;
    this.select = make("select", { label: ["faces.choice", { name }], onchange: choose });
    this.canvas = picture();
    this.cover = make("p", { class: "cover", hidden: true });
    this.both = make(
      "button",
      { type: "button", class: "button small both", text: "keep.both", hidden: true, onclick: compare },
    );
    this.lock = make(
      "button",
      { type: "button", class: "toggle lock", "aria-pressed": "false", onclick: lock },
      icon("lock-open"),
      make("span", { text: "keep.short" }),
    );
    this.take = make("button", {
      type: "button",
      class: "button small take",
      text: "keep.take",
      label: ["keep.take-label", { name }],
      hidden: true,
      onclick: take,
    });
    this.note = make("p", { class: "face-note", role: "status", hidden: true });
    this.card = make(
      "article",
      { class: "card face" },
      make(
        "div",
        { class: "card-head" },
        make("span", { class: "tag", textContent: name, "aria-hidden": "true" }),
        this.select,
      ),
      make("div", { class: "frame" }, this.canvas, this.cover, this.both),
      make("div", { class: "card-foot" }, this.lock, this.take),
      this.note,
    );
    this.#makeDifference();
  }

  #makeDifference() {
    this.map = picture();
    this.overlay = makeSvg("svg", {
      class: "overlay",
      viewBox: `-0.5 -0.5 ${SIZE} ${SIZE}`,
      "aria-hidden": "true",
    });
    this.empty = make("p", { class: "cover" });
    this.share = make("strong", { class: "share" });
    this.words = make("span", { class: "share-words" });
    this.bar = make("i");
    this.detail = make("p", { class: "detail" });
    this.measure = make(
      "div",
      { class: "measure", hidden: true },
      make("p", {}, this.share, this.words),
      make("div", { class: "bar", "aria-hidden": "true" }, this.bar),
      this.detail,
    );
    this.difference = make(
      "article",
      { class: "card difference" },
      make("div", { class: "frame" }, this.map, this.overlay, this.empty),
      this.measure,
    );
  }

  /** Another checkpoint, or none; or the same one's face made the other way. */
  mark(kept) {
    const { checkpoint, name } = this;
    for (const card of [this.card, this.difference]) card.classList.toggle("off", !checkpoint);
    if (this.marked !== checkpoint) {
      this.#wipe(this.canvas);
      if (checkpoint) this.say("faces.waiting", { name: checkpoint });
      else this.say("faces.off");
      this.noDifference(checkpoint ? "difference.waiting" : "faces.off");
    } else if (this.kept !== kept) {
      // Until the other face is there, this one is not of now.
      this.stale(true);
    }
    this.marked = checkpoint;
    this.kept = kept;
    this.note.hidden = true;
    const key = kept ? "keep.picture" : "faces.picture";
    setLabel(this.canvas, checkpoint ? key : "faces.off", { name: checkpoint });
    setLabel(this.map, "difference.picture", { name: checkpoint ?? name });
  }

  /** The lock as it is now. why: it cannot be closed, or null; differs: the base can be replaced. */
  showLock({ why, differs }) {
    this.lock.hidden = !this.checkpoint;
    this.lock.setAttribute("aria-pressed", String(this.kept));
    this.lock.setAttribute("aria-disabled", String(why !== null));
    setLabel(this.lock, why ?? "keep.label", { name: this.name });
    this.lock.querySelector("svg").replaceWith(icon(this.kept ? "lock" : "lock-open"));
    this.take.hidden = !this.kept || !this.checkpoint;
    this.take.disabled = !differs;
  }

  stale(stale) {
    for (const card of [this.card, this.difference]) card.classList.toggle("stale", stale);
  }

  /** Words instead of a face. */
  say(key, values = null) {
    this.cover.hidden = false;
    setText(this.cover, key, values);
  }

  fail(message) {
    this.#wipe(this.canvas);
    this.say("faces.failed", { message });
  }

  show(image, face, seq, bases) {
    this.cover.hidden = true;
    this.stale(false);
    this.canvas.getContext("2d").drawImage(image, 0, 0, SIZE, SIZE);
    Object.assign(this.canvas.dataset, { seq, bases, way: face.kept ? "kept" : "free" });
    const unmatched = face.retrieved?.unmatched ?? [];
    this.note.hidden = !face.whole && !unmatched.length;
    if (face.whole) setText(this.note, "keep.whole");
    else if (unmatched.length)
      setText(this.note, "photos.unmatched", { parts: unmatched.map(partName).join(", ") });
  }

  showDifference(face, map, edited) {
    const { outside, left, top } = face.difference;
    if (outside === null) {
      this.noDifference("difference.nothing");
      return;
    }
    const context = this.map.getContext("2d");
    context.fillStyle = UNCHANGED;
    context.fillRect(0, 0, SIZE, SIZE);
    context.drawImage(map, left, top);
    this.empty.hidden = true;
    this.measure.hidden = false;
    this.difference.dataset.outside = outside;
    this.bar.style.width = `${100 * outside}%`;
    if (face.difference.beyond === null) this.#tellShare(face.difference);
    else this.#tellKept(face.difference);
    this.overlay.replaceChildren(
      ...(face.reach ? outlines(face.reach, "ring reach") : outlines(edited?.polygons, "ring")),
    );
  }

  #tellShare({ outside, mean_inside: inside, mean_outside: beyond }) {
    this.share.textContent = number(outside, {
      style: "percent",
      maximumFractionDigits: outside < 0.1 ? 1 : 0,
    });
    setText(this.words, "difference.outside");
    setText(this.detail, "difference.detail", { inside: levels(inside), outside: levels(beyond) });
  }

  #tellKept({ beyond, mean_inside: inside, mean_outside: outside }) {
    // A little is not nothing: it is told with a digit that counts.
    const little = { maximumSignificantDigits: 1 };
    this.share.textContent = number(
      beyond,
      beyond > 0 && beyond < 0.05 ? little : { minimumFractionDigits: 1, maximumFractionDigits: 1 },
    );
    setText(this.words, beyond === 0 ? "keep.nothing" : "keep.some");
    setText(this.detail, "difference.detail", {
      inside: levels(inside),
      outside: outside > 0 && outside < 0.05 ? number(outside, little) : levels(outside),
    });
  }

  noDifference(key) {
    this.#wipe(this.map);
    this.empty.hidden = false;
    setText(this.empty, key);
    this.overlay.replaceChildren();
    this.measure.hidden = true;
    delete this.difference.dataset.outside;
  }

  #wipe(canvas) {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }
}

const picture = () =>
  make("canvas", { width: SIZE, height: SIZE, role: "img", class: "picture" });

const levels = (value) => number(value, { maximumFractionDigits: 1 });

/** Closed borders, each flat points. */
function outlines(polygons, kind) {
  return (polygons ?? []).map((flat) => {
    const pairs = [];
    for (let i = 0; i + 1 < flat.length; i += 2) pairs.push(`${flat[i]},${flat[i + 1]}`);
    return makeSvg("polygon", { points: pairs.join(" "), class: kind });
  });
}
