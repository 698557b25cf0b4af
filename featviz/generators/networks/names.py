"""Words of settings: which generators there are, and in which precisions networks compute."""

from typing import Literal, get_args

GeneratorName = Literal["global", "unet", "crn"]
GENERATORS: tuple[GeneratorName, ...] = get_args(GeneratorName)

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
