"""Small networks, sketches and files for the tests of extraction."""

import numpy as np
import pandas as pd
import PIL.Image
import torch

from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.generators import (
    FrontEnd,
    GeneratorArchitecture,
    GlobalGenerator,
)


def generator(variant="baseline", width=3, norm="instance", channels=3):
    torch.manual_seed(1)
    architecture = GeneratorArchitecture(
        variant, width, residual_blocks=1, norm=norm, input_channels=channels
    )
    return GlobalGenerator(architecture)


def sketch(seed, size=512, lines=40):
    """Random black bars on white paper."""
    random = np.random.default_rng(seed)
    image = np.full((size, size), 255, np.uint8)
    for x, y, length in random.integers(0, size, (lines, 3)):
        image[y : y + 2, x : x + length // 4] = 0
        image[x : x + length // 4, y : y + 2] = 0
    return image


def small(count=4, size=64):
    return [sketch(seed, size, lines=8) for seed in range(count)]


class Folder:
    """The least that counts as a sketch set."""

    def __init__(self, folder, images):
        self.folder, self._images = folder, images
        self.index = pd.DataFrame(
            {
                "sketch": [f"G{1 + i % 2}/{i:03}" for i in range(len(images))],
                "group": [f"G{1 + i % 2}" for i in range(len(images))],
            }
        )

    def __len__(self):
        return len(self._images)

    def images(self):
        yield from self._images


def write_checkpoint(path, variant="baseline", network=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    network = network or generator(variant)
    kind = "front-end" if isinstance(network, FrontEnd) else "generator"
    architecture = GeneratorArchitecture(variant, 3, residual_blocks=1)
    save_network(
        network, path, kind, {"step": 7, "architecture": architecture}, dtype=torch.float32
    )
    return path


def write_sketches(folder, size=64):
    for index, image in enumerate(small(4, size)):
        path = folder / f"G{1 + index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image).save(path)
