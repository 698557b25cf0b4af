"""Networks of anybody's x images -> one feature table on disk."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import write_features
from featviz.base.files import require_writable
from featviz.base.provenance import fingerprint
from featviz.extraction.inputs import LabelledImages
from featviz.extraction.jobs import Extracted, making_way
from featviz.extraction.loading import place
from featviz.extraction.locks import table_lock
from featviz.extraction.manifest import update_manifest
from featviz.extraction.settings import Settings
from featviz.extraction.vectors import extract
from featviz.generators.foreign_models import ForeignModel
from featviz.probing.layers import patterns_of
from featviz.sketches.tensors import Normalisation, encode_photo, input_channels


def extract_model(
    model: ForeignModel,
    images: LabelledImages,
    out: Path,
    settings: Settings,
    *,
    inputs: Mapping[str, Any] | None = None,
    normalisation: Normalisation | None = None,
    overwrite: bool = False,
) -> Extracted:
    """Make the table `out`/NAME.parquet of a network, NAME being what it is called.

    inputs: what the network is given beside the image, see `ForeignModel.with_inputs`.
    normalisation: of the images' colours; that which the model tells, or else black -1 and white
    +1, if not given. The table tells it, as it tells the word, its arguments and its weights.

    A table that is there is an error, or replaced if `overwrite`: whether the code that made it has
    changed since cannot be told. Raises FeatvizError as `extract` does.
    """
    path = out / f"{model.name}.parquet"
    require_writable(path)
    if path.exists() and not overwrite:
        raise FeatvizError(
            f"{path} is there already, and whether the code that made it is the same cannot be "
            "told; --overwrite replaces it, --name or another --out leaves it alone"
        )
    patterns_of(model.module, settings.layers, settings.stage)
    normalisation = normalisation or model.normalisation or Normalisation()
    channels = input_channels(model.module)
    place(model.module, settings.device, settings.precision)
    start = time.perf_counter()
    table = extract(
        model.with_inputs(inputs or {}),
        images,
        settings.points,
        settings.layers,
        settings.stage,
        encode=lambda image: encode_photo(image, channels, normalisation),
        engine=settings.engine,
        # Inputs are given as they are, for one image.
        batch_size=1 if inputs else 8,
        provenance={
            **model.provenance(inputs, normalisation),
            "sketches_fingerprint": fingerprint(images),
            "device": settings.device.partition(":")[0],
            "precision": settings.precision,
            "skipped": [],
        },
    )
    with table_lock(path, wait=True), making_way(path):
        write_features(table, path)
    seconds = time.perf_counter() - start
    update_manifest(out, model.name, seconds)
    return Extracted(path, False, len(table), table.layers, (), seconds)
