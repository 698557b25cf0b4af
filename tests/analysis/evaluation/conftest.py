from dataclasses import replace

import numpy as np
import pytest
import torch

from featviz.analysis.evaluation.estimates import Estimate
from featviz.analysis.evaluation.table import EvaluationTable, make_table, row
from featviz.faces.pairs import PairSet
from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator

WAYS = ("free", "held", "layers base", "trunk base")
QUALITY = ("lpips", "ssim", "psnr", "kernel distance")


@pytest.fixture(scope="session")
def held_out(pairs: PairSet) -> PairSet:
    """The six real pairs, all of them held out."""
    return replace(pairs, splits=("test",) * len(pairs))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """An untrained generator for sketches of 64 x 64."""
    path = tmp_path_factory.mktemp("checkpoints") / "tiny.safetensors"
    torch.manual_seed(0)
    generator = build_generator(GeneratorArchitecture("modified", width=2, residual_blocks=1))
    details = {"step": 7, "sketch_size": 64, "data": {"fingerprint": "abc"}}
    save_network(generator, path, "generator", details, torch.float32)
    return path


def made_up_table(names=("first", "second"), groups=("G1", "G5", "G8"), parts=None):
    """A table of every part with numbers of its own everywhere; G5's eyes are edited."""
    rng = np.random.default_rng(0)

    def some():
        return Estimate(float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.01, 0.05)), 9)

    nothing = Estimate(float("nan"), float("nan"), 0)
    rows = []
    for name in names:
        rows += [row(name, "quality", measure, some()) for measure in QUALITY]
        for group in (*groups, "all"):
            for measure in ("inside", "outside", "outside / inside", "eyes"):
                edited = measure == "eyes" and group == "G5"
                rows.append(
                    row(name, "locality", measure, nothing if edited else some(), group=group)
                )
        for move, amounts in (("shift", (0, 5, 10, 15, 20, 25)), ("rotation", (0, 3.5, 7))):
            for amount in amounts:
                for measure in ("lpips", "ssim", "kernel distance"):
                    where = {"move": move, "amount": amount}
                    rows.append(row(name, "robustness", measure, some(), **where))
            rows += [
                row(name, "robustness", measure, some(), move=move)
                for measure in ("lpips loss", "ssim loss")
            ]
        for group in (*groups, "all"):
            for way in WAYS:
                for measure in ("inside", "outside", "outside / inside", "eyes", "seam"):
                    rows.append(row(name, "local", measure, some(), group=group, way=way))
            for way in ("unedited", *WAYS):
                for measure in ("landmarks edited", "landmarks elsewhere", "face found"):
                    rows.append(row(name, "local", measure, some(), group=group, way=way))
    facts = {name: {"digest": "0123456789abcdef", "variant": "modified"} for name in names}
    metadata = {
        "featviz_version": "1",
        "seed": 0,
        "checkpoints": facts,
        "data": {"pairs": 9, "moved_pairs": 4, "folder": "faces", "fingerprint": "f"},
        "lpips": {"size": 256},
        "sketches": {"folder": "sketches", "margin": 16.0, "fingerprint": "s"},
    }
    table = make_table(rows, metadata)
    if parts is None:
        return table
    return EvaluationTable(table.rows[table.rows["part"].isin(parts)], metadata)
