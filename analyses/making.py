"""Drawing the study's figures, several at once, and writing them all or none."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from matplotlib.figure import Figure

from analyses.study import Sources
from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.base.progress import track
from featviz.figures.style import save_figure, style

FIGURES: tuple[str, ...] = ("2.4", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8")
FIGURES += ("4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "5.1")


def make_figures(
    sources: Sources, out: Path, numbers: Sequence[str] = (), processes: int | None = None
) -> list[Path]:
    """Draw figures, all if no numbers are given, then write them: an error leaves nothing behind.

    processes: how many to draw at once; one a core, at most 4, unless given. Returns the files, a
    PNG and a PDF a figure. Raises FeatvizError for unknown numbers and what a figure lacks.
    """
    if unknown := [number for number in numbers if number not in FIGURES]:
        raise FeatvizError(f"unknown figure '{unknown[0]}'; there are {', '.join(FIGURES)}")
    if processes is not None and processes < 1:
        raise FeatvizError(f"expected at least 1 process; got {processes}")
    numbers = tuple(dict.fromkeys(numbers)) or FIGURES
    processes = min(processes or min(os.cpu_count() or 1, 4), len(numbers))
    with TemporaryDirectory() as folder:
        draw = partial(_draw, sources, Path(folder))
        if processes == 1:
            drawn = {number: draw(number) for number in track(numbers, "drawing figures")}
        else:
            drawn = _draw_together(draw, numbers, processes)
        return [_write(path, out / path.name) for number in numbers for path in drawn[number]]


def _draw_together(
    draw: Callable[[str], list[Path]], numbers: Sequence[str], processes: int
) -> dict[str, list[Path]]:
    """Draw figures in processes of one thread each; the longest, those of chapter 4, come first."""
    with ProcessPoolExecutor(processes, get_context("spawn"), _use_one_thread) as pool:
        waiting = {pool.submit(draw, number): number for number in reversed(numbers)}
        try:
            done = track(as_completed(waiting), "drawing figures", len(waiting))
            return {waiting[figure]: figure.result() for figure in done}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _draw(sources: Sources, folder: Path, number: str) -> list[Path]:
    """Draw one figure into a folder, as PNG and PDF."""
    with style():
        figure = _script(number)(sources)
    paths = [folder / f"figure-{number}{suffix}" for suffix in (".png", ".pdf")]
    for path in paths:
        save_figure(figure, path)
    return paths


def _write(drawn: Path, path: Path) -> Path:
    with atomic_write(path) as temporary:
        copyfile(drawn, temporary)
    return path


def _script(number: str) -> Callable[[Sources], Figure]:
    module = import_module(f"analyses.figure_{number.replace('.', '_')}")
    draw: Callable[[Sources], Figure] = module.draw
    return draw
