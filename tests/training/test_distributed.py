import contextlib
import signal

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from featviz.base.errors import FeatvizError
from featviz.cli import main
from featviz.generators.checkpoint_files import load_generator
from featviz.training import loop
from featviz.training.data import training_order
from featviz.training.distributed import Processes, average_gradients, joined_processes
from tests import forks  # noqa: F401, what the forks have imported already

STEPS = 6
OPTIONS = (
    "--size 32 --width 2 --residual-blocks 1 --discriminator-width 2 --precision float32 "
    f"--batch-size 2 --steps {STEPS} --augment-shift 25 --augment-rotation 7 --ema 0.9 --threads 1"
)


def train_command(folder, data):
    return ["train", "--out", str(folder), "--data", str(data), *OPTIONS.split()]


def torchrun(words, folder):
    """What each of two processes printed. Torchrun's own agent starts them, but as forks."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id="test",
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        max_restarts=0,
        monitor_interval=0.1,
        start_method="forkserver",
        logs_specs=DefaultLogsSpecs(str(folder), redirects=Std.ALL),
    )
    # The agent is made for a process of its own, and takes its signals.
    taken = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]
    handlers = [signal.getsignal(number) for number in taken]
    try:
        elastic_launch(config, main)(words)
    finally:
        for number, handler in zip(taken, handlers, strict=True):
            signal.signal(number, handler)
    return [next(folder.rglob(f"{rank}/stdout.log")).read_text() for rank in range(2)]


def weights(folder, kind):
    return load_file(folder / f"{kind}.safetensors")


def test_two_processes_give_the_weights_of_one_with_the_whole_batch(tmp_path, pairs):
    main(train_command(tmp_path / "one", pairs.folder))
    said = torchrun(train_command(tmp_path / "two", pairs.folder), tmp_path / "log")
    for kind in ("generator", "discriminator"):
        a, b = (weights(tmp_path / name, kind) for name in ("one", "two"))
        assert a.keys() == b.keys()
        for key in a:
            # A bias before an instance norm has no effect and no gradient but rounding, which
            # Adam blows up to whole steps; what the other biases do is in the image below.
            if not key.endswith(".bias"):
                torch.testing.assert_close(a[key], b[key], rtol=1e-4, atol=2e-5)
    sketch = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = [load_generator(tmp_path / name).generator(sketch) for name in ("one", "two")]
    torch.testing.assert_close(*images, rtol=1e-4, atol=1e-5)
    moved = weights(tmp_path / "one", "generator")
    main([*train_command(tmp_path / "s", pairs.folder), "--steps", "1"])
    first = weights(tmp_path / "s", "generator")
    largest = max((moved[key] - first[key]).abs().max().item() for key in moved)
    assert largest > 2e-4, "the comparison says nothing if training moves nothing"
    assert [text.count("generator.safetensors") for text in said] == [1, 0], "one speaks for all"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_batch_that_cannot_be_shared_is_one_line_of_each_and_no_folder(
    tmp_path, pairs, capsys, monkeypatch, rank
):
    # One of those that torchrun would start, where the other is always as far as it is.
    joined = contextlib.nullcontext((Processes(rank, 2), torch.device("cpu")))
    monkeypatch.setattr(loop, "joined_processes", lambda: joined)
    monkeypatch.setattr(loop, "wait_for_all", lambda processes: None)
    command = train_command(tmp_path / "run", pairs.folder)
    command[command.index("--batch-size") + 1] = "1"
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "a batch of 1 cannot be shared by 2 processes" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_shares_of_all_processes_are_the_batch_in_order():
    whole = training_order(11, 4, seed=3, first_step=2)
    shares = [training_order(11, 4, 3, 2, rank, 2) for rank in range(2)]
    for _ in range(7):
        batch = next(whole)
        assert [draw for share in shares for draw in next(share)] == batch
        assert len(batch) == 4
    with pytest.raises(FeatvizError, match="batch of 5 cannot be shared by 2"):
        next(training_order(11, 5, 0, 0, 0, 2))


def test_one_process_alone_joins_nothing_and_changes_no_gradient():
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    before = layer.weight.grad.clone()
    with joined_processes() as (processes, _):
        assert processes == Processes(0, 1)
        average_gradients(layer, processes)
        assert not torch.distributed.is_initialized()
    assert torch.equal(layer.weight.grad, before)


def test_a_network_that_does_not_learn_for_now_has_no_gradients_to_share():
    layer = nn.Linear(2, 1).requires_grad_(False)
    average_gradients(layer, Processes(0, 2))
    assert layer.weight.grad is None
