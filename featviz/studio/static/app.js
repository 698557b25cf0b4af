// The page: puts the parts together.

import { ApiError, get } from "./api.js";
import { translatePage, wireTheme } from "./appearance.js";
import { Board } from "./board.js";
import { Correcting } from "./correcting.js";
import { errorText, keepToasts, toast } from "./dialogs.js";
import { setText, find, make } from "./dom.js";
import { wireSheet } from "./drawing.js";
import { Faces } from "./faces.js";
import { wireFolds } from "./folds.js";
import { showGallery, wireHeader } from "./header.js";
import { wireKeys } from "./keys.js";
import { Live } from "./live.js";
import { Outbox } from "./outbox.js";
import { page } from "./page.js";
import { recall } from "./preferences.js";
import { Probe } from "./probe.js";
import { showSaveState, wireOutbox } from "./saving.js";
import { enter } from "./session.js";
import { Sheet } from "./sheet.js";
import { wireFaces } from "./showing.js";
import { chooseTool, loadUnderlay, wireTools } from "./tools.js";

export { page };

async function begin() {
  keepToasts();
  translatePage();
  wireTheme();
  page.session = await enter();
  page.config = await get("/api/config");
  page.outbox = await Outbox.open({
    pageVersion: page.config.page_version,
    limits: page.config.limits,
  });
  page.sheet = new Sheet(page.outbox, page.config.start.opening);
  page.board = new Board(find("#board"));
  page.faces = new Faces(find("#faces"), find("#difference"));
  page.probe = new Probe(find("#probe"));
  page.correcting = new Correcting(find("#correct"), recall("correct", {}));
  page.live = new Live(
    `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`,
  );
  wireTools();
  wireSheet();
  wireFaces();
  wireOutbox(showGallery);
  wireHeader();
  wireFolds();
  wireKeys();
  loadUnderlay();
  chooseTool(recall("tool", "pen"));
  page.board.setBusy(true);
  const how = await page.sheet.resume();
  page.board.setBusy(false);
  if (how === "held") toast("other-window");
  if (how === "new" && page.sheet.base) toast("start.opened");
  page.live.connect();
  showSaveState();
  document.documentElement.dataset.ready = "true";
}

begin().catch((error) => {
  const message = error instanceof ApiError ? errorText(error) : String(error.message ?? error);
  find("#banner").hidden = false;
  setText(find("#banner span"), "banner.no-canvas", { message });
  find("#banner").append(
    make("button", {
      type: "button",
      class: "link",
      text: "retry",
      onclick: () => location.reload(),
    }),
  );
  if (!(error instanceof ApiError)) throw error;
});
