"""What a run leaves for people to read: losses.csv, pictures of held-out pairs, TensorBoard."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from featviz.base.errors import needing
from featviz.base.files import atomic_write
from featviz.probing.activations import evaluating
from featviz.sketches.tensors import decode_image
from featviz.training.folder import losses_of
from featviz.training.pair import Pair, batch_of
from featviz.training.run import Run
from featviz.training.steps import Models, training_input


class LossLog:
    """losses.csv: one line every so many steps, each the mean since the line before."""

    def __init__(self, path: Path, kept: list[dict[str, str]]) -> None:
        """Go on after the lines `kept` of the file, if there is one.

        A run that was stopped between a line and a save does those steps again.
        """
        self.path = path
        self.last: dict[str, float] = losses_of(kept[-1]) if kept else {}
        if path.is_file():
            with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
                if kept:
                    writer = csv.DictWriter(file, list(kept[0]))
                    writer.writeheader()
                    writer.writerows(kept)

    def write(self, run: Run) -> None:
        """Add a line with the mean of the losses since the last one."""
        names = list(run.recent[0])
        self.last = {
            name: round(float(np.mean([losses[name] for losses in run.recent])), 5)
            for name in names
        }
        run.recent.clear()
        row = {"step": run.step, "seconds": round(run.seconds, 1), **self.last}
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)


def sample_grid(
    models: Models,
    samples: list[Pair],
    device: torch.device,
    use_bfloat16: bool,
) -> NDArray[np.uint8]:
    """A picture (3 size, N size, 3), one column a pair: sketch, generated face, photo."""
    # In training a batch norm would remember the samples, and dropout take random numbers.
    with (
        evaluating(models.generator),
        torch.no_grad(),
        torch.autocast(device.type, torch.bfloat16, enabled=use_bfloat16),
    ):
        inputs = [training_input(models, batch_of([pair]).to(device)) for pair in samples]
        images = torch.cat([models.generator(x) for x in inputs])
    both = batch_of(samples)
    rows = torch.stack([both.sketch[:, :3], images.float().cpu(), both.photo])
    size = both.photo.shape[-1]
    grid = rows.permute(2, 0, 3, 1, 4).reshape(3, 3 * size, len(samples) * size)
    return decode_image(grid)


def write_picture(picture: NDArray[np.uint8], path: Path) -> None:
    """Write a picture (H, W, 3), complete or not at all."""
    with atomic_write(path) as temporary:
        Image.fromarray(picture).save(temporary)


def tensorboard_writer(folder: Path, step: int) -> Any:
    """A TensorBoard writer that drops what an earlier process wrote after `step`.

    Raises FeatvizError if TensorBoard is not installed.
    """
    with needing("--tensorboard", "tensorboard"):
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter(str(folder), purge_step=step + 1)
