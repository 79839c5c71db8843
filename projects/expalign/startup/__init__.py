"""What ``import expalign`` changes in mmengine and mmdet, when their modules are imported.

This is the top of the package: only ``expalign/__init__.py`` imports it. Each module changes one
module, on the rules of :mod:`expalign.compat.import_hooks`:

==============================  ==========================================================
module                          what the hook does
==============================  ==========================================================
``mmengine.runner.checkpoint``  lets it load ``.safetensors`` files, and run no code of others
                                (``checkpoint_loader.py``)
``mmengine.config.utils``       configs may name those of this package, ``expalign::...``
                                (``config_package.py``)
``mmengine.config.config``      and have no scopes from them (``config_scopes.py``)
``mmengine.infer.infer``        inferencers read the config of a checkpoint given alone as data
                                (``inferencer_config.py``)
``mmengine.hooks                the checkpoint hook removes none but its own files
.checkpoint_hook``              (``checkpoint_hook.py``)
``mmdet.datasets.utils``        mmdet's analysis tools find loading steps of this package
                                (``loading_steps.py``)
==============================  ==========================================================
"""

from expalign.compat.import_hooks import ChangeHook, register

from . import (
    checkpoint_hook,
    checkpoint_loader,
    config_package,
    config_scopes,
    inferencer_config,
    loading_steps,
)

_CHANGES = [ChangeHook(part.MODULE, part.change) for part in (
    checkpoint_loader, config_package, config_scopes, inferencer_config, checkpoint_hook,
    loading_steps)]


def install() -> None:
    """Register the import hooks; calling it again changes nothing."""
    register(_CHANGES)
    for hook in _CHANGES:
        hook.change_if_imported()


__all__ = ['install']
