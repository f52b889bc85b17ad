from . import aie as aie
from . import cloud as cloud
from . import datasets as datasets
from . import job as job
from . import model_zoo as model_zoo
from . import sampler as sampler
from . import trainer as trainer

__all__ = ["aie", "cloud", "datasets", "job", "model_zoo", "sampler", "trainer"]
