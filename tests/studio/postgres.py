"""A PostgreSQL server of our own, where one is installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def postgres_programs() -> Path | None:
    """The folder of initdb and postgres, or None."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """A fresh server that listens on a socket in its own folder; yields its URL."""
    folder = Path(tempfile.mkdtemp(prefix="featviz-pg-", dir="/tmp"))
    # PostgreSQL refuses to run as root.
    user = None
    if os.geteuid() == 0:
        user = next(n for n in ("postgres", "nobody") if n in {p.pw_name for p in pwd.getpwall()})
        shutil.chown(folder, user)
    data = folder / "data"

    def run(*command: str | Path) -> None:
        subprocess.run(
            command,
            check=True,
            user=user,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=300,
        )

    run(
        programs / "initdb",
        "-D",
        data,
        "-U",
        "featviz",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "-N",
        "--no-locale",
    )
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    start = ("-D", data, "-w", "-o", settings, "-l", folder / "log")
    try:
        run(programs / "pg_ctl", "start", *start)
        yield f"postgresql://featviz@/postgres?host={folder}"
    finally:
        run(programs / "pg_ctl", "stop", "-D", data, "-m", "immediate")
        shutil.rmtree(folder, ignore_errors=True)
