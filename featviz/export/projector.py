"""TensorBoard's embedding projector: tensors, their labels and a sprite of the sketches.

The projector reads a log folder without event files if it holds `projector_config.pbtxt`, a text
message of type ProjectorConfig (tensorboard/plugins/projector/projector_config.proto), with paths
relative to it. It takes tensors as bytes too, but tells them from text by a failing UTF-8 decoder,
and the bytes of a dead layer, all zero, are good UTF-8. So tensors are written as text.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from featviz.export.rows import Labelled
from featviz.export.sprites import sprite_sheet
from featviz.export.text import write_vectors

_CONFIG = "projector_config.pbtxt"


def write_projector(tables: Sequence[Labelled], folder: Path) -> None:
    """Write a log folder with an embedding for each table and layer.

    NAME/LAYER.tsv holds a vector a line; NAME/metadata.tsv the rows with a header; NAME/sprite.png
    the sketches, see `sprite_sheet`, if the table comes with its sketch set.
    """
    entries = []
    for item in tables:
        place = folder / item.name
        place.mkdir()
        _write_metadata(item.table.rows, place / "metadata.tsv")
        tile = _write_sprite(item, place / "sprite.png")
        for layer, vectors in item.table.vectors.items():
            write_vectors(vectors, place / f"{layer}.tsv")
            entries.append(_entry(item.name, layer, vectors.shape, tile))
    (folder / _CONFIG).write_text("".join(entries), encoding="utf-8", newline="\n")


def _write_metadata(rows: pd.DataFrame, path: Path) -> None:
    # The projector splits at tabs and line ends and knows no quotes.
    cells = rows.astype(str).replace(r"[\t\r\n]+", " ", regex=True)
    lines = ["\t".join(map(str, cells.columns)), *map("\t".join, cells.to_numpy().tolist())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _write_sprite(item: Labelled, path: Path) -> int | None:
    """The side of a tile in pixels; None, and no file, if there are no sketches."""
    if item.sketches is None or item.numbers is None:
        return None
    images = (item.sketches.image(number) for number in item.numbers)
    sheet, tile = sprite_sheet(images, len(item.numbers))
    sheet.save(path, optimize=True)
    return tile


def _entry(name: str, layer: str, shape: tuple[int, ...], tile: int | None) -> str:
    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    lines = [
        f"tensor_name: {text(f'{name} {layer}')}",
        f"tensor_path: {text(f'{name}/{layer}.tsv')}",
        f"metadata_path: {text(f'{name}/metadata.tsv')}",
        *(f"tensor_shape: {side}" for side in shape),
    ]
    if tile is not None:
        sprite = f"image_path: {text(f'{name}/sprite.png')}"
        sides = f"single_image_dim: {tile} single_image_dim: {tile}"
        lines.append(f"sprite {{ {sprite} {sides} }}")
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
