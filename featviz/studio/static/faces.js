// The faces of two checkpoints side by side, and how far each differs from the start sketch's face.

import { find, findAll, make, makeSvg, option, setLabel, setOptions, setText } from "./dom.js";
import { SIZE } from "./geometry.js";
import { number } from "./i18n.js";

const NAMES = ["A", "B"];

/** Tells "choice" (detail: names of the chosen checkpoints). */
export class Faces extends EventTarget {
  constructor(faces, differences) {
    super();
    this.slots = NAMES.map((name, i) => this.#makeSlot(name, i));
    faces.append(...this.slots.map((slot) => slot.card));
    differences.append(...this.slots.map((slot) => slot.difference));
    this.edited = null;
    this.drawn = 0;
  }

  #makeSlot(name, i) {
    const select = make("select", {
      label: ["faces.choice", { name }],
      onchange: () => this.#choose(i),
    });
    const canvas = make("canvas", { width: SIZE, height: SIZE, role: "img", class: "picture" });
    const cover = make("p", { class: "cover", hidden: true });
    const card = make(
      "article",
      { class: "card face" },
      make(
        "div",
        { class: "card-head" },
        make("span", { class: "tag", textContent: name, "aria-hidden": "true" }),
        select,
      ),
      make("div", { class: "frame" }, canvas, cover),
    );
    const map = make("canvas", { width: SIZE, height: SIZE, role: "img", class: "picture" });
    const overlay = makeSvg("svg", {
      class: "overlay",
      viewBox: `-0.5 -0.5 ${SIZE} ${SIZE}`,
      "aria-hidden": "true",
    });
    const empty = make("p", { class: "cover" });
    const share = make("strong", { class: "share" });
    const words = make("span", { class: "share-words" });
    const bar = make("i");
    const detail = make("p", { class: "detail" });
    const measure = make(
      "div",
      { class: "measure", hidden: true },
      make("p", {}, share, words),
      make("div", { class: "bar", "aria-hidden": "true" }, bar),
      detail,
    );
    const difference = make(
      "article",
      { class: "card difference" },
      make("div", { class: "frame" }, map, overlay, empty),
      measure,
    );
    return {
      name,
      select,
      canvas,
      cover,
      card,
      map,
      overlay,
      empty,
      share,
      words,
      bar,
      detail,
      measure,
      difference,
      checkpoint: null,
    };
  }

  /** What there is to choose from, and what is chosen: names of checkpoints that generate. */
  offer(names, chosen) {
    this.names = names;
    this.slots.forEach((slot, i) => {
      const options = names.map((name) => option(name, name));
      if (i > 0 || !names.length) options.push(make("option", { value: "", text: "faces.none" }));
      setOptions(slot.select, options, chosen[i] ?? "");
      slot.checkpoint = slot.select.value || null;
    });
    this.#mark();
  }

  get chosen() {
    return this.slots.map((slot) => slot.checkpoint).filter(Boolean);
  }

  #choose(i) {
    const slot = this.slots[i];
    const before = slot.checkpoint;
    slot.checkpoint = slot.select.value || null;
    // The same network twice shows nothing: choosing the other one's swaps the two.
    const other = this.slots[1 - i];
    if (slot.checkpoint && other.checkpoint === slot.checkpoint) {
      other.checkpoint = before;
      other.select.value = before ?? "";
    }
    this.#mark();
    this.dispatchEvent(
      new CustomEvent("choice", { detail: this.slots.map((one) => one.checkpoint) }),
    );
  }

  #mark() {
    for (const slot of this.slots) {
      const { checkpoint } = slot;
      slot.card.classList.toggle("off", !checkpoint);
      slot.difference.classList.toggle("off", !checkpoint);
      if (slot.shown !== checkpoint) {
        slot.shown = checkpoint;
        this.#wipe(slot.canvas);
        this.#wipe(slot.map);
        if (checkpoint) this.#cover(slot, "faces.waiting", { name: checkpoint });
        else this.#cover(slot, "faces.off");
        this.#noDifference(slot, "difference.waiting");
      }
      setLabel(slot.canvas, checkpoint ? "faces.picture" : "faces.off", { name: checkpoint });
      setLabel(slot.map, "difference.picture", { name: checkpoint ?? slot.name });
    }
  }

  #wipe(canvas) {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }

  #cover(slot, key, values = null) {
    slot.cover.hidden = false;
    setText(slot.cover, key, values);
  }

  loading(checkpoint) {
    for (const slot of this.slots) {
      if (slot.checkpoint === checkpoint) this.#cover(slot, "faces.loading", { name: checkpoint });
    }
  }

  failed(checkpoint, message) {
    for (const slot of this.slots) {
      if (checkpoint && slot.checkpoint !== checkpoint) continue;
      this.#wipe(slot.canvas);
      this.#cover(slot, "faces.failed", { message });
    }
  }

  /** No checkpoint makes faces. */
  nothing() {
    for (const slot of this.slots) this.#cover(slot, "faces.no-checkpoints");
  }

  /** The connection is gone: what is shown is no more of now. */
  stale(stale) {
    for (const slot of this.slots) slot.card.classList.toggle("stale", stale);
    for (const slot of this.slots) slot.difference.classList.toggle("stale", stale);
  }

  /**
   * Show an answer. blank: nothing is drawn, and what a network makes of that is no face.
   * difference: what an empty difference map says.
   */
  async show({ header, blob }, { blank, difference: why }) {
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
      const slot = this.slots.find((one) => one.checkpoint === face.checkpoint);
      if (!slot || !image) continue;
      if (blank) this.#cover(slot, "faces.blank");
      else slot.cover.hidden = true;
      slot.canvas.getContext("2d").drawImage(image, 0, 0, SIZE, SIZE);
      slot.canvas.dataset.seq = header.seq;
      if (map) this.#showDifference(slot, face, map, header.edited);
      else this.#noDifference(slot, why);
      image.close();
      map?.close();
    }
  }

  #showDifference(slot, face, map, edited) {
    const { outside, mean_inside: inside, mean_outside: beyond } = face.difference;
    if (outside === null) {
      this.#noDifference(slot, "difference.nothing");
      return;
    }
    slot.map.getContext("2d").drawImage(map, 0, 0, SIZE, SIZE);
    slot.empty.hidden = true;
    slot.measure.hidden = false;
    slot.difference.dataset.outside = outside;
    slot.share.textContent = number(outside, {
      style: "percent",
      maximumFractionDigits: outside < 0.1 ? 1 : 0,
    });
    setText(slot.words, "difference.outside");
    slot.bar.style.width = `${100 * outside}%`;
    setText(slot.detail, "difference.detail", {
      inside: number(inside, { maximumFractionDigits: 1 }),
      outside: number(beyond, { maximumFractionDigits: 1 }),
    });
    slot.overlay.replaceChildren(...(edited ? outlineOf(edited) : []));
  }

  #noDifference(slot, key) {
    this.#wipe(slot.map);
    slot.empty.hidden = false;
    setText(slot.empty, key);
    slot.overlay.replaceChildren();
    slot.measure.hidden = true;
    delete slot.difference.dataset.outside;
  }
}

/** The borders of the edited area. */
function outlineOf({ polygons }) {
  return polygons.map((flat) => {
    const pairs = [];
    for (let i = 0; i + 1 < flat.length; i += 2) pairs.push(`${flat[i]},${flat[i + 1]}`);
    return makeSvg("polygon", { points: pairs.join(" "), class: "ring" });
  });
}

export async function picture(blob) {
  try {
    return await createImageBitmap(blob);
  } catch {
    return null;
  }
}

/** Tabs: arrows go from one to the next, as readers of the screen expect. */
export function makeTabs(list, chosen, onchoose) {
  const tabs = findAll("[role=tab]", list);
  const choose = (tab, focus) => {
    for (const one of tabs) {
      const selected = one === tab;
      one.setAttribute("aria-selected", selected);
      one.tabIndex = selected ? 0 : -1;
      const panel = find(`#${one.getAttribute("aria-controls")}`);
      if (panel) panel.hidden = !selected;
    }
    if (focus) tab.focus();
    onchoose(tab.id);
  };
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        choose(tabs[(i + step + tabs.length) % tabs.length], true);
        event.preventDefault();
        event.stopPropagation();
      }
    });
  });
  const show = (id) => choose(tabs.find((tab) => tab.id === id) ?? tabs[0]);
  show(chosen);
  return show;
}
