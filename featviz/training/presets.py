"""Training settings by name: what a run is, complete and frozen."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from featviz.base.errors import FeatvizError, require_whole
from featviz.faces.augmentation import Augmentation
from featviz.generators.networks.architectures import Architecture
from featviz.generators.networks.conditions import Conditions
from featviz.generators.networks.crn import CrnArchitecture, modules_for
from featviz.generators.networks.discriminators import DiscriminatorArchitecture
from featviz.generators.networks.generators import GeneratorArchitecture
from featviz.generators.networks.names import GENERATORS, PRECISIONS
from featviz.generators.networks.normalization import Norm
from featviz.generators.networks.unet import UnetArchitecture
from featviz.training.losses import ALIKE, PIX2PIXHDS
from featviz.training.settings import TrainingSettings

DOWNSAMPLINGS = 4
"""How often the front end halves the side."""


@dataclass(frozen=True)
class TrainingConfig(TrainingSettings):
    """Settings that a run can have. Two runs with equal ones give equal weights."""

    def __post_init__(self) -> None:
        require_whole(self, 1, "steps", "batch_size", "accumulation")
        require_whole(self, 1, "discriminator_width", "discriminator_scales")
        require_whole(self, 0, "seed", "enhancers", "fixed_steps")
        if self.batch_size % self.accumulation:
            raise FeatvizError(
                f"a batch of {self.batch_size} cannot be cut into {self.accumulation} equal parts"
            )
        if not 0 <= self.ema < 1:
            raise FeatvizError(f"ema must be 0 or more and less than 1; got {self.ema}")
        if self.precision not in PRECISIONS:
            raise FeatvizError(
                f"unknown precision '{self.precision}'; there are {', '.join(PRECISIONS)}"
            )
        self._moves()
        Conditions(self.boundaries, self.appearance_channels)
        if not math.isfinite(self.learning_rate) or self.learning_rate <= 0:
            raise FeatvizError(f"learning_rate must be positive; got {self.learning_rate}")
        for name in ("adversarial", "feature_matching", "l1", "perceptual", "locality"):
            if not 0 <= getattr(self, name) < math.inf:
                raise FeatvizError(f"{name} must be 0 or more; got {getattr(self, name)}")
        if not 0 < self.perceptual_scale <= 1:
            raise FeatvizError(
                f"perceptual_scale must lie between 0 and 1; got {self.perceptual_scale}"
            )
        if not self.adversarial + self.l1 + self.perceptual:
            raise FeatvizError("a generator learns from its losses; their weights are all 0")
        _require_own_settings(self)
        _require_comparable(self)
        architecture = self.architecture
        multiple, least = architecture.size_multiple, architecture.least_size
        if self.size % multiple or self.size < least:
            raise FeatvizError(
                f"size must be a multiple of {multiple} and at least {least}; got {self.size}"
            )
        if isinstance(architecture, GeneratorArchitecture):
            architecture.norms.require_fitting(self.size, self.enhancers)
        if self.adversarial:
            self.judges.require_fitting(self.size)
        if self.fixed_steps and not self.enhancers:
            raise FeatvizError(
                f"without an enhancer nothing would learn in {self.fixed_steps} fixed steps"
            )

    @property
    def augmentation(self) -> Augmentation | None:
        """How sketches move and what is left out, or None if they stay as they are."""
        moves = self._moves()
        return moves if any(dataclasses.astuple(moves)) else None

    def _moves(self) -> Augmentation:
        return Augmentation(
            self.augment_shift, self.augment_rotation, self.augment_outline, self.augment_parts
        )

    @property
    def called(self) -> str:
        """Variant, or which other generator, and norm: "modified", "unet, norm batch-affine"."""
        name = self.variant if self.generator == "global" else self.generator
        return name if self.norm == "instance" else f"{name}, norm {self.norm}"

    @property
    def architecture(self) -> Architecture:
        """What the generator is made of."""
        inputs = self.conditions.channels
        if self.generator == "unet":
            return UnetArchitecture(self.levels, self.width, self.norm, self.dropout, inputs)
        if self.generator == "crn":
            return CrnArchitecture(self.levels, self.width, self.norm, inputs)
        return GeneratorArchitecture(
            variant=self.variant,
            width=self.width,
            downsamplings=DOWNSAMPLINGS,
            residual_blocks=self.residual_blocks,
            norm=self.norm,
            input_channels=inputs,
            enhancers=self.enhancers,
        )

    @property
    def judges(self) -> DiscriminatorArchitecture:
        """What the discriminators are made of."""
        return DiscriminatorArchitecture(
            input_channels=self.conditions.drawn_channels + 3,
            width=self.discriminator_width,
            scales=self.discriminator_scales,
            norm=self.judges_norm,
            padding=1 if self.generator == "unet" else 2,
        )

    @property
    def judges_norm(self) -> Norm:
        """That of the networks beside the generator: instance, affine if all of the generator's.

        Beside a U-Net with batch norm that.
        """
        of_unet = self.generator == "unet" and self.norm == "batch-affine"
        return self.norm if of_unet or self.norm == "instance-affine" else "instance"

    @property
    def perceptual_weights(self) -> tuple[float, ...]:
        """How much each layer of VGG19 counts: alike for a cascaded refinement network."""
        return ALIKE if self.generator == "crn" else PIX2PIXHDS

    @property
    def losses(self) -> tuple[str, ...]:
        """The names of the losses that each step has."""
        is_judged = self.adversarial > 0
        there = {
            "adversarial": is_judged,
            "feature-matching": is_judged and self.feature_matching > 0,
            "discriminator-fake": is_judged,
            "discriminator-real": is_judged,
            "l1": self.l1 > 0,
            "perceptual": self.perceptual > 0,
            "locality": self.locality > 0,
            "locality-perceptual": self.locality > 0 and self.perceptual > 0,
        }
        return tuple(name for name, is_there in there.items() if is_there)

    @property
    def conditions(self) -> Conditions:
        """What the generator is given beside the sketch."""
        return Conditions(self.boundaries, self.appearance_channels)

    def to_json(self) -> dict[str, Any]:
        """The settings as plain values."""
        return dataclasses.asdict(self)


def _require_own_settings(config: TrainingConfig) -> None:
    """Raise FeatvizError for a generator that there is not, or that lacks what is set."""
    if config.generator not in GENERATORS:
        raise FeatvizError(
            f"unknown generator '{config.generator}'; there are {', '.join(GENERATORS)}"
        )
    others: dict[str, Any] = {}
    if config.generator != "global":
        others |= {"variant": "baseline", "residual_blocks": 0, "enhancers": 0}
    else:
        others["levels"] = 0
    if config.generator != "unet":
        others["dropout"] = 0
    for name, none in others.items():
        if (value := getattr(config, name)) != none:
            raise FeatvizError(
                f"{name} is {value}, which the generator '{config.generator}' does not have"
            )


def _require_comparable(config: TrainingConfig) -> None:
    """Raise FeatvizError if images of a sketch and its edit should differ by more than that."""
    if config.locality and config.conditions.any:
        raise FeatvizError(
            "locality compares images of plain sketches; give no boundaries and no "
            "appearance_channels with it"
        )
    if config.locality and config.dropout:
        raise FeatvizError(
            f"with dropout {config.dropout} no image of a U-Net is like another; locality needs "
            "dropout 0"
        )


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that an older featviz wrote, those it did not know yet at their defaults."""
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(TrainingConfig)
        if field.default is not dataclasses.MISSING
    }
    return defaults | dict(settings)


_PRESETS: dict[str, TrainingConfig] = {
    # Hours on two cores: narrow, no VGG19 (which at this width would cost most of the step).
    "demo": TrainingConfig(
        preset="demo",
        variant="baseline",
        size=512,
        width=10,
        residual_blocks=9,
        norm="instance",
        discriminator_width=16,
        discriminator_scales=3,
        steps=3000,
        batch_size=1,
        learning_rate=2e-4,
        adversarial_form="least-squares",
        feature_matching=10.0,
        perceptual=0.0,
        perceptual_scale=0.5,
        precision="bfloat16",
        seed=0,
    ),
    # The study's: 200 epochs of 14 973 pairs on GPUs.
    "paper": TrainingConfig(
        preset="paper",
        variant="baseline",
        size=512,
        width=48,
        residual_blocks=9,
        norm="instance",
        discriminator_width=64,
        discriminator_scales=3,
        steps=200 * 14_973,
        batch_size=1,
        learning_rate=2e-4,
        adversarial_form="least-squares",
        feature_matching=10.0,
        perceptual=10.0,
        perceptual_scale=1.0,
        precision="bfloat16",
        seed=0,
    ),
}


_OTHERS: dict[str, dict[str, Any]] = {
    # Isola et al. 2017, sections 3 and 6.1, where batches of one take instance norm.
    "unet": {
        "residual_blocks": 0,
        "dropout": 0.5,
        "norm": "instance-affine",
        "discriminator_scales": 1,
        "adversarial_form": "log",
        "feature_matching": 0.0,
        "perceptual": 0.0,
        "l1": 100.0,
    },
    # Chen and Koltun 2017, sections 3 and 4: no adversary; all terms of the loss count alike.
    "crn": {
        "residual_blocks": 0,
        "norm": "layer-affine",
        "learning_rate": 1e-4,
        "adversarial": 0.0,
        "feature_matching": 0.0,
        "perceptual": 1.0,
        "l1": 1.0,
    },
}
"""What a preset has otherwise for another generator than pix2pixHD's."""

_WIDTHS = {
    ("demo", "unet"): 20,
    ("paper", "unet"): 64,
    ("demo", "crn"): 24,
    ("paper", "crn"): 128,
}


_MOST_LEVELS = 8
"""Of a U-Net, as the paper has for 256 px; of a size that cannot be halved so often, fewer."""


def preset(name: str, **changes: Any) -> TrainingConfig:
    """A preset with some settings changed; None leaves a setting as it is.

    With another `generator` all else is as its paper has it, unless changed too.
    """
    if name not in _PRESETS:
        raise FeatvizError(f"unknown preset '{name}'; there are {', '.join(_PRESETS)}")
    given = {key: value for key, value in changes.items() if value is not None}
    generator = str(given.get("generator", "global"))
    others = dict(_OTHERS.get(generator, {}))
    if width := _WIDTHS.get((name, generator)):
        others["width"] = width
    size = given.get("size", _PRESETS[name].size)
    if generator == "crn":
        others["levels"] = modules_for(size)
    if generator == "unet":
        halved = next((levels for levels in range(_MOST_LEVELS, 2, -1) if size % 2**levels == 0), 2)
        others["levels"] = halved
    return dataclasses.replace(_PRESETS[name], **(others | given))
