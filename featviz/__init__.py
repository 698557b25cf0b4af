"""featviz: does an edit stay where it was drawn?"""

__version__ = "0.1.0"
