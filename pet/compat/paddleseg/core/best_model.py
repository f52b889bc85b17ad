"""The weights of the best model in a file of their own."""

from pathlib import Path

from torch import nn

from petlib.checkpoint.state_file import write_file
from petlib.distributed.process_group import is_main_process
from petlib.engine.hook import Hook
from petlib.engine.hooks.evaluation import EvaluationHook
from petlib.engine.state import TrainState
from petlib.errors import CheckpointError

BEST_MODEL = Path("best_model", "model.pdparams")
"""Where the file lies below the folder of a training."""


class BestModelHook(Hook):
    """Writes ``best_model/model.pdparams`` after every evaluation that was the best one.

    The file is a state dict of torch, names and tensors on the CPU, which ``torch.load(path, weights_only=True)`` reads; only its name
    is Paddle's. It is written before the checkpoint of the same iteration.

    Args:
        network: whose weights are written.
        folder: of the training.
        evaluation: tells when a model was the best one.
    """

    order = 85
    key = "best_model"

    def __init__(self, *, network: nn.Module, folder: Path, evaluation: EvaluationHook) -> None:
        self._network = network
        self._path = folder / BEST_MODEL
        self._evaluation = evaluation
        self.intervals = (evaluation.every,)

    def after_step(self, state: TrainState) -> None:
        """Write the file when it is time.

        Raises:
            CheckpointError: it could not be written; the one before is as it was.
        """
        if self._evaluation.improved_at != state.iteration or not is_main_process():
            return
        weights = {name: tensor.detach().cpu() for name, tensor in self._network.state_dict().items()}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._path, weights)
        except (OSError, RuntimeError) as error:
            raise CheckpointError(f"{self._path}: the weights of the best model could not be saved: {error}") from error
