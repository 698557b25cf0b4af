// Controls that fold away on a small screen; styles/narrow.css says where that is.

import { find, findAll } from "./dom.js";

/** A button opens what it names; going on with the sheet folds it again. */
export function wireFolds() {
  for (const fold of findAll(".fold")) {
    fold.addEventListener("click", () => open(fold, fold.getAttribute("aria-expanded") !== "true"));
  }
  find("#board").addEventListener("pointerdown", closeFolds);
}

/** Whether anything was open. */
export function closeFolds() {
  const opened = findAll(".fold[aria-expanded=true]");
  opened.forEach((fold) => open(fold, false));
  return opened.length > 0;
}

function open(fold, wide) {
  // The focus must not vanish with what holds it.
  const within = fold.getAttribute("aria-controls").split(" ").map((id) => find(`#${id}`));
  if (!wide && within.some((box) => box.contains(document.activeElement))) fold.focus();
  fold.setAttribute("aria-expanded", String(wide));
}
