from . import core as core
from . import cvlibs as cvlibs
from . import datasets as datasets
from . import label as label
from . import models as models
from . import paddle as paddle
from . import transforms as transforms
from .exporting import export as export
