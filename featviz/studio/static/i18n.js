// The language of the page.

import { recall, remember } from "./preferences.js";
import { STRINGS } from "./strings.js";

const LOCALES = { en: "en-GB", zh: "zh-CN" };

let language = recall("language", null) ?? (navigator.language?.startsWith("zh") ? "zh" : "en");
if (!STRINGS[language]) language = "en";

export const currentLanguage = () => language;

/** The text of a key. values: what is filled in; a value {key} is translated itself. */
export function translate(key, values = null, missing = key) {
  const text = STRINGS[language][key] ?? missing;
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined || value === null) return whole;
    return typeof value === "object" ? translate(value.key, value.values) : String(value);
  });
}

export const number = (value, options = {}) =>
  new Intl.NumberFormat(LOCALES[language], options).format(value);

/** A moment: the time if it is today, else the day too. */
export function when(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  const options = today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(LOCALES[language], options).format(date);
}

/** A part in the language of the page; a name of somebody's own stays as it is. */
export const partName = (part) => translate(`part.${part}`, null, part);

export function setLanguage(next) {
  language = next;
  remember("language", next);
}
