"""Losses by name."""

from pet.compat.trainframework.building import make_registry

BUILD_LOSS_REGISTRY = make_registry(
    "loss",
    {
        "BCEWithLogitsLoss": "pet.compat.trainframework.loss.entropy:BCEWithLogitsLoss",
        "CharbonnierLoss": "pet.compat.trainframework.loss.distance:CharbonnierLoss",
        "CrossEntropyLoss": "pet.compat.trainframework.loss.entropy:CrossEntropyLoss",
        "GANDiscriminatorLoss": "pet.compat.trainframework.loss.adversarial:GANDiscriminatorLoss",
        "GANGeneratorLoss": "pet.compat.trainframework.loss.adversarial:GANGeneratorLoss",
        "L1Loss": "pet.compat.trainframework.loss.distance:L1Loss",
        "MSELoss": "pet.compat.trainframework.loss.distance:MSELoss",
        "SSIMLoss": "pet.compat.trainframework.loss.distance:SSIMLoss",
        "SmoothL1Loss": "pet.compat.trainframework.loss.distance:SmoothL1Loss",
    },
)

LOSS_ARCH_REGISTRY = BUILD_LOSS_REGISTRY
"""Its name in earlier versions of TrainFramework."""
