// Small helpers for elements. No markup is ever parsed from text.

import { translate } from "./i18n.js";

export const find = (selector, root = document) => root.querySelector(selector);
export const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with properties and children. A property `text` is translated text (a key of the
 * table of strings, or [key, values]), `label` a translated aria-label and tooltip; names with a
 * dash are attributes, `on...` are listeners, the rest are properties of the element.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "text") setText(element, ...[value].flat());
    else if (name === "label") setLabel(element, ...[value].flat());
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "role" || name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function icon(name) {
  return makeSvg(
    "svg",
    { class: "icon", "aria-hidden": "true", viewBox: "0 0 24 24" },
    makeSvg("use", { href: `/static/icons.svg#${name}` }),
  );
}

/** Text in the language of the page; it follows when the language changes. */
export function setText(element, key, values = null) {
  element.dataset.i18n = key;
  if (values) element.dataset.i18nValues = JSON.stringify(values);
  else delete element.dataset.i18nValues;
  const text = translate(key, values);
  if (element.textContent !== text) element.textContent = text;
}

/** An aria-label, and a tooltip of the same words. */
export function setLabel(element, key, values = null) {
  element.dataset.i18nLabel = key;
  if (values) element.dataset.i18nLabelValues = JSON.stringify(values);
  else delete element.dataset.i18nLabelValues;
  const text = translate(key, values);
  element.setAttribute("aria-label", text);
  if (
    !element.matches(
      "input, select, dialog, canvas, [role=img], [role=group], [role=toolbar], section, aside, main, nav",
    )
  ) {
    element.title = text + (element.dataset.key ? ` (${element.dataset.key})` : "");
  }
}

export const option = (value, text) =>
  Object.assign(document.createElement("option"), { value, textContent: text });

/** Replace the choices of a select, keeping what is chosen if it is still there. */
export function setOptions(select, options, chosen = select.value) {
  select.replaceChildren(...options);
  if (options.some((one) => one.value === chosen)) select.value = chosen;
}
