"""What can be known to be wrong with a training before its first iteration."""

from .report import PreflightError, Report
from .run import preflight

__all__ = ['PreflightError', 'Report', 'preflight']
