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
PICKLE_BYTES = Limit('EXPALIGN_MAX_PICKLE_BYTES', 64 * 2**20, 'bytes in the pickle of a checkpoint')
OBJECTS = Limit(
    'EXPALIGN_MAX_CHECKPOINT_OBJECTS', 1_000_000, 'objects, each counted wherever it stands')
DEPTH = Limit('EXPALIGN_MAX_CHECKPOINT_DEPTH', 100, 'containers inside one another')
UNPACKED = Limit(
    'EXPALIGN_MAX_UNPACKED_RATIO', 4, 'times the size of the file (or of 16 MiB) in tensors')
ARCHIVE_FILES = Limit('EXPALIGN_MAX_ARCHIVE_FILES', 100_000, 'files in an archive')
HEADER_BYTES = Limit(
    'EXPALIGN_MAX_HEADER_BYTES', 16 * 2**20, 'bytes in the header of a safetensors file')
