"""Models of ExpAlign; importing this package registers them."""

from . import (
    backbones,
    data_preprocessor,
    dense_heads,
    detectors,
    losses,
    necks,
    task_modules,
    test_time_augs,
    text_encoders,
)

__all__ = [
    'backbones', 'data_preprocessor', 'dense_heads', 'detectors', 'losses', 'necks', 'task_modules',
    'test_time_augs', 'text_encoders']
