// The page: puts the parts together.

import { ApiError, get, post } from "./api.js";
import { Board } from "./board.js";
import { announce, errorText, keepToasts, toast } from "./dialogs.js";
import { find, findAll, icon, make, setLabel, setText } from "./dom.js";
import { Faces, makeTabs, picture } from "./faces.js";
import { openGallery } from "./gallery.js";
import { SIZE, clamp } from "./geometry.js";
import { openHistory } from "./history.js";
import { currentLanguage, number, partName, setLanguage } from "./i18n.js";
import { makeId } from "./ids.js";
import { listenToKeys, openHelp } from "./keyboard.js";
import { Live } from "./live.js";
import { Outbox } from "./outbox.js";
import { PARTS, guessPart } from "./parts.js";
import { drawStrokes } from "./pictures.js";
import { recall, remember } from "./preferences.js";
import { Probe } from "./probe.js";
import { openSave } from "./save.js";
import { enter } from "./session.js";
import { Sheet } from "./sheet.js";
import { openStart } from "./start.js";
import { ToolOptions, makeToolbar } from "./toolbar.js";

/** The parts of the page; tests look into them. */
export const page = {};

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
  page.sheet = new Sheet(page.outbox);
  page.board = new Board(find("#board"));
  page.faces = new Faces(find("#faces"), find("#difference"));
  page.probe = new Probe(find("#probe"));
  page.live = new Live(
    `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`,
  );
  wireTools();
  wireSheet();
  wireFaces();
  wireOutbox();
  wireHeader();
  wireKeys();
  loadUnderlay();
  chooseTool(recall("tool", "pen"));
  page.board.setBusy(true);
  const how = await page.sheet.resume();
  page.board.setBusy(false);
  if (how === "held") toast("other-window");
  page.live.connect();
  showSaveState();
  document.documentElement.dataset.ready = "true";
}

// Tools and the sheet ----------------------------------------------------------------------------

function wireTools() {
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

function chooseTool(tool) {
  page.board.setTool(tool);
  page.toolbar.choose(tool);
  page.options.show();
  remember("tool", tool === "probe" ? "pen" : tool);
  showHint();
  if (tool === "probe") {
    page.showTab("tab-probe");
  }
}

function showHint() {
  const { board } = page;
  const waiting = board.network.visible && !board.network.image;
  setText(
    find("#hint"),
    board.busy ? "loading" : waiting ? "network.waiting" : `hint.${board.tool}`,
  );
}

function undo() {
  page.board.settle();
  page.board.cancel();
  page.sheet.undo();
}

function redo() {
  page.board.settle();
  page.board.cancel();
  page.sheet.redo();
}

function clear() {
  page.board.settle();
  if (!page.sheet.strokes.length) return;
  page.sheet.commit([], "clear");
  toast("tool.clear", null, { action: { key: "undo", run: undo } });
}

function showZoom() {
  find("#zoom-value").textContent = number(page.board.view.scale, { style: "percent" });
}

async function loadUnderlay() {
  try {
    const response = await fetch(page.config.mean_face);
    if (response.ok) page.board.set("underlay", { image: await picture(await response.blob()) });
  } catch {
    // The sheet works without it; it comes with the next reload.
  }
}

function wireSheet() {
  const { board, sheet, live } = page;
  sheet.addEventListener("change", () => {
    const { history } = sheet;
    board.show(sheet.strokes, history.base);
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

function labelBoard() {
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

async function startOn(base) {
  const done = await changeSheet(() => page.sheet.begin(base));
  if (done) toast("start.fresh", { name: base ? base.label : { key: "start.blank" } });
}

/** Put another drawing on the sheet; until it is there nothing can be drawn. */
async function changeSheet(change) {
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

// Faces, differences, probe ----------------------------------------------------------------------

function wireFaces() {
  const { board, config, faces, live, probe } = page;
  const names = config.checkpoints.filter((one) => one.generates).map((one) => one.name);
  const wanted = recall("checkpoints", config.selected);
  const chosen = [0, 1].map((i) =>
    names.includes(wanted[i]) ? wanted[i] : wanted[i] === null ? null : config.selected[i],
  );
  faces.offer(names, chosen[0] === chosen[1] ? [chosen[0], null] : chosen);
  if (!names.length) faces.nothing();
  probe.offer(
    config,
    recall("probe-checkpoint", config.selected[0] ?? config.checkpoints[0]?.name),
  );
  faces.addEventListener("choice", ({ detail }) => {
    remember("checkpoints", detail);
    configure();
  });
  probe.addEventListener("choice", () => {
    remember("probe-checkpoint", probe.checkpoint.value);
    probe.reset(probe.point ? "probe.waiting" : "probe.pick");
    board.set("probe", { chosen: probe.layer });
    configure();
  });
  page.tab = "tab-difference";
  page.showTab = makeTabs(find("#tabs"), recall("tab", "tab-difference"), (id) => {
    page.tab = id;
    remember("tab", id);
    board.set("probe", { visible: id === "tab-probe" });
    if (id === "tab-probe" && !probe.point) pointProbe(config.probe_point);
    configure();
  });

  live.addEventListener("state", ({ detail }) => {
    faces.stale(detail !== "connected");
    showLive(detail);
  });
  live.addEventListener("failed", async () => {
    // Either the server is away, or it does not know us.
    const known = await get("/api/session").catch(() => null);
    if (known && !known.session) enterAgain();
  });
  live.addEventListener("hello", () => showLive("connected"));
  live.addEventListener("loading", ({ detail }) => faces.loading(detail.checkpoint));
  live.addEventListener("error", ({ detail }) => {
    if (detail.code === "checkpoint") faces.failed(detail.checkpoint ?? null, detail.message);
    toast("error.text", { text: detail.message }, { kind: "bad", seconds: 10 });
  });
  live.addEventListener("faces", ({ detail }) => showFaces(detail));
  live.addEventListener("probe", ({ detail }) => {
    probe.showFields(detail);
    board.set("probe", { layers: detail.layers, chosen: probe.layer });
  });
  live.addEventListener("probe_progress", ({ detail }) => probe.showProgress(detail));
  live.addEventListener("probe_map", ({ detail }) => probe.showMap(detail));
  live.addEventListener("probe_live", ({ detail }) => probe.showLive(detail));
  showLive(live.state);
}

async function showFaces(answer) {
  const { header, blob, latency } = answer;
  if (header.raster && page.board.network.visible) {
    const image = await picture(blob(header.raster));
    if (page.board.network.visible) page.board.set("network", { image, seq: header.seq });
    showHint();
  }
  page.faces.show(answer, {
    blank: !page.board.strokes.length,
    difference: page.sheet.base ? "difference.nothing" : "difference.no-start",
  });
  if (latency !== null) {
    page.latency = { ms: latency, server: header.ms.total };
    showLive("connected");
  }
}

function showLive(state) {
  const chip = find("#live");
  chip.dataset.state = state;
  const words = find("span", chip);
  if (state === "connected" && page.latency) {
    const values = { time: duration(page.latency.ms), server: duration(page.latency.server) };
    setText(words, "live.latency", values);
    setLabel(chip, "live.latency-label", values);
  } else {
    setText(words, `live.${state}`);
    setLabel(chip, `live.${state}`);
  }
}

function duration(milliseconds) {
  const long = milliseconds >= 1000;
  return number(long ? milliseconds / 1000 : milliseconds, {
    style: "unit",
    unit: long ? "second" : "millisecond",
    unitDisplay: "short",
    maximumFractionDigits: long ? 1 : 0,
  });
}

/** Tell the server what is wanted now. */
function configure() {
  const { board, faces, live, probe, sheet } = page;
  if (!page.showTab && !live.settings) return;
  live.configure({
    type: "settings",
    checkpoints: faces.chosen,
    start: sheet.wireBase,
    difference: page.tab === "tab-difference" && sheet.base !== null,
    raster: board.network.visible,
    probe: page.tab === "tab-probe" ? probe.wish : null,
  });
}

function moveProbe(point) {
  if (page.tab !== "tab-probe") page.showTab("tab-probe");
  pointProbe(point);
}

function pointProbe(point) {
  if (!page.probe.setPoint(point)) return;
  page.board.set("probe", { point, layers: [], chosen: page.probe.layer });
  page.options.show();
  configure();
}

// Saving -----------------------------------------------------------------------------------------

function wireOutbox() {
  const { outbox } = page;
  outbox.addEventListener("state", showSaveState);
  outbox.addEventListener("saved", ({ detail }) => {
    toast(
      "save.done",
      { label: detail.label },
      { kind: "good", action: { key: "save.show", run: () => showGallery() } },
    );
  });
  outbox.addEventListener("conflict", async ({ detail }) => {
    if (detail !== page.sheet.id) return;
    await outbox.flush();
    await page.sheet.open(detail).catch(() => {});
    toast("conflict");
  });
  outbox.addEventListener("refused", async ({ detail: { item, error } }) => {
    const mine = item.drawing === page.sheet.id;
    // A drawing that has had too much goes on as a new one; what is refused as the first step of
    // one would be refused again.
    const first = item.after === null || item.after === "start";
    const stays = first && ["too-large", "too-many", "bad-request"].includes(error.code);
    if (!mine || item.type === "save" || stays) {
      toast("refused", { message: error.message }, { kind: "bad", seconds: 15 });
      return;
    }
    await page.sheet.moveOn();
    toast("moved-on", { message: error.message }, { kind: "bad", seconds: 15 });
  });
  outbox.addEventListener("session", enterAgain);
  addEventListener("online", () => outbox.flush());
  addEventListener("beforeunload", (event) => {
    // What the browser keeps is safe; what it cannot keep is worth a question.
    if (outbox.waiting && !outbox.lasting) event.preventDefault();
  });
  outbox.run();
}

/** The server does not know us any more: say again who draws, then go on where we were. */
async function enterAgain() {
  if (page.entering) return;
  page.entering = true;
  try {
    page.session = await enter();
    page.outbox.flush();
    page.live.connect();
  } catch {
    // The outbox and the live connection try again.
  } finally {
    page.entering = false;
  }
}

let troubled = null;

function showSaveState() {
  const { outbox } = page;
  const chip = find("#save-state");
  const known = ["saved", "saving", "offline", "busy", "full"];
  let { state } = outbox;
  if (!known.includes(state)) state = "waiting";
  if (state !== "saved" && state !== "saving" && !outbox.lasting) state = "memory";
  chip.dataset.state = state;
  setText(find("span", chip), `state.${state}`, { count: outbox.waiting });
  chip.title = find("span", chip).textContent;
  const banner = ["offline", "busy", "full", "memory"].includes(state) ? state : null;
  find("#banner").hidden = banner === null;
  if (banner) setText(find("#banner span"), `banner.${banner}`);
  if (banner !== troubled) {
    if (banner) announce(`banner.${banner}`);
    else if (troubled && state === "saved") toast("back.online", null, { kind: "good" });
    if (banner || state === "saved") troubled = banner;
  }
}

async function showSave() {
  const { board, config, sheet } = page;
  board.settle();
  let groups = [];
  try {
    groups = (await get("/api/sketches?limit=1")).facets.groups.map(({ group }) => group);
  } catch {
    // Without the server the name is typed; saving waits in the outbox.
  }
  openSave({
    thumbnail: drawStrokes(
      make("canvas", { role: "img", label: "desk.label" }),
      sheet.strokes,
      200,
    ),
    groups,
    group: recall("group", groups[0] ?? ""),
    nickname: recall("nickname", page.session?.nickname ?? ""),
    base: sheet.base?.label ?? null,
    parts: sheet.base ? sheet.edited : [],
    empty: !sheet.strokes.length,
    limit: config.limits.group_characters,
    save: async ({ group, nickname }) => {
      remember("group", group);
      if (nickname !== page.session?.nickname) {
        remember("nickname", nickname);
        await post("/api/session", { nickname })
          .then((answer) => {
            page.session = answer.session;
          })
          .catch(() => {});
      }
      sheet.save({ id: makeId(), group });
      if (!(await settled(page.outbox))) toast("save.queued", { group });
    },
  });
}

/** Whether the outbox empties within a moment. */
async function settled(outbox) {
  for (let i = 0; i < 20 && outbox.waiting && outbox.state === "saving"; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return !outbox.waiting;
}

// The head of the page ---------------------------------------------------------------------------

function wireHeader() {
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

function showGallery(view) {
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
    restore: (state) => page.sheet.commit(state, "restore"),
  });
}

function wireTheme() {
  const button = find("#theme-button");
  const show = () => {
    const theme = recall("theme", "system");
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.replaceChildren(icon({ system: "auto", light: "sun", dark: "moon" }[theme]));
    setLabel(button, `theme.${theme}`);
    page.board?.readColors();
  };
  button.addEventListener("click", () => {
    const order = ["system", "light", "dark"];
    remember("theme", order[(order.indexOf(recall("theme", "system")) + 1) % order.length]);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    page.board?.readColors(),
  );
  show();
}

function translatePage() {
  document.documentElement.lang = currentLanguage() === "zh" ? "zh-Hans" : "en";
  for (const element of findAll("[data-i18n]")) {
    setText(element, element.dataset.i18n, JSON.parse(element.dataset.i18nValues ?? "null"));
  }
  for (const element of findAll("[data-i18n-label]")) {
    setLabel(
      element,
      element.dataset.i18nLabel,
      JSON.parse(element.dataset.i18nLabelValues ?? "null"),
    );
  }
  setText(find("title"), "page.title");
}

// Keys -------------------------------------------------------------------------------------------

function wireKeys() {
  const { board } = page;
  const onBoard = (run) => (event) => {
    if (document.activeElement !== board.canvas && document.activeElement !== document.body)
      return false;
    return run(event);
  };
  const arrow = (dx, dy) =>
    onBoard((event) => {
      const step = event.shiftKey ? 10 : 1;
      if (board.tool === "select" && board.selected.size) {
        board.nudge(dx * step, dy * step);
      } else if (board.tool === "probe") {
        const [x, y] = page.probe.point ?? page.config.probe_point;
        moveProbe([clamp(x + dx * step, 0, SIZE - 1), clamp(y + dy * step, 0, SIZE - 1)]);
      } else {
        return false;
      }
      return true;
    });
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const selecting = (run) => onBoard((event) => (board.tool === "select" ? run(event) : false));
  const click = (id) => () => find(`#${id}`).click();
  const bracket = (step) => () => {
    if (board.tool === "select") board.step(step);
    else if (board.tool === "erase-area") page.options.stepRadius(step);
    else return false;
    return true;
  };
  const actions = {
    p: () => chooseTool("pen"),
    e: () => chooseTool("erase-stroke"),
    a: () => chooseTool("erase-area"),
    v: () => chooseTool("select"),
    o: () => chooseTool("probe"),
    d: () => chooseTool("pan"),
    "Ctrl+z": undo,
    "Ctrl+Shift+z": redo,
    "Ctrl+y": redo,
    "Ctrl+s": click("save-button"),
    "Ctrl+a": selecting(() => board.select(board.strokes.map((stroke) => stroke.id))),
    "Shift+Delete": clear,
    m: click("symmetric"),
    u: click("underlay"),
    n: click("network-view"),
    b: click("start-button"),
    g: click("gallery-button"),
    h: click("history-button"),
    "?": openHelp,
    1: () => page.showTab("tab-difference"),
    2: () => page.showTab("tab-probe"),
    "+": () => board.zoom(1.25),
    "=": () => board.zoom(1.25),
    "-": () => board.zoom(0.8),
    0: () => board.fit(),
    "[": bracket(-1),
    "]": bracket(1),
    ".": selecting(() => board.resizeSelection(1.05)),
    ",": selecting(() => board.resizeSelection(1 / 1.05)),
    Delete: selecting(() => board.deleteSelection()),
    Backspace: selecting(() => board.deleteSelection()),
    Escape: () => {
      board.cancel();
      board.select([]);
    },
  };
  for (const [key, [dx, dy]] of Object.entries(arrows)) {
    actions[key] = arrow(dx, dy);
    actions[`Shift+${key}`] = arrow(dx, dy);
  }
  listenToKeys(actions, {
    held: () => board.holdSpace(true),
    released: (key) => {
      if (key === " ") board.holdSpace(false);
      // A key that is held moves on; letting it go makes it one step.
      else if (key.startsWith("Arrow") || key === "." || key === ",") board.settle();
    },
  });
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
