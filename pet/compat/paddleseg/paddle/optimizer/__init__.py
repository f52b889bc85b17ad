"""Optimizers under Paddle's names; they are torch's."""

import lazy_loader

from pet.compat.shared.absent import refuse_absent

OTHERS = {"Lamb": "timm.optim.Lamb", "RMSProp": "torch.optim.RMSprop", "Adagrad": "torch.optim.Adagrad", "Adadelta": "torch.optim.Adadelta"}
ABSENT = {
    **{name: f"train(optimizer={other}(model.parameters(), ...), lr_scheduler=...) takes that one" for name, other in OTHERS.items()},
    "Adamax": "train(optimizer=torch.optim.Adamax(model.parameters(), ...), lr_scheduler=...) takes that one",
}

find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = refuse_absent(__name__, ABSENT, find)
