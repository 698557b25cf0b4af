"""What a generator may be given beside the sketch: instance boundaries and appearance.

pix2pixHD's optional inputs (Wang et al. 2018, arXiv 1711.11585, sections 3.3 and 3.4), as channels
behind the three of the sketch, in this order.
"""

from dataclasses import dataclass

from featviz.base.errors import FeatvizError, require_whole

SKETCH_CHANNELS = 3


@dataclass(frozen=True)
class Conditions:
    """Which conditions a generator has; none of them by default.

    boundaries: a channel that is 1 where instances meet. appearance_channels: so many channels of
    features from the encoder.
    """

    boundaries: bool = False
    appearance_channels: int = 0

    def __post_init__(self) -> None:
        require_whole(self, 0, "appearance_channels")
        if not isinstance(self.boundaries, bool):
            raise FeatvizError(f"boundaries must be true or false; got {self.boundaries!r}")

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.channels > SKETCH_CHANNELS

    @property
    def drawn_channels(self) -> int:
        """Channels that the drawing alone decides; what the discriminator sees of it."""
        return SKETCH_CHANNELS + self.boundaries

    @property
    def channels(self) -> int:
        """All channels of the generator's input."""
        return self.drawn_channels + self.appearance_channels
