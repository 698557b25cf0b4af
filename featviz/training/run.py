"""What changes while training: networks, optimisers, where the run stands; and one step of it."""

import copy
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from featviz.errors import FeatvizError
from featviz.networks.discriminators import DiscriminatorArchitecture, MultiScaleDiscriminator
from featviz.networks.generators import GeneratorArchitecture, LocalEnhancer, build_generator
from featviz.networks.perceptual import load_vgg19
from featviz.training.distributed import Processes, average_gradients, average_losses
from featviz.training.pair import Pair
from featviz.training.presets import DOWNSAMPLINGS, TrainingConfig
from featviz.training.steps import LossSettings, Models, backward, compute_losses

_EMA_WARM_UP = 10


@dataclass
class Run:
    """Networks, optimisers and the step a run is at.

    average: a copy of the generator whose weights are the moving average of its own (Karras et
    al. 2018, arXiv 1710.10196, section 4), or None without one.
    """

    models: Models
    optimizers: dict[str, torch.optim.Optimizer]
    average: nn.Module | None = None
    step: int = 0
    seconds: float = 0.0
    recent: list[dict[str, float]] = field(default_factory=list)
    """Losses since the last line of the log."""

    @property
    def best_generator(self) -> nn.Module:
        """The generator to use and to keep: the average if there is one."""
        return self.models.generator if self.average is None else self.average

    def state(self) -> dict[str, Any]:
        """Everything that a resume needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "generator": self.models.generator.state_dict(),
            "discriminator": self.models.discriminator.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizers": {key: value.state_dict() for key, value in self.optimizers.items()},
            "random_state": torch.get_rng_state(),
            "recent": self.recent,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` returned."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.recent = list(state["recent"])
        self.models.generator.load_state_dict(state["generator"])
        self.models.discriminator.load_state_dict(state["discriminator"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        for key, value in self.optimizers.items():
            value.load_state_dict(state["optimizers"][key])
        torch.set_rng_state(state["random_state"].cpu())


def start_run(config: TrainingConfig, device: torch.device) -> Run:
    """Networks with fresh weights from the seed, and their optimisers."""
    torch.manual_seed(config.seed)
    generator = build_generator(
        GeneratorArchitecture(
            variant=config.variant,
            width=config.width,
            downsamplings=DOWNSAMPLINGS,
            residual_blocks=config.residual_blocks,
            norm=config.norm,
            input_channels=config.conditions.channels,
            enhancers=config.enhancers,
        )
    )
    discriminator = MultiScaleDiscriminator(
        DiscriminatorArchitecture(
            input_channels=config.conditions.drawn_channels + 3,
            width=config.discriminator_width,
            scales=config.discriminator_scales,
            norm=config.norm,
        )
    )
    perceptual = load_vgg19() if config.perceptual > 0 else None
    for network in (generator, discriminator, perceptual):
        if network is not None:
            network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers: dict[str, torch.optim.Optimizer] = {
        name: torch.optim.Adam(
            network.parameters(), lr=config.learning_rate, betas=(0.5, 0.999), fused=True
        )
        for name, network in (("generator", generator), ("discriminator", discriminator))
    }
    average = copy.deepcopy(generator).requires_grad_(False) if config.ema > 0 else None
    if config.compile:
        for network in (generator, discriminator, perceptual):
            if network is not None:
                network.compile()
    return Run(Models(generator, discriminator, perceptual), optimizers, average)


def train_step(
    run: Run,
    config: TrainingConfig,
    batch: Pair,
    device: torch.device,
    processes: Processes | None = None,
) -> dict[str, float]:
    """One update of both networks; returns the losses by name.

    batch: this process's share of it. Raises FeatvizError naming the loss if one is not finite;
    nothing is updated then.
    """
    started = time.perf_counter()
    processes = processes or Processes()
    batch = batch.to(device)
    _choose_what_learns(run, config)
    for optimizer in run.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(run.step, config.steps)
    losses = average_losses(_accumulate(run, config, batch, device), processes)
    for name, loss in losses.items():
        if not np.isfinite(loss):
            raise FeatvizError(
                f"the {name} loss is {loss} at step {run.step}: the run diverged; the last save is "
                "kept (a lower learning rate may help)"
            )
    for network in (run.models.generator, run.models.discriminator):
        average_gradients(network, processes)
    for optimizer in run.optimizers.values():
        optimizer.step()
    if run.average is not None:
        # A young average forgets faster, or it would still hold the first weights.
        decay = min(config.ema, (1 + run.step) / (_EMA_WARM_UP + run.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(run.average.parameters()),
                list(run.models.generator.parameters()),
                1 - decay,
            )
    run.step += 1
    run.seconds += time.perf_counter() - started
    run.recent.append(losses)
    return losses


def _choose_what_learns(run: Run, config: TrainingConfig) -> None:
    """At first only what a local enhancer adds learns, then all of it (arXiv 1711.11585, 3.1).

    What does not learn has no gradient, so the optimiser neither moves it nor remembers anything.
    """
    generator = run.models.generator
    generator.requires_grad_(run.step >= config.fixed_steps)
    if isinstance(generator, LocalEnhancer):
        for parameter in generator.newest_parameters():
            parameter.requires_grad_(True)


def _accumulate(
    run: Run, config: TrainingConfig, batch: Pair, device: torch.device
) -> dict[str, Tensor]:
    """Gradients of the batch, part by part; the mean losses by name."""
    settings = LossSettings(
        config.adversarial_form,
        config.feature_matching,
        config.perceptual,
        config.perceptual_scale,
    )
    totals: dict[str, Tensor] = {}
    parts = config.accumulation
    for part in batch.parts(parts):
        use_bfloat16 = config.precision == "bfloat16"
        with torch.autocast(device.type, torch.bfloat16, enabled=use_bfloat16):
            step = compute_losses(run.models, part, settings)
        backward(run.models, step, share=1 / parts)
        for name, loss in step.named.items():
            totals[name] = totals.get(name, 0) + loss / parts
    return totals


def learning_rate_factor(step: int, steps: int) -> float:
    """1 for the first half of a run, then linearly to 0 (pix2pixHD: 100 + 100 epochs)."""
    return min(1.0, 2.0 * (1.0 - step / steps))
