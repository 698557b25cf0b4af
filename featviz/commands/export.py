"""`featviz export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from featviz.base.errors import FeatvizError
from featviz.commands.shared import say
from featviz.commands.tables import TableOptions


@dataclass(frozen=True, kw_only=True)
class ExportCommand(TableOptions):
    """Write feature tables for other programs: NumPy, TensorBoard's projector, text."""

    out: Path
    """The folder to make; it must not hold anything."""
    to: Literal["npy", "projector", "csv"] = "npy"
    """npy: an array a layer, rows.csv and metadata.json, for NumPy or rsatoolbox. projector: for
    `tensorboard --logdir OUT`. csv: a table a layer, a column a channel."""
    sketches: Path | None = None
    """Folder of the sketch set: pictures for the projector, and columns base and edited_part."""

    def run(self) -> None:
        """Export and say where to."""
        from featviz.base.feature_table import read_features
        from featviz.base.files import require_folder
        from featviz.export import export_features
        from featviz.sketches.sketch_set import SketchSet, read_sketches

        require_folder(self.out)
        if not self.features:
            raise FeatvizError("expected at least one feature table; `featviz extract` makes them")
        tables = {}
        for path in self.features:
            name = path.resolve().name if path.is_dir() else path.stem
            if name in tables:
                raise FeatvizError(
                    f"two feature tables are called '{name}' ({path}), so both would be written "
                    f"to {self.out / name}; rename one"
                )
            tables[name] = read_features(path).select(
                layers=self.layers or None, points=None if self.point is None else [self.point]
            )
        sketches: dict[str, SketchSet] = {}
        if self.sketches is not None:
            for name, table in tables.items():
                size = table.metadata.get("size")
                if size is None:
                    raise FeatvizError(
                        f"{name} does not say how large its images were, so its sketches cannot be "
                        "drawn alike; leave out --sketches, or add `size` to the table's metadata"
                    )
                if not isinstance(size, int):
                    raise FeatvizError(
                        f"{name} was made from images of size {size}; a sketch set is square, so "
                        "leave out --sketches"
                    )
                sketches[name] = read_sketches(self.sketches, size)
        export_features(tables, self.to, self.out, sketches)
        for name, table in tables.items():
            line = f"{self.out / name}: {len(table)} rows, {', '.join(table.layers)}"
            say(line)
        if self.to == "projector":
            if self.sketches is None:
                say("without pictures; --sketches FOLDER adds them")
            say(f"tensorboard --logdir {self.out}")
