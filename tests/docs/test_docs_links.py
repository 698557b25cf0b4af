"""Every link of the pages leads somewhere, and every page has its place in the site."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "featviz/pretrained/README.md"]


def without_code(text):
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """The anchors of a page's headings, as forges and the site call them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    headings = [heading.lower().strip() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def dead_links(page):
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        name, _, anchor = link.partition("#")
        if name.startswith(("http:", "https:")):
            continue
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


def test_every_link_of_the_pages_leads_to_a_file_and_to_a_heading_of_it(tmp_path):
    assert len(PAGES) > 30
    dead = {str(page.relative_to(ROOT)): links for page in PAGES if (links := dead_links(page))}
    assert dead == {}
    broken = tmp_path / "page.md"
    broken.write_text("# A: `one`, two\n[a](#a-one-two) [b](#two) [c](gone.md) [d](page.md#a-one)")
    assert dead_links(broken) == ["#two", "gone.md", "page.md#a-one"]


def test_every_page_has_a_place_in_the_site():
    index = (ROOT / "docs" / "site" / "index.md").read_text(encoding="utf-8")
    placed = re.findall(r"^(?:.*<)?(?:\.\./)?([\w/.-]+?)>?$", index, re.MULTILINE)
    missing = [page.stem for page in ROOT.glob("docs/*.md") if page.stem not in placed]
    assert missing == []


def test_the_api_has_every_room_that_says_what_it_offers():
    page = ROOT / "docs" / "site" / "api.md"
    rooms = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "featviz").rglob("__init__.py")
        if "\n__all__ = " in path.read_text(encoding="utf-8")
    }
    assert len(rooms) > 8
    assert set(re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))) == rooms
