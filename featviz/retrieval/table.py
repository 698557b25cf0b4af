"""What retrieved faces are made of, in numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.base.table import ColumnKind, Table
from featviz.retrieval.database import PhotoParts
from featviz.retrieval.faces import RetrievedFace
from featviz.retrieval.search import MOST_DISTANCE

_NO_SEAM = {"cut": np.nan, "fused": np.nan, "recoloured": np.nan}


@dataclass(frozen=True, eq=False)
class RetrievalTable(Table):
    """One row a sketch and part.

    state: matched, no match or not drawn; only what matched went into the face, but the photo of
    the outline is its base in any case. photo: that was found; "" for a part that is not drawn.
    distance: in pixels at 512, relative: in radii of the drawn part, see `search.Match`. scale,
    degrees: how the photo was laid over the sketch. cut, fused, recoloured: grey levels, see
    `fusion.Seam`. NaN where there is none.
    """

    noun: ClassVar[str] = "retrieval table"
    command: ClassVar[str] = "featviz retrieve generate"
    columns: ClassVar[Mapping[str, ColumnKind]] = {
        **dict.fromkeys(("sketch", "part", "state", "photo"), "text"),
        **dict.fromkeys(("distance", "relative", "scale", "degrees", *_NO_SEAM), "number"),
    }
    key: ClassVar[tuple[str, ...]] = ("sketch", "part")
    endings: ClassVar[tuple[str, ...]] = (".csv", ".parquet", ".json")


def retrieval_table(faces: Mapping[str, RetrievedFace], database: PhotoParts) -> RetrievalTable:
    """The rows of faces by the names of their sketches."""
    rows: list[dict[str, Any]] = []
    for sketch, face in faces.items():
        for part, match in face.matches.items():
            laid = match.state != "not drawn"
            rows.append(
                {
                    "sketch": sketch,
                    "part": part,
                    "state": match.state,
                    "photo": database.pairs.names[match.face] if match.face >= 0 else "",
                    "distance": match.distance,
                    "relative": match.relative,
                    "scale": match.lay.scale if laid else np.nan,
                    "degrees": match.lay.degrees if laid else np.nan,
                    **(asdict(face.seams[part]) if part in face.seams else _NO_SEAM),
                }
            )
    metadata = {
        VERSION_KEY: VERSION,
        "database": asdict(database.description),
        "most_distance": MOST_DISTANCE,
    }
    return RetrievalTable(pd.DataFrame(rows, columns=list(RetrievalTable.columns)), metadata)


def summary_rows(table: RetrievalTable) -> list[list[str]]:
    """Part by part: how many matched and how many not, medians of distances and seams."""
    lines = []
    for part, rows in table.rows.groupby("part", sort=False):
        counts = [int((rows["state"] == state).sum()) for state in SUMMARY_TITLES[1:4]]
        drawn = rows[rows["state"] != "not drawn"]
        medians = [drawn[name].median() for name in ("distance", "cut", "fused", "recoloured")]
        told = ["-" if np.isnan(value) else f"{value:.1f}" for value in medians]
        lines.append([str(part), *map(str, counts), *told])
    return lines


SUMMARY_TITLES = (
    *("part", "matched", "no match", "not drawn"),
    *("distance, px", "seam if cut", "seam", "recoloured"),
)
