from . import builder as builder
from .base_module import BaseModule as BaseModule
