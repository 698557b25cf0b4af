// The gallery's saved sketches: everybody's, with filters, and their export.

import { get } from "./api.js";
import { debounce } from "./dialogs.js";
import { icon, make, option, setOptions } from "./dom.js";
import { when, partName } from "./i18n.js";
import { PAGE, eraser, makeList } from "./listing.js";

export function showSaved(panel, draw) {
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

function savedCard(sketch, refresh, draw) {
  const { id, label, nickname, saved, base, edited_part: edited, mine } = sketch;
  const kept = (sketch.faces ?? []).filter((face) => face.kept);
  const names = kept.map(({ checkpoint }) => checkpoint).join(", ");
  const { bases } = sketch;
  const keptKey = bases ? "gallery.kept-bases" : "gallery.kept";
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
      kept.length ? make("p", { class: "faint", text: [keptKey, { names, bases }] }) : null,
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
