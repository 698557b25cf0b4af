"""Edits that convolutions cannot carry to the point, layer by layer."""

from collections.abc import Mapping, Sequence

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.progress import track
from featviz.sketches.edits import read_edits
from featviz.sketches.sketch_set import SketchSet

EditPairs = Mapping[str, Sequence[tuple[str, str]]]
"""Of each layer pairs (sketch, base)."""


def edits_out_of_reach(table: FeatureTable, sketches: SketchSet) -> EditPairs:
    """The edits of a table, by layer, that leave the receptive field of its point as it was.

    Sketch and base are equal, pixel by pixel, within the convolutional receptive field that the
    table's metadata gives for the layer; what differs at the point then came another way. An edit
    counts if the table holds it and its base. A layer whose receptive field is not known has none.

    Raises FeatvizError if the table holds several points, or a sketch that the set does not.
    """
    if len(table.points) != 1:
        raise FeatvizError(f"edits are judged at one point; the table holds {len(table.points)}")
    index = sketches.index
    row_of = {str(name): row for row, name in enumerate(index["sketch"])}
    in_table = table.rows["sketch"].to_list()
    if unknown := [name for name in in_table if name not in row_of]:
        raise FeatvizError(
            f"sketch '{unknown[0]}' of the feature table is not in {sketches.folder}; name the "
            "sketches it was made from with --sketches"
        )
    known = set(in_table)
    found = [
        (row_of[name], row_of[base])
        for name in in_table
        if (base := str(index["base"].iloc[row_of[name]])) in known - {name}
    ]
    boxes = table.metadata.get("receptive_field_boxes") or {}
    # The metadata was cut to the one point with the table.
    fields = {layer: boxes[layer][0] for layer in table.layers if boxes.get(layer)}
    pairs: dict[str, list[tuple[str, str]]] = {layer: [] for layer in table.layers}
    edits = read_edits(sketches, sorted(found, key=lambda pair: pair[1]))
    for edit in track(edits, "comparing sketches", len(found)):
        name, base = (str(index["sketch"].iloc[n]) for n in (edit.number, edit.base_number))
        for layer, box in fields.items():
            left, top, right, bottom = (max(0, edge) for edge in box)
            if not edit.changed[top : bottom + 1, left : right + 1].any():
                pairs[layer].append((name, base))
    return pairs
