from .build import NetworkSolver as NetworkSolver
from .build import build_solvers as build_solvers

__all__ = ["NetworkSolver", "build_solvers"]
