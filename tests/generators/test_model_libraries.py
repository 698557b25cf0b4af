"""Networks of timm, diffusers and transformers, each by its library's own loader."""

import json
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.generators.foreign_models import (
    open_model,
)
from featviz.sketches.tensors import Normalisation


def test_a_library_that_is_not_installed_is_told_with_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(FeatvizError, match=r"timm: models need timm; pip install 'featviz\[models"):
        open_model("timm:resnet18", random_weights=0)


def test_a_library_whose_parts_do_not_fit_together_is_told_with_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms is not')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    told = (
        r"importing timm failed \(operator torchvision::nms is not\); install it anew, and torchv"
    )
    with pytest.raises(FeatvizError, match=told):
        open_model("timm:resnet18", random_weights=0)


@pytest.fixture
def timm(monkeypatch):
    """A stand-in with the three functions of timm that are used: timm itself needs torchvision."""

    class Small(nn.Module):
        def __init__(self, width=4):
            super().__init__()
            self.conv = nn.Conv2d(3, width, 3)
            self.pretrained_cfg = {
                "input_size": (3, 24, 32),
                "mean": (0.4, 0.5, 0.6),
                "std": (0.2, 0.2, 0.3),
            }

    module = types.ModuleType("timm")
    made = []

    def create_model(name, pretrained, **arguments):
        made.append((name, pretrained))
        return Small(**arguments)

    module.is_model = lambda name: name == "small"
    module.list_models = lambda pattern: ["small"] if pattern.strip("*") in "small" else []
    module.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", module)
    return made


def test_timms_networks_bring_their_normalisation_and_size_and_download_nothing(timm):
    model = open_model("timm:small.tag", arguments={"width": 5}, random_weights=0)
    assert timm == [("small.tag", False)]
    assert model.module.conv.out_channels == 5
    assert model.image_size == (32, 24)
    told = Normalisation((0.4, 0.5, 0.6), (0.2, 0.2, 0.3), "timm's pretrained_cfg")
    assert model.normalisation == told
    with pytest.raises(FeatvizError, match="timm has no model 'smal'; there are small"):
        open_model("timm:smal", random_weights=0)


VAE = {"block_out_channels": (8, 16), "norm_num_groups": 4, "sample_size": 32,
       "down_block_types": ("DownEncoderBlock2D",) * 2,
       "up_block_types": ("UpDecoderBlock2D",) * 2}  # fmt: skip


def test_models_of_diffusers_come_from_a_folder_or_a_class(tmp_path, monkeypatch):
    import diffusers

    monkeypatch.chdir(tmp_path)
    made = open_model("diffusers:AutoencoderKL", arguments=VAE, random_weights=4)
    torch.manual_seed(4)
    own = diffusers.AutoencoderKL(**VAE)
    state = own.state_dict()
    assert all(
        torch.equal(tensor, state[name]) for name, tensor in made.module.state_dict().items()
    )
    own.save_pretrained("pipe/vae")
    loaded = open_model("diffusers:pipe/vae")
    assert (loaded.name, loaded.image_size) == ("vae", (32, 32))
    assert loaded.digest() == made.digest()
    assert open_model("diffusers:pipe/vae", random_weights=5).digest() != made.digest()
    weights = Path("pipe/vae/diffusion_pytorch_model.safetensors")
    assert open_model("diffusers:AutoencoderKL", weights, VAE).digest() == made.digest()
    image = torch.randn(1, 3, 16, 16)
    assert torch.equal(loaded.with_inputs({})(image), own.eval()(image).sample)
    Path("pipe/model_index.json").write_text("{}")
    with pytest.raises(FeatvizError, match="a whole pipeline; name one of its models: diffusers:"):
        open_model("diffusers:pipe")
    with pytest.raises(FeatvizError, match="has no class of models 'UNet'"):
        open_model("diffusers:UNet", random_weights=1)
    Path("pipe/vae/config.json").write_text(json.dumps({"_class_name": "logging"}))
    with pytest.raises(FeatvizError, match=r"config\.json: diffusers has no class of models 'log"):
        open_model("diffusers:pipe/vae")


VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
       "intermediate_size": 32, "image_size": 16, "patch_size": 4}  # fmt: skip


def test_models_of_transformers_come_from_a_folder_with_their_processors_normalisation(
    tmp_path, monkeypatch
):
    import transformers

    monkeypatch.chdir(tmp_path)
    made = open_model("transformers:ViTModel", arguments=VIT, random_weights=4)
    torch.manual_seed(4)
    own = transformers.ViTModel(transformers.ViTConfig(**VIT))
    own.save_pretrained("vit")
    scaled = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "rescale_factor": 2 / 255}
    Path("vit/preprocessor_config.json").write_text(json.dumps(scaled))
    loaded = open_model("transformers:vit")
    assert loaded.digest() == made.digest()
    assert loaded.image_size == (16, 16)
    assert loaded.normalisation.mean == (0.25,) * 3
    assert loaded.normalisation.std == (0.125,) * 3
    image = torch.randn(1, 3, 16, 16)
    hidden = own.eval()(image).last_hidden_state
    assert torch.equal(loaded.with_inputs({}, "last_hidden_state")(image), hidden)
    assert open_model("transformers:vit", random_weights=5).digest() != made.digest()
