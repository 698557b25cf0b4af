import torch
from torch import nn

from featviz.training.adam import Adam


def network():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 5, 4), nn.Conv2d(5, 1, 1))
    return layers.to(memory_format=torch.channels_last)


def trained(make, dtype=torch.float32, steps=4, resume_at=None):
    layers = network().to(dtype)
    optimizer = make(layers.parameters())
    for step in range(steps):
        if step == resume_at:
            state = optimizer.state_dict()
            optimizer = make(layers.parameters())
            optimizer.load_state_dict(state)
        x = torch.linspace(-1, 1, 3 * 64, dtype=dtype).reshape(1, 3, 8, 8) * (step + 1)
        optimizer.zero_grad()
        layers(x.to(memory_format=torch.channels_last)).square().mean().backward()
        optimizer.step()
    return layers, optimizer


def test_weights_and_state_are_those_of_torchs_fused_adam_to_the_last_bit():
    ours, torchs = (
        trained(lambda weights, kind=kind: kind(weights, lr=0.1, betas=(0.5, 0.999), fused=True))
        for kind in (Adam, torch.optim.Adam)
    )
    for got, want in zip(ours[0].parameters(), torchs[0].parameters(), strict=True):
        assert torch.equal(got, want)
        assert got.stride() == want.stride()
        assert torch.equal(got.grad, want.grad)
    got, want = (optimizer.state_dict()["state"] for _, optimizer in (ours, torchs))
    for index in want:
        for name in want[index]:
            assert torch.equal(got[index][name], want[index][name])
            assert got[index][name].shape == want[index][name].shape


def test_weights_are_those_of_adam_in_double_precision():
    ours, _ = trained(lambda weights: Adam(weights, lr=0.01, fused=True))
    exact, _ = trained(lambda weights: torch.optim.Adam(weights, lr=0.01), torch.float64)
    for got, want in zip(ours.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(got.double(), want, rtol=0, atol=1e-5)


def test_a_state_that_was_saved_and_loaded_goes_on_the_same():
    make = lambda weights: Adam(weights, lr=0.1, fused=True)  # noqa: E731
    through, resumed = trained(make)[0], trained(make, resume_at=2)[0]
    for got, want in zip(resumed.parameters(), through.parameters(), strict=True):
        assert torch.equal(got, want)


def test_no_gradient_is_copied():
    _, optimizer = trained(lambda weights: Adam(weights, fused=True))
    with torch.profiler.profile() as profiler:
        optimizer.step()
    names = {event.name for event in profiler.events()}
    assert "aten::_fused_adam_" in names
    assert "aten::clone" not in names
