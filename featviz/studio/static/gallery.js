// The gallery: sketches that were saved, one's own drawings, and what was deleted.

import { get, post, remove } from "./api.js";
import { debounce, errorText, openDialog, toast } from "./dialogs.js";
import { icon, make, option, setOptions, setText } from "./dom.js";
import { when, partName } from "./i18n.js";
import { makeTabs } from "./faces.js";

const PAGE = 24;

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

// A list that grows page by page -----------------------------------------------------------------

/** fetchPage(cursor) -> {items, next, total}; makeCard(item, refresh) -> element. */
function makeList({ emptyKey, makeCard, fetchPage }) {
  const count = make("p", { class: "count", role: "status" });
  const grid = make("div", { class: "cards" });
  const more = make("button", {
    type: "button",
    class: "button more",
    text: "gallery.more",
    hidden: true,
    onclick: () => load(false),
  });
  let cursor = null;
  let turn = 0;
  async function load(fresh = true) {
    const mine = (turn += 1);
    if (fresh) cursor = null;
    grid.setAttribute("aria-busy", "true");
    try {
      const page = await fetchPage(cursor);
      if (mine !== turn) return;
      cursor = page.next;
      const cards = page.items.map((item) => makeCard(item, load));
      if (fresh) grid.replaceChildren(...cards);
      else grid.append(...cards);
      more.hidden = !page.next;
      setText(count, "gallery.count", { count: page.total });
      if (!page.total) grid.replaceChildren(make("p", { class: "note", text: emptyKey }));
    } catch (error) {
      if (mine !== turn) return;
      grid.replaceChildren(
        make(
          "p",
          { class: "note error" },
          errorText(error),
          " ",
          make("button", {
            type: "button",
            class: "link",
            text: "retry",
            onclick: () => load(true),
          }),
        ),
      );
    } finally {
      grid.removeAttribute("aria-busy");
    }
  }
  return { count, element: make("div", {}, grid, more), load };
}

// Saved sketches ---------------------------------------------------------------------------------

function showSaved(panel, draw) {
  const filters = { group: "", author: "", part: "", mine: "", q: "", order: "new" };
  const apply = () => list.load(true);
  const choice = (name, key) => {
    const select = make("select", {
      id: `filter-${name}`,
      onchange: () => {
        filters[name] = select.value;
        apply();
      },
    });
    return [make("label", { class: "filter" }, make("span", { text: key }), select), select];
  };
  const [groupField, groups] = choice("group", "gallery.group");
  const [authorField, authors] = choice("author", "gallery.author");
  const [partField, parts] = choice("part", "gallery.part");
  const [orderField, orders] = choice("order", "gallery.order");
  setOptions(
    orders,
    ["new", "old", "label"].map((value) =>
      make("option", { value, text: `gallery.order-${value}` }),
    ),
    "new",
  );
  const later = debounce(250, apply);
  const search = make("input", {
    type: "search",
    id: "filter-q",
    oninput: () => {
      filters.q = search.value.trim();
      later();
    },
  });
  const mine = make("button", {
    type: "button",
    class: "chip",
    text: "gallery.mine",
    "aria-pressed": "false",
    onclick: () => {
      filters.mine = filters.mine ? "" : "1";
      mine.setAttribute("aria-pressed", String(filters.mine === "1"));
      apply();
    },
  });
  const showFacets = (facets) => {
    const any = (key) => make("option", { value: "", text: key });
    setOptions(
      groups,
      [
        any("gallery.any-group"),
        ...facets.groups.map(({ group, count }) => option(group, `${group} (${count})`)),
      ],
      filters.group,
    );
    setOptions(
      authors,
      [
        any("gallery.any-author"),
        ...facets.authors.map(({ author, nickname, count }) =>
          option(author, `${nickname} (${count})`),
        ),
      ],
      filters.author,
    );
    setOptions(
      parts,
      [
        any("gallery.any-part"),
        ...facets.parts.map(({ part, count }) => option(part, `${partName(part)} (${count})`)),
      ],
      filters.part,
    );
    exportLink.href = filters.group
      ? `/api/export.zip?group=${encodeURIComponent(filters.group)}`
      : "/api/export.zip";
  };
  const exportLink = make(
    "a",
    { class: "button", href: "/api/export.zip", download: "sketches.zip" },
    icon("download"),
    make("span", { text: "gallery.export" }),
  );
  const list = makeList({
    emptyKey: "gallery.empty",
    makeCard: (sketch, refresh) => savedCard(sketch, refresh, draw),
    fetchPage: async (cursor) => {
      const query = new URLSearchParams({ limit: PAGE });
      for (const [name, value] of Object.entries(filters)) if (value) query.set(name, value);
      if (cursor) query.set("cursor", cursor);
      const page = await get(`/api/sketches?${query}`);
      showFacets(page.facets);
      return { items: page.sketches, ...page };
    },
  });
  panel.replaceChildren(
    make(
      "div",
      { class: "filters" },
      make("label", { class: "filter search" }, make("span", { text: "gallery.search" }), search),
      groupField,
      partField,
      authorField,
      orderField,
      mine,
    ),
    list.count,
    list.element,
    make(
      "footer",
      { class: "export" },
      exportLink,
      make(
        "p",
        {},
        make("span", { text: "gallery.export-hint" }),
        " ",
        make("code", { textContent: "featviz extract modified --sketches FOLDER" }),
      ),
    ),
  );
  list.load();
}

/** What deletes the thing at `address`, shows it, and offers to take it back. */
function eraser(address, doneKey, values, refresh) {
  const failed = (error) => toast("error.text", { text: errorText(error) }, { kind: "bad" });
  const restore = async () => {
    await post(`${address}/restore`).catch(failed);
    refresh(true);
  };
  return async () => {
    try {
      await remove(address);
    } catch (error) {
      failed(error);
      return;
    }
    refresh(true);
    toast(doneKey, values, { action: { key: "undo", run: restore } });
  };
}

function savedCard(sketch, refresh, draw) {
  const { id, label, nickname, saved, base, edited_part: edited, mine } = sketch;
  const erase = eraser(`/api/sketches/${id}`, "gallery.deleted-toast", { label }, refresh);
  return make(
    "article",
    { class: "sketch-card", "data-sketch": id, "aria-label": label },
    make("img", {
      class: "thumb",
      src: `/api/sketches/${id}/picture.png?size=256`,
      alt: "",
      loading: "lazy",
      width: 256,
      height: 256,
    }),
    make(
      "div",
      { class: "sketch-words" },
      make("h3", { textContent: label }),
      make(
        "p",
        {},
        edited
          ? edited.split(" ").map(partName).join(", ")
          : make("span", { text: "gallery.whole" }),
        ...(base ? [" · ", make("span", { text: ["gallery.from", { label: base.label }] })] : []),
      ),
      make("p", { class: "faint" }, `${nickname} · ${when(saved)}`),
    ),
    make(
      "div",
      { class: "card-buttons" },
      sketch.editable
        ? make("button", {
            type: "button",
            class: "button small",
            text: "gallery.draw",
            label: ["gallery.draw-on", { label }],
            onclick: () => draw({ sketch: id, label }),
          })
        : null,
      mine
        ? make(
            "button",
            {
              type: "button",
              class: "quiet",
              label: ["gallery.delete", { label }],
              onclick: erase,
            },
            icon("clear"),
          )
        : null,
    ),
  );
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
