"""A data base of photos, measured as a generator is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.retrieval.database import PhotoParts, is_database, open_database
from featviz.retrieval.faces import Retriever
from featviz.sketches.drawing import Drawing
from featviz.sketches.tensors import encode_image


@dataclass(frozen=True, eq=False)
class RetrievingPainter:
    """A data base that makes faces of drawings by the names of their parts, of pixels by place."""

    retrieve: Retriever
    device = torch.device("cpu")

    @property
    def size(self) -> int:
        """Pixels of a side of its faces."""
        return self.retrieve.size

    def __call__(self, sketch: NDArray[np.uint8] | Tensor | Drawing) -> Tensor:
        """A sketch (size, size) uint8 -> its face (1, 3, size, size) float32."""
        given = sketch if isinstance(sketch, Drawing) else np.asarray(sketch)
        return encode_image(self.retrieve(given).image)[None]

    def provenance(self) -> dict[str, Any]:
        """What results record of the data base that they come from."""
        told: PhotoParts = self.retrieve.database
        return {
            "source": str(told.folder),
            "digest": told.description.fingerprint,
            "variant": "retrieval",
            "architecture": asdict(told.description),
            "trained_on": told.description.fingerprint,
            VERSION_KEY: VERSION,
        }


def retrieving_painters(
    sources: Sequence[str | Path], size: int | None, taken: Sequence[str]
) -> dict[str, RetrievingPainter]:
    """Those of the sources that are data bases, by name.

    size: that of each data base's photos if None. taken: names of others. Raises FeatvizError for
    two of one name.
    """
    found: dict[str, RetrievingPainter] = {}
    for source in filter(is_database, sources):
        database = open_database(Path(source))
        if database.name in {*found, *taken}:
            raise FeatvizError(f"two of what is measured are called '{database.name}'")
        found[database.name] = RetrievingPainter(Retriever(database, size))
    return found
