"""Local editing: edits that stay where they were drawn, in any trained generator."""

from featviz.editing.keeping import Base, keep_outside, reach_of_edit, record_base
from featviz.editing.local import LocalEdit, edit
from featviz.editing.patching import patch_activations, patch_region

__all__ = [
    "Base",
    "LocalEdit",
    "edit",
    "keep_outside",
    "patch_activations",
    "patch_region",
    "reach_of_edit",
    "record_base",
]
