"""Lets mmengine find the configs of this package: ``_base_ = 'expalign::FOLDER/NAME.py'``.

mmengine knows the packages whose configs it reads from a table; this one is added to it.
"""

import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType

_MODULE = 'mmengine.config.utils'


class AddingLoader(SourceFileLoader):
    """Loads mmengine's module and adds to its table."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _change(module)


def add_if_imported() -> None:
    """Change a module that was imported before the hook existed."""
    if _MODULE in sys.modules:
        _change(sys.modules[_MODULE])


def _change(module: ModuleType) -> None:
    module.MODULE2PACKAGE.setdefault('expalign', 'expalign')
