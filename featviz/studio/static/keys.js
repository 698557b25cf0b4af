// What each key does.

import { find } from "./dom.js";
import { closeFolds } from "./folds.js";
import { SIZE, clamp } from "./geometry.js";
import { listenToKeys, openHelp } from "./keyboard.js";
import { page } from "./page.js";
import { moveProbe } from "./showing.js";
import { chooseTool, clear, redo, undo } from "./tools.js";


export function wireKeys() {
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
      if (closeFolds()) return;
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

