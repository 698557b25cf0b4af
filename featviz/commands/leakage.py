"""`featviz leakage`: what edits change where they cannot reach, and which way it came."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tyro.conf import Positional

from featviz.base.errors import FeatvizError
from featviz.base.points import PROBE_POINT
from featviz.commands.shared import (
    SKETCHES,
    Edits,
    most_edits,
    remark,
    require_sketches,
    say,
    use_threads,
)


@dataclass(frozen=True)
class LeakageCommand:
    """Measure what edits change outside their convolutional reach, and how it got there."""

    checkpoints: Positional[tuple[str, ...]]
    """Shipped ones by name, run folders, .safetensors, or .pth of pix2pixHD."""
    sketches: Path = SKETCHES
    """Folder of the sketch set; its index says which sketch is an edit of which base."""
    size: int = 512
    """Width and height of the sketches in pixels."""
    point: tuple[int, int] = PROBE_POINT
    """The pixel, x to the right and y down, at whose cell each layer's change is told."""
    layers: tuple[str, ...] = ()
    """Layers by name or unique ending, "image" for the output; the front end and the image if none
    is given."""
    hold: tuple[str, ...] = ()
    """Whose statistics to hold at those of the base sketch, a run for each: all, front-end,
    residual, back-end, or a layer; all-but- before one of these (all-but-L0) leaves it alone free;
    statistics gives the base those of the edit. Each that makes a difference if none is given."""
    edits: Edits = 3
    """At most so many edits of a group, evenly spaced, or all."""
    margin: float = 16.0
    """Pixels (at 512) around an edit that count as edited."""
    variant: str | None = None
    """For .pth of pix2pixHD: which layers have no norm."""
    threads: int | None = None
    """CPU threads; all cores unless given."""
    out: Path = Path("leakage")
    """Folder for two files a checkpoint: NAME.parquet, the table, and NAME-maps.npz."""

    def run(self) -> None:
        """Measure, write, print."""
        from featviz.analysis.leakage.checkpoints import leakage_of_checkpoints
        from featviz.analysis.leakage.maps import write_maps
        from featviz.analysis.leakage.summary import leakage_summary
        from featviz.analysis.leakage.table import join_leakage, write_leakage
        from featviz.base.files import require_writable
        from featviz.generators.checkpoint import distinct_names
        from featviz.sketches.sketch_set import read_sketches

        files = {
            name: (self.out / f"{name}.parquet", self.out / f"{name}-maps.npz")
            for name in distinct_names(self.checkpoints)
        }
        for path in chain.from_iterable(files.values()):
            require_writable(path)
        require_sketches(self.sketches)
        most = most_edits(self.edits)
        if not 0 <= self.margin < float("inf"):
            raise FeatvizError(f"the margin must be 0 px or more; got {self.margin}")
        use_threads(self.threads)
        tables, told = [], set()
        for name, leakage in leakage_of_checkpoints(
            self.checkpoints,
            read_sketches(self.sketches, self.size),
            self.layers or None,
            self.hold or None,
            self.point,
            self.size,
            self.margin,
            most,
            self.variant,
        ):
            for sketch in leakage.unchanged:
                if sketch not in told:
                    remark(f"left out {sketch}: equals its base")
                told.add(sketch)
            if free := leakage.table.metadata["checkpoints"][name]["not_held"]:
                remark(f"{name}: not held, so it counts as convolutions: {', '.join(free)}")
            tables.append(leakage.table)
            of_table, of_maps = files[name]
            write_leakage(leakage.table, of_table)
            write_maps(leakage.maps, of_maps)
            say(of_table, of_maps)
        say("", leakage_summary(join_leakage(tables)))
