"""The gradient scaler of fp16, where the processes share out some of the parameters."""

import torch
from torch import Tensor

from petlib.distributed.row_sharded import is_sharded


class WholeAndSharedGradScaler(torch.amp.GradScaler):
    """A gradient scaler of parameters that are whole on every process next to ones whose rows the processes share out.

    torch takes no list of both, so it gets one after the other. Gradients of whole parameters are the same everywhere; of shared ones torch
    agrees on whether an element of any process is not finite. So all processes leave out the same steps and have the same scale.
    """

    def _unscale_grads_(
        self, optimizer: torch.optim.Optimizer, inv_scale: Tensor, found_inf: Tensor, allow_fp16: bool
    ) -> dict[torch.device, Tensor]:
        """Unscale the gradients in place; the public methods call it, and torch's own scaler of FSDP overrides it too."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        found: dict[torch.device, Tensor] = {}
        for shared in (False, True):
            kind = [parameter for parameter in parameters if is_sharded(parameter.grad) == shared]
            found |= super()._unscale_grads_(_Parameters(kind), inv_scale, found_inf, allow_fp16)
        return found


class _Parameters(torch.optim.Optimizer):
    """Some parameters of an optimizer, as far as a scaler asks for them."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self.param_groups = [{"params": parameters}]
