"""CycleGAN's generator of residual blocks (arXiv 1703.10593, appendix), written plainly."""

import torch
from torch import nn

from featviz.generators.checkpoint_files import load_generator


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        pads = nn.ReflectionPad2d(1), nn.ReflectionPad2d(1)
        convolutions = (nn.Conv2d(channels, channels, 3) for _ in pads)
        norms = (nn.InstanceNorm2d(channels) for _ in pads)
        halves = list(zip(pads, convolutions, norms, strict=True))
        self.conv_block = nn.Sequential(*halves[0], nn.ReLU(), *halves[1])

    def forward(self, x):
        return x + self.conv_block(x)


class PlainResnet(nn.Module):
    """c7s1-k, d2k, d4k, R4k ..., u2k, uk, c7s1-3; names as in pytorch-CycleGAN-and-pix2pix."""

    def __init__(self, width, blocks):
        super().__init__()

        def then(convolution):
            return [convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU()]

        layers = [nn.ReflectionPad2d(3), *then(nn.Conv2d(3, width, 7))]
        for inputs in (width, 2 * width):
            layers += then(nn.Conv2d(inputs, 2 * inputs, 3, 2, 1))
        layers += [Block(4 * width) for _ in range(blocks)]
        for inputs in (4 * width, 2 * width):
            layers += then(nn.ConvTranspose2d(inputs, inputs // 2, 3, 2, 1, 1))
        self.model = nn.Sequential(
            *layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()
        )

    def forward(self, x):
        return self.model(x)


def test_a_file_of_cyclegan_gives_the_images_of_its_network(tmp_path, rng):
    torch.manual_seed(0)
    plain = PlainResnet(4, 3)
    torch.save(plain.state_dict(), tmp_path / "latest_net_G_A.pth")
    network = load_generator(tmp_path / "latest_net_G_A.pth").generator
    assert network.architecture.layers == ("L0", "L1", "L2")
    sketch = torch.from_numpy(rng.standard_normal((1, 3, 32, 48)))
    torch.testing.assert_close(network.double()(sketch), plain.double()(sketch))
