"""A small U-Net, a small CRN and a data base of a handful of photos, for the drawing page."""

from dataclasses import replace
from pathlib import Path

import torch

from featviz.faces.pairs import PairSet, write_pairs
from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.architectures import build
from featviz.generators.networks.crn import CrnArchitecture
from featviz.generators.networks.unet import UnetArchitecture
from featviz.retrieval.database import build_database

SIZE = 128
"""At which the small networks say that they were trained."""


def make_other_systems(folder: Path, pairs: PairSet) -> list[Path]:
    """Checkpoints `unet` and `crn`, and the data base `photos`."""
    paths = []
    for name, architecture in (
        ("unet", UnetArchitecture(levels=4, width=2, norm="instance-affine")),
        ("crn", CrnArchitecture(levels=5, width=2)),
    ):
        torch.manual_seed(1)
        network = build(architecture)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(4)
        paths.append(folder / f"{name}.safetensors")
        metadata = {"step": 0, "sketch_size": SIZE}
        save_network(network, paths[-1], "generator", metadata, torch.float32)
    faces = folder / "faces"
    faces.mkdir()
    (faces / "photos").symlink_to(pairs.folder / "photos")
    found = replace(pairs, folder=faces, splits=("train",) * len(pairs))
    write_pairs(found)
    build_database(found, folder / "photos")
    return [*paths, folder / "photos"]
