"""What changes while training: networks, optimisers, where the run stands; and one step of it."""

import copy
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from featviz.base.errors import FeatvizError
from featviz.faces.instances import INSTANCES
from featviz.generators.networks.architectures import build
from featviz.generators.networks.discriminators import MultiScaleDiscriminator
from featviz.generators.networks.encoder import EncoderArchitecture, FeatureEncoder
from featviz.generators.networks.generators import LocalEnhancer
from featviz.generators.networks.perceptual import load_described_vgg19
from featviz.training.adam import Adam
from featviz.training.distributed import Processes, average_gradients, average_losses
from featviz.training.pair import Pair
from featviz.training.presets import DOWNSAMPLINGS, TrainingConfig
from featviz.training.steps import LossSettings, Models, backward, compute_losses

_EMA_WARM_UP = 10
_AVERAGE = {"generator": "average", "encoder": "average_encoder"}
"""What has a moving average, and the name of that in a training state."""


@dataclass
class Run:
    """Networks, optimisers and the step a run is at.

    averages: copies of the generator, and of the encoder if there is one, whose weights are the
    moving averages of theirs (Karras et al. 2018, arXiv 1710.10196, section 4); empty without.
    """

    models: Models
    optimizers: dict[str, torch.optim.Optimizer]
    averages: dict[str, nn.Module] = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0
    recent: list[dict[str, float]] = field(default_factory=list)
    """Losses since the last line of the log."""
    perceptual_weights: dict[str, str] | None = None
    """Which VGG19 the perceptual loss sees with, or None without that loss."""

    @property
    def best(self) -> Models:
        """The networks to use and to keep: the averages where there are any."""
        return replace(self.models, **self.averages)  # type: ignore[arg-type]

    @property
    def learning(self) -> dict[str, nn.Module]:
        """The networks that are trained, by name."""
        models = self.models
        networks: dict[str, nn.Module | None] = {
            "generator": models.generator,
            "discriminator": models.discriminator,
            "encoder": models.encoder,
        }
        return {name: network for name, network in networks.items() if network is not None}

    def state(self) -> dict[str, Any]:
        """Everything that a resume needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            **{name: network.state_dict() for name, network in self.learning.items()},
            **{_AVERAGE[name]: network.state_dict() for name, network in self.averages.items()},
            "optimizers": {key: value.state_dict() for key, value in self.optimizers.items()},
            "random_state": torch.get_rng_state(),
            "recent": self.recent,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` returned."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.recent = list(state["recent"])
        for name, network in self.learning.items():
            network.load_state_dict(state[name])
        for name, network in self.averages.items():
            network.load_state_dict(state[_AVERAGE[name]])
        for key, value in self.optimizers.items():
            value.load_state_dict(state["optimizers"][key])
        torch.set_rng_state(state["random_state"].cpu())


def start_run(config: TrainingConfig, device: torch.device, vgg19: Path | None = None) -> Run:
    """Networks with fresh weights from the seed, and their optimisers.

    vgg19: weights of the perceptual loss instead of the asset's, such as torchvision's file.
    """
    torch.manual_seed(config.seed)
    generator = build(config.architecture)
    discriminator = MultiScaleDiscriminator(config.judges) if config.adversarial else None
    encoder = None
    if config.appearance_channels:
        encoder = FeatureEncoder(
            EncoderArchitecture(
                config.appearance_channels,
                downsamplings=DOWNSAMPLINGS,
                instances=len(INSTANCES),
                norm=config.judges_norm,
            )
        )
    perceptual, perceptual_weights = None, None
    if config.perceptual > 0:
        perceptual, perceptual_weights = load_described_vgg19(vgg19)
    networks = [n for n in (generator, discriminator, perceptual, encoder) if n is not None]
    for network in networks:
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = Run(Models(generator, discriminator, perceptual, encoder), {})
    run.perceptual_weights = perceptual_weights
    run.optimizers = {
        name: Adam(network.parameters(), lr=config.learning_rate, betas=(0.5, 0.999), fused=True)
        for name, network in run.learning.items()
    }
    if config.ema > 0:
        run.averages = {
            name: copy.deepcopy(network).requires_grad_(False)
            for name, network in run.learning.items()
            if name in _AVERAGE
        }
    if config.compile:
        for network in networks:
            network.compile()
    return run


def train_step(
    run: Run,
    config: TrainingConfig,
    batch: Pair,
    device: torch.device,
    processes: Processes | None = None,
) -> dict[str, float]:
    """One update of all networks; returns the losses by name.

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
    for network in run.learning.values():
        average_gradients(network, processes)
    for optimizer in run.optimizers.values():
        optimizer.step()
    for name, average in run.averages.items():
        # A young average forgets faster, or it would still hold the first weights.
        decay = min(config.ema, (1 + run.step) / (_EMA_WARM_UP + run.step))
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update(list(average.parameters()), list(run.learning[name].parameters()), None)
        for own, learnt in zip(average.buffers(), run.learning[name].buffers(), strict=True):
            # Running statistics are averages themselves.
            own.copy_(learnt)
    run.step += 1
    run.seconds += time.perf_counter() - started
    run.recent.append(losses)
    return losses


def _choose_what_learns(run: Run, config: TrainingConfig) -> None:
    """At first only what a local enhancer adds learns, then all of it (arXiv 1711.11585, 3.1).

    What does not learn has no gradient, so the optimiser neither moves it nor remembers anything.
    """
    generator = run.models.generator
    is_free = run.step >= config.fixed_steps
    generator.requires_grad_(is_free)
    if run.models.encoder is not None:
        run.models.encoder.requires_grad_(is_free)
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
        config.adversarial,
        config.l1,
        config.perceptual_weights,
        config.locality,
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
