"""The registries of scope ``expalign``, children of mmengine's.

mmengine imports this module by itself when a config names ``expalign.Something``; the packages in
``locations`` are imported when the first lookup is made.
"""

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import Registry, root

MODELS = Registry(
    'model', parent=MMENGINE_MODELS, scope='expalign', locations=['expalign.models'])
DATASETS = Registry(
    'dataset', parent=MMENGINE_DATASETS, scope='expalign',
    locations=['expalign.datasets.registered'])
TRANSFORMS = Registry(
    'transform', parent=MMENGINE_TRANSFORMS, scope='expalign',
    locations=['expalign.datasets.transforms'])
METRICS = Registry(
    'metric', parent=MMENGINE_METRICS, scope='expalign', locations=['expalign.evaluation'])
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='expalign', locations=['expalign.engine'])
LOOPS = Registry('loop', parent=MMENGINE_LOOPS, scope='expalign', locations=['expalign.engine'])
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor', parent=MMENGINE_CONSTRUCTORS, scope='expalign',
    locations=['expalign.engine'])
OPTIM_WRAPPERS = Registry(
    'optimizer wrapper', parent=MMENGINE_OPTIM_WRAPPERS, scope='expalign',
    locations=['expalign.engine'])
TASK_UTILS = Registry(
    'task util', parent=MMENGINE_TASK_UTILS, scope='expalign', locations=['expalign.models'])
FUNCTIONS = Registry(
    'function', parent=MMENGINE_FUNCTIONS, scope='expalign',
    locations=['expalign.datasets.registered'])
VISUALIZERS = Registry(
    'visualizer', parent=MMENGINE_VISUALIZERS, scope='expalign',
    locations=['expalign.visualization'])

# mmengine warns where a scope lacks a registry that it asks for, and uses its own. What is not
# ours is found in the parents, so these are empty.
_OWN = {registry.parent for registry in (
    MODELS, DATASETS, TRANSFORMS, METRICS, HOOKS, LOOPS, OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS, TASK_UTILS, FUNCTIONS, VISUALIZERS)}
_EMPTY = [
    Registry(parent.name, build_func=parent.build_func, parent=parent, scope='expalign',
             locations=['expalign.registry'])
    for parent in vars(root).values() if isinstance(parent, Registry) and parent not in _OWN]
