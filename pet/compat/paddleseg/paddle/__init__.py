"""The part of Paddle's names that scripts around PaddleSeg use, for torch."""

import lazy_loader

from pet.compat.shared.absent import refuse_absent

ABSENT = {
    "summary": "petlib.analyser.Analyser(model, (images,)) counts parameters, FLOPs and activations; print(model) shows the layers",
    "set_device": "Pet takes the GPU where one is visible; train(pet={'MISC.DEVICE': 'cpu'}) or CUDA_VISIBLE_DEVICES chooses",
    "get_device": "Pet takes the GPU where one is visible; train(pet={'MISC.DEVICE': 'cpu'}) or CUDA_VISIBLE_DEVICES chooses",
    "distributed": "start the script with torchrun; petlib.distributed.rank() and world_size() say which process it is",
    "jit": "pet.compat.paddleseg.export(model, 'model.onnx', shape=(3, 512, 512)) writes an ONNX file and checks it",
    "static": "networks run as torch runs them; export(model, 'model.onnx', shape=(3, 512, 512)) writes an ONNX file",
    "to_tensor": "networks and tensors are torch's: torch.as_tensor(data)",
    "io": "data sets are pet.compat.paddleseg.datasets.Dataset, or any object with len, num_classes and (image, label); train() loads them",
    "vision": "networks of torchvision.models and timm, transforms of pet.compat.paddleseg.transforms",
    "metric": "evaluate(model, val_dataset) returns the figures",
    "Model": "train(model=model, ...) and evaluate(model, dataset) of pet.compat.paddleseg.core",
}

find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = refuse_absent(__name__, ABSENT, find)
