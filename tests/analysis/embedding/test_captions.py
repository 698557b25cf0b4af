"""What the caption of an embedding tells."""

from dataclasses import replace

import numpy as np
import pytest

from featviz.analysis.embedding import (
    EmbeddingTable,
    embed,
)
from featviz.analysis.embedding.captions import embedding_caption
from tests.analysis.embedding.drawn import wine_table

pytestmark = pytest.mark.usefixtures("short_descents")


def test_the_caption_tells_what_the_seeds_came_to(seeds: EmbeddingTable) -> None:
    text, facts = embedding_caption(seeds), seeds.panels[0]["seeds"]
    divergence = facts["kl_divergence"]
    for fact in (
        "Seeds 0 to 2, which differ in the start's jitter",
        f"one L0: KL {min(divergence):.3f} to {max(divergence):.3f}",
        f"trustworthiness {np.mean(facts['trustworthiness']):.3f}",
        f"continuity {np.mean(facts['continuity']):.3f}",
        f"spread {facts['spread']:.3f} (unrelated {facts['spread_unrelated']:.3f})",
    ):
        assert fact in text


@pytest.mark.parametrize(
    ("method", "facts"),
    [
        ("mds", ["Metric MDS (SMACOF) of the distinct vectors, PCA start. One unit", "stress 0."]),
        ("isomap", ["15 neighbours. One unit is", "same scale"]),
        ("lle", ["LLE of the distinct vectors, 15 neighbours; distances", "no unit"]),
        ("sne", ["Gaussian kernel", "perplexity 15, all pairs, PCA start, seed 0;", "L0: KL "]),
    ],
)
def test_the_caption_tells_method_and_settings(method: str, facts: list[str]) -> None:
    text = embedding_caption(embed(wine_table("one"), method))
    for fact in [*facts, "trustworthiness 0.", "continuity 0.", "15 neighbours, 1 is perfect"]:
        assert fact in text


def test_the_caption_tells_lowered_neighbours_and_pieces() -> None:
    table = wine_table("one").select(groups=["G1"])
    panel = embed(table, "isomap", neighbours=400)
    assert "35 neighbours" in embedding_caption(panel)
    assert "lowered to all others there are" in embedding_caption(panel)
    far = table.vectors["L0"] + np.where(np.arange(36) < 18, 0, 1e3)[:, None].astype(np.float32)
    assert "2 pieces" in embedding_caption(
        embed(replace(table, vectors={"L0": far}), "isomap", neighbours=5)
    )


def test_the_caption_tells_how_the_map_was_made(tsne: EmbeddingTable) -> None:
    text = embedding_caption(tsne)
    divergence = tsne.panels[0]["kl_divergence"]
    for fact in ("perplexity 15", f"L0: KL {divergence:.3f}", "seed 0", "one (01234567)"):
        assert fact in text
    assert "lowered" not in text


def test_the_caption_tells_interpolated_repulsion(tsne: EmbeddingTable) -> None:
    found = {"repulsion": "interpolated", "neighbours": "45, approximate (Annoy)"}
    panels = [{**tsne.panels[0], **found}, tsne.panels[1]]
    text = embedding_caption(replace(tsne, metadata={**tsne.metadata, "panels": panels}))
    divergence = panels[0]["kl_divergence"]
    assert "L0: repulsion interpolated, neighbours 45, approximate (Annoy)" in text
    assert f"KL {divergence:.3f}" in text
    assert "all pairs" not in text
    assert "perplexity 15, all pairs" in embedding_caption(tsne)


def test_the_caption_tells_a_lowered_perplexity() -> None:
    table = wine_table("one").select(groups=["G1", "G8", "G11"])
    # 36 wines of G1 and the one that G8 and G11 share: (37 - 1) / 3.
    text = embedding_caption(embed(table, "tsne"))
    assert "perplexity 12.0, KL" in text
    assert "lowered" in text
