"""The one source of randomness of this package's transforms."""

import numpy as np


def transform_generator() -> np.random.Generator:
    """Return a generator for one call of a transform.

    It is seeded from numpy's global state, which mmengine seeds in every worker and which the
    transforms of mmdet and mmyolo draw from too: one seed governs a whole pipeline.
    """
    return np.random.default_rng(np.random.randint(0, 2**32, size=4, dtype=np.uint32))
