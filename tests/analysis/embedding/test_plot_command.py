"""`featviz plot`."""

from pathlib import Path

import numpy as np
import pytest

from featviz import cli
from featviz.analysis.embedding import (
    read_embedding,
)
from featviz.base.feature_table import write_features
from tests.analysis.embedding.drawn import wine_table

pytestmark = pytest.mark.usefixtures("short_descents")


@pytest.fixture
def features(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for path in paths:
        write_features(wine_table(path.stem), path)
    return [str(path) for path in paths]


def test_the_plot_command_draws_and_saves_the_embedding(
    features: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, saved = tmp_path / "map.svg", tmp_path / "map.parquet"
    cli.main(
        f"plot {' '.join(features)} --method tsne --layers L1 --perplexity 12 --seed 3 "
        f"--out {out} --save-embedding {saved}".split()
    )
    assert capsys.readouterr().out.splitlines()[:2] == [str(saved), str(out)]
    table = read_embedding(saved)
    assert table.metadata["seed"] == 3
    assert [(p["checkpoint"], p["layer"]) for p in table.panels] == [("one", "L1"), ("two", "L1")]
    assert out.read_text().startswith("<?xml")


def test_the_plot_command_compares_seeds_and_shares_starts(
    features: list[str], tmp_path: Path
) -> None:
    out, saved = tmp_path / "map.png", tmp_path / "map.parquet"
    tail = f"--layers L1 --share-start --out {out} --save-embedding {saved}"
    cli.main(f"plot {' '.join(features)} --method tsne --seeds 2 --seed 5 {tail}".split())
    table = read_embedding(saved)
    assert table.metadata["seed"] == [5, 6]
    assert table.metadata["parameters"]["start"] == "shared"
    assert [panel["seeds"]["seeds"] for panel in table.panels] == [[5, 6]] * 2
    cli.main(f"plot {' '.join(features)} --method mds {tail}".split())
    # Two tables of the same wines: from one start one map.
    small, large = (read_embedding(saved).panel(name, "L1").frame for name in ("one", "two"))
    np.testing.assert_allclose(small[["x", "y"]], large[["x", "y"]], atol=1e-6)


def test_the_plot_command_names_its_figure_after_its_input(
    features: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli.main(["plot", *features])
    assert (tmp_path / "one_two-pca.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{one}", "--method", "lda"], "unknown method 'lda'; there are pca, tsne, mds, isomap"),
        (["{one}", "--perplexity", "9"], "--perplexity is for tsne, sne; got --method pca"),
        (["{one}", "--method", "tsne", "--neighbours", "9"], "is for isomap, lle, umap; got"),
        (["{one}", "--method", "isomap", "--neighbours", "1"], "must be 2 or more; got 1"),
        (["{one}", "--method", "tsne", "--start", "grid"], "unknown start 'grid'; there are pca"),
        (["{one}", "--method", "lle", "--share-start"], "LLE has no start that panels could share"),
        (["{one}", "--method", "tsne", "--seeds", "1"], "--seeds must be 2 or more; got 1"),
        (["{one}", "--seeds", "3"], "seeds are compared for tsne and sne; got 'pca'"),
        (["{one}", "--layers", "L7"], "unknown layer 'L7'; this table has L0, L1"),
        (["{one}", "--method", "tsne", "--perplexity", "80"], "needs at least 241 sketches"),
        (["{one}", "--method", "tsne", "--perplexity", "inf"], "at most 1e+06; got inf"),
        (["{one}", "--method", "tsne", "--seed", "-1"], "between 0 and 4294967295; got -1"),
        (["{one}", "--out", "map.gif"], "expected a name ending in .png, .pdf, .svg"),
        (["{one}", "--point", "1", "2"], "unknown point (1, 2); this table has (170, 250)"),
        (["{one}", "{one}"], "one.parquet is given more than once"),
        (["missing.parquet"], "no such feature table"),
        ([], "expected at least one feature table"),
    ],
)
def test_bad_input_to_the_plot_command_is_one_line_and_writes_nothing(
    arguments: list[str],
    message: str,
    features: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as stopped:
        cli.main(["plot", *(argument.format(one=features[0]) for argument in arguments)])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert sorted(tmp_path.iterdir()) == before
