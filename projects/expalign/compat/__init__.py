"""Compatibility layer: makes mmcv without compiled operators, mmyolo 0.6.0 and lvis 0.5.3 work.

:func:`install` registers import hooks, which cost nothing until one of these modules is imported:

==============================  ==========================================================
module                          what the hook does
==============================  ==========================================================
``mmcv._ext``                   when no compiled one is found, a stand-in with a real NMS
                                (``mmcv_ext.py``)
``mmyolo``                      lifts the upper bound on mmcv's version
                                (``mmyolo_version.py``)
``lvis.eval``                   provides ``np.float``, which numpy no longer has
                                (``lvis_numpy.py``)
``mmengine.runner.checkpoint``  lets it load ``.safetensors`` files, and run no code of others
                                (``safetensors_scheme.py``)
``mmengine.config.utils``       configs may name those of this package, ``expalign::...``
                                (``config_package.py``)
``mmengine.infer.infer``        inferencers read the config of a checkpoint given alone as data
                                (``inferencer_config.py``)
``mmengine.hooks                the checkpoint hook removes none but its own files
.checkpoint_hook``              (``resumed_files.py``)
==============================  ==========================================================
"""

import sys

from . import (
    config_package,
    inferencer_config,
    lvis_numpy,
    resumed_files,
    safetensors_scheme,
    silent_onedl,
)
from .import_hooks import ChangeHook, SourceHook, StandInFinder
from .mmyolo_version import RelaxedVersionLoader

_CHANGES = [ChangeHook(part.MODULE, part.change) for part in (
    safetensors_scheme, config_package, inferencer_config, resumed_files)]
_FINDERS = (
    SourceHook('mmyolo', RelaxedVersionLoader),
    SourceHook('lvis.eval', lvis_numpy.NumpyFloatLoader),
    *_CHANGES,
    *(SourceHook(name, silent_onedl.SilentLoader) for name in silent_onedl.MODULES),
)
_STAND_IN = StandInFinder('mmcv._ext', 'mmcv_ext.py')


def install() -> None:
    """Register the import hooks; calling it again changes nothing."""
    for finder in _FINDERS:
        if finder not in sys.meta_path:
            sys.meta_path.insert(0, finder)
    if _STAND_IN not in sys.meta_path:
        sys.meta_path.append(_STAND_IN)
    lvis_numpy.patch_if_imported()
    for hook in _CHANGES:
        hook.change_if_imported()


def mmcv_ops_compiled() -> bool:
    """Whether ``mmcv._ext`` is mmcv's own compiled extension; imports mmcv, not the extension.

    Raises:
        ModuleNotFoundError: mmcv is not installed.
    """
    from importlib.util import find_spec
    spec = find_spec('mmcv._ext')
    return spec is not None and spec.origin != _STAND_IN.origin


__all__ = ['install', 'mmcv_ops_compiled']
