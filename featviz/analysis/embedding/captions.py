"""What a reader must know about an embedding, in words; every number computed."""

from collections.abc import Mapping, Sequence
from typing import Any

from featviz.analysis.embedding import METHODS, EmbeddingTable
from featviz.analysis.embedding.seeds import mean_known


def embedding_caption(table: EmbeddingTable) -> str:
    """Method, settings asked for and in effect, ties, scale, quality, seeds and checkpoints."""
    sentences = [_method(table)]
    if table.metadata["method"] != "pca":
        sentences += _panels(table)
    sentences.append(_distances(table.panels))
    checkpoints = dict.fromkeys(
        panel["checkpoint"] + (f" ({panel['digest'][:8]})" if panel["digest"] else "")
        for panel in table.panels
    )
    sentences.append(f"Checkpoints: {', '.join(checkpoints)}.")
    return " ".join(sentences)


_UNIT = (
    "One unit is the root mean square distance of the panel's vectors to their mean; all panels "
    "have the same scale."
)
_NO_UNIT = "distances between clusters and the size of a panel have no unit."
_STARTS = {
    "pca": "PCA start",
    "random": "random start",
    "shared": "one start for all panels of a layer (PCA of their vectors side by side)",
}
_NAMES = {
    "mds": "Metric MDS (SMACOF)",
    "isomap": "Isomap (lengths of ways in the graph of neighbours)",
    "sne": "Symmetric SNE (Gaussian kernel)",
}


def _method(table: EmbeddingTable) -> str:
    metadata, panels = table.metadata, table.panels
    name = metadata["method"]
    method = METHODS[name]
    if name == "pca":
        return f"PCA of each panel by itself, ties counted. {_UNIT}"
    parameters = metadata["parameters"]
    settings = []
    if "perplexity" in parameters:
        settings.append(f"perplexity {parameters['perplexity']:g}")
    if "neighbours" in parameters:
        settings.append(f"{parameters['neighbours']} neighbours")
    if "min_dist" in parameters:
        settings.append(f"min-dist {parameters['min_dist']:g}")
    if all(panel.get("neighbours") == "all" for panel in panels):
        settings.append("all pairs")
    if "start" in parameters:
        settings.append(_STARTS[parameters["start"]])
    seeded = "seed" in method.options and (name != "mds" or parameters["start"] == "random")
    if seeded and not isinstance(metadata["seed"], Sequence):
        settings.append(f"seed {metadata['seed']}")
    text = f"{_NAMES.get(name, method.label)} of the distinct vectors, {', '.join(settings)}"
    return f"{text}. {_UNIT}" if method.has_unit else f"{text}; {_NO_UNIT}"


def _panels(table: EmbeddingTable) -> list[str]:
    """What each panel came to, and what the words mean."""
    parameters, panels = table.metadata["parameters"], table.panels
    facts = [
        f"{panel['checkpoint']} {panel['layer']}: {', '.join(_facts(panel, parameters))}"
        for panel in panels
    ]
    ties = "where ties leave too few distinct vectors"
    why = ""
    if any(_lowered(panel, parameters, "perplexity") for panel in panels):
        why = f" (a perplexity was lowered {ties})"
    if any(_lowered(panel, parameters, "neighbours") for panel in panels):
        why = " (neighbours were lowered to all others there are)"
    sentences = ["; ".join(facts) + why + "."]
    if any(panel.get("pieces", 1) > 1 for panel in panels):
        sentences.append(
            "Where the graph falls into pieces their closest vectors were linked; distances "
            "between pieces mean little."
        )
    if used := [panel["quality_neighbours"] for panel in panels if panel["quality_neighbours"]]:
        least, most = min(used), max(used)
        many = f"{least}" if least == most else f"{least} to {most}"
        sentences.append(f"Trustworthiness, continuity: {many} neighbours, 1 is perfect.")
    if any("seeds" in panel for panel in panels):
        differ = "" if parameters["start"] == "random" else ", which differ in the start's jitter"
        sentences.append(
            f"Seeds {_range(table.metadata['seed'])}{differ}: the map with the median KL is shown, "
            "thin lines lead to where the others put a vector, turned and mirrored onto it at its "
            "size. Spread: root mean square distance of a vector's places to their mean, in radii "
            "of the map; unrelated: that of the same maps with their points shuffled."
        )
    return sentences


def _facts(panel: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    facts = []
    if _lowered(panel, parameters, "perplexity"):
        facts.append(f"perplexity {panel['effective_perplexity']:.1f}")
    if _lowered(panel, parameters, "neighbours"):
        facts.append(f"{panel['effective_neighbours']} neighbours")
    if panel.get("repulsion", "exact") != "exact":
        facts.append("repulsion interpolated")
    if panel.get("neighbours", "exact") not in ("exact", "all"):
        facts.append(f"neighbours {panel['neighbours']}")
    if panel.get("pieces", 1) > 1:
        facts.append(f"{panel['pieces']} pieces")
    seeds = panel.get("seeds")
    if seeds is not None:
        divergence = seeds["kl_divergence"]
        facts.append(f"KL {min(divergence):.3f} to {max(divergence):.3f}")
    elif "kl_divergence" in panel:
        facts.append(f"KL {panel['kl_divergence']:.3f}")
    if "stress" in panel:
        facts.append(f"stress {panel['stress']:.3f}")
    for quality in ("trustworthiness", "continuity"):
        value = mean_known(seeds[quality]) if seeds is not None else panel.get(quality)
        if value is not None:
            facts.append(f"{quality} {value:.3f}")
    if seeds is not None:
        unrelated = seeds.get("spread_unrelated")
        against = "" if unrelated is None else f" (unrelated {unrelated:.3f})"
        facts.append(f"spread {seeds['spread']:.3f}{against}")
    return facts


def _lowered(panel: Mapping[str, Any], parameters: Mapping[str, Any], option: str) -> bool:
    effective = panel.get(f"effective_{option}")
    return effective is not None and effective < parameters[option]


def _distances(panels: Sequence[Mapping[str, Any]]) -> str:
    text = (
        "Within, between: mean distance of two sketches of one group and of two groups, measured "
        "on the vectors"
    )
    sampled = next((p["distances_sampled"] for p in panels if "distances_sampled" in p), None)
    return f"{text} of {sampled} sketches taken at random." if sampled else f"{text}."


def _range(seeds: Sequence[int]) -> str:
    if list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))) and len(seeds) > 2:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))
