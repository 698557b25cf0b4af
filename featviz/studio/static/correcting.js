// Sliders: how much of which parts of the drawing is corrected before faces are made of it.

import { make } from "./dom.js";
import { number } from "./i18n.js";

const PARTS = ["outline", "eyebrows", "eyes", "nose", "mouth"];

/** Tells "choice" (detail: by part its amount, from 0 to 1). */
export class Correcting extends EventTarget {
  constructor(box, amounts) {
    super();
    this.rows = new Map(PARTS.map((part) => [part, this.#row(part, amounts[part])]));
    this.reset = make("button", {
      type: "button",
      class: "button small",
      text: "correct.reset",
      onclick: () => this.#set(0),
    });
    const rows = make("div", { class: "correct-rows" });
    for (const { label, slider, value } of this.rows.values()) rows.append(label, slider, value);
    const words = make("p", { class: "correct-words", text: "correct.words" });
    box.append(words, rows, this.reset);
    this.#show();
  }

  /** The parts that are corrected at all. */
  get amounts() {
    const chosen = [...this.rows].map(([part, { slider }]) => [part, slider.value / 100]);
    return Object.fromEntries(chosen.filter(([, amount]) => amount > 0));
  }

  #row(part, amount) {
    const id = `correct-${part}`;
    const percent = Math.round(100 * Math.min(Math.max(Number(amount) || 0, 0), 1));
    return {
      label: make("label", { htmlFor: id, text: `correct.${part}` }),
      slider: make("input", {
        id,
        type: "range",
        min: 0,
        max: 100,
        step: 5,
        value: percent,
        oninput: () => this.#changed(),
      }),
      value: make("output", { htmlFor: id }),
    };
  }

  #set(percent) {
    for (const { slider } of this.rows.values()) slider.value = percent;
    // The button is about to be disabled, and would lose the focus.
    this.rows.get(PARTS[0]).slider.focus();
    this.#changed();
  }

  #changed() {
    this.#show();
    this.dispatchEvent(new CustomEvent("choice", { detail: this.amounts }));
  }

  #show() {
    for (const { slider, value } of this.rows.values()) {
      value.textContent = number(slider.value / 100, { style: "percent" });
    }
    this.reset.disabled = !Object.keys(this.amounts).length;
  }
}
