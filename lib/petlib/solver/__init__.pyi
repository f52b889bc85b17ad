from .build import build_optimizer as build_optimizer
from .build import build_rules as build_rules
from .build import build_scheduler as build_scheduler
from .parameter_groups import ParameterRule as ParameterRule
from .schedules import number_schedule as number_schedule
