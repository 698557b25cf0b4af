// The drawing on the sheet: its strokes, its start, changing to another one.

import { errorText, toast } from "./dialogs.js";
import { setLabel, setText, find, icon } from "./dom.js";
import { page } from "./page.js";
import { drawStrokes } from "./pictures.js";
import { labelBoard, showHint } from "./saying.js";
import { configure } from "./showing.js";

export function wireSheet() {
  const { board, faces, live, sheet } = page;
  sheet.addEventListener("change", () => {
    const { history } = sheet;
    board.show(sheet.strokes, history.compared);
    faces.allow({ start: sheet.base !== null, differs: sheet.differs });
    configure();
    live.draw(sheet.strokes);
    page.toolbar.enable({
      canUndo: history.canUndo,
      canRedo: history.canRedo,
      canClear: sheet.strokes.length > 0,
    });
    labelBoard();
  });
  sheet.addEventListener("drawing", () => {
    board.cancel();
    board.select([]);
    showStart();
    configure();
  });
}

function showStart() {
  const { base } = page.sheet;
  const name = find("#start-name");
  if (base) {
    delete name.dataset.i18n;
    name.textContent = base.label;
  } else {
    setText(name, "start.blank");
  }
  setLabel(find("#start-button"), "start.button", {
    name: base ? base.label : { key: "start.blank" },
  });
  const thumb = find("#start-thumb");
  thumb.replaceChildren(
    base
      ? drawStrokes(document.createElement("canvas"), page.sheet.history.base, 36)
      : icon("blank"),
  );
}

export async function startOn(base) {
  const done = await changeSheet(() => page.sheet.begin(base));
  if (done) toast("start.fresh", { name: base ? base.label : { key: "start.blank" } });
}

/** Put another drawing on the sheet; until it is there nothing can be drawn. */
export async function changeSheet(change) {
  const { board } = page;
  board.settle();
  board.setBusy(true);
  showHint();
  try {
    await change();
    board.fit();
    return true;
  } catch (error) {
    toast("error.text", { text: errorText(error) }, { kind: "bad" });
    return false;
  } finally {
    board.setBusy(false);
    showHint();
  }
}
