from .hook import ReportHook as ReportHook
from .hook import build_report_hooks as build_report_hooks
from .hook import write_test_report as write_test_report
from .page import PAGE as PAGE
from .page import render_page as render_page
from .page import write_page as write_page
