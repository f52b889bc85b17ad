from .build import build_optimizer as build_optimizer
from .build import build_rules as build_rules
from .build import build_scheduler as build_scheduler
from .clipping import GradientClipper as GradientClipper
from .clipping import build_gradient_clipper as build_gradient_clipper
from .optimizers import OPTIMIZERS as OPTIMIZERS
from .optimizers import make_optimizer as make_optimizer
from .parameter_groups import ParameterRule as ParameterRule
from .parameter_groups import freeze_parameters as freeze_parameters
from .parameter_groups import group_parameters as group_parameters
from .precision import MixedPrecision as MixedPrecision
from .precision import build_mixed_precision as build_mixed_precision
from .schedules import Schedule as Schedule
from .schedules import WarmUp as WarmUp
from .schedules import learning_rate_factor as learning_rate_factor

__all__ = [
    "OPTIMIZERS",
    "GradientClipper",
    "MixedPrecision",
    "ParameterRule",
    "Schedule",
    "WarmUp",
    "build_gradient_clipper",
    "build_mixed_precision",
    "build_optimizer",
    "build_rules",
    "build_scheduler",
    "freeze_parameters",
    "group_parameters",
    "learning_rate_factor",
    "make_optimizer",
]
