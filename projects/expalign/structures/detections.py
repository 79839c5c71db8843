"""What was found in one image: the result that every way of asking gives.

It needs numpy alone; pictures, formats and other packages are imported when they are asked for.
"""

import html
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np

from . import detection_formats as formats
from .hint import Hint
from .instance_masks import InstanceMasks
from .known_classes import KnownClasses
from .thresholds import SCORE_THR, ScoreThr, thresholds_of

UNTRACKED = -1
NOTEBOOK_SIDE = 900  # pixels of the longer side of a picture in a notebook

Box = Sequence[float]


class Detection(NamedTuple):
    """One thing that was found: ``box`` (x1, y1, x2, y2) in pixels, ``mask`` (H, W) bool or None.
    """

    name: str
    score: float
    box: tuple[float, float, float, float]
    label: int
    mask: np.ndarray | None


class FilmFrame(NamedTuple):
    """Where in a film an image is: its path or address, the frame's number, and its seconds."""

    film: str
    frame: int
    time: float


class Detections(Sequence[Detection]):
    """The detections of one image, by falling score; those below the threshold do not show.

    ``len(found)`` counts them, iteration and an integer index give :class:`Detection`, a slice or
    an array of places or of booleans gives ``Detections``. :meth:`above` shows others.

    Attributes:
        boxes: (n, 4) float32, x1, y1, x2, y2 in pixels.
        scores: (n) float32.
        labels: (n) int64, the places of the names in ``prompts``.
        names: n prompts.
        masks: :class:`~.instance_masks.InstanceMasks`, (n, H, W) bool on demand; None where the
            model has none.
        prompts: K prompts that were searched for.
        best_scores: (K) best score of each prompt, below the threshold too; 0 where there is none.
        size: height and width of the image in pixels.
        path: path or address of the image; None for an array.
        threshold: lowest score that shows; one number, one a prompt, or ``'auto'``.
        thresholds: what follows of it, K numbers.
        model: name of the model, ``''`` where it has none.
        hints: :class:`~.hint.Hint` of prompts that found nothing where another word for the same
            thing scores well.
        tracks: (n) int64, equal for one thing in the frames of a film, ``UNTRACKED`` where it is
            not followed (yet); None where nothing is.
        frame: :class:`FilmFrame` of a frame of a film; else None.
        data_sample: mmdet's ``DetDataSample`` that this was made of, or None; it has all
            detections.

    Args:
        image: path or address of the image, or an array (H, W, 3) uint8 in BGR order; pictures
            are drawn on it.
        read: reads such a path as BGR.
        explainer: gives the picture (H, W, 3) RGB of why prompts were found.
        known: what the model knows of its classes, for the threshold ``'auto'``.
        others: see the attributes; here of all candidates, masks as ``InstanceMasks`` takes them.
    """

    def __init__(
        self, boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, prompts: Sequence[str],
        size: tuple[int, int], masks: Sequence[Any] | None = None,
        image: str | np.ndarray | None = None, threshold: ScoreThr = SCORE_THR,
        model: str = '', data_sample: Any = None,
        read: Callable[[str], np.ndarray] | None = None,
        explainer: Callable[[Sequence[str] | None, bool], np.ndarray] | None = None,
        known: KnownClasses | None = None, hints: Sequence[Hint] = (),
    ) -> None:
        height, width = map(int, size)
        self.prompts, self.size, self.model = list(map(str, prompts)), (height, width), model
        self.threshold, self.data_sample, self._known = threshold, data_sample, known
        self.hints = tuple(hints)
        self.path = str(image) if isinstance(image, str | Path) else None
        self._image, self._read, self._explainer = image, read, explainer
        scores = np.asarray(scores, dtype=np.float32).reshape(-1)
        order = np.argsort(-scores, kind='stable')
        labels = np.asarray(labels, dtype=np.int64).reshape(-1)
        self._all = (np.asarray(boxes, dtype=np.float32).reshape(-1, 4)[order], scores[order],
                     labels[order])
        self._masks = None if masks is None else InstanceMasks(masks, self.size)[order]
        self.best_scores = np.zeros(len(self.prompts), dtype=np.float32)
        np.maximum.at(self.best_scores, labels, scores)
        self._tracks: np.ndarray | None = None
        self.frame: FilmFrame | None = None
        self._keep(np.arange(len(scores)))

    def _keep(self, places: np.ndarray) -> None:
        """Show those of the candidates at ``places`` whose scores are high enough."""
        _, scores, labels = self._all
        self.thresholds = thresholds_of(self.prompts, self.threshold, self._known)
        lowest = np.asarray(self.thresholds, dtype=np.float32)
        self._places = places[scores[places] >= lowest[labels[places]]]
        self.boxes, self.scores, self.labels = (part[self._places] for part in self._all)
        self.names = [self.prompts[label] for label in self.labels]
        self.masks = None if self._masks is None else self._masks[self._places]
        self.tracks = None if self._tracks is None else self._tracks[self._places]

    def __len__(self) -> int:
        return len(self.scores)

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> 'Detections': ...

    def __getitem__(self, index: Any) -> 'Detection | Detections':
        if isinstance(index, int | np.integer):
            return Detection(
                self.names[index], float(self.scores[index]), tuple(self.boxes[index].tolist()),
                int(self.labels[index]), None if self.masks is None else self.masks[index])
        return self._with(self._places[index])

    def __iter__(self) -> Iterator[Detection]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f'<Detections: {self}>'

    def __str__(self) -> str:
        return formats.summary(self)

    def above(self, threshold: ScoreThr) -> 'Detections':
        """The same with another threshold: one number, one a prompt, or ``'auto'``.

        Nothing is searched again.
        """
        return self._with(np.arange(len(self._all[1])), threshold)

    def of_frame(self, frame: FilmFrame) -> 'Detections':
        """The same as those of a frame of a film."""
        other = self._with(self._places)
        other.frame = frame
        return other

    def tracked(self, tracks: Sequence[int] | np.ndarray) -> 'Detections':
        """The same with n numbers of tracks; they stay with what :meth:`above` shows of them."""
        other = self._with(self._places)
        other._tracks = np.full(len(self._all[1]), UNTRACKED, dtype=np.int64)
        other._tracks[self._places] = tracks
        other._keep(self._places)
        return other

    def _with(self, places: np.ndarray, threshold: Any = None) -> 'Detections':
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other.threshold = self.threshold if threshold is None else threshold
        other._keep(places)
        return other

    def plot(self, text_size: int | None = None, on: np.ndarray | None = None) -> np.ndarray:
        """The image with masks, boxes, names and scores, (H, W, 3) uint8 RGB.

        Args:
            text_size: height of letters in pixels; by default the same for pictures of every size.
            on: the image in another size, (h, w, 3) uint8 RGB, to draw on.

        Raises:
            ValueError: the image is not known.
        """
        from expalign.utils.labelled_boxes import draw_labelled_boxes
        image = self.pixels() if on is None else on
        texts = [f'{name} {score:.2f}' for name, score in zip(
            self.names, self.scores, strict=True)]
        if self.tracks is not None:
            texts = [text if track == UNTRACKED else f'{text} #{track}'
                     for text, track in zip(texts, self.tracks, strict=True)]
        (height, width), masks = image.shape[:2], self.masks
        scale = width / self.size[1], height / self.size[0]
        if masks is not None and (height, width) != self.size:
            masks = masks.resized((height, width))
        return draw_labelled_boxes(
            image, self.boxes * (*scale, *scale), texts, self.labels.tolist(), text_size, masks)

    def pixels(self) -> np.ndarray:
        """The image, (H, W, 3) uint8 RGB.

        Raises:
            ValueError: it is not known.
        """
        image = self._image
        if image is None:
            raise ValueError('these detections have no image to draw on')
        if not isinstance(image, np.ndarray):
            if self._read is None:
                from expalign.utils.image_files import decode, read_content
                image = decode(read_content(image))
            else:
                image = self._read(str(image))
        return np.ascontiguousarray(image[..., ::-1])

    def show(self) -> None:
        """Show the picture: in a notebook below the cell, else in a window.

        Raises:
            RuntimeError: there is no screen.
        """
        from expalign.utils.screen import show_picture
        show_picture(self.plot(), str(self))

    def save(self, path: str | Path) -> Path:
        """Write the picture, or for a name that ends in ``.json`` the numbers.

        Returns:
            The file; a format that cannot hold the picture becomes PNG.

        Raises:
            ValueError: it is the image itself, or its name says no format that is written.
            OSError: it cannot be written.
        """
        from expalign.utils import check_outputs, finished_file
        from expalign.utils.picture_files import PICTURE_SUFFIXES, write_picture
        path = Path(path)
        if self.path is not None:
            check_outputs([path], [self.path])
        if path.suffix.lower() == '.json':
            with finished_file(path) as temporary:
                temporary.write_text(self.to_json(indent=2) + '\n', encoding='utf-8')
            return path
        if path.suffix.lower() not in PICTURE_SUFFIXES:
            raise ValueError(f'{path}: a result is written as .json or as a picture, '
                             f'{", ".join(PICTURE_SUFFIXES)}')
        return write_picture(path, self.plot())

    def explain(
        self, prompts: str | Sequence[str] | None = None, token_maps: bool = False
    ) -> np.ndarray:
        """Why a prompt was found: its maps and token weights as a picture, (H, W, 3) uint8 RGB.

        Args:
            prompts: one, or several; None: the best ones.
            token_maps: whether each prompt has a row with the maps of its tokens, too.

        Raises:
            ValueError: a prompt was not searched for.
            RuntimeError: what found these keeps no maps, as the exported model.
        """
        if self._explainer is None:
            raise RuntimeError('there are no maps to explain these detections with: exported '
                               'models have none')
        return self._explainer([prompts] if isinstance(prompts, str) else prompts, token_maps)

    def to_dict(self) -> dict[str, Any]:
        """The project's JSON form, see :func:`.detection_formats.as_record`."""
        return formats.as_record(self)

    def to_json(self, indent: int | None = None) -> str:
        """:meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def to_coco(self, image_id: int | str = 0, category_ids: Sequence[int] | None = None
                ) -> list[dict[str, Any]]:
        """COCO's list of results; category ids are 1, 2, ... in the order of the prompts."""
        return formats.as_coco_results(self, image_id, category_ids)

    def to_yolo(self, scores: bool = False) -> str:
        """The text of YOLO's label file; with ``scores`` a sixth number."""
        return formats.as_yolo_lines(self, scores)

    def to_supervision(self) -> Any:
        """``supervision.Detections``; needs that package."""
        return formats.as_supervision(self)

    def to_pandas(self) -> Any:
        """A table with a row a detection; needs pandas."""
        return formats.as_pandas(self)

    def _repr_html_(self) -> str:
        """For notebooks: the picture and a line."""
        line = ''.join(
            f'<p>{html.escape(str(part))}</p>' for part in (self, *self.hints))
        if self._image is None:
            return line
        from expalign.utils.picture_files import encode_picture, shrunk
        content = encode_picture(shrunk(self.plot(), NOTEBOOK_SIDE), '.jpg')
        if content is None:
            return line
        data = b64encode(content).decode('ascii')
        return f'<img alt="{html.escape(str(self))}" src="data:image/jpeg;base64,{data}"/>{line}'
