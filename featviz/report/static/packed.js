// What a large page holds close together, as the other parts read it: lists of numbers are decoded, and
// pictures taken from the text they lie in, when somebody looks at them.

/** Numbers that lie in the page as float32 in base64. */
function decodedNumbers(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

function readLater(object, key) {
  const text = object[key];
  let numbers = null;
  if (typeof text === "string") Object.defineProperty(object, key, { get: () => (numbers ??= decodedNumbers(text)) });
}

/** Sketches of columns, see `_columns`; their pictures stand one after another in the page. */
function sketchesOf(columns) {
  const starts = new Uint32Array(columns.lengths.length + 1);
  columns.lengths.forEach((length, at) => (starts[at + 1] = starts[at] + length));
  let text = null;
  const picture = (at) => {
    text ??= document.getElementById("pictures").textContent;
    return `data:image/webp;base64,${text.slice(starts[at], starts[at + 1])}`;
  };
  return columns.name.map((name, at) => ({
    name,
    group: columns.group[at],
    base: columns.base[at],
    part: columns.parts[columns.part[at]],
    added: columns.added[at],
    removed: columns.removed[at],
    outline: "",
    get inside() {
      return columns.inside.map((box) => box[at] ?? undefined);
    },
    get picture() {
      return columns.lengths[at] ? picture(at) : "";
    },
  }));
}

function unpacked(packed) {
  for (const { panels } of packed.rows) {
    for (const panel of panels) {
      readLater(panel, "moved");
      for (const map of Object.values(panel.maps)) ["x", "y", "sizes"].forEach((key) => readLater(map, key));
    }
  }
  return { ...packed, sketches: sketchesOf(packed.sketches) };
}
