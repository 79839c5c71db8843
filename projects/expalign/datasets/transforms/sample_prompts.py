"""Choice of the prompts of one training image."""

import numpy as np
from mmcv.transforms import BaseTransform

from expalign.registry import TRANSFORMS

from .randomness import transform_generator

INSTANCE_KEYS = ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_masks')


@TRANSFORMS.register_module()
class SamplePrompts(BaseTransform):
    """Keep the prompts that occur in an image and fill up with random ones that do not.

    Comes after the last transform that removes or merges instances, so that the positives are
    those that can still be seen.

    Required keys: ``text`` (the vocabulary, V names), ``gt_bboxes_labels`` (N,) indexing it.
    Optional: ``gt_bboxes``, ``gt_masks``, ``gt_ignore_flags`` (N,).

    Modified: ``text``, the K = min(num_prompts, V) chosen names in the vocabulary's order;
    ``gt_bboxes_labels``, which index it. With more positives than ``num_prompts`` a random subset
    is kept, and the instances of the others are removed. A class that occurs only in ignored
    (crowd) instances is neither positive nor negative and is left out.

    Added: ``prompt_masks``, K booleans: whether a prompt counts in the loss. They are all True,
    unless the vocabulary has nothing but such ignored classes: then one of them stays, as False.

    Args:
        num_prompts: the number of prompts to aim at. 80 in the paper's training (Section 4.1).
    """

    def __init__(self, num_prompts: int = 80) -> None:
        if num_prompts < 1:
            raise ValueError(f'SamplePrompts: num_prompts must be 1 or more, got {num_prompts}')
        self.num_prompts = num_prompts

    def transform(self, results: dict) -> dict:
        """Choose the prompts of one image."""
        if 'text' not in results:
            raise KeyError(
                "SamplePrompts needs the vocabulary in results['text']: use a dataset of "
                'expalign, such as expalign.TextCocoDataset')
        vocabulary = results['text']
        labels = results['gt_bboxes_labels']
        ignored = np.asarray(results.get('gt_ignore_flags', np.zeros(len(labels))), dtype=bool)

        kept = self._choose(labels[~ignored], labels[ignored], len(vocabulary))
        results['prompt_masks'] = [True] * len(kept)
        if not len(kept):
            kept = labels[ignored][:1]
            results['prompt_masks'] = [False]
        results['text'] = [vocabulary[i] for i in kept]
        self._keep_instances(results, kept, len(vocabulary))
        return results

    def _choose(self, labels: np.ndarray, ignored_labels: np.ndarray,
                num_classes: int) -> np.ndarray:
        """Return the indices of the chosen prompts in the vocabulary, ascending."""
        generator = transform_generator()
        positives = np.unique(labels)
        absent = np.setdiff1d(np.arange(num_classes), np.union1d(labels, ignored_labels))
        if len(positives) > self.num_prompts:
            positives = generator.choice(positives, self.num_prompts, replace=False)
        num_negatives = min(self.num_prompts - len(positives), len(absent))
        negatives = generator.choice(absent, num_negatives, replace=False)
        return np.sort(np.concatenate([positives, negatives]))

    @staticmethod
    def _keep_instances(results: dict, kept: np.ndarray, num_classes: int) -> None:
        """Renumber the labels and remove the instances of prompts that were not kept."""
        new_labels = np.full(num_classes, -1, dtype=np.int64)
        new_labels[kept] = np.arange(len(kept))
        results['gt_bboxes_labels'] = new_labels[results['gt_bboxes_labels']]
        keep = results['gt_bboxes_labels'] >= 0
        for key in INSTANCE_KEYS:
            if key in results:
                results[key] = results[key][keep]

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(num_prompts={self.num_prompts})'
