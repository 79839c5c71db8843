"""Optimizer wrappers and their constructors of scope ``expalign``."""

from .bfloat16_wrapper import BFloat16OptimWrapper
from .trainable_constructor import TrainableOptimWrapperConstructor

__all__ = ['BFloat16OptimWrapper', 'TrainableOptimWrapperConstructor']
