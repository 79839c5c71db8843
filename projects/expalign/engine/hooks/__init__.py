"""Hooks of scope ``expalign``."""

from .finite_loss_hook import FiniteLossHook
from .trainable_ema_hook import TrainableEMAHook

__all__ = ['FiniteLossHook', 'TrainableEMAHook']
