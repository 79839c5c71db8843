"""LVIS v1 to ODVG detection lines."""

from pathlib import Path

from expalign.utils.tally import Tally

from .coco_to_odvg import MAX_BAD, convert_coco
from .lvis_minival import coco_path

# What LVIS says about each image: classes that were checked and are absent, and classes of which
# not every object is annotated. Any other class is neither.
FEDERATED_FIELDS = ('neg_category_ids', 'not_exhaustive_category_ids')


def convert_lvis(source: str | Path, output: str | Path, label_map: str | Path,
                 masks: bool = True, max_bad: int = MAX_BAD,
                 allow_outside: bool = False) -> Tally:
    """Convert an LVIS file to ODVG; see :func:`convert_coco`.

    Records keep LVIS' ``neg_category_ids`` and ``not_exhaustive_category_ids``, as labels.
    """
    return convert_coco(source, output, label_map, masks, max_bad, coco_path, FEDERATED_FIELDS,
                        allow_outside)
