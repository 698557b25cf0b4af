import shutil
from dataclasses import replace

import torch

import featviz
from featviz.analysis.evaluation.checkpoints import EvaluationSettings, evaluate
from featviz.analysis.leakage.checkpoints import leakage_of_checkpoints
from featviz.base.feature_table import read_features, write_features
from featviz.base.provenance import fingerprint, recorded_version
from featviz.extraction import Settings, extract, extract_checkpoints
from featviz.extraction.manifest import read_manifest, update_manifest
from featviz.extraction.rasters import read_rasters
from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture, build_generator
from featviz.sketches.sketch_set import SketchSet, read_sketches
from tests.extraction.small import POINT, SIZE, write_sketches


def test_the_fingerprint_follows_names_groups_contents_and_order_but_not_the_place(tmp_path):
    sketches = read_sketches(write_sketches(tmp_path / "a"), SIZE)
    index = sketches.index
    original = fingerprint(sketches)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert fingerprint(read_sketches(tmp_path / "b", SIZE)) == original
    changes = [
        index.iloc[::-1],
        index.iloc[1:],
        index.assign(sketch=["x", *index["sketch"][1:]]),
        index.assign(group="G1"),
        index.assign(file=index["file"].iloc[::-1].to_list()),
    ]
    found = [fingerprint(type(sketches)(sketches.folder, change, SIZE)) for change in changes]
    assert len({original, *found}) == 1 + len(changes)


def test_one_sketch_set_has_one_fingerprint_in_every_result(tmp_path, pytestconfig):
    sketches = read_sketches(pytestconfig.rootpath / "sketches", 512).of_groups("G8")
    torch.manual_seed(0)
    generator = build_generator(GeneratorArchitecture(width=1, residual_blocks=0))
    path = tmp_path / "net.safetensors"
    save_network(generator, path, "generator", {"sketch_size": 64}, torch.float32)
    drawings = SketchSet(sketches.folder, sketches.index.head(3), 512)
    (made,) = extract_checkpoints([path], drawings, tmp_path, Settings(((9, 9),), ("L0",)))
    expected = read_features(made.path).metadata["sketches_fingerprint"]
    assert expected == fingerprint(drawings) == fingerprint(read_rasters(drawings))
    settings = EvaluationSettings(parts=("locality",), edits=1)
    evaluation, _ = evaluate([path], settings, sketches=drawings)
    assert evaluation.metadata["sketches"]["fingerprint"] == expected
    ((_, leakage),) = leakage_of_checkpoints([path], drawings, ["L0"], [], (9, 9), 64, most=1)
    assert leakage.table.metadata["sketches_fingerprint"] == expected
    assert fingerprint(sketches) != expected


def test_the_version_has_one_key_and_older_results_still_tell_theirs(tmp_path):
    folder = write_sketches(tmp_path / "set")
    network = FrontEnd(GeneratorArchitecture(width=2))
    table = extract(network, read_sketches(folder, SIZE), (POINT,), ("L0",))
    assert table.metadata["featviz_version"] == featviz.__version__
    assert "version" not in table.metadata
    assert recorded_version(table.metadata) == featviz.__version__
    assert recorded_version({"version": "0.0.9"}) == "0.0.9"
    write_features(replace(table, metadata={"version": "0.0.9"}), tmp_path / "out" / "old.parquet")
    update_manifest(tmp_path / "out")
    assert read_manifest(tmp_path / "out")["old"]["featviz_version"] == "0.0.9"
