// Tools, switches, zoom: what the sheet is worked with.

import { toast } from "./dialogs.js";
import { find } from "./dom.js";
import { number } from "./i18n.js";
import { page } from "./page.js";
import { PARTS, guessPart } from "./parts.js";
import { picture } from "./pictures.js";
import { recall, remember } from "./preferences.js";
import { labelBoard, showHint, showZoom } from "./saying.js";
import { moveProbe, configure } from "./showing.js";
import { ToolOptions, makeToolbar } from "./toolbar.js";

export function wireTools() {
  const { board, sheet } = page;
  page.toolbar = makeToolbar(find("#tools"), {
    tool: chooseTool,
    undo,
    redo,
    clear,
  });
  page.options = new ToolOptions(find("#tool-options"), board, PARTS);
  board.choosePart = (points) => page.options.part || guessPart(points);

  toggle("symmetric", recall("symmetric", false), (on) => {
    board.symmetric = on;
    board.invalidate();
  });
  const opacity = find("#opacity");
  opacity.value = recall("opacity", 40);
  opacity.addEventListener("input", () => {
    remember("opacity", Number(opacity.value));
    board.set("underlay", { opacity: opacity.value / 100 });
  });
  board.underlay.opacity = opacity.value / 100;
  toggle("underlay", recall("underlay", true), (on) => {
    opacity.disabled = !on;
    board.set("underlay", { visible: on });
  });
  toggle(
    "network-view",
    false,
    (on) => {
      if (!on) board.network.image = null;
      board.set("network", { visible: on });
      showHint();
      configure();
    },
    false,
  );

  find("#zoom-in").addEventListener("click", () => board.zoom(1.25));
  find("#zoom-out").addEventListener("click", () => board.zoom(0.8));
  find("#zoom-fit").addEventListener("click", () => board.fit());
  board.addEventListener("view", showZoom);
  board.addEventListener("selection", () => {
    page.options.show();
    labelBoard();
  });
  board.addEventListener("preview", ({ detail }) => page.live.draw(detail));
  board.addEventListener("commit", ({ detail }) => sheet.commit(detail.state, detail.kind));
  board.addEventListener("probe", ({ detail }) => moveProbe(detail));
  page.faces.addEventListener("rebase", rebase);
}

/** A button that is on or off; it remembers. */
function toggle(id, on, run, keeps = true) {
  const button = find(`#${id}`);
  const set = (value) => {
    button.setAttribute("aria-pressed", String(value));
    if (keeps) remember(id, value);
    run(value);
  };
  button.addEventListener("click", () => set(button.getAttribute("aria-pressed") !== "true"));
  set(on);
}

export function chooseTool(tool) {
  page.board.setTool(tool);
  page.toolbar.choose(tool);
  page.options.show();
  remember("tool", tool === "probe" ? "pen" : tool);
  showHint();
  if (tool === "probe") {
    page.showTab("tab-probe");
  }
}

export function undo() {
  page.board.settle();
  page.board.cancel();
  page.sheet.undo();
}

export function redo() {
  page.board.settle();
  page.board.cancel();
  page.sheet.redo();
}

export function clear() {
  page.board.settle();
  if (!page.sheet.strokes.length) return;
  page.sheet.commit([], "clear");
  toast("tool.clear", null, { action: { key: "undo", run: undo } });
}

/** The kept face as it is shown becomes the base of what is drawn from now on. */
function rebase() {
  const { board, config, sheet } = page;
  board.settle();
  if (!sheet.differs) return;
  const most = config.limits;
  const bytes = JSON.stringify([...sheet.wireBases, sheet.strokes]).length;
  if (sheet.history.bases.length >= most.bases || bytes > most.message_bytes / 2) {
    toast("keep.too-many", { count: number(sheet.history.bases.length) }, { kind: "bad" });
    return;
  }
  sheet.rebase();
  toast("keep.rebased", null, { action: { key: "undo", run: undo } });
}

export async function loadUnderlay() {
  try {
    const response = await fetch(page.config.mean_face);
    if (response.ok) page.board.set("underlay", { image: await picture(await response.blob()) });
  } catch {
    // The sheet works without it; it comes with the next reload.
  }
}
