"""Limits on what a checkpoint may ask for; see :mod:`expalign.limits` for how they are set."""

from expalign.limits import Limit

CONFIG_SIGNS = Limit('EXPALIGN_MAX_CONFIG_SIGNS', 400_000, 'signs in the text of a config')
MODEL_NUMBERS = Limit(
    'EXPALIGN_MAX_MODEL_NUMBERS', 100_000_000, 'weights in the model that a config describes')
MODEL_LAYERS = Limit(
    'EXPALIGN_MAX_MODEL_LAYERS', 10_000, 'layers in the model that a config describes')
INPUT_SIDE = Limit(
    'EXPALIGN_MAX_INPUT_SIDE', 4096, 'as a number in the test pipeline of a config')
MODEL_ARGUMENT = Limit(
    'EXPALIGN_MAX_MODEL_ARGUMENT', 1_000_000, 'as a number in the model of a config')
