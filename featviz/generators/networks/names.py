"""Which generators there are, by name."""

from typing import Literal, get_args

GeneratorName = Literal["global", "unet", "crn"]
GENERATORS: tuple[GeneratorName, ...] = get_args(GeneratorName)
