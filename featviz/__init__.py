"""Measure and show whether an edit of a generator's input stays where it was drawn."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from featviz.base import version

__version__ = version.VERSION

if TYPE_CHECKING:
    from featviz.analysis.embedding import embed
    from featviz.analysis.embedding.plots import embedding_figure
    from featviz.analysis.leakage import edit_changes, edit_reach
    from featviz.base.errors import FeatvizError
    from featviz.base.feature_table import FeatureTable, read_features, write_features
    from featviz.editing import edit
    from featviz.export import export_features
    from featviz.extraction import extract
    from featviz.generators.checkpoint_files import load_generator
    from featviz.probing.activations import record_activations
    from featviz.sketches.sketch_set import read_sketches

_HOMES = {
    "FeatureTable": "base.feature_table",
    "FeatvizError": "base.errors",
    "edit": "editing",
    "edit_changes": "analysis.leakage",
    "edit_reach": "analysis.leakage",
    "embed": "analysis.embedding",
    "embedding_figure": "analysis.embedding.plots",
    "export_features": "export",
    "extract": "extraction",
    "load_generator": "generators.checkpoint_files",
    "read_features": "base.feature_table",
    "read_sketches": "sketches.sketch_set",
    "record_activations": "probing.activations",
    "write_features": "base.feature_table",
}

__all__ = [
    "FeatureTable",
    "FeatvizError",
    "edit",
    "edit_changes",
    "edit_reach",
    "embed",
    "embedding_figure",
    "export_features",
    "extract",
    "load_generator",
    "read_features",
    "read_sketches",
    "record_activations",
    "write_features",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `featviz --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'featviz' has no attribute '{name}'")
    return getattr(import_module(f"featviz.{_HOMES[name]}"), name)
