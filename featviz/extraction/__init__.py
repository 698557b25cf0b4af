"""Extraction: what the layers of a network compute at points of sketches, as feature tables."""

from featviz.extraction.checkpoints import extract_checkpoints
from featviz.extraction.jobs import Extracted
from featviz.extraction.settings import Settings
from featviz.extraction.vectors import FRONT_END_LAYERS, extract

__all__ = [
    "FRONT_END_LAYERS",
    "Extracted",
    "Settings",
    "extract",
    "extract_checkpoints",
]
