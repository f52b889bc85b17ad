"""What annotations of functions that read the config name: at run time it is a :class:`CfgNode`, to editors and mypy a class with all keys.

The classes are in ``typed.pyi``, which ``make docs`` writes from the schemas.
"""

from petlib.config.node import CfgNode

PetlibConfig = CfgNode
