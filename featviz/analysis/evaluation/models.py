"""Measuring a network of anybody's: edit locality, of photos or sketches."""

from featviz.analysis.evaluation.checkpoints import EvaluationSettings, evaluation_metadata
from featviz.analysis.evaluation.locality import (
    locality_rows,
    measure_locality,
    measure_photo_locality,
)
from featviz.analysis.evaluation.table import EvaluationTable, make_table
from featviz.base.errors import FeatvizError
from featviz.generators.image_models import ImageModel
from featviz.sketches.photo_set import PhotoSet
from featviz.sketches.sketch_set import SketchSet


def evaluate_model(
    model: ImageModel, images: PhotoSet | SketchSet, settings: EvaluationSettings
) -> tuple[EvaluationTable, list[str]]:
    """Measure what edits of photos or sketches change, and list what had to be skipped.

    Sketches that name eyes are measured at these too. Raises FeatvizError for a network that makes
    no image, unusable images, and if nothing is left.
    """
    name, how = f"{model.name}: edits", (settings.margin, settings.edits)
    if isinstance(images, PhotoSet):
        found = measure_photo_locality(model, images, *how, name)
    else:
        found = measure_locality(
            lambda pixels: model.ranged(model.run(model.given(pixels))),
            images,
            images.size,
            *how,
            name,
        )
    if found.changes.empty:
        raise FeatvizError(f"nothing is left of {images.folder}: {found.skipped[0]}")
    facts = {model.name: {"variant": None, **model.provenance()}}
    metadata = evaluation_metadata(settings, None, images, facts, with_lpips=False)
    return make_table(locality_rows(model.name, found), metadata), list(found.skipped)
