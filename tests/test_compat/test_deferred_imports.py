"""Packages that mmdet and mmengine import at their start, and nobody needs then."""

import subprocess
import sys

CODE = """
import sys, expalign
import mmdet.models, mmdet.datasets, mmdet.visualization, mmengine.optim
kept_out = {'imgaug', 'sklearn', 'matplotlib.pyplot', 'scipy.stats', 'seaborn'}
print(sorted(kept_out & set(sys.modules)))
from mmdet.models.task_modules.tracking.interpolation import GPR
from mmdet.datasets.transforms import generate_line
from mmengine.optim.optimizer.zero_optimizer import ZeroRedundancyOptimizer as Zero
print(GPR(alpha=0.5).alpha, generate_line.LineString([(0, 0), (3, 4)]).length)
print(isinstance(generate_line.LineString([(0, 0)]), generate_line.LineString._load()))
from torch.distributed.optim import ZeroRedundancyOptimizer as Real
try:
    Zero([], optimizer_type='SGD')
except (RuntimeError, ValueError, TypeError) as error:
    print(type(error).__name__, issubclass(Zero, Real))
"""


def test_they_are_imported_when_they_are_used():
    done = subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True)
    assert done.stdout.splitlines()[:3] == ['[]', '0.5 5.0', 'True'], done.stderr
    assert done.stdout.splitlines()[3].endswith(' True'), done.stdout
