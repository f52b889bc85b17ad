from .masks import InstanceMasks as InstanceMasks
