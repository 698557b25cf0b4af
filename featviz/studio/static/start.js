// Choosing what to begin with: a blank sheet or a sketch of the set.

import { get } from "./api.js";
import { errorText, openDialog } from "./dialogs.js";
import { icon, make } from "./dom.js";
import { partName } from "./i18n.js";

let sketches = null;

async function list() {
  sketches ??= (await get("/api/start")).sketches;
  return sketches;
}

/** Open the dialog; `choose` gets null for a blank sheet or {start: n, label}. */
export async function openStart({ config, current, choose }) {
  const { dialog, body } = openDialog("start.title", { wide: true, name: "start-dialog" });
  const intro = make("p", { class: "intro", text: "start.intro" });
  const filter = make("div", { class: "chips", role: "group", label: "start.groups" });
  const grid = make("div", { class: "cards" });
  body.append(intro, filter, grid);

  const pick = (base) => {
    dialog.close();
    choose(base);
  };
  const blank = make(
    "button",
    {
      type: "button",
      class: "pick",
      onclick: () => pick(null),
      "aria-current": String(current === null),
    },
    make("span", { class: "thumb blank" }, icon("blank")),
    make("span", { class: "pick-name", text: "start.blank" }),
    make("span", { class: "pick-part", text: "start.blank-means" }),
  );

  if (!config.start.available) {
    grid.append(blank, make("p", { class: "note", textContent: config.start.message }));
    return;
  }
  grid.append(blank, make("p", { class: "note", text: "loading" }));
  let all;
  try {
    all = await list();
  } catch (error) {
    grid.replaceChildren(blank, make("p", { class: "note error", textContent: errorText(error) }));
    return;
  }
  const show = (group) => {
    for (const chip of filter.children)
      chip.setAttribute("aria-pressed", String(chip.dataset.group === group));
    const shown = all.filter((one) => one.editable && (!group || one.group === group));
    grid.replaceChildren(
      blank,
      ...shown.map((one) =>
        make(
          "button",
          {
            type: "button",
            class: "pick",
            onclick: () => pick({ start: one.n, label: one.sketch }),
            "aria-current": String(current === one.n),
          },
          make("img", {
            class: "thumb",
            src: `/api/start/${one.n}/picture.png?size=128`,
            alt: "",
            loading: "lazy",
            width: 128,
            height: 128,
          }),
          make("span", { class: "pick-name", textContent: one.sketch }),
          make("span", {
            class: "pick-part",
            textContent: one.edited_part.split(" ").filter(Boolean).map(partName).join(", "),
          }),
        ),
      ),
    );
  };
  // The unedited faces come first: most edits begin with one.
  const chip = (group, content) => {
    const element = make(
      "button",
      { type: "button", class: "chip", onclick: () => show(group) },
      content,
    );
    element.dataset.group = group;
    return element;
  };
  filter.append(
    chip("", make("span", { text: "start.all" })),
    ...config.start.groups.map(({ group, count }) => chip(group, `${group} · ${count}`)),
  );
  show("");
}
