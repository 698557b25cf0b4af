"""One model with the names of NVIDIA's: two networks, two optimisers, five losses."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models as _models  # noqa: F401 (NVIDIA's file imports it, used or not)

DOWNSAMPLINGS, BLOCKS, LAYERS = 4, 9, 3


def create_model(opt):
    assert opt.label_nc == 0 and opt.no_instance and opt.no_vgg_loss and not opt.gpu_ids
    return Model(opt)


def normalized(*convolution):
    return [*convolution, nn.InstanceNorm2d(convolution[-1].out_channels), nn.ReLU()]


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        pad = nn.ReflectionPad2d(1)
        first = normalized(pad, nn.Conv2d(width, width, 3))
        second = normalized(pad, nn.Conv2d(width, width, 3))
        self.conv_block = nn.Sequential(*first, *second[:-1])

    def forward(self, x):
        return x + self.conv_block(x)


class Generator(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers = normalized(nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7))
        for _ in range(DOWNSAMPLINGS):
            layers += normalized(nn.Conv2d(width, 2 * width, 3, 2, 1))
            width *= 2
        layers += [Block(width) for _ in range(BLOCKS)]
        for _ in range(DOWNSAMPLINGS):
            layers += normalized(nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1))
            width //= 2
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


class Discriminator(nn.Module):
    def __init__(self, width, scales):
        super().__init__()
        self.scales = scales
        for scale in range(scales):
            channels = [6] + [min(width << layer, 512) for layer in range(LAYERS + 1)] + [1]
            for layer in range(LAYERS + 2):
                stride = 2 if layer < LAYERS else 1
                parts = [nn.Conv2d(channels[layer], channels[layer + 1], 4, stride, 2)]
                if 0 < layer <= LAYERS:
                    parts.append(nn.InstanceNorm2d(channels[layer + 1]))
                if layer <= LAYERS:
                    parts.append(nn.LeakyReLU(0.2))
                setattr(self, f"scale{scale}_layer{layer}", nn.Sequential(*parts))

    def forward(self, x):
        results = []
        for scale in reversed(range(self.scales)):
            maps = [x]
            for layer in range(LAYERS + 2):
                maps.append(getattr(self, f"scale{scale}_layer{layer}")(maps[-1]))
            results.append(maps[1:])
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return results


class Model(nn.Module):
    loss_names = ("G_GAN", "G_GAN_Feat", "D_real", "D_fake")

    def __init__(self, opt):
        super().__init__()
        self.weight = opt.lambda_feat
        self.netG, self.netD = Generator(opt.ngf), Discriminator(opt.ndf, opt.num_D)
        self.optimizer_G, self.optimizer_D = (
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for network in (self.netG, self.netD)
        )

    def forward(self, label, inst, image, feat, infer=False):
        sketch, photo = label.cuda(), image.cuda()
        fake = self.netG(sketch)

        def judge(image):
            return self.netD(torch.cat([sketch, image], 1))

        def loss(results, target):
            return sum(((maps[-1] - target) ** 2).mean() for maps in results)

        pooled, real, passed = judge(fake.detach()), judge(photo), judge(fake)
        matching = sum(
            (a - b.detach()).abs().mean()
            for maps in zip(passed, real, strict=True)
            for a, b in list(zip(*maps, strict=True))[:-1]
        )
        matching = matching * self.weight / len(real)
        return [loss(passed, 1), matching, loss(real, 1), loss(pooled, 0)], None
