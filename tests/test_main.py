import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# The signal comes when one module is about to be imported: at a place, not after a time, which
# another processor or other work would move into Python's own start.
_STOPPED_AT_A_PLACE = """
import os, signal, sys

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == place:
            print("there", flush=True)
            os.kill(os.getpid(), int(number))

place, number = sys.argv[1:]
# Whoever starts the tests in the background may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Stop())
sys.argv[1:] = ["assets", "list"]
from featviz.__main__ import main; main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", ["featviz.cli", "tyro", "numpy", "featviz.commands.assets"])
def test_a_signal_while_the_program_starts_ends_it_in_one_line(number, place):
    process = subprocess.run(
        [sys.executable, "-c", _STOPPED_AT_A_PLACE, place, str(int(number))],
        capture_output=True,
        text=True,
    )
    assert process.stdout == "there\n"
    assert process.stderr == "stopped\n"
    assert process.returncode == 128 + number


def test_sigterm_leaves_no_half_written_file(tmp_path):
    code = (
        "import sys, os, time; from pathlib import Path; import featviz.cli\n"
        "from featviz.base.files import atomic_write\n"
        "def run():\n"
        "    with atomic_write(Path('a.csv')) as path:\n"
        "        path.write_text('half')\n"
        "        print('writing', flush=True)\n"
        "        time.sleep(60)\n"
        "featviz.cli.main = run\n"
        "from featviz.__main__ import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[1] == "stopped\n"
    assert process.returncode == 143
    assert list(tmp_path.iterdir()) == []
