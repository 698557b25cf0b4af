// Tabs of the page and of its dialogs.

import { find, findAll } from "./dom.js";

/** Tabs: arrows go from one to the next, as readers of the screen expect. */
export function makeTabs(list, chosen, onchoose) {
  const tabs = findAll("[role=tab]", list);
  const choose = (tab, focus) => {
    for (const one of tabs) {
      const selected = one === tab;
      one.setAttribute("aria-selected", selected);
      one.tabIndex = selected ? 0 : -1;
      const panel = find(`#${one.getAttribute("aria-controls")}`);
      if (panel) panel.hidden = !selected;
    }
    if (focus) tab.focus();
    onchoose(tab.id);
  };
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        choose(tabs[(i + step + tabs.length) % tabs.length], true);
        event.preventDefault();
        event.stopPropagation();
      }
    });
  });
  const show = (id) => choose(tabs.find((tab) => tab.id === id) ?? tabs[0]);
  show(chosen);
  return show;
}
