from . import browse as browse
from . import check as check
from . import configs as configs
from . import doctor as doctor
from . import export_net as export_net
from . import inference as inference
from . import test_net as test_net
from . import train_on_data as train_on_data
