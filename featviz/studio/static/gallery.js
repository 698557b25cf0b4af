// The gallery: sketches that were saved, one's own drawings, and what was deleted.

import { get, post } from "./api.js";
import { errorText, openDialog, toast } from "./dialogs.js";
import { icon, make } from "./dom.js";
import { when } from "./i18n.js";
import { PAGE, eraser, makeList } from "./listing.js";
import { showSaved } from "./saved.js";
import { makeTabs } from "./tabs.js";

/**
 * Open the gallery. `draw` gets {sketch, label} of the sketch to go on from, `open` the id of one's
 * own drawing; `current` is the id of the drawing on the sheet.
 */
export function openGallery({ draw, open, current, view = "tab-saved" }) {
  const { dialog, body } = openDialog("gallery.title", { wide: true, name: "gallery-dialog" });
  const tabs = make(
    "div",
    { class: "tabs", role: "tablist", label: "gallery.views" },
    ...[
      ["tab-saved", "gallery.saved"],
      ["tab-drawings", "gallery.drawings"],
      ["tab-deleted", "gallery.deleted"],
    ].map(([id, key]) =>
      make("button", {
        type: "button",
        role: "tab",
        id,
        "aria-controls": "gallery-panel",
        text: key,
      }),
    ),
  );
  const panel = make("div", { id: "gallery-panel", role: "tabpanel" });
  body.append(tabs, panel);
  const leave =
    (action) =>
    (...values) => {
      dialog.close();
      action(...values);
    };
  makeTabs(tabs, view, (id) => {
    panel.hidden = false;
    panel.setAttribute("aria-labelledby", id);
    if (id === "tab-saved") showSaved(panel, leave(draw));
    else if (id === "tab-drawings") showDrawings(panel, leave(open), current);
    else showDeleted(panel);
  });
  tabs.querySelector("[aria-selected=true]").focus();
}

// One's own drawings -----------------------------------------------------------------------------

function showDrawings(panel, open, current) {
  const list = makeList({
    emptyKey: "gallery.no-drawings",
    fetchPage: async (cursor) => {
      const page = await get(
        `/api/drawings?state=open&limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
      );
      return { items: page.drawings, ...page };
    },
    makeCard: (drawing, refresh) => {
      const { id, updated, base, revision } = drawing;
      const name = when(updated);
      const erase = eraser(`/api/drawings/${id}`, "gallery.drawing-deleted", null, refresh);
      return make(
        "article",
        { class: "sketch-card", "data-drawing": id, "aria-label": name },
        make("img", {
          class: "thumb",
          src: `/api/drawings/${id}/picture.png?size=256&revision=${revision}`,
          alt: "",
          loading: "lazy",
          width: 256,
          height: 256,
        }),
        make(
          "div",
          { class: "sketch-words" },
          make("h3", { textContent: name }),
          make(
            "p",
            {},
            base
              ? make("span", { text: ["gallery.from", { label: base.label }] })
              : make("span", { text: "start.blank" }),
          ),
          make("p", { class: "faint", text: ["gallery.steps", { count: revision }] }),
        ),
        make(
          "div",
          { class: "card-buttons" },
          id === current
            ? make("span", { class: "badge", text: "gallery.current" })
            : make("button", {
                type: "button",
                class: "button small",
                text: "gallery.open",
                label: ["gallery.open-drawing", { name }],
                onclick: () => open(id),
              }),
          id === current
            ? null
            : make(
                "button",
                {
                  type: "button",
                  class: "quiet",
                  label: ["gallery.delete", { label: name }],
                  onclick: erase,
                },
                icon("clear"),
              ),
        ),
      );
    },
  });
  panel.replaceChildren(
    make("p", { class: "intro", text: "gallery.drawings-intro" }),
    list.count,
    list.element,
  );
  list.load();
}

// What was deleted -------------------------------------------------------------------------------

function showDeleted(panel) {
  const card = (kind, id, name, picture, refresh) =>
    make(
      "article",
      { class: "sketch-card", "aria-label": name },
      make("img", {
        class: "thumb",
        src: picture,
        alt: "",
        loading: "lazy",
        width: 256,
        height: 256,
      }),
      make("div", { class: "sketch-words" }, make("h3", { textContent: name })),
      make(
        "div",
        { class: "card-buttons" },
        make(
          "button",
          {
            type: "button",
            class: "button small",
            label: ["gallery.restore-one", { label: name }],
            onclick: async () => {
              await post(`/api/${kind}/${id}/restore`).catch((error) =>
                toast("error.text", { text: errorText(error) }, { kind: "bad" }),
              );
              refresh(true);
            },
          },
          icon("restore"),
          make("span", { text: "gallery.restore" }),
        ),
      ),
    );
  const sketches = makeList({
    emptyKey: "gallery.nothing-deleted",
    fetchPage: async (cursor) => {
      const page = await get(
        `/api/sketches?state=deleted&limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
      );
      return { items: page.sketches, ...page };
    },
    makeCard: ({ id, label }, refresh) =>
      card("sketches", id, label, `/api/sketches/${id}/picture.png?size=256`, refresh),
  });
  const drawings = makeList({
    emptyKey: "gallery.nothing-deleted",
    fetchPage: async (cursor) => {
      const page = await get(
        `/api/drawings?state=deleted&limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
      );
      return { items: page.drawings, ...page };
    },
    makeCard: ({ id, updated, revision }, refresh) =>
      card(
        "drawings",
        id,
        when(updated),
        `/api/drawings/${id}/picture.png?size=256&revision=${revision}`,
        refresh,
      ),
  });
  panel.replaceChildren(
    make("h3", { class: "section", text: "gallery.saved" }),
    sketches.count,
    sketches.element,
    make("h3", { class: "section", text: "gallery.drawings" }),
    drawings.count,
    drawings.element,
  );
  sketches.load();
  drawings.load();
}
