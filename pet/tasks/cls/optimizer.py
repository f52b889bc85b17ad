"""The optimizer of a fine-tuning, with a rate of its own for the new classifier."""

from torch.optim import Optimizer

from pet.tasks.cls.model import FineTunedClassifier
from petlib.config import CfgNode
from petlib.solver.build import build_optimizer as build_plain_optimizer


def build_optimizer(model: FineTunedClassifier, cfg: CfgNode) -> Optimizer:
    """Return the optimizer of ``SOLVER.OPTIMIZER`` with ``FINETUNE.HEAD_LR_MULT`` as its last rule.

    Raises:
        ConfigError: a rule or an argument does not fit the model or the optimizer.
    """
    factor = cfg.FINETUNE.HEAD_LR_MULT
    if factor == 1:
        return build_plain_optimizer(model, cfg)
    rule = {"pattern": model.classifier_parameter_pattern(), "lr_mult": factor}
    extended = cfg.clone()
    extended.defrost()
    extended.set("SOLVER.OPTIMIZER.RULES", [*cfg.SOLVER.OPTIMIZER.RULES, rule])
    return build_plain_optimizer(model, extended)
