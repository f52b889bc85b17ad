from .overview import RunReport as RunReport
from .overview import check_run as check_run
from .readable import as_text as as_text
