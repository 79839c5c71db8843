"""Running the model: configs, launchers, checkpoints and, in scope ``expalign``, hooks,
loops, and optimizer wrappers with their constructors.

mmengine imports this package when a config names a hook of the scope. Helpers of the tools are
imported from their own modules.
"""

from . import hooks, loops, optimizers

__all__ = ['hooks', 'loops', 'optimizers']
