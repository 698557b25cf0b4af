// The tools at the side of the sheet, and what each of them lets one choose.

import { icon, make, setText } from "./dom.js";
import { clamp } from "./geometry.js";
import { partName } from "./i18n.js";
import { TOOLS } from "./keyboard.js";
import { recall, remember } from "./preferences.js";

export const RADII = [3, 5, 8, 12, 18, 26, 40];

/** Arrow keys go from button to button; Tab enters and leaves the bar. */
function rove(bar) {
  const buttons = () => [...bar.querySelectorAll("button")];
  bar.addEventListener("keydown", (event) => {
    const all = buttons();
    const at = all.indexOf(document.activeElement);
    const to = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: all.length - 1,
    }[event.key];
    if (at < 0 || to === undefined) return;
    const next = all[(to + all.length) % all.length];
    all.forEach((button) => {
      button.tabIndex = button === next ? 0 : -1;
    });
    next.focus();
    event.preventDefault();
    event.stopPropagation();
  });
  bar.addEventListener("focusin", ({ target }) => {
    buttons().forEach((button) => {
      button.tabIndex = button === target ? 0 : -1;
    });
  });
}

/** Tells by calls of `actions`: tool(id), undo(), redo(), clear(). */
export function makeToolbar(bar, actions) {
  const tools = new Map(
    TOOLS.map(({ id, key }) => [
      id,
      make(
        "button",
        {
          type: "button",
          class: "tool",
          "data-tool": id,
          "data-key": key,
          label: `tool.${id}`,
          "aria-pressed": "false",
          onclick: () => actions.tool(id),
        },
        icon(id),
      ),
    ]),
  );
  const command = (name, key, run) =>
    make(
      "button",
      {
        type: "button",
        class: "tool",
        "data-command": name,
        "data-key": key,
        label: `tool.${name}`,
        onclick: run,
      },
      icon(name),
    );
  const undo = command("undo", "Ctrl+Z", actions.undo);
  const redo = command("redo", "Ctrl+Shift+Z", actions.redo);
  const clear = command("clear", "Shift+Delete", actions.clear);
  bar.append(...tools.values(), make("hr"), undo, redo, make("hr"), clear);
  rove(bar);
  bar.querySelectorAll("button").forEach((button, i) => {
    button.tabIndex = i ? -1 : 0;
  });
  return {
    choose(id) {
      for (const [name, button] of tools) button.setAttribute("aria-pressed", String(name === id));
    },
    // A disabled button would lose the focus in the middle of undoing; these only say so.
    enable({ canUndo, canRedo, canClear }) {
      for (const [button, can] of [
        [undo, canUndo],
        [redo, canRedo],
        [clear, canClear],
      ]) {
        button.setAttribute("aria-disabled", String(!can));
      }
    },
  };
}

/** What the chosen tool lets one choose. */
export class ToolOptions {
  constructor(box, board, parts) {
    Object.assign(this, { box, board, parts });
    this.part = recall("part", "");
    if (this.part && !parts.includes(this.part)) this.part = "";
    board.radius = recall("radius", 12);
  }

  show() {
    const { tool } = this.board;
    const content =
      {
        pen: () => this.#partChoice(),
        "erase-area": () => this.#radiusChoice(),
        select: () => this.#selection(),
        probe: () => [
          this.#words(
            this.board.probe.point
              ? ["option.probe-at", { x: this.board.probe.point[0], y: this.board.probe.point[1] }]
              : ["option.probe-none"],
          ),
        ],
      }[tool]?.() ?? [];
    this.box.replaceChildren(...content);
  }

  #words(text) {
    return make("span", { class: "option-words", text });
  }

  #partChoice() {
    const select = make(
      "select",
      {
        id: "part",
        onchange: () => {
          this.part = select.value;
          remember("part", this.part);
        },
      },
      make("option", { value: "", text: "option.part-auto" }),
      ...this.parts.map((part) =>
        Object.assign(document.createElement("option"), {
          value: part,
          textContent: partName(part),
        }),
      ),
    );
    select.value = this.part;
    return [make("label", { htmlFor: "part", class: "option-words", text: "option.part" }), select];
  }

  #radiusChoice() {
    const value = make("output", { class: "option-words" });
    const tell = () => setText(value, "option.radius-value", { size: 2 * this.board.radius });
    const at = RADII.reduce(
      (best, radius, i) =>
        Math.abs(radius - this.board.radius) < Math.abs(RADII[best] - this.board.radius) ? i : best,
      0,
    );
    const slider = make("input", {
      type: "range",
      id: "radius",
      min: 0,
      max: RADII.length - 1,
      value: at,
      oninput: () => {
        this.setRadius(RADII[slider.value]);
        tell();
      },
    });
    tell();
    return [
      make("label", { htmlFor: "radius", class: "option-words", text: "option.radius" }),
      slider,
      value,
    ];
  }

  setRadius(radius) {
    this.board.radius = radius;
    remember("radius", radius);
    this.board.invalidate();
  }

  stepRadius(step) {
    const at = RADII.findIndex((radius) => radius >= this.board.radius);
    this.setRadius(RADII[clamp((at < 0 ? RADII.length - 1 : at) + step, 0, RADII.length - 1)]);
    this.show();
  }

  #selection() {
    const { board } = this;
    const count = board.selected.size;
    if (!count) {
      return [
        this.#words(["option.selected-none"]),
        make("button", {
          type: "button",
          class: "button small",
          text: "option.select-all",
          onclick: () => {
            board.select(board.strokes.map((stroke) => stroke.id));
          },
        }),
      ];
    }
    // The buttons stay while the selection changes under them, or they would lose the focus.
    if (this.box.querySelector("[data-selection]")) {
      setText(this.box.querySelector(".option-words"), "option.selected", { count });
      return [...this.box.children];
    }
    const button = (key, name, run) =>
      make(
        "button",
        { type: "button", class: "quiet", label: key, "data-selection": "", onclick: run },
        icon(name),
      );
    const scaled = (factor) => () => {
      board.resizeSelection(factor);
      board.settle();
    };
    return [
      this.#words(["option.selected", { count }]),
      button("option.smaller", "smaller", scaled(1 / 1.05)),
      button("option.larger", "larger", scaled(1.05)),
      button("option.delete", "clear", () => board.deleteSelection()),
    ];
  }
}
