import pytest
import torch
from torch import nn

from analyses.locality import Network, _cyclegan, _unet, built, main, row
from featviz.probing.certificate import certify


def cells(network: Network) -> list[str]:
    found = certify(built(network), (network.size, network.size), network.channels)
    return [cell.strip() for cell in row(network, found).split("|")[1:-1]]


def windows_of(layers: nn.Sequential) -> nn.Sequential:
    """Its convolutions and padding, without what lies between."""
    return nn.Sequential(*(m for m in layers if not isinstance(m, nn.InstanceNorm2d | nn.ReLU)))


def test_a_row_tells_the_reach_and_what_edits_did() -> None:
    plain = Network("plain", lambda: nn.Conv2d(3, 3, 7, padding=3), 32, package="numpy")
    name, source, size, verdict, reach, through, measured, agree = cells(plain)
    assert (name, size, verdict, reach, through) == ("plain", "32", "bounded", "3 px", "")
    assert source.startswith("numpy ") and (measured, agree) == ("3 px", "yes")


def test_cyclegans_windows_reach_what_its_kernels_add_up_to() -> None:
    # 7x7, two halvings by 3x3, one block of two 3x3 at a quarter, two doublings, 7x7.
    *_, verdict, reach, through, _, agree = cells(
        Network("CycleGAN", lambda: _cyclegan(width=2, blocks=1), 128)
    )
    network = _cyclegan(width=2, blocks=1).double().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(module.weight, 1.0)
    windows = windows_of(network)
    windows[4].layers = windows_of(windows[4].layers)
    furthest = 0
    for pixel in range(60, 68):
        image = torch.zeros(1, 3, 128, 128, dtype=torch.float64)
        changed = image.clone()
        changed[..., 64, pixel] = 1e-6
        differs = (windows[:-1](image) != windows[:-1](changed)).any(dim=1)[0].any(dim=0)
        seen = differs.nonzero().flatten()
        furthest = max(furthest, pixel - int(seen.min()), int(seen.max()) - pixel)
    assert reach == f"{furthest} px"
    assert (verdict, through, agree) == ("unbounded", "7 x instance norm", "yes")


@pytest.mark.parametrize(("norm", "bounded"), [(nn.BatchNorm2d, True), (nn.InstanceNorm2d, False)])
def test_pix2pixs_unet_is_bounded_with_batch_norm_alone(norm: type, bounded: bool) -> None:
    network = Network("U-Net", lambda: _unet(norm, levels=3, width=2), 64)
    assert cells(network)[3] == ("bounded" if bounded else "unbounded")


def test_weights_that_begin_as_zeros_are_drawn() -> None:
    def silent() -> nn.Module:
        layer = nn.Conv2d(3, 3, 3, padding=1)
        nn.init.zeros_(layer.weight)
        return layer

    def silent_norm() -> nn.Module:
        layer = nn.BatchNorm2d(3)
        nn.init.zeros_(layer.weight)
        return layer

    assert cells(Network("silent", silent, 16))[-1] == "yes"
    # A norm that begins with nothing, as the last of a residual block may, shows its input.
    assert cells(Network("silent", silent_norm, 16))[-2:] == ["0 px", "yes"]
    assert built(Network("silent", silent_norm)).weight.all()


def test_networks_are_chosen_by_parts_of_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", "no such network"])
    assert capsys.readouterr().out.count("\n") == 2
