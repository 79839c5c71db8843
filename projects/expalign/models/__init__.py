"""Models of ExpAlign; importing this package registers them."""

from . import (
    backbones,
    dense_heads,
    detectors,
    losses,
    necks,
    task_modules,
    test_time_augs,
    text_encoders,
)

__all__ = [
    'backbones', 'dense_heads', 'detectors', 'losses', 'necks', 'task_modules',
    'test_time_augs', 'text_encoders']
