"""What holds of every stroke, in whatever file it stands."""

STROKE_WIDTH = 2.0
"""Pixels, at any size of the canvas: a network saw no others."""
UNNAMED = "unnamed"
"""The part of strokes that an SVG file puts into no group with a name."""
