"""Functions of torch under Paddle's names."""

import torch

no_grad = torch.no_grad
seed = torch.manual_seed
