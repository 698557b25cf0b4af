"""Which engine computes the vectors: the plain one, or the one that skips what is repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.extraction.sparse import (
    Layouts,
    SparseReader,
    UnsuitedError,
    lay_out,
    make_plan,
    try_plan,
)
from featviz.probing.activations import Stage
from featviz.probing.receptive_field import Position

EngineName = Literal["auto", "dense", "sparse"]

_ENGINES: tuple[EngineName, ...] = get_args(EngineName)


@dataclass(frozen=True, eq=False)
class EngineChoice:
    """sparse: the reader of the sparse engine, None for the dense one. reason: why `auto` did not
    take the sparse one; None if it did, or if the engine was asked for.
    """

    sparse: SparseReader | None
    reason: str | None = None

    @property
    def name(self) -> str:
        """As feature tables record it."""
        return "dense" if self.sparse is None else "sparse"


def choose_engine(
    engine: EngineName,
    model: nn.Module,
    cells: Mapping[str, Sequence[Position]],
    stage: Stage,
    first: Tensor,
    layouts: Layouts | None = None,
) -> EngineChoice:
    """The engine for all images of a call.

    cells: for each layer the cells (column, row). first: the first image (C, H, W), by whose
    windows "auto" decides. layouts: what is remembered of images. Raises FeatvizError if "sparse"
    cannot compute the layers.
    """
    if engine not in _ENGINES:
        raise FeatvizError(f"unknown engine '{engine}'; there are {', '.join(_ENGINES)}")
    if engine == "dense":
        return EngineChoice(None)
    channels, height, width = first.shape
    try:
        plan = make_plan(model, tuple(cells), (width, height), channels, stage)
        reader = SparseReader(plan, cells, layouts or lay_out)
        work = reader.work(first.to(plan.dtype))
        if engine == "auto" and work.estimate > 1:
            return EngineChoice(
                None,
                f"{work.distinct} of the {work.windows} windows of the first image are distinct, "
                f"and {work.local} more are computed around single cells: the sparse engine would "
                f"take about {work.estimate:.1f} times as long",
            )
        try_plan(model, plan, stage)
    except UnsuitedError as reason:
        if engine == "sparse":
            raise FeatvizError(
                f"the sparse engine cannot compute this: {reason}; the dense one can"
            ) from None
        return EngineChoice(None, str(reason))
    return EngineChoice(reader)
