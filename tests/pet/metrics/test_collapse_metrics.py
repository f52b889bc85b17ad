import math

import pytest
import torch

from pet.metrics.collapse import effective_rank, spread


def test_spread_and_rank_of_known_embeddings():
    everywhere = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
    assert float(spread(everywhere)) == pytest.approx(1.0, abs=0.02)
    assert float(effective_rank(everywhere)) == pytest.approx(16.0, abs=0.1)
    one_point = torch.ones(50, 16) * torch.arange(1, 51)[:, None]
    assert float(spread(one_point)) == pytest.approx(0.0, abs=1e-5)
    assert float(effective_rank(one_point)) == pytest.approx(1.0, abs=1e-3)
    # lengths do not count
    assert torch.allclose(spread(everywhere), spread(everywhere * 7.0))


def test_rank_is_the_exponential_of_the_entropy_of_the_singular_values():
    few = torch.randn(5, 9, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(torch.nn.functional.normalize(few.double(), dim=1))
    shares = (values / values.sum()).tolist()
    expected = math.exp(-sum(share * math.log(share) for share in shares))
    assert float(effective_rank(few)) == pytest.approx(expected, rel=1e-5)
    assert float(effective_rank(few.t())) <= 5.0
