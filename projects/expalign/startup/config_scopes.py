"""Lets configs of others be built upon those of this package without scopes in every dictionary.

mmengine notes in a base of another package (``_base_ = 'expalign::...'``) whose it is, as
``_scope_`` beside every ``type``. It is an argument too many where a type is a function, as
``collate_fn`` is; and types of this package's configs say their scopes themselves.
"""

import functools
from types import ModuleType

MODULE = 'mmengine.config.config'
PACKAGE = 'expalign'


def change(module: ModuleType) -> None:
    """Change mmengine's module, when it is imported or after."""
    find = module.Config._get_cfg_path
    if getattr(find, 'leaves_scopes_out', False):
        return

    @functools.wraps(find)
    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        path, scope = find(cfg_path, filename)
        return path, None if scope == PACKAGE else scope

    get_cfg_path.leaves_scopes_out = True
    module.Config._get_cfg_path = staticmethod(get_cfg_path)
