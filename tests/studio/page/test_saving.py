"""Saving, the gallery, the history, exporting: nothing is lost."""

import io
import zipfile
from pathlib import Path

import numpy as np
from playwright.sync_api import expect

from featviz.extraction import extract
from featviz.generators.checkpoint_files import load_generator
from featviz.sketches.drawing import rasterize
from featviz.sketches.sketch_set import read_sketches
from tests.studio.browser import Desk, Server
from tests.studio.page.drawings import BROW, LIP, MOUTH, same


def test_after_a_reload_nothing_is_lost_and_undo_goes_on(desk: Desk) -> None:
    desk.start_on("G9/001")
    desk.drag(MOUTH)
    first = desk.strokes()
    desk.keys("a")
    desk.drag([(250, 370), (270, 372)])
    desk.keys("p")
    desk.drag(BROW)
    desk.keys("Control+z")
    before = desk.strokes()
    assert before != first
    desk.load()  # no waiting for "Saved"
    expect(desk.page.locator("#start-name")).to_have_text("G9/001")
    assert desk.strokes() == before
    desk.keys("Control+z")
    assert desk.strokes() == first
    desk.keys("Control+Shift+z", "Control+Shift+z")
    assert len(desk.strokes()) == len(before) + 1
    desk.wait_saved()
    assert same(desk.stored(), desk.drawing())


def test_a_saved_sketch_is_in_the_gallery_with_base_part_and_name(desk: Desk) -> None:
    desk.keys("Control+s")
    expect(desk.page.locator("dialog")).to_contain_text("nothing on the sheet")
    desk.keys("Escape")
    desk.start_on("G8/001")
    desk.drag(MOUTH)
    desk.keys("Control+s")
    page = desk.page
    expect(page.locator(".save-dialog dd").nth(0)).to_have_text("G8/001")
    expect(page.locator(".save-dialog dd").nth(1)).to_have_text("mouth")
    page.fill("#save-group", "a/b")
    page.keyboard.press("Enter")
    expect(page.locator("#save-group-note")).to_contain_text("none of")
    page.fill("#save-group", "Con")
    page.keyboard.press("Enter")
    expect(page.locator("#save-group-note")).to_contain_text("reserved")
    page.fill("#save-group", "smiles")
    page.fill("#save-nickname", "Mei")
    page.keyboard.press("Enter")
    expect(page.locator(".toast.good")).to_contain_text("Saved as smiles/001")
    page.locator(".toast.good .link").click()
    card = page.locator(".sketch-card", has_text="smiles/001")
    expect(card).to_contain_text("mouth · on G8/001")
    expect(card).to_contain_text("Mei")
    assert (
        card.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)")
        == 256
    )

    # The filters; then deleted, and taken back.
    desk.keys("Escape")
    desk.start_on("G9/001")
    desk.drag(BROW)
    assert desk.save_into("brows") == "brows/001"
    desk.keys("g")
    expect(page.locator("[data-sketch]", has_text="brows/001")).to_be_visible()
    page.select_option("#filter-part", "mouth")
    expect(page.locator("[data-sketch]", has_text="brows/001")).to_have_count(0)
    expect(card).to_be_visible()
    page.select_option("#filter-part", "")
    page.select_option("#filter-group", "brows")
    expect(card).to_have_count(0)
    page.select_option("#filter-group", "")
    page.fill("#filter-q", "smi")
    expect(page.locator("[data-sketch]")).to_have_count(1)
    page.get_by_label("Delete smiles/001").click()
    expect(card).to_have_count(0)
    page.locator(".toast .link", has_text="Undo").click()
    expect(card).to_be_visible()
    page.fill("#filter-q", "")
    page.get_by_label("Delete smiles/001").click()
    expect(card).to_have_count(0)
    page.click("#tab-deleted")
    page.get_by_label("Restore smiles/001").click()
    page.click("#tab-saved")
    expect(card).to_be_visible()
    # And somebody else draws on it.
    page.get_by_label("Draw on smiles/001").click()
    expect(page.locator("#start-name")).to_have_text("smiles/001")
    desk.wait_saved()
    desk.drag(LIP)
    assert desk.save_into("smiles") == "smiles/002"


def test_history_leads_back_to_any_step_and_drawings_can_be_opened_again(desk: Desk) -> None:
    desk.drag(MOUTH)
    desk.drag(LIP)
    two = desk.strokes()
    desk.keys("Shift+Delete")
    assert desk.strokes() == []
    desk.keys("h")
    slider = desk.page.locator(".history-dialog input")
    slider.press("ArrowLeft")
    expect(desk.page.locator(".history-words")).to_contain_text("Step 2 of 3")
    desk.page.locator(".history-dialog .primary").click()
    assert desk.strokes() == two
    desk.start_on("G8/001")
    desk.keys("g")
    desk.page.click("#tab-drawings")
    desk.page.locator("[data-drawing]").get_by_text("Open", exact=True).click()
    expect(desk.page.locator("#start-name")).to_have_text("Blank sheet")
    assert desk.strokes() == two


def test_what_is_exported_goes_into_featviz_extract(
    desk: Desk, server: Server, tmp_path: Path
) -> None:
    desk.start_on("G8/001")
    drawn = []
    for line in (MOUTH, LIP):
        desk.drag(line)
        desk.save_into("exported")
        drawn.append(desk.drawing())
    desk.keys("g")
    desk.page.select_option("#filter-group", "exported")
    link = desk.page.locator(".export a")
    expect(link).to_have_attribute("href", "/api/export.zip?group=exported")
    with desk.page.expect_download() as download:
        link.click()
    content = Path(download.value.path()).read_bytes()
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path)
    folder = next(tmp_path.rglob("index.csv")).parent
    sketches = read_sketches(folder)
    mine = sketches.of_groups("exported")
    assert list(mine.index["base"]) == ["G8/001", "G8/001"]
    assert list(mine.index["edited_part"]) == ["mouth", "mouth"]
    for number, drawing in enumerate(drawn):
        np.testing.assert_array_equal(mine.image(number), rasterize(drawing))
    network = load_generator(server.checkpoints[0]).generator
    table = extract(network, mine, layers=["L0", "L4"])
    assert table.vectors["L0"].shape == (2, 2)
    # The mouth is far from the probe's point: without a norm its vector has not moved.
    np.testing.assert_array_equal(table.vectors["L0"][0], table.vectors["L0"][1])
