"""Running the model: configs, launchers, checkpoints and, in scope ``expalign``, hooks.

mmengine imports this package when a config names a hook of the scope. Helpers of the tools are
imported from their own modules.
"""

from . import hooks

__all__ = ['hooks']
