"""Losses by name."""

from pet.api.engine.building import HINT
from petlib.registry import Registry

BUILD_LOSS_REGISTRY = Registry(
    "loss",
    {
        "BCEWithLogitsLoss": "pet.api.engine.loss.entropy:BCEWithLogitsLoss",
        "CharbonnierLoss": "pet.api.engine.loss.distance:CharbonnierLoss",
        "CrossEntropyLoss": "pet.api.engine.loss.entropy:CrossEntropyLoss",
        "GANDiscriminatorLoss": "pet.api.engine.loss.adversarial:GANDiscriminatorLoss",
        "GANGeneratorLoss": "pet.api.engine.loss.adversarial:GANGeneratorLoss",
        "L1Loss": "pet.api.engine.loss.distance:L1Loss",
        "MSELoss": "pet.api.engine.loss.distance:MSELoss",
        "SSIMLoss": "pet.api.engine.loss.ssim:SSIMLoss",
        "SmoothL1Loss": "pet.api.engine.loss.distance:SmoothL1Loss",
    },
    hint=HINT,
    tells_late=True,
)
