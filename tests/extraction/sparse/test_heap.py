import platform
import subprocess
import sys

import pytest

from featviz.extraction.sparse import trim_heap

_GAPS = """
import re
from pathlib import Path
from featviz.extraction.sparse import trim_heap

def resident():
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", status).group(1))

blocks = [bytearray(b"x" * 60_000) for _ in range(2000)]
blocks = blocks[::50]
before = resident()
trim_heap()
print(before, resident(), sum(map(len, blocks)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap can be trimmed")
def test_gaps_go_back_to_the_system():
    # Blocks that stay lie between those that went, so that the heap cannot shrink by itself.
    run = subprocess.run(
        [sys.executable, "-c", _GAPS], capture_output=True, text=True, check=True, timeout=300
    )
    before, after, kept = map(int, run.stdout.split())
    assert kept == 40 * 60_000
    assert before - after > 80_000


def test_it_does_nothing_where_there_is_no_such_function(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    trim_heap()
