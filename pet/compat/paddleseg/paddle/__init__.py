"""The part of Paddle's names that scripts around PaddleSeg use, for torch."""

import lazy_loader

from pet.compat.shared.absent import refuse_absent

ABSENT = {
    "summary": "petlib.analyser.Analyser(model, (images,)) counts parameters, FLOPs and activations; print(model) shows the layers",
    "set_device": "Pet takes the GPU where one is visible; train(pet={'MISC.DEVICE': 'cpu'}) or CUDA_VISIBLE_DEVICES chooses",
    "get_device": "Pet takes the GPU where one is visible; train(pet={'MISC.DEVICE': 'cpu'}) or CUDA_VISIBLE_DEVICES chooses",
    "to_tensor": "networks and tensors are torch's: torch.as_tensor(data)",
    "vision": "networks of torchvision.models and timm, transforms of pet.compat.paddleseg.transforms",
    "metric": "evaluate(model, val_dataset) returns the figures",
    "Model": "train(model=model, ...) and evaluate(model, dataset) of pet.compat.paddleseg.core",
}

find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = refuse_absent(__name__, ABSENT, find)
