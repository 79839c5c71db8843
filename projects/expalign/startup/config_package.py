"""Lets mmengine find the configs of this package: ``_base_ = 'expalign::FOLDER/NAME.py'``.

mmengine knows the packages whose configs it reads from a table; this one is added to it.
"""

from types import ModuleType

MODULE = 'mmengine.config.utils'


def change(module: ModuleType) -> None:
    """Change mmengine's module, when it is imported or after."""
    module.MODULE2PACKAGE.setdefault('expalign', 'expalign')
