"""Gives ``lvis.eval`` the name ``np.float``, which it uses and numpy 1.24 removed.

Only that module sees the addition; numpy itself is not touched.
"""

import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType

_MODULE = 'lvis.eval'


class _NumpyWithFloat:
    """numpy plus ``float``, the built-in type that ``np.float`` used to name."""

    float = float

    def __init__(self, numpy: ModuleType) -> None:
        self._numpy = numpy

    def __getattr__(self, name: str) -> object:
        return getattr(self._numpy, name)


class NumpyFloatLoader(SourceFileLoader):
    """Loads ``lvis.eval`` and completes its numpy."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _complete_numpy(module)


def patch_if_imported() -> None:
    """Complete the numpy of an ``lvis.eval`` that was imported before the hook existed."""
    if _MODULE in sys.modules:
        _complete_numpy(sys.modules[_MODULE])


def _complete_numpy(module: ModuleType) -> None:
    if not isinstance(module.np, _NumpyWithFloat):
        module.np = _NumpyWithFloat(module.np)
