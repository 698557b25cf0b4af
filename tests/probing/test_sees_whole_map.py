import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.probing.activations import record_activations
from featviz.probing.receptive_field import trace_geometry
from tests.probing.geometry import geometry


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc, self.end = nn.Conv2d(1, 4, 3), nn.Linear(4, 4), nn.Identity()

    def forward(self, x):
        x = self.conv(x)
        scale = self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return self.end(x * scale.sigmoid()[:, :, None, None])


def test_squeeze_and_excitation_keeps_the_map_and_admits_that_all_of_it_is_seen():
    found = geometry(SqueezeExcite(), "end")
    assert found.extent == (3, 3)
    assert found.sees_whole_map
    assert not geometry(SqueezeExcite(), "fc").known


class Dynamic(nn.Module):
    """A convolution, then an operation that gets numbers made from the whole map besides it."""

    def __init__(self, operation):
        super().__init__()
        self.conv, self.fc, self.end = nn.Conv2d(1, 4, 3), nn.Linear(4, 36), nn.Identity()
        self.operation = operation

    def forward(self, x):
        x = self.conv(x)
        return self.end(self.operation(x, self.fc(x.mean((0, 2, 3)))))


STATISTICS_ENTER = {
    "weights": lambda x, numbers: F.conv2d(x, numbers.reshape(1, 4, 3, 3)),
    "weights-transposed": lambda x, numbers: F.conv_transpose2d(x, numbers.reshape(4, 1, 3, 3)),
    "bias": lambda x, numbers: F.conv2d(x, x.new_ones(4, 4, 1, 1), numbers[:4]),
    "batch-norm-scale": lambda x, numbers: F.batch_norm(
        x, x.new_zeros(4), x.new_ones(4), numbers[:4]
    ),
    "concatenated": lambda x, numbers: torch.cat(
        [x, numbers[:4].reshape(1, 4, 1, 1).expand(x.shape)], dim=1
    ),
}


@pytest.mark.parametrize("kind", STATISTICS_ENTER)
def test_weights_made_from_the_image_let_all_of_it_be_seen_as_the_gradient_does(kind):
    torch.manual_seed(0)
    model = Dynamic(STATISTICS_ENTER[kind])
    image = torch.rand(1, 1, 16, 16, requires_grad=True)
    found = geometry(model, "end")
    model(image)[0, :, 4, 4].sum().backward()
    assert (image.grad != 0).all()
    assert found.known, found.reason
    box = found.box((4, 4))
    assert box.right - box.left + 1 == found.extent[0] < 16
    assert found.sees_whole_map


class Gathering(nn.Module):
    """A map plus what each of its cells gathers from all."""

    def __init__(self, gathered):
        super().__init__()
        self.first, self.out = nn.Conv2d(1, 4, 3, stride=2), nn.Conv2d(4, 4, 1)
        self.end, self.gathered = nn.Conv2d(4, 2, 3), gathered

    def forward(self, x):
        x = self.first(x)
        tokens = x.flatten(2).transpose(1, 2)
        tokens = self.gathered(tokens).transpose(1, 2).reshape(x.shape)
        return self.end(x + self.out(tokens))


def by_hand(tokens):
    return (tokens @ tokens.transpose(1, 2)).softmax(dim=-1) @ tokens


def by_torch(tokens):
    return F.scaled_dot_product_attention(tokens[:, None], tokens[:, None], tokens[:, None])[:, 0]


@pytest.mark.parametrize("gathered", [by_hand, by_torch])
def test_a_map_to_which_attention_adds_keeps_its_places_and_sees_everything(gathered):
    found = geometry(Gathering(gathered), "end")
    plain = geometry(nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.Conv2d(4, 2, 3)), "1")
    assert found.sees_whole_map
    assert not plain.sees_whole_map
    assert found.box((2, 1)) == plain.box((2, 1))
    assert found.position((9, 6)) == plain.position((9, 6))
    # What else moves cells along leaves the places unknown.
    assert not geometry(Gathering(lambda tokens: tokens.flip(1)), "end").known


class Attention(nn.Module):
    """Patches that attend to each other, as a map again."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, stride=4)
        self.tokens = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.map = nn.Unflatten(2, (4, 4))

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.map(self.tokens(tokens).transpose(1, 2))


def test_patches_that_attend_to_each_other_see_the_whole_map_and_keep_their_places():
    found = trace_geometry(Attention(), ["patches", "map"], (16, 16), 1)
    assert found["patches"].sees_whole_map is False
    assert found["map"].sees_whole_map
    assert found["map"].box((2, 1)) == (8, 4, 11, 7)


@pytest.mark.parametrize("layer", [nn.TransformerEncoderLayer, nn.MultiheadAttention])
def test_attention_that_looks_at_values_is_followed_as_the_one_operation_it_is_then(layer):
    class LooksFirst(Attention):
        def forward(self, x):
            tokens = self.patches(x).flatten(2).transpose(1, 2)
            tokens = tokens if float(torch.ones(1)) else -tokens
            given = (tokens,) * (3 if layer is nn.MultiheadAttention else 1)
            tokens = self.tokens(*given)
            tokens = tokens[0] if isinstance(tokens, tuple) else tokens
            return self.map(tokens.transpose(1, 2))

    model = LooksFirst()
    model.tokens = layer(8, 2, batch_first=True)
    found = geometry(model.requires_grad_(False), "map")
    assert found.sees_whole_map
    assert found.box((2, 1)) == (8, 4, 11, 7)


def test_tokens_are_no_map_and_the_reason_is_their_shape():
    found = geometry(Attention(), "tokens", (16, 16))
    assert found.map_size is None
    assert found.reason == "its output has shape (1, 16, 8), not (N, C, H, W)"


def test_asked_for_tokens_are_a_map_with_places_whose_values_its_arrangement_gives():
    model = Attention()
    found = trace_geometry(model, ["patches", "tokens"], (16, 16), 1, tokens=True)
    tokens, patches = found["tokens"], found["patches"]
    assert tokens.position((9, 6)) == patches.position((9, 6)) == (2, 1)
    assert tokens.box((2, 1)) == patches.box((2, 1)) == (8, 4, 11, 7)
    assert tokens.extent == (4, 4)
    assert (tokens.map_size, tokens.sees_whole_map) == ((4, 4), True)
    with record_activations(model, ["tokens", "map"]) as given, torch.no_grad():
        model(torch.rand(1, 1, 16, 16))
    maps = tokens.arrangement.maps(given["tokens"], tokens.map_size)
    assert torch.equal(maps, given["map"])
    assert patches.arrangement.maps(given["map"], patches.map_size) is given["map"]
