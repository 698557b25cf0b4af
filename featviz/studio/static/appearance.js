// Theme and language of the page.

import { findAll, setLabel, setText, find, icon } from "./dom.js";
import { currentLanguage } from "./i18n.js";
import { page } from "./page.js";
import { recall, remember } from "./preferences.js";

export function wireTheme() {
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

export function translatePage() {
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
