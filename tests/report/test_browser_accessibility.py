"""Names and roles of the report, as axe-core judges them."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.accessibility import findings
from tests.report.browser import open_report


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_report(
    browser: Browser, page_file: Path, theme: str
) -> None:
    with open_report(browser, page_file, color_scheme=theme) as reader:
        for summary in reader.page.locator("summary").all():
            summary.click()
        reader.page.mouse.move(*reader.screen(0, 0, 0))
        assert findings(reader.page, contrast=True) == []
