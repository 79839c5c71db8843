"""How well prompts find the classes of labelled images."""

from collections.abc import Sequence

import numpy as np

from expalign.structures.prompts import prompt_key
from expalign.utils.progress import progress

from .labelled_images import prepare
from .suggest import IOUS, detect, judge_class, summary


def precision_of(
    inferencer, records: Sequence[dict], lists: Sequence[Sequence[str]]
) -> np.ndarray:
    """AP at IoU 0.50 to 0.95 of each prompt for its class.

    Args:
        inferencer: :class:`~.inferencer.ExpAlignInferencer`.
        records: of :func:`~.labelled_images.read_labelled`.
        lists: lists of K prompts, each searched for by itself.

    Returns:
        (number of lists, K); NaN for a class without a box.
    """
    parts = [[[[] for _ in IOUS] for _ in prompts] for prompts in lists]
    model = inferencer.model
    for record in progress(records, 'validate'):
        (example,) = prepare([record], inferencer.pipeline, model.data_preprocessor)
        for prompts, own in zip(lists, parts, strict=True):
            found = detect(model, example, list(prompts))
            for label, prompt in enumerate(prompts):
                judge_class(example, label, *found[prompt_key(prompt)], own[label])
    return np.array([[summary(prompt, judged).ap for prompt, judged in zip(
        prompts, own, strict=True)] for prompts, own in zip(lists, parts, strict=True)])
