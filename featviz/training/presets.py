"""Training settings by name: what a run is, complete and frozen."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from featviz.errors import FeatvizError, require_whole
from featviz.networks.normalization import Norm
from featviz.training.losses import AdversarialForm

SIZE_MULTIPLE = 16
"""Four downsamplings halve the side four times."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what a run computes. Two runs with equal ones give equal weights."""

    preset: str
    variant: str
    size: int
    """Side of sketches and photos in pixels."""
    width: int
    """Channels of L0."""
    residual_blocks: int
    norm: Norm
    discriminator_width: int
    discriminator_scales: int
    steps: int
    """How many generator updates; the learning rate is constant for the first half, then falls
    linearly to zero, as pix2pixHD's 100 + 100 epochs do."""
    batch_size: int
    learning_rate: float
    adversarial_form: AdversarialForm
    feature_matching: float
    perceptual: float
    """Weight of the perceptual loss; 0 leaves VGG19 out."""
    perceptual_scale: float
    use_bfloat16: bool
    seed: int

    def __post_init__(self) -> None:
        require_whole(self, 1, "steps", "batch_size")
        require_whole(self, 0, "seed")
        if not math.isfinite(self.learning_rate) or self.learning_rate <= 0:
            raise FeatvizError(f"learning_rate must be positive; got {self.learning_rate}")
        for name in ("feature_matching", "perceptual"):
            if not 0 <= getattr(self, name) < math.inf:
                raise FeatvizError(f"{name} must not be negative; got {getattr(self, name)}")
        if not 0 < self.perceptual_scale <= 1:
            raise FeatvizError(
                f"perceptual_scale must lie between 0 and 1; got {self.perceptual_scale}"
            )
        if self.size % SIZE_MULTIPLE or self.size < 2 * SIZE_MULTIPLE:
            raise FeatvizError(
                f"size must be a multiple of {SIZE_MULTIPLE} and at least {2 * SIZE_MULTIPLE}; "
                f"got {self.size}"
            )

    def to_json(self) -> dict[str, Any]:
        """The settings as plain values."""
        return dataclasses.asdict(self)


PRESETS: dict[str, TrainingConfig] = {
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
        use_bfloat16=True,
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
        use_bfloat16=True,
        seed=0,
    ),
}


def preset(name: str, **changes: Any) -> TrainingConfig:
    """A preset with some settings changed; None leaves a setting as it is."""
    if name not in PRESETS:
        raise FeatvizError(f"unknown preset '{name}'; there are {', '.join(PRESETS)}")
    given = {key: value for key, value in changes.items() if value is not None}
    return dataclasses.replace(PRESETS[name], **given)
