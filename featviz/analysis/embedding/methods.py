"""All methods by name."""

from featviz.analysis.embedding.graphs import isomap, lle, umap
from featviz.analysis.embedding.multidimensional_scaling import mds
from featviz.analysis.embedding.projection import pca
from featviz.analysis.embedding.settings import Map, Method, MethodSettings, Places
from featviz.analysis.embedding.t_sne import EXACT_LIMIT, sne, tsne
from featviz.analysis.embedding.ties import Ties
from featviz.base.errors import FeatvizError

METHODS: dict[str, Method] = {
    "pca": Method("PCA", pca, has_unit=True),
    "tsne": Method("t-SNE", tsne, ("perplexity", "start", "seed")),
    "mds": Method("MDS", mds, ("start", "seed"), has_unit=True, most=5000),
    "isomap": Method("Isomap", isomap, ("neighbours",), has_unit=True, least=4, most=5000),
    "lle": Method("LLE", lle, ("neighbours",), least=4, most=5000),
    "sne": Method("SNE", sne, ("perplexity", "start", "seed"), most=EXACT_LIMIT),
    "umap": Method("UMAP", umap, ("neighbours", "min_dist", "start", "seed"), least=4),
}


def method_named(name: str) -> Method:
    """The method; raises FeatvizError with what there is."""
    if name not in METHODS:
        raise FeatvizError(f"unknown method '{name}'; there are {', '.join(METHODS)}")
    return METHODS[name]


def draw_map(
    method: Method, ties: Ties, settings: MethodSettings, shared: Places | None = None
) -> Map:
    """Run a method on distinct vectors; raises FeatvizError if they are too few or too many."""
    distinct = len(ties.vectors)
    if distinct < method.least:
        raise FeatvizError(
            f"{method.label} needs at least {method.least} distinct vectors, there are "
            f"{distinct}: use PCA"
        )
    if method.most is not None and distinct > method.most:
        raise FeatvizError(
            f"{method.label} compares all pairs and takes at most {method.most} distinct vectors, "
            f"there are {distinct}: use tsne, umap or pca"
        )
    return method.run(ties, settings, shared)
