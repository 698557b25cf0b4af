"""What the scripts share, and what is true of the study only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from featviz.analysis.claims.study import STUDY
from featviz.analysis.embedding import embed_all, spread_all
from featviz.analysis.embedding.plots import distances, embedding_figure
from featviz.analysis.separation import group_distances
from featviz.base.assets import sha256_of
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, describe_features, read_features
from featviz.base.points import PROBE_POINT
from featviz.generators.checkpoint_files import find_checkpoint

ROOT = Path(__file__).parent.parent
SAMPLES = Path(__file__).parent / "samples"
POINT = PROBE_POINT
SEED = 0
SEEDS = range(10)

MODIFIED, BASELINE = "paper-modified", "paper-baseline"

MEANINGS = {
    "G1": "hair",
    "G2": "beard, wrinkles, ears",
    "G3": "face shape",
    "G4": "eyebrows",
    "G5": "eye shape",
    "G6": "eye size",
    "G7": "doodles",
    "G8": "mouth",
    "G9": "nose",
    "G10": "mouth, G9's eyes",
    "G11": "nose, G8's eyes",
}
"""What changes inside each group."""

SAME_EYES = STUDY.unchanged
"""The groups whose sketches all have the same eyes; claims C4 to C7 are about them."""


@dataclass(frozen=True)
class Sources:
    """Where the scripts find what they draw."""

    features: Path = Path("features")
    """Folder of the feature tables."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set."""
    landmarks: Path = ROOT / "featviz" / "pretrained"
    """Folder of the training faces' landmark table."""


def load_features(sources: Sources, checkpoint: str) -> FeatureTable:
    """The feature table of a checkpoint at the study's point."""
    path = sources.features / f"{checkpoint}.parquet"
    if not path.exists():
        raise FeatvizError(f"{path}: no such feature table; make it with: {_advice(sources)}")
    return read_features(path).select(points=[POINT])


def of_other_weights(sources: Sources) -> list[str]:
    """Remarks on tables that are there and were not made from the shipped checkpoints."""
    remarks = []
    for name in (MODIFIED, BASELINE):
        path = sources.features / f"{name}.parquet"
        if path.exists():
            digest = describe_features(path).metadata.get("digest")
            if digest != sha256_of(find_checkpoint(name)):
                remarks.append(
                    f"{path} is not of the {name} that is shipped, and the figures show what it "
                    f"holds; to make it anew: {_advice(sources)} --overwrite"
                )
    return remarks


def _advice(sources: Sources) -> str:
    return f"featviz extract {MODIFIED} {BASELINE} --out {sources.features}"


def chapter_3_figure(
    sources: Sources,
    method: str,
    layers: Sequence[str],
    checkpoints: Sequence[str] = (MODIFIED,),
    groups: Sequence[str] | None = None,
) -> Figure:
    """Maps of v_k (modified) and v'_k (baseline) of some layers and groups (default: all)."""
    features = {name: load_features(sources, name).select(groups=groups) for name in checkpoints}
    tables = list(features.values())
    remarks = "" if groups else _within_same_eyes(features, layers)
    if method == "tsne":
        table = spread_all(tables, layers, SEEDS)
    else:
        table = embed_all(tables, method, layers, seed=SEED)
    titles = {
        (
            name,
            layer,
        ): f"{vector_name(name, layer)} · {'modified' if name == MODIFIED else 'baseline'}"
        for name in checkpoints
        for layer in layers
    }
    return embedding_figure(table, titles=titles, meanings=MEANINGS, remarks=remarks)


def _within_same_eyes(features: Mapping[str, FeatureTable], layers: Sequence[str]) -> str:
    facts = []
    for name, table in features.items():
        part = table.select(groups=SAME_EYES)
        for layer in layers:
            within, between, _ = group_distances(part.vectors[layer], part.rows["group"].to_list())
            facts.append(f"{vector_name(name, layer)} {distances(within, between)}")
    return f"The {len(SAME_EYES)} groups with unchanged eyes alone: {'; '.join(facts)}."


def vector_name(checkpoint: str, layer: str) -> str:
    """The study's name of a vector: v₀ of `modified`, v′₀ of `baseline`."""
    index = chr(ord("₀") + int(layer.removeprefix("L")))
    return ("v" if checkpoint == MODIFIED else "v′") + index
