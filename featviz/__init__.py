"""featviz measures whether an edit of an image-to-image generator stays where it was drawn."""

__version__ = "0.1.0"
