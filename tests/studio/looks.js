// What the tests of the page's looks read from it: `(THIS FILE).texts()` and so on.
({
  /** For every visible text: its colour and what lies behind it, as the browser computed them. */
  texts() {
    const parse = (text) => {
      const numbers = (text.match(/[\d.]+/g) ?? []).map(Number);
      const scale = text.startsWith("color(srgb") ? 255 : 1;
      return [...numbers.slice(0, 3).map((value) => value * scale), numbers[3] ?? 1];
    };
    const skipped = ".unseen, noscript, option, [aria-disabled=true], :disabled";
    const root = document.querySelector("dialog[open]") ?? document.body;
    const found = [];
    for (const element of root.querySelectorAll("*")) {
      const own = [...element.childNodes].some(
        (node) => node.nodeType === 3 && node.textContent.trim(),
      );
      const control = element.matches("input:not([type=range], [type=radio]), select");
      const style = getComputedStyle(element);
      if (!(own || control) || !element.getBoundingClientRect().width) continue;
      if (style.visibility === "hidden" || element.closest(skipped)) continue;
      const layers = [];
      for (let at = element; at; at = at.parentElement) {
        const color = parse(getComputedStyle(at).backgroundColor);
        if (color[3] > 0) layers.push(color);
        if (color[3] === 1) break;
      }
      const edged = control || element.matches(".button:not(.primary), .chip");
      found.push({
        text: element.textContent.trim().slice(0, 40) || element.id,
        name: `${element.tagName}.${element.className}`,
        color: parse(style.color),
        layers,
        size: parseFloat(style.fontSize),
        weight: Number(style.fontWeight),
        border: edged ? parse(style.borderTopColor) : null,
      });
    }
    return found;
  },

  /** Whatever is wider than its box, sticks out of the page or lies on its neighbour. */
  clipped() {
    const wrong = [];
    const root = document.querySelector("dialog[open]") ?? document.body;
    const words = "button, a, p, span, h1, h2, h3, label, dt, dd, small, strong, li, output, code";
    for (const element of root.querySelectorAll(words)) {
      const box = element.getBoundingClientRect();
      if (!box.width || !box.height || element.closest(".unseen, noscript")) continue;
      if (getComputedStyle(element).clipPath !== "none") continue;
      const name = `${element.tagName}.${element.className} ${element.textContent.trim().slice(0, 30)}`;
      const block = element.clientWidth && getComputedStyle(element).display !== "inline";
      if (block && element.scrollWidth > element.clientWidth + 1) wrong.push(`wide: ${name}`);
      if (box.right > innerWidth + 1 || box.left < -1) wrong.push(`outside: ${name}`);
      const around = element.parentElement
        .closest("button, .button, .chip")
        ?.getBoundingClientRect();
      if (around && (box.right > around.right + 1 || box.bottom > around.bottom + 1)) {
        wrong.push(`sticks out: ${name}`);
      }
    }
    const bars = [
      ".top",
      ".options",
      ".actions",
      ".switches",
      ".tools",
      ".foot",
      ".results-head",
      ".card-head",
      ".filters",
      ".probe-controls",
    ];
    // What stands in one bar on some screens, and whatever does on all.
    const groups = [
      [...root.querySelectorAll(".live, .tool-options, .options .fold")],
      ...[...root.querySelectorAll(bars.join(","))].map((bar) => [...bar.children]),
    ];
    for (const group of groups) {
      const boxes = group
        .map((child) => ({ name: child.id || child.className, box: child.getBoundingClientRect() }))
        .filter(({ box }) => box.width && box.height);
      boxes.forEach((one, i) =>
        boxes.slice(i + 1).forEach((other) => {
          const across =
            Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
          const down =
            Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
          if (across > 1 && down > 1) wrong.push(`overlap: ${one.name} and ${other.name}`);
        }),
      );
    }
    const { scrollWidth } = document.documentElement;
    if (scrollWidth > innerWidth) wrong.push(`the page is ${scrollWidth} px wide`);
    return wrong;
  },

  /** What has the focus, what it is called and how it shows that. */
  focus() {
    const element = document.activeElement;
    const shown = element.matches(".segments input") ? element.nextElementSibling : element;
    const style = getComputedStyle(shown);
    return {
      name: element.id || element.dataset.tool || element.className || element.tagName,
      label: element.ariaLabel || element.textContent.trim() || element.labels?.[0]?.textContent,
      outline: style.outlineStyle,
      width: parseFloat(style.outlineWidth),
    };
  },

  /** Controls and pictures without a name. */
  unnamed() {
    return [...document.querySelectorAll("button, input, select, canvas, [role=img]")]
      .filter(
        (element) => !element.ariaLabel && !element.textContent.trim() && !element.labels?.length,
      )
      .map((element) => element.outerHTML.slice(0, 80));
  },

  /** How many elements would move by themselves. */
  moving() {
    const times = (element) =>
      getComputedStyle(element).transitionDuration.split(",").map(parseFloat);
    return [...document.querySelectorAll("*")].filter((element) =>
      times(element).some((time) => time > 0),
    ).length;
  },
});
