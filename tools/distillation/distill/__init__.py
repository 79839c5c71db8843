"""Training the text side on vectors of names: hold-out rule, closed-form fit of the adapter."""

from .heldout import COCO_ALIASES, held_out_names, name_forms
from .ridge_fit import RidgeFitOptions, TokenRows, fit_adapter, spread_ratio

__all__ = [
    'COCO_ALIASES', 'RidgeFitOptions', 'TokenRows', 'fit_adapter', 'held_out_names', 'name_forms',
    'spread_ratio',
]
