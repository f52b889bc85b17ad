from .dataset_report import DatasetReport as DatasetReport
from .dataset_report import report_dataset as report_dataset
from .examination import examine as examine
from .overview import check_run as check_run
from .overview import shared_files as shared_files
from .readable import as_text as as_text

__all__ = ["DatasetReport", "as_text", "check_run", "examine", "report_dataset", "shared_files"]
