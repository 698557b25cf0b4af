"""Which engine computes the vectors: the plain one, or the one that skips what is repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, nn

from featviz.activations import Stage
from featviz.errors import FeatvizError
from featviz.receptive_field import Position
from featviz.sparse import SparseReader, UnsuitedError, make_plan

Engine = Literal["auto", "dense", "sparse"]

ENGINES: tuple[Engine, ...] = get_args(Engine)

# Of the multiplications of whole maps; see docs/engine.md for the measurement.
BREAK_EVEN = 0.5


@dataclass(frozen=True, eq=False)
class Choice:
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
    engine: Engine,
    model: nn.Module,
    cells: Mapping[str, Sequence[Position]],
    stage: Stage,
    first: Tensor,
) -> Choice:
    """The engine for all images of a call.

    cells: for each layer the cells (column, row). first: the first image (C, H, W), by whose share
    of distinct windows "auto" decides. Raises FeatvizError if "sparse" cannot compute the layers.
    """
    if engine not in ENGINES:
        raise FeatvizError(f"unknown engine '{engine}'; there are {', '.join(ENGINES)}")
    if engine == "dense":
        return Choice(None)
    channels, height, width = first.shape
    try:
        plan = make_plan(model, tuple(cells), (width, height), channels, stage)
    except UnsuitedError as reason:
        if engine == "sparse":
            raise FeatvizError(
                f"the sparse engine cannot compute this: {reason}; the dense one can"
            ) from None
        return Choice(None, str(reason))
    reader = SparseReader(plan, cells)
    if engine == "auto" and (share := reader.share(first.to(plan.dtype))) > BREAK_EVEN:
        return Choice(
            None,
            f"of the windows of the first sketch {share:.0%} are distinct, by multiplications; "
            f"the sparse engine pays up to {BREAK_EVEN:.0%}",
        )
    return Choice(reader)
