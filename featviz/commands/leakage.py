"""`featviz leakage`: what edits change where they cannot reach, and which way it came."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
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
    from featviz.analysis.leakage.map_rows import Measured
    from featviz.analysis.leakage.measure import Leakage
    from featviz.analysis.leakage.table import LeakageTable
    from featviz.sketches.edits import Edit
    from featviz.sketches.photo_set import PhotoSet
    from featviz.sketches.sketch_set import SketchSet


@dataclass(frozen=True)
class LeakageCommand:
    """Measure what edits change outside their convolutional reach, and how it got there."""

    checkpoints: Positional[tuple[str, ...]]
    """Shipped ones by name, run folders, .safetensors, or .pth of pix2pix(HD). Or one network of
    anybody's: package.module:function (or a class; its code runs), timm:NAME, diffusers:FOLDER,
    transformers:FOLDER, or a class of these two by name; see docs/models.md. Or tables that an
    earlier call wrote, NAME.parquet beside NAME-maps.npz: nothing is measured again."""
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
    statistics gives the base those of the edit. If none is given all, statistics and each part that
    makes a difference; both-orders also leaves each of these parts alone free, one run more for
    each. Of a network of anybody's: all, statistics, a module in which statistics are taken, or
    attention, the weights of the base's alone."""
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
    plot: Path | None = None
    """Draw the maps into this .png, .pdf or .svg."""
    show: tuple[str, ...] = ()
    """What to draw: groups, the mean over the edits of each, and single edits by the sketch's name,
    whose own maps are then kept; all groups if none is given."""
    photos: ImageOptions = field(default_factory=ImageOptions)
    network: ModelOptions = field(default_factory=ModelOptions)

    def run(self) -> None:
        """Measure and write, or read what was measured; print, draw."""
        from featviz.analysis.leakage.summary import leakage_summary
        from featviz.analysis.leakage.table import join_leakage
        from featviz.figures.style import figure_format

        if self.plot is not None:
            figure_format(self.plot)
        elif self.show:
            raise FeatvizError("--show says what is drawn; give --plot FILE, too")
        is_measured = any(word.endswith(".parquet") for word in self.checkpoints)
        found = self._read() if is_measured else self._measure()
        say("", leakage_summary(join_leakage(table for table, _ in found)))
        if self.plot is not None:
            self._draw(found, self.plot)

    def _measure(self) -> "list[Measured]":
        from featviz.analysis.leakage.maps import write_maps
        from featviz.analysis.leakage.table import write_leakage

        word = one_model(self.checkpoints)
        require_fitting(word, self.images, self.base, self.variant)
        most = most_edits(self.edits)
        if not 0 <= self.margin < float("inf"):
            raise FeatvizError(f"the margin must be 0 px or more; got {self.margin}")
        use_threads(self.threads)
        found = self._of_model(word, most) if word else self._of_checkpoints(most)
        measured, told = [], set()
        for name, leakage in found:
            for sketch in leakage.unchanged:
                if sketch not in told:
                    remark(f"left out {sketch}: equals its base")
                told.add(sketch)
            if free := leakage.table.metadata["checkpoints"][name]["not_held"]:
                remark(f"{name}: not held, so it counts as convolutions: {', '.join(free)}")
            of_table, of_maps = self._files(name)
            write_leakage(leakage.table, of_table)
            write_maps(leakage.maps, of_maps)
            say(of_table, of_maps)
            # As the files have it, so that what is drawn now is what is drawn later.
            measured.append(_read_measured(of_table))
        return measured

    def _read(self) -> "list[Measured]":
        """What earlier calls measured, from their files."""
        given = {each.name for each in fields(self) if getattr(self, each.name) != each.default}
        given -= {"checkpoints", "sketches", "plot", "show", "photos", "network"}
        if given:
            told = ", ".join(f"--{name}" for name in sorted(given))
            raise FeatvizError(f"{told}: only what is measured can be told how; these are tables")
        self.photos.require_none()
        self.network.require_none(self.checkpoints[0])
        return [_read_measured(Path(word)) for word in self.checkpoints]

    def _draw(self, measured: "list[Measured]", path: Path) -> None:
        from featviz.analysis.leakage.map_rows import maps_caption, shown_rows
        from featviz.analysis.leakage.plots import maps_figure
        from featviz.figures.style import save_figure, style

        edits = self._drawn_edits(measured[0][0])
        rows = shown_rows(measured, self.show, edits)
        with style():
            save_figure(maps_figure(rows, maps_caption(measured, edits)), path)
        say(path)

    def _drawn_edits(self, table: "LeakageTable") -> "dict[str, Edit]":
        """By name the edits to show whose sketches are there and those that were measured."""
        from featviz.base.provenance import fingerprint
        from featviz.sketches.edits import read_edits
        from featviz.sketches.sketch_set import read_sketches

        base_of = dict(zip(table.rows["sketch"], table.rows["base"], strict=True))
        names = [name for name in self.show if name in base_of]
        if not names or self.images is not None or not self.sketches.exists():
            return {}
        sketches = read_sketches(self.sketches, table.metadata["size"])
        sets = [sketches]
        if set(table.groups) <= set(sketches.groups):
            sets.append(sketches.of_groups(*table.groups))
        if table.metadata.get("sketches_fingerprint") not in [fingerprint(each) for each in sets]:
            remark(f"{self.sketches}: not the sketches that were measured, so none is drawn")
            return {}
        pairs = [(sketches.number(name), sketches.number(base_of[name])) for name in names]
        return dict(zip(names, read_edits(sketches, pairs), strict=True))

    def _require_shown(self, images: "SketchSet | PhotoSet", most: int | None) -> None:
        """Raise FeatvizError, before anything is measured, for what will not be there to show."""
        from featviz.sketches.edits import edits_of

        edits = images.index.iloc[[number for number, _ in edits_of(images, most)]]
        groups, sketches = (list(dict.fromkeys(edits[key])) for key in ("group", "sketch"))
        if unknown := [name for name in self.show if name not in {*groups, *sketches}]:
            raise FeatvizError(
                f"'{unknown[0]}' is no group and no edit that is measured; there are the groups "
                f"{', '.join(groups)} and the edits {', '.join(sketches)} (--edits all takes all)"
            )

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
        sketches = read_sketches(self.sketches, self.size)
        self._require_shown(sketches, most)
        return leakage_of_checkpoints(
            self.checkpoints,
            sketches,
            self.layers or None,
            self.hold or None,
            self.point or PROBE_POINT,
            self.size,
            self.margin,
            most,
            self.variant,
            self.show,
        )

    def _of_model(self, word: str, most: int | None) -> "Iterator[tuple[str, Leakage]]":
        from featviz.analysis.leakage.models import leakage_of_model
        from featviz.base.files import require_writable

        images = edited_images(self.images, self.base, self.sketches, self.size)
        self._require_shown(images, most)
        model = self.network.of_images(word, self.photos, self.size)
        for path in self._files(model.name):
            require_writable(path)
        layers, hold = self.layers or None, self.hold or None
        yield (
            model.name,
            leakage_of_model(model, images, layers, hold, self.point, self.margin, most, self.show),
        )


def _read_measured(path: Path) -> "Measured":
    """A table and the maps beside it; raises FeatvizError if they are not of one measurement."""
    from featviz.analysis.leakage.maps import read_maps
    from featviz.analysis.leakage.table import read_leakage

    table, beside = read_leakage(path), path.with_name(f"{path.stem}-maps.npz")
    maps, name = read_maps(beside), table.checkpoints[0]
    told = {**table.metadata, **table.metadata["checkpoints"].get(name, {}), "checkpoint": name}
    keys = ("checkpoint", "digest", *table.alike)
    if other := [key for key in keys if told.get(key) != maps.metadata.get(key)]:
        raise FeatvizError(
            f"{beside} is not of what {path} is: {other[0]} {maps.metadata.get(other[0])} and "
            f"{told.get(other[0])}"
        )
    return table, maps
