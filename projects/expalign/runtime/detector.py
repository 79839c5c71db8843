"""The detector without PyTorch: onnxruntime, numpy, OpenCV; tokenizers for new prompts.

Axes: B images, K prompts, L tokens, D width, N locations, n detections.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from expalign.structures.detections import Detections
from expalign.structures.exclusive_boxes import exclusive_boxes
from expalign.structures.known_classes import KnownClasses
from expalign.structures.prompts import asks_everything, first_occurrences, parse_prompts
from expalign.structures.thresholds import SCORE_THR, ScoreThr, thresholds_of
from expalign.utils.keywords import check_keywords

from .masks import decode_masks
from .model_folder import files_of_folder
from .postprocess import (
    Candidates,
    boxes_to_original,
    check_finite,
    class_wise_nms,
    clip_boxes,
    select_candidates,
)
from .preprocess import Letterboxed, letterbox, read_image
from .prompts import OnnxPrompts, encode_prompts
from .sessions import open_session
from .settings import DetectorSettings
from .text_side import OnnxTextSide

Image = str | Path | np.ndarray
STRIDE = 32  # both sides of the input are multiples of the coarsest level's stride
KEPT = 2  # vocabularies whose features are kept, by their prompts
KEYWORDS = ('images', 'texts', 'score_thr', 'batch_size')


class OnnxDetector:
    """Detects prompts in images with files of ``tools/deploy/export_onnx.py``.

    Several threads may call it at a time, each with its own prompts.

    Args:
        model: ONNX file of the detector, or a folder with it and its text side alone.
        text_side: ONNX file of its text side; only for models without a baked vocabulary. None:
            that of the folder, else features are given to :meth:`set_text_features`.
        providers: of onnxruntime, for the network; by default the CPU's. Prompts are encoded on
            the CPU always: once for each vocabulary, and OpenVINO gives other vectors of them.
        threads: of one operator; by default onnxruntime's choice.
        image_size: width and height of the network's input, multiples of 32; by default those of
            the test pipeline, which scores are best at.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: files and arguments do not belong together.
    """

    def __init__(
        self,
        model: str | Path,
        text_side: str | Path | None = None,
        providers: Sequence[Any] | None = None,
        threads: int | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        if Path(model).is_dir():
            model, of_folder = files_of_folder(model)
            text_side = of_folder if text_side is None else text_side
        self.session, settings = open_session(model, DetectorSettings, providers, threads)
        self.settings = _with_size(settings, image_size)
        self.text_side = None
        if text_side is not None:
            if settings.vocabulary is not None:
                raise ValueError(f'{model} has its vocabulary inside and takes no text side')
            self.text_side = OnnxTextSide(text_side, threads=threads)
            if self.text_side.settings.embed_dims != settings.embed_dims:
                raise ValueError(
                    f'{text_side} gives features of width {self.text_side.settings.embed_dims}, '
                    f'{model} takes {settings.embed_dims}: they are of different models')
        self.name = Path(settings.config).stem or Path(model).stem
        record = settings.known_classes
        self.known_classes = None if record is None else KnownClasses.from_plain(record)
        self._outputs = [item.name for item in self.session.get_outputs()]
        # By the prompts themselves, so that no caller can get another's.
        self._encoded = lru_cache(KEPT)(partial(
            encode_prompts, text_side=self.text_side, settings=self.settings))
        self._prompts: OnnxPrompts | None = None
        if settings.vocabulary is not None:
            names = tuple(settings.vocabulary)
            self._prompts = OnnxPrompts(names, range(len(names)))

    @property
    def prompts(self) -> list[str] | None:
        """What a call without ``texts`` searches for; None where it would be refused."""
        names = self._names_of(self._prompts)
        return None if names is None else list(names)

    def _names_of(self, kept: OnnxPrompts | None) -> tuple[str, ...] | None:
        if kept is None and self.known_classes is not None and self.text_side is not None:
            return self.known_classes.names
        return None if kept is None else kept.names

    def set_vocabulary(self, texts: str | Sequence[str]) -> None:
        """Prompts of all calls without ``texts`` that begin from now on.

        Args:
            texts: K prompts, or a string of them; see
                :func:`~expalign.structures.prompts.parse_prompts`. Of equal ones the first is
                scored.

        Raises:
            TypeError: ``texts`` is neither a string nor a sequence of strings.
            ValueError: there is none, one is white space, or the model has no text side.
        """
        self._prompts = self._prompts_of(texts)

    def set_text_features(
        self, names: Sequence[str], txt_feats: np.ndarray, txt_masks: np.ndarray
    ) -> None:
        """Features that were computed elsewhere, for all calls without ``texts``.

        Args:
            names: K prompts. Of equal ones the first is scored.
            txt_feats: (K, L, D) float32.
            txt_masks: (K, L) bool, True at real tokens.

        Raises:
            ValueError: the shapes do not belong together.
        """
        names = tuple(parse_prompts(list(names)))
        if txt_feats.shape[:2] != txt_masks.shape or len(names) != len(txt_feats) or (
                txt_feats.shape[2:] != (self.settings.embed_dims,)):
            raise ValueError(
                f'{len(names)} names need txt_feats (K, L, {self.settings.embed_dims}) and '
                f'txt_masks (K, L), got {txt_feats.shape} and {txt_masks.shape}')
        rows = sorted(set(first_occurrences(names)))
        self._prompts = OnnxPrompts(names, rows, txt_feats[rows], txt_masks[rows])

    def _prompts_of(self, texts: str | Sequence[str] | None) -> OnnxPrompts:
        """What a call searches for; its methods are given it, and keep nothing of it."""
        kept = self._prompts  # read once: another thread may set it
        if texts is None:
            known = self._names_of(kept)
            if known is None:
                raise ValueError('no prompts: give texts=[...] or call set_vocabulary([...])')
            return self._encoded(known) if kept is None else kept
        names = tuple(parse_prompts(texts))
        if asks_everything(names):
            raise ValueError("an exported model does not search for everything, '*': name what to "
                             'look for')
        if kept is not None and names == kept.names:
            return kept
        if self.settings.vocabulary is not None:
            raise ValueError('the vocabulary of this ONNX file is baked in; export it without '
                             '--bake-vocabulary for prompts of your own')
        return self._encoded(names)

    def __call__(
        self, images: Image | Sequence[Image], texts: str | Sequence[str] | None = None,
        score_thr: ScoreThr = SCORE_THR, batch_size: int = 1, **wrong: Any,
    ) -> list[Detections]:
        """Detect.

        Args:
            images: one or several, each a path or an array (H, W, 3) uint8 in BGR.
            texts: prompts of this call; None: those of :meth:`set_vocabulary`, or else the classes
                that the model knows; where these exclude one another, a thing has one box.
            score_thr: lowest score that shows, as in ``expalign.detect``.
            batch_size: images a forward pass.

        Returns:
            One entry an image.

        Raises:
            TypeError: an argument that there is not; the message suggests the right one.
            ValueError: no prompts were given, or an image or a threshold cannot be used.
            OSError: an image cannot be read.
        """
        check_keywords('OnnxDetector', wrong, KEYWORDS)
        prompts = self._prompts_of(texts)
        thresholds_of(prompts.names, score_thr)  # wrong ones are told before any work
        if isinstance(images, str | Path | np.ndarray):
            images = [images]
        known = self.known_classes
        exclusive = (texts is None and known is not None and known.exclusive
                     and prompts.names == known.names)
        return [found for start in range(0, len(images), batch_size) for found in self._detect(
            images[start:start + batch_size], prompts, score_thr, exclusive)]

    def inputs(
        self, frames: Sequence[Letterboxed], texts: str | Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The network's inputs for letterboxed images; ``texts`` as in a call."""
        return _inputs(frames, self._prompts_of(texts))

    def candidates(self, image: Image, texts: str | Sequence[str] | None = None) -> Candidates:
        """What NMS chooses from in an image; ``texts`` as in a call.

        Raises:
            ValueError: NMS is inside of the file.
        """
        if self.settings.nms_inside:
            raise ValueError('NMS is inside of this ONNX file, which gives no candidates')
        prompts = self._prompts_of(texts)
        (frame,), raw = self._run([image], prompts)
        boxes, scores, rows, _ = self._candidates(raw, 0, frame)
        return Candidates(boxes, scores, prompts.labels(rows), frame.size, self.settings)

    def _run(self, images: Sequence[Image], prompts: OnnxPrompts
             ) -> tuple[list[Letterboxed], Mapping[str, np.ndarray]]:
        frames = [letterbox(image if isinstance(image, np.ndarray) else read_image(image),
                            self.settings) for image in images]
        outputs = self.session.run(self._outputs, _inputs(frames, prompts))
        raw = dict(zip(self._outputs, outputs, strict=True))
        check_finite(raw, images)
        return frames, raw

    def _detect(self, images: Sequence[Image], prompts: OnnxPrompts, score_thr: ScoreThr,
                exclusive: bool) -> Iterator[Detections]:
        frames, raw = self._run(images, prompts)
        for number, (image, frame) in enumerate(zip(images, frames, strict=True)):
            boxes, scores, rows, coeffs = self._rows_of(raw, number, frame)
            boxes = clip_boxes(boxes, frame.size)
            if exclusive:
                left = exclusive_boxes(boxes, self.settings.iou_threshold)
                boxes, scores, rows = boxes[left], scores[left], rows[left]
                coeffs = _take(coeffs, left)
            masks = None if coeffs is None else decode_masks(
                coeffs, raw['prototypes'][number], boxes, frame, self.settings.prototype_stride)
            yield Detections(
                boxes, scores, prompts.labels(rows), prompts.names, frame.size, masks,
                image if isinstance(image, np.ndarray) else str(image), score_thr, self.name,
                read=read_image, known=self.known_classes)

    def _rows_of(self, raw: Mapping[str, np.ndarray], number: int, frame: Letterboxed) -> tuple:
        """Boxes (n, 4) in the image, scores, rows of the vocabulary, coefficients (n, M)."""
        coeffs = raw.get('coeffs')
        if self.settings.nms_inside:
            keep = raw['image_index'] == number
            boxes = boxes_to_original(raw['boxes'][keep], frame)
            return boxes, raw['scores'][keep], raw['labels'][keep], _take(coeffs, keep)
        boxes, scores, rows, places = self._candidates(raw, number, frame)
        keep = class_wise_nms(boxes, rows, self.settings)
        chosen = _take(coeffs, (number, places[keep]))
        return boxes[keep], scores[keep], rows[keep], chosen

    def _candidates(self, raw: Mapping[str, np.ndarray], number: int, frame: Letterboxed) -> tuple:
        """Boxes (n, 4) in the image, scores, rows of the vocabulary and locations (n)."""
        scores, places, rows = select_candidates(raw['logits'][number], self.settings)
        return boxes_to_original(raw['boxes'][number, places], frame), scores, rows, places


def _inputs(frames: Sequence[Letterboxed], prompts: OnnxPrompts) -> dict[str, np.ndarray]:
    return dict(images=np.stack([frame.pixels for frame in frames]), **prompts.inputs())


def _take(values: np.ndarray | None, index: Any) -> np.ndarray | None:
    return None if values is None else values[index]


def _with_size(settings: DetectorSettings, image_size: tuple[int, int] | None
               ) -> DetectorSettings:
    if image_size is None:
        return settings
    if any(side % STRIDE or side <= 0 for side in image_size):
        raise ValueError(f'image_size {image_size}: both sides must be multiples of {STRIDE}')
    return replace(settings, image_size=tuple(image_size))
