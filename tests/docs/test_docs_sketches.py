import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DOCUMENT = Path(__file__).parents[2] / "docs" / "sketches.md"


def test_the_python_of_the_sketches_page_runs_and_gives_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    # The folder that the page lays out: mine/GROUP/IMAGE.png.
    for name in re.findall(r"mine/\S+\.png", text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((512, 512), 255, np.uint8)
        pixels[250, 100:200] = 0
        Image.fromarray(pixels).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(DOCUMENT), "exec"), names)
    promised = re.findall(r"^(sketches\.\w+)  # (\(.*\))$", "".join(blocks), re.MULTILINE)
    assert promised
    for expression, value in promised:
        assert eval(expression, names) == eval(value)
    image = eval("sketches.image(0)", names)
    assert (image.shape, image.dtype) == ((512, 512), np.uint8)
    assert set(np.unique(image)) == {0, 255}
