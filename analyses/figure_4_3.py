"""Figure 4.3: faces by three variants of the generator from the same held-out contours."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure

from analyses.faces import Cell, Change, Face, Sketch, change, faces_of, gallery, held_out, load
from analyses.study import Sources
from featviz.generators.checkpoint_files import LoadedGenerator
from featviz.probing.activations import truncated_forward
from featviz.sketches.drawing import rasterize
from featviz.sketches.tensors import encode_image, input_channels

VARIANTS = ("baseline", "modified", "no-norm")
COUNT = 6
LAYERS = ("L0", "L1", "L2", "L3", "L4")


def draw(sources: Sources) -> Figure:
    """Contours on top, a row of faces for each variant, and how two differ from `baseline`."""
    pairs, chosen = held_out(sources, COUNT)
    sketches = [rasterize(pairs.contour(index)) for index in chosen]
    loaded = load(VARIANTS)
    images = {name: faces_of(one, sketches) for name, one in loaded.items()}
    rows: dict[str, list[Cell]] = {"contour": [Sketch(sketch) for sketch in sketches]}
    for name in VARIANTS:
        rows[name] = [Face(image) for image in images[name]]
    for name in VARIANTS[1:]:
        levels = [change(*both) for both in zip(images[name], images[VARIANTS[0]], strict=True)]
        rows[f"{name}\nand baseline"] = [
            Change(level, label=f"{level.mean():.1f}") for level in levels
        ]
    facts = loaded["baseline"].metadata
    text = (
        f"{COUNT} of {len(pairs)} held-out contours, evenly spaced. Generators of "
        f"{facts['architecture']['width']} filters, trained alike on the same sampled faces. "
        "Contours carry no hair. The maps show where a face differs from that of `baseline`, with "
        "the mean of all pixels below."
    )
    dead = ", ".join(f"{dead_channels(one, sketches)} in {name}" for name, one in loaded.items())
    remark = f"Channels of L0 to L4 that are zero everywhere, for all {COUNT} contours: {dead}."
    return gallery(rows, text, remark=remark)


def dead_channels(loaded: LoadedGenerator, sketches: Sequence[object]) -> str:
    """How many of the front end's channels never leave zero: "3 of 310"."""
    alive: dict[str, torch.Tensor] = {}
    for sketch in sketches:
        inputs = encode_image(sketch, input_channels(loaded.generator))[None]  # type: ignore[arg-type]
        # What lies behind the front end takes ten times as long and says nothing of it.
        with (
            torch.inference_mode(),
            truncated_forward(loaded.generator, LAYERS, keep=_lit) as forward,
        ):
            for layer, lit in forward(inputs).items():
                alive[layer] = alive[layer] | lit if layer in alive else lit
    every = torch.cat([alive[layer] for layer in LAYERS])
    return f"{int((~every).sum())} of {len(every)}"


def _lit(_: str, maps: torch.Tensor) -> torch.Tensor:
    """Which channels of maps (1, C, H, W) are not zero somewhere, (C,)."""
    return (maps != 0).flatten(2).any(dim=2)[0]
