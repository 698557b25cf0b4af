// The keys of the page, in one table: what they do, and how the help tells it.

import { openDialog } from "./dialogs.js";
import { make } from "./dom.js";

export const TOOLS = [
  { id: "pen", key: "P" },
  { id: "erase-stroke", key: "E" },
  { id: "erase-area", key: "A" },
  { id: "select", key: "V" },
  { id: "probe", key: "O" },
  { id: "pan", key: "D" },
];

const SHEET = [
  [
    "help.tools",
    [...TOOLS.map(({ id, key }) => [[key], `tool.${id}`]), [["[", "]"], "help.radius"]],
  ],
  [
    "help.edit",
    [
      [["Ctrl+Z"], "help.undo"],
      [["Ctrl+Shift+Z", "Ctrl+Y"], "help.redo"],
      [["Shift+Delete"], "tool.clear"],
      [["M"], "symmetric.label"],
      [["Esc"], "help.escape"],
    ],
  ],
  [
    "help.selection",
    [
      [["]", "["], "help.next"],
      [["Ctrl+A"], "help.all"],
      [["←", "↑", "→", "↓"], "help.move"],
      [[".", ","], "help.scale"],
      [["Delete"], "help.delete"],
    ],
  ],
  [
    "help.view",
    [
      [["+", "-", "0"], "help.zoom"],
      [["Space"], "help.hold"],
      [["U"], "underlay.label"],
      [["N"], "network.label"],
      [["1", "2"], "help.tabs"],
    ],
  ],
  [
    "help.page",
    [
      [["B"], "start.title"],
      [["Ctrl+S"], "save.title"],
      [["G"], "gallery.title"],
      [["H"], "history.title"],
      [["?"], "help.button"],
    ],
  ],
];

export function openHelp() {
  const { body } = openDialog("help.title", { wide: true, name: "help-dialog" });
  body.append(
    make("p", { class: "intro", text: "help.intro" }),
    make(
      "div",
      { class: "help-sheet" },
      ...SHEET.map(([title, rows]) =>
        make(
          "section",
          {},
          make("h3", { text: title }),
          make(
            "dl",
            {},
            ...rows.flatMap(([keys, words]) => [
              make("dt", {}, ...keys.map((key) => make("kbd", { textContent: key }))),
              make("dd", { text: words }),
            ]),
          ),
        ),
      ),
      make(
        "section",
        {},
        make("h3", { text: "help.pointer" }),
        make("p", { text: "help.wheel" }),
        make("p", { text: "help.touch" }),
      ),
    ),
  );
}

/**
 * Keys of the page go to `actions` (a map from names such as "Ctrl+Z" or "p"); keys typed into
 * fields and while a dialog is open do not.
 */
export function listenToKeys(actions, { held, released }) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing || event.altKey) return;
    const typing = event.target.matches("input:not([type=range], [type=radio]), select, textarea");
    if (typing) return;
    if (event.key === " " && !event.target.matches("button, input, a, [role=tab]")) {
      held();
      event.preventDefault();
      return;
    }
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const name = `${control ? "Ctrl+" : ""}${event.shiftKey && (control || key.length > 1) ? "Shift+" : ""}${key}`;
    const action = actions[name];
    if (action && action(event) !== false) event.preventDefault();
  });
  addEventListener("keyup", (event) => {
    if (event.key === " ") released(" ");
    else released(event.key);
  });
}
