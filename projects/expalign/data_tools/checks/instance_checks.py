"""Checks of one instance that training uses: its box, its mask."""

from dataclasses import dataclass

import numpy as np

from expalign.structures.instance_polygons import polygons_of

from .findings import Findings

BORDER = 1.0  # pixels that a box may reach over the image's border: rounding
MASK_BORDER = 2.0  # pixels that a mask may reach over its box


@dataclass
class Decision:
    """What a cleaned file has of an instance.

    Args:
        box: xyxy, cut at the image's border where it reaches over it.
        cut: whether it was.
        keep_mask: whether its mask stays.
    """

    box: list[float]
    cut: bool = False
    keep_mask: bool = True


def check_instance(instance: dict, size: tuple[int, int], where: str,
                   findings: Findings) -> Decision:
    """Count what is wrong with an instance, and say what a cleaned file has of it.

    Args:
        instance: of a record.
        size: (height, width) of the image.
        where: the image, for the report.
        findings: takes what is found.
    """
    box, (height, width) = instance['bbox'], size
    inside = [min(max(v, 0.0), limit) for v, limit in zip(box, (width, height) * 2, strict=True)]
    cut = max(abs(a - b) for a, b in zip(box, inside, strict=True)) > BORDER
    if cut:
        findings.problems.note('boxes partly outside of their image', where)
    fault = mask_fault(instance, size)
    if fault is not None:
        findings.problems.note(f'masks {fault[0]}', where + fault[1])
    elif not instance['ignore_flag']:
        with_mask = 'mask' in instance
        findings.facts.note(f'instances {"with" if with_mask else "without"} a mask')
    return Decision(inside if cut else box, cut, keep_mask=fault is None)


def mask_fault(instance: dict, size: tuple[int, int]) -> tuple[str, str] | None:
    """What is wrong with an instance's mask, and details of the single case; or None."""
    if 'mask' not in instance:
        return None
    try:
        polygons = [p for p in polygons_of(instance['mask'], size) if len(p)]
    except (TypeError, ValueError) as error:
        return 'that cannot be read (training leaves out the image)', f': {error}'
    if not polygons:
        return 'without an area', ''
    if instance['ignore_flag']:  # not used in training
        return None
    points = np.concatenate(polygons).reshape(-1, 2)
    box = np.asarray(instance['bbox'])
    reach = max((box[:2] - points.min(0)).max(), (points.max(0) - box[2:]).max())
    if reach > MASK_BORDER:
        return f'reaching over their box by more than {MASK_BORDER:g} pixels', ''
    return None
