"""From class logits and boxes of a batch to its detections, with one transfer from the device.

Axes: B images, K prompts, N priors, n candidates, m = ``max_per_img`` or fewer detections.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from .candidates import Candidates, select_candidates
from .class_wise_nms import FIRST_LOOK, batch_nms, is_greedy
from .finite_outputs import count_non_finite
from .greedy_nms import BLOCK
from .letterbox import clip_to_images

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

    def instances(self) -> list[InstanceData]:
        """``bboxes`` (n, 4), ``scores`` (n) and ``labels`` (n) of every image, on the CPU."""
        # Copies, so that a result which is kept or sent does not drag the whole batch along.
        return [
            InstanceData(
                bboxes=torch.from_numpy(rows[:count, :4].copy()),
                scores=torch.from_numpy(rows[:count, 4].copy()),
                labels=torch.from_numpy(rows[:count, 5].astype(np.int64)))
            for rows, count in zip(self.fetched, self.counts, strict=True)]


def find_detections(
    logits: Tensor, boxes: Tensor, prompt_masks: Tensor, test_cfg: dict,
    metas: Sequence[dict] | None, others: Sequence[Tensor] = (),
) -> Detections:
    """The detections of a batch.

    What was found is fetched from the device together with the word whether it is final. It is not
    where too few boxes of the first look stay, or where boxes overlap in chains too long for the
    rounds of NMS: then more is looked at, or more rounds are made, and the result fetched again.

    Args:
        logits: (B, K, N).
        boxes: (B, N, 4) xyxy.
        prompt_masks: (B, K) bool, False where not to predict.
        test_cfg: see :class:`~.expalign_head.ExpAlignHead`.
        metas: of the images at whose borders boxes are cut; None: they are not.
        others: further outputs (B, ...) that are to be finite.
    """
    looks, rounds = _looks(test_cfg), list(ROUNDS)
    non_finite = count_non_finite(logits, boxes, prompt_masks, others)
    while True:
        candidates = select_candidates(
            logits, prompt_masks, test_cfg['score_thr'], looks[0],
            test_cfg.get('multi_label', True), test_cfg.get('max_per_prompt'))
        found, finished, settled = _suppress(
            candidates, boxes, test_cfg, metas, looks[0], rounds[0], non_finite)
        if not settled:
            rounds.pop(0)
        elif finished or len(looks) == 1:
            return found
        else:
            looks.pop(0)


def _looks(test_cfg: dict) -> list[int]:
    """How many candidates an image are looked at, one number after the other."""
    first = FIRST_LOOK * test_cfg['max_per_img']
    most = test_cfg['nms_pre']
    if not is_greedy(test_cfg['nms']):
        return [most]
    return [look for look in (first, 4 * first) if look < most] + [most]


def _suppress(
    candidates: Candidates, boxes: Tensor, test_cfg: dict, metas: Sequence[dict] | None,
    look: int, rounds: int, non_finite: Tensor,
) -> tuple[Detections, bool, bool]:
    """NMS among the candidates, whether no more of them are needed, and no more rounds."""
    limit = test_cfg['max_per_img']
    scores, priors, labels, valid = candidates
    near = boxes.gather(1, priors[..., None].expand(-1, -1, 4))
    order, count, settled = batch_nms(
        near, scores, labels, valid, test_cfg['nms'], limit, rounds)
    finished = (count >= limit) | (valid.sum(1) < look)
    kept = near.gather(1, order[..., None].expand(-1, -1, 4))
    if metas is not None:
        kept = clip_to_images(kept, metas)
    columns = [scores.gather(1, order), labels.gather(1, order).to(kept.dtype)]
    table = torch.cat([kept, *(x.to(kept.dtype)[..., None] for x in columns)], 2)  # (B, m, 6)
    words = torch.cat([non_finite, torch.stack([count, finished, settled], 1)], 1).to(kept.dtype)
    fetched = torch.cat([table.flatten(1), words], 1).numpy(force=True)
    counts = fetched[:, -3].astype(int).tolist()
    found = Detections(priors.gather(1, order), fetched[:, :-6].reshape(table.shape), counts,
                       fetched[:, -6:-3])
    return found, bool(fetched[:, -2].all()), bool(fetched[:, -1].all())
