"""One forward, and how the output of every module lies over the image."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from featviz.probing.activations import evaluating, makes_weights
from featviz.probing.arrangement import Arrangement, arranged
from featviz.probing.axes import Axis
from featviz.probing.field import Field, Placeless, Trace, Ways, as_map
from featviz.probing.tracing import Tracer, either_way, follow

OUTPUT = "output"
_LARGEST = 16384


@dataclass(frozen=True, eq=False)
class TracedRun:
    """What one run of a module gives.

    name: its qualified name, with "#2", "#3", ... for further runs; "output" for what the model
    gives. kind: its class. shape: of the (first) tensor given. trace: how its map lies over the
    image, or why that is not known. arrangement: which of its dimensions hold the map.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    trace: Trace
    arrangement: Arrangement | None

    @property
    def ways(self) -> Ways:
        """Through what all places are seen; none if they are not."""
        if isinstance(self.trace, Field) and not self.trace.sees_whole_map:
            return frozenset()
        return self.trace.ways


def survey(
    model: nn.Module, image_size: tuple[int, int], channels: int = 3
) -> dict[str, TracedRun]:
    """What every run of every module of a model gives for an image, in the order in which they end.

    image_size: (width, height). The model runs once in evaluation mode, on tensors without values
    or, if it does not work on these, on an image of zeros. Raises FeatvizError if it fails.
    """
    with evaluating(model):
        return either_way(
            lambda on_meta: _followed(model, image_size, channels, on_meta), image_size, channels
        )


def survey_with_room(
    model: nn.Module, image_size: tuple[int, int], channels: int = 3
) -> tuple[dict[str, TracedRun], dict[str, TracedRun]]:
    """`survey`, and the same of images so large that no edge cuts a receptive field off.

    What of these the model does not take is missing in the second.
    """
    layers = survey(model, image_size, channels)
    (width, height), roomy = image_size, dict(layers)
    while any(not has_room(layer.trace) for layer in roomy.values()):
        width, height = 2 * width, 2 * height
        if max(width, height) > _LARGEST:
            break
        try:
            with evaluating(model):
                larger = _followed(model, (width, height), channels, on_meta=True)
        except Exception:
            break
        roomy |= {
            name: larger[name]
            for name, layer in roomy.items()
            if name in larger and not has_room(layer.trace)
        }
    return layers, {name: layer for name, layer in roomy.items() if has_room(layer.trace)}


def has_room(trace: Trace) -> bool:
    """Whether no edge cuts off what the cells see that see most."""
    return not isinstance(trace, Field) or (trace.x.has_room and trace.y.has_room)


def image_in(output: Any) -> Tensor | None:
    """The first tensor (N, C, H, W) in a model's output, or else the first tensor."""
    tensors = list(_tensors_of(output))
    return next((tensor for tensor in tensors if tensor.ndim == 4), next(iter(tensors), None))


def _tensors_of(output: Any) -> Iterable[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        yield from _tensors_of(list(output.values()))
    elif isinstance(output, tuple | list):
        for each in output:
            yield from _tensors_of(each)
    elif hasattr(output, "__dataclass_fields__"):
        yield from _tensors_of([getattr(output, name) for name in output.__dataclass_fields__])


def listening(
    model: nn.Module,
    act: Callable[[str, nn.Module, Any], Any],
    modules: Mapping[str, nn.Module] | None = None,
) -> ExitStack:
    """Inside the `with`, each run of some modules gives its name and what it gives to `act`.

    What `act` returns, unless it is None, is what the run gives. modules: by name; all if not
    given.
    """
    runs: Counter[str] = Counter()

    def listen(name: str) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, _: Any, output: Any) -> Any:
            key = f"{name}#{runs[name] + 1}" if runs[name] else name
            runs[name] += 1
            return act(key, module, output)

        return hook

    hooks = ExitStack()
    hooks.callback(model.register_forward_pre_hook(lambda *_: runs.clear()).remove)
    for name, module in (dict(model.named_modules()) if modules is None else modules).items():
        if name and not makes_weights(name):
            hooks.callback(module.register_forward_hook(listen(name)).remove)
    return hooks


def _followed(
    model: nn.Module, image_size: tuple[int, int], channels: int, on_meta: bool
) -> dict[str, TracedRun]:
    width, height = image_size
    tracer, field = Tracer(), Field(Axis.of_image(width), Axis.of_image(height))
    found: dict[str, TracedRun] = {}

    def see(name: str, module: nn.Module, output: Any) -> None:
        tensor = image_in(output)
        if tensor is None:
            return
        trace = tracer.get(tensor)
        placed = arranged(trace, tensor)
        shown = placed[0] if placed else as_map(trace, tensor, image_size)
        kind, shape = type(module).__name__, tuple(tensor.shape)
        if isinstance(shown, Placeless) and isinstance(trace, Field):
            shown = Placeless(f"its output has shape {shape}", ways=trace.ways)
        found[name] = TracedRun(name, kind, shape, shown, placed[1] if placed else None)

    with listening(model, see):
        see(OUTPUT, model, follow(model, tracer, field, channels, on_meta))
    return found
