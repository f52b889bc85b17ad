"""What scripts of PaddleSeg's users take of its utilities."""

import logging

from pet.compat.shared.absent import refuse_absent

logger = logging.getLogger("pet.compat.paddleseg.script")
"""``logger.info(text)`` and the like write as a run of Pet does."""

ABSENT = {
    "metrics": "evaluate(model, val_dataset) returns the figures",
    "progbar": "a run shows its progress itself",
    "TimeAverager": "a run prints the time of an iteration itself",
    "load_entire_model": "model.set_state_dict(paddle.load(path)), or pretrained=path",
    "load_pretrained_model": "model.set_state_dict(paddle.load(path)), or pretrained=path",
    "resume": "train(resume_model=save_dir)",
    "get_sys_env": "python -m torch.utils.collect_env prints it",
    "config_check": "train() checks its arguments itself",
}
__getattr__ = refuse_absent(__name__, ABSENT)
