// Saving the sketch into a group.

import { openDialog } from "./dialogs.js";
import { make, setText } from "./dom.js";
import { partName, translate } from "./i18n.js";

const FORBIDDEN = /[\\/:*?"<>|\u0000-\u001f]/;
const RESERVED = /^((con|prn|aux|nul|(com|lpt)[1-9])(\.|$)|(index\.csv|history\.jsonl)$)/i;

/** Why a group cannot have this name: a key of the table of strings, or null. */
export function groupProblem(name, most) {
  if (!name) return "save.group-empty";
  if (name.length > most) return "save.group-long";
  if (FORBIDDEN.test(name) || /^[. ]|[. ]$/.test(name)) return "save.group-forbidden";
  if (RESERVED.test(name)) return "save.group-reserved";
  return null;
}

/** Open the dialog; `save` gets {group, nickname}. */
export function openSave({ thumbnail, groups, group, nickname, base, parts, empty, limit, save }) {
  const { dialog, body } = openDialog("save.title", { name: "save-dialog" });
  if (empty) {
    body.append(make("p", { class: "note", text: "save.empty" }));
    return;
  }
  const known = make(
    "datalist",
    { id: "known-groups" },
    ...groups.map((name) => make("option", { value: name })),
  );
  const groupInput = make("input", {
    id: "save-group",
    value: group,
    maxLength: limit,
    autocomplete: "off",
    required: true,
    "aria-describedby": "save-group-note",
  });
  // `list` is read-only as a property.
  groupInput.setAttribute("list", "known-groups");
  const note = make("small", { id: "save-group-note", text: "save.group-note" });
  const nameInput = make("input", {
    id: "save-nickname",
    value: nickname,
    maxLength: 40,
    autocomplete: "nickname",
  });
  const form = make(
    "form",
    { class: "save-form", method: "dialog", noValidate: true },
    make("div", { class: "save-picture" }, thumbnail),
    make(
      "div",
      { class: "fields" },
      make("label", { htmlFor: "save-group", text: "save.group" }),
      groupInput,
      note,
      known,
      make("label", { htmlFor: "save-nickname", text: "save.nickname" }),
      nameInput,
      make("small", { text: "save.nickname-note" }),
      make(
        "dl",
        {},
        make("dt", { text: "save.base" }),
        make("dd", base ? { textContent: base } : { text: "start.blank" }),
        make("dt", { text: "save.edited" }),
        make(
          "dd",
          parts.length
            ? { textContent: parts.map(partName).join(", ") }
            : { text: base ? "save.unchanged" : "save.scratch" },
        ),
      ),
    ),
    make(
      "div",
      { class: "buttons" },
      make("button", {
        type: "button",
        class: "button",
        text: "dialog.cancel",
        onclick: () => dialog.close(),
      }),
      make("button", { type: "submit", class: "button primary", text: "save.confirm" }),
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = groupInput.value.trim();
    const problem = groupProblem(name, limit);
    groupInput.setAttribute("aria-invalid", String(problem !== null));
    note.classList.toggle("error", problem !== null);
    setText(note, problem ?? "save.group-note", { most: limit });
    if (problem) {
      groupInput.focus();
      return;
    }
    dialog.close();
    save({ group: name, nickname: nameInput.value.trim() || translate("save.anonymous") });
  });
  body.append(form);
  groupInput.focus();
  groupInput.select();
}
