"""From class logits and boxes of a batch to its detections, with one transfer from the device.

Axes: B images, K prompts, N priors, n candidates, m = ``max_per_img`` or fewer detections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from expalign.structures.letterbox import clip_to_images

from .candidates import select_candidates
from .class_wise_nms import FIRST_LOOK, batch_nms, is_greedy
from .finite_outputs import count_non_finite
from .greedy_nms import BLOCK

# Of NMS on a GPU: more than photographs need (10 at most were seen), far more, always enough.
ROUNDS = 12, 96, BLOCK


@dataclass(frozen=True)
class Detections:
    """The detections of a batch, by falling score; what lies behind an image's count means nothing.

    Attributes:
        priors: (B, m), which prior each comes from, on the device of the logits.
        fetched: (B, m, 6) corners, score and label, on the CPU.
        counts: B numbers of detections.
        non_finite: (B, 3), see :func:`~.finite_outputs.count_non_finite`.
    """

    priors: Tensor
    fetched: np.ndarray
    counts: Sequence[int]
    non_finite: np.ndarray

    def corners(self) -> list[np.ndarray]:
        """Boxes (n, 4) xyxy of every image."""
        return [rows[:count, :4] for rows, count in zip(self.fetched, self.counts, strict=True)]

    def instances(self, keep_priors: bool = False) -> list[InstanceData]:
        """``bboxes`` (n, 4), ``scores`` (n) and ``labels`` (n) of every image, on the CPU.

        With ``keep_priors`` also ``priors`` (n).
        """
        # Copies, so that a result which is kept or sent does not drag the whole batch along.
        found = [
            InstanceData(
                bboxes=torch.from_numpy(rows[:count, :4].copy()),
                scores=torch.from_numpy(rows[:count, 4].copy()),
                labels=torch.from_numpy(rows[:count, 5].astype(np.int64)))
            for rows, count in zip(self.fetched, self.counts, strict=True)]
        if keep_priors:
            for result, priors in zip(found, self.priors.cpu(), strict=True):
                result.priors = priors[:len(result)]
        return found


class Attempt(NamedTuple):
    """What NMS finds, on the device, and what it takes to look further.

    Attributes:
        table: (B, 6 m + 6): m corners, scores and labels; how much is not finite (3); the number of
            detections, and whether no further candidates and no further rounds are needed.
        priors: (B, m), which prior each comes from.
        logits: (B, K, N).
        boxes: (B, N, 4) xyxy.
        non_finite: (B, 3), see :func:`~.finite_outputs.count_non_finite`.
    """

    table: Tensor
    priors: Tensor
    logits: Tensor
    boxes: Tensor
    non_finite: Tensor


def first_attempt(
    logits: Tensor, boxes: Tensor, prompt_masks: Tensor, test_cfg: dict, frames: Tensor | None,
    others: Sequence[Tensor] = (),
) -> Attempt:
    """The first look and the usual rounds, without a wait where greedy NMS runs on a GPU.

    Args:
        logits: (B, K, N).
        boxes: (B, N, 4) xyxy.
        prompt_masks: (B, K) bool, False where not to predict.
        test_cfg: see :class:`~.expalign_head.ExpAlignHead`.
        frames: see :func:`~.letterbox.letterbox_frames`, of the images at whose borders boxes are
            cut; None: they are not.
        others: further outputs (B, ...) that are to be finite.
    """
    non_finite = count_non_finite(logits, boxes, prompt_masks, others)
    return _attempt(logits, boxes, prompt_masks, test_cfg, frames, non_finite, _looks(test_cfg)[0],
                    ROUNDS[0])


def find_detections(
    attempt: Attempt, prompt_masks: Tensor, test_cfg: dict, frames: Tensor | None
) -> Detections:
    """The detections of a batch.

    What was found is fetched from the device together with the word whether it is final. It is not
    where too few boxes of the first look stay, or where boxes overlap in chains too long for the
    rounds of NMS: then more is looked at, or more rounds are made, and the result fetched again.

    Args:
        attempt: of :func:`first_attempt`, the same arguments.
        prompt_masks, test_cfg, frames: see there.
    """
    looks, rounds = _looks(test_cfg), list(ROUNDS)
    while True:
        found, finished, settled = _fetch(attempt)
        if not settled:
            rounds.pop(0)
        elif finished or len(looks) == 1:
            return found
        else:
            looks.pop(0)
        attempt = _attempt(attempt.logits, attempt.boxes, prompt_masks, test_cfg, frames,
                           attempt.non_finite, looks[0], rounds[0])


def _looks(test_cfg: dict) -> list[int]:
    """How many candidates an image are looked at, one number after the other."""
    first = FIRST_LOOK * test_cfg['max_per_img']
    most = test_cfg['nms_pre']
    if not is_greedy(test_cfg['nms']):
        return [most]
    return [look for look in (first, 4 * first) if look < most] + [most]


def _attempt(
    logits: Tensor, boxes: Tensor, prompt_masks: Tensor, test_cfg: dict, frames: Tensor | None,
    non_finite: Tensor, look: int, rounds: int,
) -> Attempt:
    """NMS among so many candidates an image, with so many rounds; see :func:`first_attempt`."""
    scores, priors, labels, valid = select_candidates(
        logits, prompt_masks, test_cfg['score_thr'], look, test_cfg.get('multi_label', True),
        test_cfg.get('max_per_prompt'))
    limit = test_cfg['max_per_img']
    near = boxes.gather(1, priors[..., None].expand(-1, -1, 4))
    order, count, settled = batch_nms(
        near, scores, labels, valid, test_cfg['nms'], limit, rounds)
    finished = (count >= limit) | (valid.sum(1) < look)
    kept = near.gather(1, order[..., None].expand(-1, -1, 4))
    if frames is not None:
        kept = clip_to_images(kept, frames)
    columns = [x.gather(1, order)[..., None].to(kept.dtype) for x in (scores, labels)]
    words = torch.cat([non_finite, torch.stack([count, finished, settled], 1)], 1).to(kept.dtype)
    table = torch.cat([torch.cat([kept, *columns], 2).flatten(1), words], 1)
    return Attempt(table, priors.gather(1, order), logits, boxes, non_finite)


def _fetch(attempt: Attempt) -> tuple[Detections, bool, bool]:
    """The detections, whether no further candidates are needed, and no further rounds."""
    table = attempt.table.numpy(force=True)
    rows, words = table[:, :-6].reshape(*attempt.priors.shape, 6), table[:, -6:]
    found = Detections(attempt.priors, rows, words[:, 3].astype(int).tolist(), words[:, :3])
    return found, bool(words[:, 4].all()), bool(words[:, 5].all())
