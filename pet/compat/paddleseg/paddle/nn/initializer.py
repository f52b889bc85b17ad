"""``paddle.nn.initializer``: torch fills weights by functions after a layer is made."""

from pet.compat.shared.absent import refuse_absent

ABSENT = {
    "KaimingNormal": "torch.nn.init.kaiming_normal_(layer.weight)",
    "KaimingUniform": "torch.nn.init.kaiming_uniform_(layer.weight)",
    "XavierNormal": "torch.nn.init.xavier_normal_(layer.weight)",
    "XavierUniform": "torch.nn.init.xavier_uniform_(layer.weight)",
    "Normal": "torch.nn.init.normal_(layer.weight, mean, std)",
    "TruncatedNormal": "torch.nn.init.trunc_normal_(layer.weight, mean, std)",
    "Uniform": "torch.nn.init.uniform_(layer.weight, low, high)",
    "Constant": "torch.nn.init.constant_(layer.weight, value)",
    "Assign": "torch.nn.Parameter(value)",
}
__getattr__ = refuse_absent(__name__, ABSENT)
