"""Extraction: what the layers of a network compute at points of sketches, as feature tables."""

from featviz.extraction.checkpoints import extract_checkpoints, provenance
from featviz.extraction.reading import FRONT_END_LAYERS, extract

__all__ = ["FRONT_END_LAYERS", "extract", "extract_checkpoints", "provenance"]
