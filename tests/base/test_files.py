import os
import stat

import pytest

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write


def test_a_file_appears_whole_and_makes_its_folders(tmp_path):
    path = tmp_path / "a" / "b.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("all of it")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "all of it"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "x") as temporary:
            temporary.write_bytes(b"")
            temporary.chmod(0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_a_folder_and_a_pipe_are_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (("folder", "a folder"), ("pipe", "a pipe or a device")):
        with pytest.raises(FeatvizError, match=f"{name} is {kind}"), atomic_write(tmp_path / name):
            pytest.fail("began to write")
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "pipe"}


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(FeatvizError, match="file is a file; expected a folder"),
        atomic_write(tmp_path / "file" / "below" / "x.txt"),
    ):
        pytest.fail("began to write")
