// What the page says of the sheet: its name for readers of the screen, the hint, the zoom.

import { announce } from "./dialogs.js";
import { find, setLabel, setText } from "./dom.js";
import { number, partName } from "./i18n.js";
import { page } from "./page.js";

export function labelBoard() {
  const { board } = page;
  const chosen = board.strokes.filter((stroke) => board.selected.has(stroke.id));
  const parts = [...new Set(chosen.map((stroke) => partName(stroke.part)))].join(", ");
  if (chosen.length) {
    setLabel(board.canvas, "board.label-selected", {
      count: board.strokes.length,
      selected: chosen.length,
      part: parts,
    });
    if (document.activeElement === board.canvas)
      announce("board.label-selected", {
        count: board.strokes.length,
        selected: chosen.length,
        part: parts,
      });
  } else {
    setLabel(board.canvas, "board.label", { count: board.strokes.length });
  }
}

export function showHint() {
  const { board } = page;
  const waiting = board.network.visible && !board.network.image;
  setText(
    find("#hint"),
    board.busy ? "loading" : waiting ? "network.waiting" : `hint.${board.tool}`,
  );
}

export function showZoom() {
  find("#zoom-value").textContent = number(page.board.view.scale, { style: "percent" });
}
