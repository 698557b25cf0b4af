"""Measure and show whether an edit of a generator's input stays where it was drawn."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from featviz.base import version

__version__ = version.VERSION

if TYPE_CHECKING:
    from featviz.activations import record_activations
    from featviz.checkpoints import load_generator
    from featviz.embedding import embed
    from featviz.errors import FeatvizError
    from featviz.export import export_features
    from featviz.extraction import extract
    from featviz.leakage import edit_changes, edit_reach
    from featviz.plots import embedding_figure
    from featviz.sketches import read_sketches
    from featviz.tables import FeatureTable, read_features, write_features

_HOMES = {
    "FeatureTable": "tables",
    "FeatvizError": "errors",
    "edit_changes": "leakage",
    "edit_reach": "leakage",
    "embed": "embedding",
    "embedding_figure": "plots",
    "export_features": "export",
    "extract": "extraction",
    "load_generator": "checkpoints",
    "read_features": "tables",
    "read_sketches": "sketches",
    "record_activations": "activations",
    "write_features": "tables",
}

__all__ = [
    "FeatureTable",
    "FeatvizError",
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
