"""Training, evaluation and predictions under PaddleSeg's names."""

import lazy_loader

from pet.compat.shared.absent import refuse_absent

ABSENT = {"infer": "predict(model, model_path, transforms, image_list) writes label images; model(images) gives logits"}

find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = refuse_absent(__name__, ABSENT, find)
