"""An inferencer's predictions as :class:`Detections`, for images in every form."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from mmdet.structures import DetDataSample
from torch import Tensor

from expalign.datasets.bad_samples import BadSample
from expalign.datasets.transforms.loading import read_image
from expalign.structures.detections import Detections
from expalign.structures.prompts import distinct_prompts, flattened
from expalign.structures.thresholds import ScoreThr, check_threshold, thresholds_of
from expalign.visualization import draw_explanation

from .images import Image, ImageStream, Inputs
from .texts import Texts, prompts_of_images

if TYPE_CHECKING:
    from .inferencer import ExpAlignInferencer

EXPLAINED = 20  # boxes whose names are explained, where everything was searched for


def search(
    inferencer: 'ExpAlignInferencer', images: Inputs, texts: Texts | None, score_thr: ScoreThr,
    batch_size: int, stream: bool, patch_size: int | None,
) -> Detections | list[Detections] | Iterator[Detections]:
    """See :meth:`ExpAlignInferencer.detect`."""
    check_threshold(score_thr)
    if isinstance(images, Iterator):
        return _search_iterator(inferencer, images, texts, score_thr, batch_size, patch_size)
    sources = images if isinstance(images, ImageStream) else ImageStream(images)
    prompts = _distinct(texts, len(sources))
    found = _search(inferencer, sources, prompts, score_thr, batch_size, patch_size)
    if stream or sources.has_video:
        return found
    return next(found) if sources.single else list(found)


def _distinct(texts: Texts | None, count: int) -> list[str] | list[list[str]] | None:
    """The prompts without those that are equal: of all images, or of each."""
    if texts is None:
        return None
    prompts = prompts_of_images(texts, count)
    if isinstance(prompts, list):
        return [distinct_prompts(of_image) for of_image in prompts]
    return distinct_prompts(next(iter(prompts)))


def _search_iterator(
    inferencer: 'ExpAlignInferencer', images: Iterator, texts: Texts | None, score_thr: ScoreThr,
    batch_size: int, patch_size: int | None,
) -> Iterator[Detections]:
    """Images that come one after another, at most ``batch_size`` of them at a time."""
    if texts is not None and not isinstance(texts, str) and any(
            not isinstance(entry, str) for entry in flattened(texts)):
        raise ValueError('the prompts of each image need a list of images: an iterator has no '
                         'number of them')
    prompts = _distinct(texts, 1)
    while batch := list(islice(images, batch_size)):
        yield from _search(
            inferencer, ImageStream(batch), prompts, score_thr, batch_size, patch_size)


def _search(
    inferencer: 'ExpAlignInferencer', images: ImageStream, prompts: list | None,
    score_thr: ScoreThr, batch_size: int, patch_size: int | None,
) -> Iterator[Detections]:
    windows = None if patch_size is None else dict(patch_size=patch_size)
    for image, sample in pairs_of(inferencer, images, prompts, batch_size, windows):
        yield detections_of(inferencer, image, sample, score_thr)


def pairs_of(
    inferencer: 'ExpAlignInferencer', images: ImageStream, prompts: list | None, batch_size: int,
    windows: dict[str, Any] | None = None, return_eam: bool = False, token_maps: bool = False,
) -> Iterator[tuple[Image, DetDataSample]]:
    """Images with their predictions, and hints for weak prompts.

    Where there are options for windows, of windows, too, and without hints.
    """
    if windows is None:
        return inferencer.stream(images, prompts, batch_size=batch_size, return_eam=return_eam,
                                 token_maps=token_maps, hints=True)
    return _windows(inferencer, images, prompts, batch_size, windows)


def _windows(
    inferencer: 'ExpAlignInferencer', images: ImageStream, prompts: list | None, batch_size: int,
    windows: dict[str, Any],
) -> Iterator[tuple[Image, DetDataSample]]:
    nested = prompts and not isinstance(prompts[0], str)
    for number, image in enumerate(images):
        try:
            yield image, inferencer.detect_large(
                image, [prompts[number]] if nested else prompts, batch_size=batch_size, **windows)
        except BadSample as error:
            images.leave_out(image, error)
    images.report_left_out()


def detections_of(
    inferencer: 'ExpAlignInferencer', image: Image | None, sample: DetDataSample,
    score_thr: ScoreThr,
) -> Detections:
    """A prediction as :class:`Detections`; without the image it has no pictures."""
    instances, prompts = sample.pred_instances, inferencer.model.prompts_of(sample)
    masks = instances.get('masks')
    # Of everything, what was found can be explained.
    explained = distinct_prompts(instances.label_names[:EXPLAINED]) if (
        inferencer.model.asks_everything(sample)) else prompts
    return Detections(
        *(instances[name].cpu().numpy() for name in ('bboxes', 'scores', 'labels')), prompts,
        sample.ori_shape, masks.cpu().numpy() if isinstance(masks, Tensor) else masks, image,
        score_thr, inferencer.name, sample, read_image,
        partial(_explain, inferencer, image, explained, score_thr), inferencer.model.known_classes,
        sample.get('hints', ()))


def _explain(
    inferencer: 'ExpAlignInferencer', image: Image, searched: Sequence[str], score_thr: ScoreThr,
    prompts: Sequence[str] | None, token_maps: bool,
) -> np.ndarray:
    """The picture of why prompts were found; the maps are made by another forward pass."""
    ((_, sample),) = inferencer.stream(
        ImageStream([image]), [list(searched)], return_eam=True, token_maps=token_maps)
    pixels = image if isinstance(image, np.ndarray) else read_image(image)
    return draw_explanation(
        pixels[..., ::-1], sample.alignment, sample.pred_instances, prompts,
        thresholds_of(searched, score_thr, inferencer.model.known_classes))
