"""`featviz evaluate`: what trained generators are worth, in numbers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from featviz.base.errors import FeatvizError
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
    from featviz.analysis.evaluation.checkpoints import EvaluationSettings
    from featviz.analysis.evaluation.table import EvaluationTable

_MEASURES: tuple[Literal["quality", "locality", "robustness"], ...] = (
    "quality",
    "locality",
    "robustness",
)


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure generators: quality on held-out pairs, edit locality, robustness to shifts.

    With --local instead: edits that stay, made free, with statistics held and with maps kept.
    """

    checkpoints: Positional[tuple[str, ...]]
    """Shipped ones by name, run folders, .safetensors, or .pth of pix2pix(HD); whole generators; or
    data bases of `featviz retrieve`. Or
    one network of anybody's that makes an image, whose edit locality is measured:
    package.module:function (or a class; its code runs), timm:NAME, diffusers:FOLDER,
    transformers:FOLDER, or a class of these two by name; see docs/models.md."""
    measures: tuple[Literal["quality", "locality", "robustness"], ...] = _MEASURES
    """What to measure."""
    local: bool = False
    """Instead of all that: what keeping the rest of a face wins outside of an edit, and costs."""
    keep: tuple[Literal["layers", "trunk"], ...] = ("layers", "trunk")
    """With --local: where maps are kept, a way each."""
    statistics: tuple[Literal["base", "edit", "composite"] | float, ...] = ("base",)
    """With --local: whose statistics norms use where maps are kept, a way each."""
    data: Path = Path("data/faces")
    """Folder of pairs whose test split is used; see `featviz faces`."""
    count: int = 100
    """Pairs for the quality; all of the test split if it has fewer."""
    moved_count: int = 24
    """Pairs, of the same, whose contours are moved for the robustness."""
    sketches: Path = SKETCHES
    """Folder of the sketch set whose edits are measured."""
    images: Path | None = None
    """For a network of anybody's, instead of sketches: a folder of photos in groups, see `featviz
    extract`; an index.csv may name the base of each in a column base."""
    base: str | None = None
    """Of that folder: what the photo in each group is called, without its ending, that the others
    are edits of; the column base of an index.csv, else `base`, else the first, if not given."""
    edits: Edits = "all"
    """At most so many edits of a group, evenly spaced, or all."""
    margin: float = 16.0
    """Pixels (at 512) around an edit that count as edited."""
    size: int | None = None
    """Side of sketches and images; that of each checkpoint's training if it tells, else 512."""
    lpips_size: int = 256
    """Larger images are averaged down to this side for LPIPS and the kernel distance."""
    seed: int = 0
    """Which pairs, and in which directions contours move."""
    variant: str | None = None
    """For .pth: which layers have no norm, or of pix2pix batch-of-one; see docs/systems.md."""
    threads: int | None = None
    """CPU threads; all cores unless given."""
    out: Path | None = None
    """Write all numbers to this .csv, .parquet or .json."""
    plot: Path | None = None
    """Draw them into this .png, .pdf or .svg."""
    photos: ImageOptions = field(default_factory=ImageOptions)
    network: ModelOptions = field(default_factory=ModelOptions)

    def run(self) -> None:
        """Measure, print, write."""
        from featviz.analysis.evaluation.plots import evaluation_figure
        from featviz.analysis.evaluation.summary import evaluation_summary
        from featviz.analysis.evaluation.table import EvaluationTable
        from featviz.figures.style import figure_format, save_figure, style

        if self.out is not None:
            EvaluationTable.check_ending(self.out)
        if self.plot is not None:
            figure_format(self.plot)
        word = one_model(self.checkpoints)
        require_fitting(word, self.images, self.base, self.variant)
        use_threads(self.threads)
        table, skipped = self._of_model(word) if word else self._of_checkpoints()
        for line in skipped:
            remark(f"skipped {line}")
        say(evaluation_summary(table))
        if self.out is not None:
            table.write(self.out)
            say(self.out)
        if self.plot is not None:
            with style():
                figure = evaluation_figure(table)
            save_figure(figure, self.plot)
            say(self.plot)

    def _settings(self) -> "EvaluationSettings":
        from featviz.analysis.evaluation.checkpoints import EvaluationSettings

        return EvaluationSettings(
            parts=("local",) if self.local else self.measures,
            count=self.count,
            moved_count=self.moved_count,
            edits=most_edits(self.edits),
            size=self.size,
            lpips_size=self.lpips_size,
            margin=self.margin,
            seed=self.seed,
            keep=self.keep,
            statistics=self.statistics,
        )

    def _of_checkpoints(self) -> "tuple[EvaluationTable, list[str]]":
        from featviz.analysis.evaluation.checkpoints import evaluate
        from featviz.faces.pairs import read_pairs
        from featviz.generators.checkpoint import distinct_names
        from featviz.retrieval.database import is_database
        from featviz.sketches.sketch_set import read_sketches

        if networks := [source for source in self.checkpoints if not is_database(source)]:
            distinct_names(networks)
        if self.checkpoints:
            self.network.require_none(self.checkpoints[0])
        self.photos.require_none()
        settings = self._settings()
        pairs = read_pairs(self.data) if settings.needs_pairs else None
        sketches = None
        if settings.of_edits:
            other = "; or leave edit locality out: --measures quality robustness"
            require_sketches(self.sketches, "" if self.local else other)
            sketches = read_sketches(self.sketches)
        return evaluate(self.checkpoints, settings, pairs, sketches, self.variant)

    def _of_model(self, word: str) -> "tuple[EvaluationTable, list[str]]":
        from dataclasses import replace

        from featviz.analysis.evaluation.models import evaluate_model

        if self.local or self.measures not in (_MEASURES, ("locality",)):
            raise FeatvizError(
                f"of '{word}' edit locality alone is measured (`featviz edit` makes its edits stay "
                "and tells their numbers); quality, robustness and --local are for checkpoints"
            )
        settings = replace(self._settings(), parts=("locality",))
        images = edited_images(self.images, self.base, self.sketches, self.size or 512)
        model = self.network.of_images(word, self.photos, self.size)
        return evaluate_model(model, images, settings)
