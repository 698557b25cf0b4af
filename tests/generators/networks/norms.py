"""Which norms the tests of all of them go through, and a network small enough for it."""

EVERY = (
    *("instance", "batch", "group", "group-2", "layer", "pixel", "filter-response", "window-5"),
    *("instance-affine", "batch-affine", "group-affine", "layer-affine", "pixel-affine"),
    *("window-5-affine", "region", "region-affine", "instance-spade", "pixel-spade"),
    *("adaptive", "demodulation", "weight-standardization", "none", "none-scaled"),
)
SMALL = {"width": 4, "downsamplings": 2, "residual_blocks": 1}
