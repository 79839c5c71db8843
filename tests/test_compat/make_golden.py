"""Write the results of a compiled mmcv: ``PYTHONPATH=FOLDER python make_golden.py [OUT.npz]``.

FOLDER holds an mmcv with compiled operators. Without OUT.npz the shipped file is written; with it,
the results of the larger sweep are, for a direct comparison.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import nms_cases  # noqa: E402

GOLDEN = Path(__file__).with_name('data') / 'nms_golden.npz'


def main() -> None:
    """Run every case and store indices as 16-bit numbers."""
    out, cases = GOLDEN, nms_cases.CASES
    if sys.argv[1:]:
        out, cases = Path(sys.argv[1]), (*nms_cases.CASES, *nms_cases.SWEEP)
    results = {f'{case.name}/{key}': value if key == 'scores' else value.astype(np.uint16)
               for case in cases for key, value in nms_cases.run(case).items()}
    np.savez_compressed(out, **results)


if __name__ == '__main__':
    main()
