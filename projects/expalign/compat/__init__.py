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
``mmdet.datasets``              are imported without a line on the standard output
and its transforms              (``silent_onedl.py``)
some of mmdet and mmengine      do not import what almost nobody's model uses
                                (``deferred_imports.py``)
==============================  ==========================================================
"""

from . import deferred_imports, lvis_numpy, silent_onedl
from .import_hooks import SourceHook, StandInFinder, register
from .mmyolo_version import RelaxedVersionLoader

_FINDERS = (
    SourceHook('mmyolo', RelaxedVersionLoader),
    SourceHook('lvis.eval', lvis_numpy.NumpyFloatLoader),
    *(SourceHook(name, silent_onedl.SilentLoader) for name in silent_onedl.MODULES),
    *(SourceHook(name, deferred_imports.DeferringLoader) for name in deferred_imports.MODULES),
)
_STAND_IN = StandInFinder('mmcv._ext', 'mmcv_ext.py')


def install() -> None:
    """Register the import hooks; calling it again changes nothing."""
    register(_FINDERS)
    register([_STAND_IN], last=True)
    lvis_numpy.patch_if_imported()


def mmcv_ops_compiled() -> bool:
    """Whether ``mmcv._ext`` is mmcv's own compiled extension; imports mmcv, not the extension.

    Raises:
        ModuleNotFoundError: mmcv is not installed.
    """
    from importlib.util import find_spec
    spec = find_spec('mmcv._ext')
    return spec is not None and spec.origin != _STAND_IN.origin


__all__ = ['install', 'mmcv_ops_compiled']
