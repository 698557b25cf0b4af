"""The page as text, and the command that writes it."""

import base64
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featviz import cli
from featviz.base.errors import FeatvizError
from featviz.report import (
    LARGEST_REPORT,
    Contents,
    ReportedSketch,
    ReportRequest,
    gather,
    render_report,
)
from featviz.report.page_data import page_data, readable_parts
from tests.report.conftest import Study
from tests.report.test_gather import strange


class Outline(HTMLParser):
    """Elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_nothing_on_the_page_comes_from_elsewhere(page_file: Path) -> None:
    page = page_file.read_text(encoding="utf-8")
    elements = Outline(page).elements
    for tag, attributes in elements:
        assert tag not in ("iframe", "object", "embed", "base")
        for name in ("src", "href", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    policy = next(a["content"] for t, a in elements if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    assert "unsafe-eval" not in policy
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_headings_go_down_step_by_step(page_file: Path) -> None:
    levels = [
        int(tag[1])
        for tag, _ in Outline(page_file.read_text(encoding="utf-8")).elements
        if re.fullmatch("h[1-6]", tag)
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    contents = gather(ReportRequest([strange(tmp_path / "a.parquet", evil)], title=evil))
    page = render_report(contents)
    assert evil not in page
    assert len([tag for tag, _ in Outline(page).elements if tag == "script"]) == 4
    text = re.search(r'id="contents">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    assert json.loads(text[1])["rows"][0]["checkpoint"] == evil


def test_the_same_contents_make_the_same_page_but_for_bokehs_ids(contents: Contents) -> None:
    def without_ids(page: str) -> str:
        return re.sub(r'"(p\d+|[0-9a-f-]{36})"', '""', page)

    one, two = render_report(contents), render_report(contents)
    assert without_ids(one) == without_ids(two)


def test_pictures_are_told_by_their_own_kind(contents: Contents) -> None:
    text = json.dumps(page_data(contents))
    found = re.findall(r"data:image/(\w+);base64,([\w+/=]+)", text)
    kinds = {(kind, _kind(base64.b64decode(data))) for kind, data in found}
    assert kinds == {("png", "PNG"), ("webp", "WEBP")}


def _kind(picture: bytes) -> str | None:
    return Image.open(io.BytesIO(picture)).format


def test_a_page_that_is_too_large_says_what_takes_the_room(contents: Contents) -> None:
    noise = np.random.default_rng(0).bytes(LARGEST_REPORT // 2)
    heavy = [ReportedSketch("a", "G", picture=noise), ReportedSketch("b", "G", picture=noise)]
    with pytest.raises(FeatvizError, match=r"at most 8 are allowed \(sketches 10\.7, Bokeh 1\.3"):
        render_report(dataclasses.replace(contents, sketches=heavy, rows=[], generators=[]))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("left-eye right-eye", "eyes"),
        ("left-eye", "left eye"),
        ("mouth nose", "mouth, nose"),
        ("", ""),
        ("face-shape", "face shape"),
    ],
)
def test_parts_are_readable(given: str, shown: str) -> None:
    assert readable_parts(given) == shown


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        cli.main(["report", *map(str, arguments)])
        code = 0
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_writes_the_page_and_says_what_it_lacks(
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, study.features[0], "--methods", "pca", "--layers", "L0", "L3")
    assert code == 0
    assert out.startswith("report.html (")
    assert {line.split(":")[0] for line in err.splitlines()} == {"sketches", "claims", "leakage"}
    page = Path("report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < LARGEST_REPORT
    assert "`" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.parquet"], "no such feature table"),
        (["FEATURES", "--out", "report.pdf"], "expected --out NAME.html"),
        (["FEATURES", "--methods", "pac"], "unknown method 'pac'"),
        (["FEATURES", "--perplexity", "0.5"], "perplexity must be at least 2"),
        (["FEATURES", "--perplexity", "nan"], "perplexity must be at least 2"),
        (["FEATURES", "--seed", "-1"], "error: the seed must lie"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [study.features[0] if word == "FEATURES" else word for word in arguments]
    code, _, err = run(capsys, *given)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
