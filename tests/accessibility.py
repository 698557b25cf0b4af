"""axe-core on a page: names, roles and what belongs to what, as readers of the screen need them."""

import hashlib
from functools import cache
from importlib.resources import files

from playwright.sync_api import Page

VERSION = "4.12.1"
DIGEST = "66a8aaa95a8b044a7fd74a5435873bf04ff65a1ca75567c921b7509742085a14"
"""Of axe.min.js in the npm package axe-core; the Python package adds a newline to it."""


@cache
def axe_script() -> str:
    script = files("axe_playwright_python").joinpath("axe.min.js").read_bytes().rstrip()
    assert hashlib.sha256(script).hexdigest() == DIGEST, "another axe-core than the pinned one"
    return script.decode()


def findings(page: Page, contrast: bool = False) -> list[str]:
    """What is of serious or critical impact, also where axe leaves it to people to decide.

    contrast: whether colours of text are judged too, the slowest of all rules; what axe cannot
    decide of these (text on pictures) is left out.
    """
    if not page.evaluate(f"window.axe?.version === '{VERSION}'"):
        page.evaluate(axe_script())
    found = page.evaluate(
        """async (contrast) => {
          const rules = { "color-contrast": { enabled: contrast } };
          const { violations, incomplete } = await axe.run({ rules });
          const open = incomplete.filter(({ id }) => id !== "color-contrast");
          return [...violations, ...open]
            .filter(({ impact }) => impact === "serious" || impact === "critical")
            .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
        }""",
        contrast,
    )
    return list(found)
