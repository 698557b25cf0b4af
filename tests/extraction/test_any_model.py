"""`extract` at networks and images of anybody's: patterns, runs, calls, data sets, and mistakes."""

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.extraction import extract
from tests.extraction.making import generator, small


class Net(nn.Module):
    """One activation for two places, and a tuple on the way."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.two = Two()

    def forward(self, x, scale=1):
        return self.two(self.relu(self.second(self.relu(self.first(x) * scale))))


class Two(nn.Module):
    def forward(self, x):
        return x, x


def net():
    torch.manual_seed(2)
    return Net().eval()


def photos(count=3, seed=0, height=12, width=20):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def runs_of(model, image, **given):
    """What plain hooks see: (name, output) of each run."""
    seen = []
    handles = [
        module.register_forward_hook(lambda _, __, o, name=name: seen.append((name, o)))
        for name, module in model.named_modules()
        if name
    ]
    with torch.no_grad():
        model(image[None], **given)
    for handle in handles:
        handle.remove()
    return [(name, out.clone() if name != "two" else out) for name, out in seen]


def test_all_layers_are_every_run_of_every_map_with_the_values_of_plain_hooks():
    model, images = net(), photos()
    model.relu.inplace = False  # so that what the hooks keep is not changed behind them
    with pytest.warns(
        FeatvizWarning, match="table of Net leaves out 1 of its layers; the first, 'two'"
    ):
        table = extract(model, images, points=[(9, 6)], layers="all")
    assert table.layers == ("first", "relu#1", "second", "relu#2")
    for number, image in enumerate(images):
        seen = [maps for name, maps in runs_of(model, image) if name != "two"]
        for layer, maps in zip(table.layers, seen, strict=True):
            column, row = table.metadata["positions"][layer][0]
            assert (column, row) == ((9, 6) if maps.shape[-1] == 20 else (5, 3))
            assert np.array_equal(table.vectors[layer][number], maps[0, :, row, column].numpy())
    assert table.metadata["asked_layers"] == ["all"]
    assert table.metadata["left_out"] == {"two": "it gives a tuple, not a tensor"}


def test_patterns_give_the_vectors_that_names_give_and_names_alone_are_recorded_as_before():
    model = generator()
    named = extract(model, small(), [(20, 30)], ["front_end.L1", "front_end.L2"], engine="dense")
    for patterns in (["front_end.L[12]"], ["**.L1", "front_end.L2"]):
        table = extract(model, small(), [(20, 30)], patterns, engine="dense")
        assert table.layers == named.layers
        for layer in named.layers:
            assert table.vectors[layer].tobytes() == named.vectors[layer].tobytes()
    assert "asked_layers" not in named.metadata
    conv = extract(model, small(), [(20, 30)], ["front_end.*"], "conv")
    assert conv.layers == tuple(f"front_end.L{number}" for number in range(5))


def test_no_engine_takes_one_run_of_a_module_for_another():
    torch.manual_seed(0)
    relu = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), relu, nn.Conv2d(4, 4, 3, padding=1), relu)
    images = [np.full((24, 24), 255, np.uint8) for _ in range(3)]
    first, second = (extract(model, images, [(9, 6)], [f"1#{run}"]) for run in (1, 2))
    expected = model(torch.ones(1, 3, 24, 24))[0, :, 6, 9].detach().numpy()
    assert np.array_equal(second.vectors["1#2"][0], expected)
    assert not np.array_equal(first.vectors["1#1"], second.vectors["1#2"])
    with pytest.raises(FeatvizError, match="sparse engine cannot compute this: layer '1#2' is one"):
        extract(model, images, [(9, 6)], ["1#2"], engine="sparse")


def test_a_call_gives_the_network_what_else_it_takes():
    model, images = net(), photos()
    table = extract(
        model, images, [(9, 6)], ["first", "relu#2"], call=lambda net, batch: net(batch, scale=3)
    )
    assert table.metadata["checkpoint"] == "Net"
    for number, image in enumerate(images):
        seen = runs_of(model, image, scale=3)
        maps = [out for name, out in seen if name == "relu"][1]
        assert np.array_equal(table.vectors["relu#2"][number], maps[0, :, 3, 5].numpy())
    assert not model.training


class Labelled(Dataset):
    """A data set that knows its length and never raises IndexError."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, number):
        return self.images[number % len(self.images)], "even" if number % 2 == 0 else "odd"


class Stream(IterableDataset):
    def __iter__(self):
        return ({"image": image, "label": number} for number, image in enumerate(photos(5)))


def test_batches_data_sets_and_loaders_are_the_images_that_they_hold():
    model, images = net(), photos(5)
    plain = extract(model, images, [(9, 6)], ["second"])
    numbers = [str(number) for number in range(5)]
    of_kind = {
        "batches": ([images[:2], images[2:]], [""] * 5),
        "a generator of batches": ((images[at : at + 2] for at in (0, 2, 4)), [""] * 5),
        "images alone": (TensorDataset(images), [""] * 5),
        "a data set": (Labelled(images), ["even", "odd"] * 2 + ["even"]),
        "a loader": (DataLoader(Labelled(images), batch_size=2), ["even", "odd"] * 2 + ["even"]),
        "numbered": (DataLoader(TensorDataset(images, torch.arange(5)), batch_size=3), numbers),
        "a stream of dictionaries": (Stream(), numbers),
        "a loader of dictionaries": (DataLoader(Stream(), batch_size=2), numbers),
    }
    for kind, (given, groups) in of_kind.items():
        table = extract(model, given, [(9, 6)], ["second"])
        assert table.vectors["second"].tobytes() == plain.vectors["second"].tobytes(), kind
        assert table.rows["group"].tolist() == groups, kind
    named = extract(model, Labelled(images), [(9, 6)], ["second"], groups="abcde", names="vwxyz")
    assert named.rows["group"].tolist() == list("abcde")
    assert named.rows["sketch"].tolist() == list("vwxyz")


class Table:
    """As `datasets.Dataset` of Hugging Face: rows by name of the column, pictures of Pillow's."""

    column_names = ("image", "label")

    def __init__(self, pixels, kind):
        self.pixels, self.kind = pixels, kind

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, number):
        return {"image": self.kind(self.pixels[number]), "label": number % 2}


@pytest.mark.parametrize(
    "kind", [PIL.Image.fromarray, lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1)]
)
def test_rows_of_a_table_are_read_as_pictures_with_their_labels_as_groups(kind, rng):
    pixels = [rng.integers(0, 256, (16, 24, 3), np.uint8) for _ in range(3)]
    model = net()
    table = extract(model, Table(pixels, kind), [(9, 6)], ["second"])
    plain = extract(model, pixels, [(9, 6)], ["second"])
    assert np.array_equal(table.vectors["second"], plain.vectors["second"])
    assert table.rows["group"].tolist() == ["0", "1", "0"]


def test_labels_that_have_names_are_told_by_them_and_columns_without_a_picture_are_told(rng):
    datasets = pytest.importorskip("datasets")
    pixels = [PIL.Image.fromarray(rng.integers(0, 256, (16, 24, 3), np.uint8)) for _ in range(3)]
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    rows = datasets.Dataset.from_dict(
        {"image": pixels, "label": [1, 0, -1]}, datasets.Features(kinds)
    )
    plain = extract(net(), [np.asarray(each) for each in pixels], [(9, 6)], ["second"])
    for given in (rows, rows.with_format("torch"), rows.to_iterable_dataset()):
        table = extract(net(), given, [(9, 6)], ["second"])
        assert np.array_equal(table.vectors["second"], plain.vectors["second"])
        assert table.rows["group"].tolist() == ["dog", "cat", "-1"]
    renamed = rows.rename_column("image", "photo")
    with pytest.raises(FeatvizError, match="a row of the data set has photo, label; expected one"):
        extract(net(), renamed, [(9, 6)], ["second"])
    with pytest.raises(FeatvizError, match=r"are in several parts \(train\); give one"):
        extract(net(), datasets.DatasetDict(train=rows), [(9, 6)], ["second"])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"layers": "first"}, r"layers are the text 'first'; expected a list, \['first'\]"),
        ({}, r"unknown layer 'L0'; this model has first, second \(L0 to L4 are those of featviz"),
        ({"layers": ["relu"]}, "'relu' .* choose a run, 'relu#1', 'relu#2'"),
        ({"layers": ["relu#3"]}, "'relu#3' is no run: it runs 2 times"),
        ({"layers": ["third.*"]}, r"no layer is like 'third\.\*'; this model has first, second"),
        ({"layers": ["two"]}, "gives a tuple, not a tensor"),
        ({"layers": ["first"], "points": [(20, 3)]}, r"point \(20, 3\) lies outside the image of"),
        (
            {"layers": ["first"], "points": None},
            r"\(170, 250\) lies outside .* \(it is read if no points are named\)",
        ),
    ],
)
def test_what_users_get_wrong_is_told_with_the_way_out(given, told):
    given = {"points": [(9, 6)], **given}
    if given["points"] is None:
        del given["points"]
    with pytest.raises(FeatvizError, match=told) as caught:
        extract(net(), photos(), **given)
    assert "\n" not in str(caught.value)


def test_labels_that_are_too_few_for_a_batch_are_told():
    loader = DataLoader(TensorDataset(photos(4)), batch_size=4, collate_fn=lambda items: (
        torch.stack([image for (image,) in items]), ["a"],
    ))  # fmt: skip
    with pytest.raises(FeatvizError, match="a batch has 4 images and 1 labels"):
        extract(net(), loader, [(9, 6)], ["first"])
