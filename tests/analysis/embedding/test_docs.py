import re
from pathlib import Path

import numpy as np
import pytest

from featviz import cli
from featviz.analysis.embedding import METHODS, t_sne
from featviz.analysis.embedding.settings import MIN_DIST, NEIGHBOURS, PERPLEXITY
from featviz.base.feature_table import write_features
from tests.analysis.embedding.tables import feature_table

TEXT = (Path(__file__).parents[3] / "docs" / "embedding.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_python_of_the_page_runs(tmp_path, monkeypatch, capsys, rng):
    monkeypatch.chdir(tmp_path)
    # 120 maps; how far they descend is tested elsewhere.
    monkeypatch.setattr(t_sne, "_STEPS", (10, 20))
    for name in ("paper-modified", "paper-baseline"):
        table = feature_table(rng.normal(size=(50, 6)), ["G1"] * 25 + ["G2"] * 25, checkpoint=name)
        table.vectors.update(dict.fromkeys(("L1", "L4"), table.vectors["L0"]))
        write_features(table, tmp_path / "features" / f"{name}.parquet")
    seeds, more = BLOCKS
    exec(compile(seeds, "embedding.md", "exec"), {})
    assert capsys.readouterr().out.count("paper-baseline") == 6
    names: dict[str, np.ndarray] = {}
    exec(compile(more, "embedding.md", "exec"), names)
    assert names["places"].shape == (1500, 2)
    # Three kinds stay three: placed ones lie among those of the sample.
    kinds = np.rint(names["vectors"].mean(axis=1) / 8)
    middles = {
        kind: names["places"][names["sample"]][kinds[names["sample"]] == kind].mean(axis=0)
        for kind in range(3)
    }
    for kind in range(3):
        rest = names["rest"][kinds[names["rest"]] == kind]
        nearest = [
            min(middles, key=lambda k: np.linalg.norm(place - middles[k]))
            for place in names["places"][rest]
        ]
        assert np.mean(np.equal(nearest, kind)) > 0.95


def test_the_page_names_every_method_and_default(capsys):
    for name in METHODS:
        assert f"| `{name}` |" in TEXT
    for option, default in (
        ("perplexity P", PERPLEXITY),
        ("neighbours N", NEIGHBOURS),
        ("min-dist D", MIN_DIST),
    ):
        assert re.search(rf"^\| `--{option}` \| [a-z, ]+ \| {default:g} \|", TEXT, re.MULTILINE)
    with pytest.raises(SystemExit):
        cli.main(["plot", "--help"])
    shown = capsys.readouterr().out
    for flag in re.findall(r"^\| `(--[a-z-]+)", TEXT, re.MULTILINE):
        assert flag in shown
