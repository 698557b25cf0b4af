import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_signal_while_the_program_starts_ends_it_in_one_line(number, share):
    command = [sys.executable, "-m", "featviz", "assets", "list"]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.perf_counter() - start
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(share * whole)
    process.send_signal(number)
    said = process.communicate()[1].decode()
    # Before Python has read a line of ours it is the signal that ends it; after the end nothing.
    assert process.returncode in (0, 128 + number, -number)
    assert said == ("stopped\n" if process.returncode == 128 + number else "")


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
