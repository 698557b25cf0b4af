"""A browser for all files, a server for each, and a page of somebody new for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.studio.browser import Desk, Server, open_desk, running_browser, running_server


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("studio")) as server:
        yield server


@pytest.fixture
def desk(browser: Browser, server: Server) -> Iterator[Desk]:
    with open_desk(browser, server.address) as desk:
        yield desk
