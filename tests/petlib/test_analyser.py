import copy
import subprocess
import sys

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from petlib.analyser import Analyser


class SmallNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(8, 10)

    def forward(self, image):
        return self.linear(self.dropout(self.norm(self.conv(image)).mean((2, 3))))


class Attention(nn.Module):
    """Written out, or in one fused operation."""

    def __init__(self, fused, width=16, heads=2):
        super().__init__()
        self.fused, self.heads = fused, heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens):
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.fused:
            mixed = functional.scaled_dot_product_attention(query, key, value)
        else:
            mixed = (query @ key.transpose(-2, -1)).softmax(-1) @ value
        return self.out(mixed.transpose(1, 2).flatten(2))


def counted_by_torch(model, *inputs):
    """Return the multiply-adds in millions that torch counts, which is half of its number of operations.

    Attention is computed in steps, because which of the fused forms torch counts depends on its version.
    """
    model = copy.deepcopy(model).eval()
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
            model(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    return counter.get_total_flops() / 2e6


def with_zeros(build):
    """Return a large model without the seconds that random weights take."""
    with torch.device("meta"):
        model = build()
    model.to_empty(device="cpu")
    for tensor in model.state_dict().values():
        tensor.zero_()
    return model


def test_small_network_by_hand():
    analyser = Analyser(SmallNet(), (torch.zeros(1, 3, 16, 16),))
    conv = 3 * 8 * 9 * 16 * 16 / 1e6
    norm = 2 * 8 * 16 * 16 / 1e6
    assert analyser.get_params() == (3 * 8 * 9 + 2 * 8 + 8 * 10 + 10,) * 2
    assert analyser.get_flops_activs("flops") == pytest.approx((conv, conv + norm + 8 * 10 / 1e6))
    assert analyser.get_flops_activs("activations") == pytest.approx((8 * 16 * 16 / 1e6, (8 * 16 * 16 + 10) / 1e6))


def test_linear_by_hand_and_the_counts_grow_with_the_batch():
    for batch in (1, 5):
        analyser = Analyser(nn.Linear(20, 30), (torch.zeros(batch, 20),))
        assert analyser.get_flops_activs("flops") == pytest.approx((0, batch * 600 / 1e6))
        assert analyser.get_flops_activs("activations") == pytest.approx((0, batch * 30 / 1e6))


def test_frozen_weights_are_counted_apart():
    model = nn.Linear(4, 3)
    model.bias.requires_grad_(False)
    analyser = Analyser(model, (torch.zeros(1, 4),))
    assert (analyser.get_params().total, analyser.get_params().trainable) == (15, 12)
    assert analyser.summary().startswith("Params: 0.0000M (0.0000M trained) |")


@pytest.mark.parametrize("fused", [True, False])
def test_attention_counts_the_same_in_either_form(fused):
    tokens = torch.zeros(2, 5, 16)
    linear = 2 * 5 * 16 * 64 / 1e6
    products = 2 * 2 * 5 * 5 * (8 + 8) / 1e6
    model = Attention(fused)
    analyser = Analyser(model, (tokens,))
    assert analyser.get_flops_activs("flops").total == pytest.approx(linear + products)
    assert analyser.get_flops_activs("flops").total == pytest.approx(counted_by_torch(model, tokens))
    assert analyser.get_flops_activs("activations").total == pytest.approx((2 * 5 * 64 + 2 * 2 * 5 * 5 + 2 * 5 * 16) / 1e6)


def test_cross_attention_with_shared_key_heads():
    class CrossAttention(nn.Module):
        def forward(self, query, key, value):
            return functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)

    shapes = (1, 4, 5, 8), (1, 2, 7, 8), (1, 2, 7, 6)
    analyser = Analyser(CrossAttention(), tuple(torch.zeros(shape) for shape in shapes))
    assert analyser.get_flops_activs("flops").total == pytest.approx(4 * 5 * 7 * (8 + 6) / 1e6)


@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_of_torch_in_its_modules(need_weights):
    model = nn.MultiheadAttention(16, 4, batch_first=True)
    tokens = torch.zeros(2, 6, 16)

    def forward(model, tokens):
        return model(tokens, tokens, tokens, need_weights=need_weights)

    flops = Analyser(model, (tokens,), forward=forward).get_flops_activs("flops")
    assert flops.total == pytest.approx((2 * 6 * 16 * 64 + 2 * 4 * 6 * 6 * (4 + 4)) / 1e6)


def test_transformer_layer_against_torch():
    model = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    tokens = torch.zeros(2, 6, 16)
    layer_norms = 2 * 5 * tokens.numel() / 1e6
    linear = 2 * 6 * (16 * 64 + 2 * 16 * 32) / 1e6
    products = 2 * 4 * 6 * 6 * (4 + 4) / 1e6
    ours = Analyser(model, (tokens,)).get_flops_activs("flops").total
    assert ours - layer_norms == pytest.approx(linear + products)
    assert ours - layer_norms == pytest.approx(counted_by_torch(model, tokens))
    assert torch.backends.mha.get_fastpath_enabled()


def test_resnet50_is_4_1_gmac():
    analyser = Analyser(with_zeros(torchvision.models.resnet50), (torch.zeros(1, 3, 224, 224),))
    assert analyser.get_params().total == 25_557_032
    assert analyser.get_flops_activs("flops").total == pytest.approx(4100, rel=0.03)
    assert analyser.get_thop_flops() == pytest.approx(4100, rel=0.03)
    # Table 2 of https://arxiv.org/abs/2003.13678 gives 11.1 M activations
    assert analyser.get_flops_activs("activations").conv == pytest.approx(11.1, rel=0.01)


def test_vit_is_17_6_gmac():
    model = with_zeros(lambda: timm.create_model("vit_base_patch16_224"))
    image = torch.zeros(1, 3, 224, 224)
    flops = Analyser(model, (image,)).get_flops_activs("flops").total
    assert flops == pytest.approx(17_600, rel=0.005)
    assert flops == pytest.approx(counted_by_torch(model, image), rel=0.005)


def test_a_batch_in_a_dictionary():
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = SmallNet()

        def forward(self, batch):
            return [{"scores": scores, "id": meta["id"]} for scores, meta in zip(self.net(batch["image"]), batch["meta"], strict=True)]

    image = torch.zeros(2, 3, 16, 16)
    analyser = Analyser(Wrapped(), ({"image": image, "meta": [{"id": 1}, {"id": 2}]},))
    assert analyser.get_flops_activs("flops") == Analyser(SmallNet(), (image,)).get_flops_activs("flops")


def test_model_and_random_state_stay_as_they_were():
    model = SmallNet().train()
    state = copy.deepcopy(model.state_dict())
    random_state = torch.get_rng_state()
    Analyser(model, (torch.rand(1, 3, 16, 16, generator=torch.Generator()),)).summary()
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_summary_is_one_line():
    assert Analyser(SmallNet(), (torch.zeros(1, 3, 16, 16),)).summary() == (
        "Params: 0.0003M | FLOPs: 0.0595M / Conv_FLOPs: 0.0553M | Activations: 0.0021M / Conv_Activations: 0.0020M | THOP_FLOPs: 0.0636M"
    )


def test_nothing_is_printed_and_nothing_warned_about():
    # In a new process, because some libraries warn when they are imported first
    code = "import torch\nfrom petlib.analyser import Analyser\nAnalyser(torch.nn.Conv2d(1, 1, 1), (torch.ones(1, 1, 2, 2),)).summary()"
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, timeout=180, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_forward_pass_without_tensors_is_refused():
    class Silent(nn.Module):
        def forward(self, image):
            return "done"

    with pytest.raises(ValueError, match="needs a forward pass that returns tensors, this one returned str"):
        Analyser(Silent(), (torch.zeros(1),)).get_flops_activs("flops")
