"""The settings of a training run, said once.

Each is an option of `featviz train`, whose help is written here; so this imports no torch.
"""

from dataclasses import dataclass
from typing import Literal

from featviz.generators.networks.names import GeneratorName, Precision

AdversarialForm = Literal["least-squares", "log"]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What a run computes; what is not given is as --start-from has it, or else the preset."""

    preset: str
    """demo (2 cores, hours) or paper (GPUs); the other options change single settings."""
    generator: GeneratorName = "global"
    """global: pix2pixHD's, which all options are for; unet: pix2pix's, crn: a cascaded refinement
    network, each with its paper's losses; see docs/systems.md."""
    variant: str
    """baseline, modified, no-norm or no-norm-first-N: which of L0, L1, ... have no norm."""
    norm: str
    """Of the generator, one for all layers that have one or by section, as
    front=none,residual=pixel,back=instance or L0=none,L1=window-31: instance, batch, group, layer,
    pixel, region, window-N, adaptive, filter-response, demodulation, weight-standardization, none,
    none-scaled; see docs/norms.md."""
    size: int
    """Side of sketches and photos in pixels."""
    width: int
    """Channels of L0, or with enhancers those of the finest."""
    residual_blocks: int
    """Residual blocks between front end and back end."""
    levels: int = 0
    """How often a U-Net halves the side (pix2pix: 8 at 256 px), unless given 8 or as often as it
    can; of crn its modules of refinement, of which there are as many as make the first map 4x4."""
    dropout: float = 0.0
    """Of a U-Net: the share of values that are dropped behind its innermost layers."""
    enhancers: int = 0
    """Local enhancers around the global generator, which sees the sketch at 1 / 2 ** enhancers of
    its size; one more than --start-from has doubles its size and halves the width."""
    boundaries: bool = False
    """Give the networks one more channel, which shows where parts of the face meet."""
    appearance_channels: int = 0
    """Train an encoder that tells how each part looks, in so many channels (pix2pixHD: 3); 0
    trains none."""
    discriminator_width: int
    """Channels of the discriminators' first layer."""
    discriminator_scales: int
    """Discriminators: one each for the full size, half of it, a quarter, ..."""
    steps: int
    """Updates of the generator; the learning rate is constant for the first half, then falls
    linearly to zero, as in pix2pixHD's 100 + 100 epochs."""
    fixed_steps: int = 0
    """So many steps only the newest enhancer and the output layer learn, and the other weights of
    --start-from stay."""
    batch_size: int
    """Pairs a step."""
    accumulation: int = 1
    """Parts a batch is cut into to need less memory; the gradient is that of the whole."""
    learning_rate: float
    """Adam's learning rate in the first half of the run."""
    ema: float = 0.0
    """Keep a moving average of the generator's weights with this decay, and save that; 0 keeps
    none."""
    adversarial: float = 1.0
    """Weight of the adversarial loss; 0 trains no discriminator."""
    adversarial_form: AdversarialForm
    """Form of the adversarial loss."""
    feature_matching: float
    """Weight of the feature-matching loss; 0 leaves it out."""
    l1: float = 0.0
    """Weight of the mean absolute difference of image and photo (pix2pix: 100)."""
    perceptual: float
    """Weight of the VGG19 loss; 0 leaves it out."""
    perceptual_scale: float
    """Size at which VGG19 sees the images, as a share of theirs."""
    locality: float = 0.0
    """Weight of how much of the image changes outside of the edited area when one part of the
    sketch becomes another face's; 0 leaves it out, else each step runs the generator twice."""
    augment_shift: float = 0.0
    """Move the sketch, never the photo, by up to so many pixels at 512 (the study: 25)."""
    augment_rotation: float = 0.0
    """Turn the sketch, never the photo, by up to so many degrees (the study: 7)."""
    augment_outline: float = 0.0
    """Bend the drawn jaw alone, smoothly, by up to so many pixels (at 512)."""
    augment_parts: float = 0.0
    """Leave parts out of this share of the sketches, whole or in half, as if each were still being
    drawn; 0 to 1."""
    hair: bool = False
    """Draw hair too, which `featviz faces contours --hair` found in the photos; see
    docs/hair.md."""
    seed: int
    """Seed of the weights and the order of the pairs."""
    precision: Precision
    """bfloat16: autocast, with weights in float32. `featviz train` takes the faster one of the
    processor unless given, and torchrun bfloat16."""
    compile: bool = False
    """Compile the networks first; minutes, then faster steps, whose sums are taken in another
    order."""
