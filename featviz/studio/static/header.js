// The head of the page: its buttons and their dialogs.

import { translatePage } from "./appearance.js";
import { find } from "./dom.js";
import { changeSheet, startOn } from "./drawing.js";
import { openGallery } from "./gallery.js";
import { openHistory } from "./history.js";
import { currentLanguage, setLanguage } from "./i18n.js";
import { openHelp } from "./keyboard.js";
import { page } from "./page.js";
import { showSave } from "./saving.js";
import { labelBoard, showZoom } from "./saying.js";
import { openStart } from "./start.js";

export function wireHeader() {
  find("#start-button").addEventListener("click", showStartDialog);
  find("#save-button").addEventListener("click", showSave);
  find("#gallery-button").addEventListener("click", () => showGallery());
  find("#history-button").addEventListener("click", showHistory);
  find("#help-button").addEventListener("click", openHelp);
  find("#language-button").addEventListener("click", () => {
    setLanguage(currentLanguage() === "en" ? "zh" : "en");
    translatePage();
    page.options.show();
    showZoom();
    labelBoard();
    page.board.invalidate();
  });
}

function showStartDialog() {
  openStart({ config: page.config, current: page.sheet.base?.start ?? null, choose: startOn });
}

export function showGallery(view) {
  page.board.settle();
  openGallery({
    current: page.sheet.id,
    view,
    draw: (base) => startOn(base),
    open: (id) => changeSheet(() => page.sheet.open(id)),
  });
}

function showHistory() {
  page.board.settle();
  openHistory({
    history: page.sheet.history,
    restore: (step) => page.sheet.restore(step),
  });
}

