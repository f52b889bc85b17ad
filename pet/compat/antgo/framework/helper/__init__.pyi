from . import dataset as dataset
from . import exporter as exporter
from . import measures as measures
from . import models as models
from . import reader as reader
from . import runner as runner
from . import tester as tester
from . import trainer as trainer

__all__ = ["dataset", "exporter", "measures", "models", "reader", "runner", "tester", "trainer"]
