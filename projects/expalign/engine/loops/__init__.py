"""Loops of a run."""

from .optional_val_loop import OptionalValLoop

__all__ = ['OptionalValLoop']
