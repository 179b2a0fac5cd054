"""What `gatewright doctor` and `gatewright status` look at: the gateway's own checks beside those of its plugins."""

from framework.diagnosis.examination import OWN, Check, Examination, examine, examine_without_gateway, quick_reports
from framework.diagnosis.machine import MachineView

__all__ = [
    "OWN",
    "Check",
    "Examination",
    "MachineView",
    "examine",
    "examine_without_gateway",
    "quick_reports",
]
