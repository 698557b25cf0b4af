"""`featviz leakage`: what edits change where they cannot reach, and which way it came."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from featviz.base.errors import FeatvizError
from featviz.base.points import PROBE_POINT
from featviz.commands.models import (
    ImageOptions,
    ModelOptions,
    edited_images,
    one_model,
    require_fitting,
)
from featviz.commands.shared import (
    SKETCHES,
    Edits,
    most_edits,
    remark,
    require_sketches,
    say,
    use_threads,
)

if TYPE_CHECKING:
    from featviz.analysis.leakage.measure import Leakage


@dataclass(frozen=True)
class LeakageCommand:
    """Measure what edits change outside their convolutional reach, and how it got there."""

    checkpoints: Positional[tuple[str, ...]]
    """Shipped ones by name, run folders, .safetensors, or .pth of pix2pix(HD). Or one network of
    anybody's: package.module:function (or a class; its code runs), timm:NAME, diffusers:FOLDER,
    transformers:FOLDER, or a class of these two by name; see docs/models.md."""
    sketches: Path = SKETCHES
    """Folder of the sketch set; its index says which sketch is an edit of which base."""
    images: Path | None = None
    """For a network of anybody's, instead of sketches: a folder of photos of one size in groups,
    see `featviz extract`; an index.csv may name the base of each in a column base."""
    base: str | None = None
    """Of that folder: what the photo in each group is called, without its ending, that the others
    are edits of; the column base of an index.csv, else `base`, else the first, if not given."""
    size: int = 512
    """Width and height of the sketches in pixels."""
    point: tuple[int, int] | None = None
    """The pixel, x to the right and y down, at whose cell each layer's change is told; 170 250, the
    left-eye corner of featviz's own sketches, if not given, or the middle of photos."""
    layers: tuple[str, ...] = ()
    """Layers by name or unique ending, "image" for the output; the front end and the image if none
    is given. Of a network of anybody's patterns too, see `featviz extract`; its outermost modules
    and its image if none is given."""
    hold: tuple[str, ...] = ()
    """Whose statistics to hold at those of the base sketch, a run for each: all, front-end,
    residual, back-end, or a layer; all-but- before one of these (all-but-L0) leaves it alone free;
    statistics gives the base those of the edit. Each that makes a difference if none is given. Of a
    network of anybody's: all, statistics, a module in which statistics are taken, or attention, the
    weights of the base's alone."""
    edits: Edits = 3
    """At most so many edits of a group, evenly spaced, or all."""
    margin: float = 16.0
    """Pixels (at 512) around an edit that count as edited."""
    variant: str | None = None
    """For .pth: which layers have no norm, or of pix2pix batch-of-one; see docs/systems.md."""
    threads: int | None = None
    """CPU threads; all cores unless given."""
    out: Path = Path("leakage")
    """Folder for two files a checkpoint: NAME.parquet, the table, and NAME-maps.npz."""
    photos: ImageOptions = field(default_factory=ImageOptions)
    network: ModelOptions = field(default_factory=ModelOptions)

    def run(self) -> None:
        """Measure, write, print."""
        from featviz.analysis.leakage.maps import write_maps
        from featviz.analysis.leakage.summary import leakage_summary
        from featviz.analysis.leakage.table import join_leakage, write_leakage

        word = one_model(self.checkpoints)
        require_fitting(word, self.images, self.base, self.variant)
        most = most_edits(self.edits)
        if not 0 <= self.margin < float("inf"):
            raise FeatvizError(f"the margin must be 0 px or more; got {self.margin}")
        use_threads(self.threads)
        found = self._of_model(word, most) if word else self._of_checkpoints(most)
        tables, told = [], set()
        for name, leakage in found:
            for sketch in leakage.unchanged:
                if sketch not in told:
                    remark(f"left out {sketch}: equals its base")
                told.add(sketch)
            if free := leakage.table.metadata["checkpoints"][name]["not_held"]:
                remark(f"{name}: not held, so it counts as convolutions: {', '.join(free)}")
            tables.append(leakage.table)
            of_table, of_maps = self._files(name)
            write_leakage(leakage.table, of_table)
            write_maps(leakage.maps, of_maps)
            say(of_table, of_maps)
        say("", leakage_summary(join_leakage(tables)))

    def _files(self, name: str) -> tuple[Path, Path]:
        return self.out / f"{name}.parquet", self.out / f"{name}-maps.npz"

    def _of_checkpoints(self, most: int | None) -> "Iterator[tuple[str, Leakage]]":
        from featviz.analysis.leakage.checkpoints import leakage_of_checkpoints
        from featviz.base.files import require_writable
        from featviz.generators.checkpoint import distinct_names
        from featviz.sketches.sketch_set import read_sketches

        for path in chain.from_iterable(map(self._files, distinct_names(self.checkpoints))):
            require_writable(path)
        if self.checkpoints:
            self.network.require_none(self.checkpoints[0])
        self.photos.require_none()
        require_sketches(self.sketches)
        return leakage_of_checkpoints(
            self.checkpoints,
            read_sketches(self.sketches, self.size),
            self.layers or None,
            self.hold or None,
            self.point or PROBE_POINT,
            self.size,
            self.margin,
            most,
            self.variant,
        )

    def _of_model(self, word: str, most: int | None) -> "Iterator[tuple[str, Leakage]]":
        from featviz.analysis.leakage.models import leakage_of_model
        from featviz.base.files import require_writable

        images = edited_images(self.images, self.base, self.sketches, self.size)
        model = self.network.of_images(word, self.photos, self.size)
        for path in self._files(model.name):
            require_writable(path)
        layers, hold = self.layers or None, self.hold or None
        yield (
            model.name,
            leakage_of_model(model, images, layers, hold, self.point, self.margin, most),
        )
