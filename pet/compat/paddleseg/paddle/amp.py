"""``paddle.amp``: mixed precision is an argument of a training."""

from pet.compat.shared.absent import refuse_absent

TRAIN = "train(precision='fp16') computes in half precision and scales the loss; train(pet={'SOLVER.AMP.ENABLED': True}) takes bfloat16"
ABSENT = dict.fromkeys(("GradScaler", "auto_cast", "decorate"), TRAIN)
__getattr__ = refuse_absent(__name__, ABSENT)
