// Looking back: every step of the drawing on the sheet, and going back to one.

import { openDialog } from "./dialogs.js";
import { make, setText } from "./dom.js";
import { when } from "./i18n.js";
import { drawStrokes } from "./pictures.js";

/** history: of the drawing; `restore` gets the chosen step. */
export function openHistory({ history, restore }) {
  const { dialog, body } = openDialog("history.title", { name: "history-dialog" });
  const beginning = { id: "start", kind: "start", time: null, state: history.base, bases: [] };
  const steps = [beginning, ...history.timeline];
  if (steps.length === 1) {
    body.append(make("p", { class: "note", text: "history.empty" }));
    return;
  }
  const canvas = make("canvas", {
    class: "history-picture",
    role: "img",
    label: "history.picture",
  });
  const words = make("p", { class: "history-words", role: "status" });
  const slider = make("input", {
    type: "range",
    min: 0,
    max: steps.length - 1,
    value: steps.length - 1,
    label: "history.slider",
    oninput: () => show(),
  });
  const back = make("button", {
    type: "button",
    class: "button primary",
    text: "history.restore",
    onclick: () => {
      dialog.close();
      restore(steps[Number(slider.value)]);
    },
  });
  const show = () => {
    const at = Number(slider.value);
    const { kind, time, state, bases } = steps[at];
    drawStrokes(canvas, state, 320);
    setText(words, time === null ? "history.step-start" : "history.step", {
      at,
      last: steps.length - 1,
      what: { key: `history.kind-${kind}` },
      time: time === null ? "" : when(time),
    });
    back.disabled = state === history.now && bases.length === history.bases.length;
  };
  body.append(
    make("p", { class: "intro", text: "history.intro" }),
    canvas,
    words,
    slider,
    make(
      "div",
      { class: "buttons" },
      make("button", {
        type: "button",
        class: "button",
        text: "dialog.cancel",
        onclick: () => dialog.close(),
      }),
      back,
    ),
  );
  show();
  slider.focus();
}
