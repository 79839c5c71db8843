"""Reading the predictions that ``tools/test.py --out`` wrote, without running what they name.

The file is a pickle, and a pickle can call any function that it names. Predictions need a dozen
harmless ones, which are let through by name.
"""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from expalign.limits import RECORD_STEPS
from expalign.utils.pickle_scan import ALL_STEPS, BoundedReader, check_pickle

ALLOWED = {
    ('builtins', name) for name in ('set', 'frozenset', 'slice', 'complex', 'bytearray')
} | {
    ('collections', 'OrderedDict'), ('_codecs', 'encode'),
    ('torch', 'Size'), ('torch._utils', '_rebuild_tensor_v2'),
    ('numpy', 'ndarray'), ('numpy', 'dtype'),
    *((f'numpy.{core}.multiarray', name) for core in ('core', '_core')
      for name in ('_reconstruct', 'scalar')),
    *((f'numpy.{core}.numeric', '_frombuffer') for core in ('core', '_core')),
    ('expalign.structures.rle_masks', 'RLE'),
    ('expalign.structures.rle_masks', 'RLEMasks'),
}


class _ResultsUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('torch.storage', '_load_from_bytes'):
            return _load_storage
        if (module, name) in ALLOWED or (module == 'torch' and name.endswith('Storage')):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f'it names {module}.{name}, which predictions do not need')


def _load_storage(content: bytes) -> Any:
    """As ``torch.storage._load_from_bytes``, which trusts the bytes; this does not."""
    return torch.load(io.BytesIO(content), weights_only=True)


def load_results(path: str | Path) -> list[dict]:
    """Predictions of a test run, one dict an image.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, names what predictions do not need, or holds something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'results {path} not found: tools/test.py --out writes such a file')
    try:
        with open(path, 'rb') as file:
            check_pickle(BoundedReader(file, os.path.getsize(path)), str(path), ALL_STEPS,
                         RECORD_STEPS)
            file.seek(0)
            results = _ResultsUnpickler(file).load()
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise ValueError(f'{path} cannot be read as predictions: {error}') from error
    if not isinstance(results, list) or not all(
            isinstance(item, dict) and 'pred_instances' in item for item in results):
        raise ValueError(f'{path} does not hold a list of predictions, one dict an image with '
                         "'pred_instances', as tools/test.py --out writes it")
    return results
