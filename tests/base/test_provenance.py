import shutil

from featviz.base.provenance import fingerprint
from featviz.sketches import read_sketches
from tests.extraction.small import SIZE, write_sketches


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
