"""`featviz convert`."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from featviz.base.errors import FeatvizError
from featviz.commands.shared import say
from featviz.generators.networks.names import Precision


@dataclass(frozen=True)
class ConvertCommand:
    """Convert a checkpoint between featviz (.safetensors) and pix2pixHD or pix2pix (.pth)."""

    source: Positional[str]
    """A shipped checkpoint's name, a run folder, a .safetensors or a .pth."""
    out: Positional[Path]
    """The new file; its ending, .safetensors or .pth, says in which form."""
    discriminator: bool = False
    """The source is a discriminator, not a generator."""
    front_end: bool = False
    """Keep only the layers L0, L1, ... of a generator."""
    dtype: Precision = "float32"
    """How a .safetensors stores its weights; bfloat16 halves the file."""
    variant: str | None = None
    """For a .pth: which layers have no norm, or of pix2pix batch-of-one; see docs/systems.md."""
    boundaries: bool = False
    """For a .pth of pix2pixHD: a channel behind the sketch shows instance boundaries."""
    appearance_channels: int = 0
    """For a .pth of pix2pixHD: so many channels behind those are features from an encoder."""

    def run(self) -> None:
        """Convert and report."""
        from featviz.base.files import require_writable
        from featviz.generators.checkpoint_files import convert
        from featviz.generators.networks.conditions import Conditions

        require_writable(self.out)
        conditions = Conditions(self.boundaries, self.appearance_channels)
        if self.discriminator and conditions.any:
            raise FeatvizError(
                "--boundaries and --appearance-channels tell of a generator; leave them out with "
                "--discriminator"
            )
        convert(
            self.source,
            self.out,
            self.discriminator,
            self.front_end,
            self.dtype,
            self.variant,
            conditions if conditions.any else None,
        )
        say(self.out)
