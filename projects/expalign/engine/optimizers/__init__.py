"""Optimizer constructors of scope ``expalign``."""

from .trainable_constructor import TrainableOptimWrapperConstructor

__all__ = ['TrainableOptimWrapperConstructor']
