#!/usr/bin/env bash
# scipy 1.17.1, numpy 2.4.6: the distance to the nearest zero of an array that has none.
#
# Distance transforms of line drawings feed losses, retrieval by chamfer distance and soft masks, and a
# drawing can be blank. Expected: infinity everywhere, from all three functions. Seen: three answers,
# none of them infinite and none with a warning. `distance_transform_edt` gives finite distances to a
# point that is not in the array, one row above its first cell; `distance_transform_cdt` gives -1;
# `distance_transform_bf` gives about 1.3e154. Only the first looks like a distance, and it says that
# the upper left corner of an empty picture is one pixel away from a line.
#
# Exits 0 while that is so. The way out: ask first whether there is any zero.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from scipy import ndimage

blank = np.ones((3, 4), dtype=bool)
euclidean = ndimage.distance_transform_edt(blank)
taxicab = ndimage.distance_transform_cdt(blank)
brute = ndimage.distance_transform_bf(blank)
print("Euclidean:", euclidean.round(3).tolist())
print("taxicab:", taxicab.tolist())
print("brute force:", np.unique(brute))
rows, columns = np.indices(blank.shape)
assert np.allclose(euclidean, np.hypot(rows + 1, columns))
assert (taxicab == -1).all()
assert np.isfinite(brute).all() and (brute > 1e150).all()
PYTHON
