import subprocess
import sys

import pytest

import featviz


@pytest.mark.parametrize("name", featviz.__all__)
def test_every_public_name_is_there(name):
    assert getattr(featviz, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'train_everything'"):
        _ = featviz.train_everything


def test_importing_the_package_imports_nothing_heavy():
    script = "import sys, featviz; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
