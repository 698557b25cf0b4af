"""Training settings by name: what a run is, complete and frozen."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from featviz.errors import FeatvizError
from featviz.networks.normalization import Norm
from featviz.training.losses import AdversarialForm


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
        for name in ("size", "width", "steps", "batch_size", "learning_rate", "perceptual_scale"):
            if getattr(self, name) <= 0:
                raise FeatvizError(f"{name} must be positive; got {getattr(self, name)}")

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
