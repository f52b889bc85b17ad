"""TrainFramework's base class of adversarial models: here BaseModel has several networks."""

from pet.compat.shared.absent import refuse_absent

ABSENT = {
    "BaseGanModel": "derive from pet.compat.trainframework.model.base_model.BaseModel: each block of trainer.model that names a network "
    "is one, solver.<block> has its optimizer, and run_step returns the losses of each (docs/bring_your_own_network.md)"
}
__getattr__ = refuse_absent(__name__, ABSENT)
