"""Sketch sets and checkpoints that are real and take milliseconds."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture

SIZE = 64
POINT = (20, 30)


def write_sketches(folder: Path, count: int = 6, size: int = SIZE) -> Path:
    """Black lines on white, in groups G1 and G2."""
    random = np.random.default_rng(7)
    for number in range(count):
        image = np.full((size, size), 255, np.uint8)
        for x, y, length in random.integers(2, size // 2, (8, 3)):
            image[y : y + 2, x : x + length] = 0
        path = folder / f"G{1 + number % 2}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def write_checkpoint(
    path: Path, seed: int = 0, width: int = 2, variant: str = "baseline", norm: str = "instance"
) -> Path:
    torch.manual_seed(seed)
    network = FrontEnd(GeneratorArchitecture(variant, width, norm=norm))
    save_network(network, path, "front-end", {"step": seed}, torch.float32)
    return path


def write_checkpoints(folder: Path, count: int = 4) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [write_checkpoint(folder / f"n{seed}.safetensors", seed) for seed in range(count)]


def arguments(checkpoints: list[Path], sketches: Path, out: Path) -> list[str]:
    """A command line for them."""
    point = [str(c) for c in POINT]
    words = ["extract", *map(str, checkpoints), "--sketches", str(sketches), "--size", str(SIZE)]
    return [*words, "--point", *point, "--out", str(out)]
