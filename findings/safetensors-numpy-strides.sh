#!/usr/bin/env bash
# safetensors 0.8.0, numpy 2.4.6: saving a NumPy array that is not C-contiguous writes other values.
#
# Expected: `safetensors.numpy.save_file` either refuses such an array, as `safetensors.torch` refuses
# a tensor that is not contiguous, or writes its values in C order. Seen: it writes the bytes as they
# lie in memory beside the array's shape, without a word. A Fortran-ordered matrix comes back
# scrambled, and a slice with steps comes back as its neighbours. So a transposed weight, or every
# second channel of one, is another network after saving.
#
# Exits 0 while that is so, and 1 once it is refused or right. The way out: np.ascontiguousarray first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/arrays.safetensors" <<'PYTHON'
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

rows = np.arange(6.0).reshape(2, 3)
arrays = {
    "C order": rows,
    "Fortran order": np.asfortranarray(rows),
    "every second column": np.arange(12.0).reshape(2, 6)[:, ::2],
}
save_file(arrays, sys.argv[1])
loaded = load_file(sys.argv[1])
for name, array in arrays.items():
    same = np.array_equal(loaded[name], array)
    print(f"{name}: saved {array.tolist()}, loaded {loaded[name].tolist()}, equal: {same}")
assert np.array_equal(loaded["C order"], rows)
assert np.array_equal(loaded["Fortran order"], [[0, 3, 1], [4, 2, 5]])
assert np.array_equal(loaded["every second column"], [[0, 1, 2], [3, 4, 5]])
PYTHON
