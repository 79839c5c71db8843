"""Cells of a data set, kept on a disk for prompt_tables.py: hidden maps, boxes, and the truth."""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from expalign.models.prompt_fitting.best_cells import best_cells
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide
from expalign.models.prompt_fitting.views import View
from expalign.models.text_encoders.prompt_vectors import read_prompt_vectors, write_prompt_vectors
from expalign.runtime.postprocess import select_candidates
from expalign.runtime.settings import DetectorSettings
from expalign.utils import finished_file

STRIDES = (8, 16, 32)
KNOWN = 'known.npz'
FIRST = 2000  # candidates of an image that are suppressed first
SETTINGS = DetectorSettings(
    image_size=(640, 640), pad_value=114, channel_order='RGB', embed_dims=1, score_thr=0.001,
    nms_pre=30000, iou_threshold=0.7, class_agnostic=False, max_per_img=300, multi_label=True)


@torch.no_grad()
def keep_cells(model: str, name: str, annotations: str, images: str, folder: Path, side: int,
               view: View) -> None:
    """Run the image side under the fixed guides, and keep what it says of a view."""
    from expalign.apis import ExpAlignInferencer
    from expalign.apis.examples import cells_of_image
    from expalign.models.prompt_fitting.background import Background
    from expalign.models.prompt_fitting.space import prompt_space
    from expalign.utils.progress import progress
    folder.mkdir(parents=True, exist_ok=True)
    inferencer = ExpAlignInferencer(model, device='cpu', show_progress=False)
    for step in inferencer.pipeline.transforms:
        if hasattr(step, 'scale'):
            step.scale = (side, side)
    truth = json.loads(Path(annotations).read_text(encoding='utf-8'))
    count = sum((side // stride) ** 2 for stride in STRIDES)
    width = inferencer.model.neck.embed_branches[0][-1].in_channels
    hidden, boxes = (np.lib.format.open_memmap(
        folder / f'{name}.{part}.npy', 'w+', kind, (len(truth['images']), count, size))
        for part, kind, size in (('hidden', np.float16, width), ('boxes', np.float32, 4)))
    metas = []
    for row, image in enumerate(progress(truth['images'], 'image side')):
        cells, meta = cells_of_image(inferencer, str(Path(images, image['file_name'])), view)
        hidden[row], boxes[row] = cells.hidden.numpy(), cells.boxes.numpy()
        metas.append(frame_of(image, meta))
    torch.save(_text(inferencer.model, truth), folder / f'{name}.text.pt')
    known = inferencer.model.known_names
    write_prompt_vectors(folder / KNOWN, known.names, known.vectors)
    torch.save(tuple(ImageSide.of(inferencer.model)), folder / 'side.pt')
    with finished_file(folder / f'{name}.json') as path:
        path.write_text(json.dumps(dict(ann=annotations, images=metas, view=view)),
                        encoding='utf-8')
    background = folder / 'background.safetensors'
    if not background.is_file():  # of the first set: let it be training photographs
        kept = KeptSet(folder, name)
        Background.gather(map(kept.cells, range(len(kept))), prompt_space(inferencer.model)).save(
            background, set=name)


def frame_of(image: dict, meta: dict) -> dict:
    """Where an image of the annotations is in the network's input."""
    return dict(id=image['id'], ori=list(meta['ori_shape'][:2]),
                scale=[float(x) for x in meta['scale_factor']],
                pad=[float(x) for x in meta['pad_param']])


def _text(model, truth: dict) -> dict:
    names = [category['name'] for category in truth['categories']]
    feats, masks = model._encode_text(names)
    return dict(names=names, feats=feats, masks=masks)


class KeptSet:
    """A set of :func:`keep_cells`.

    Args:
        folder: of kept cells.
        name: of the set.
        part: its images that are meant.
    """

    def __init__(self, folder: Path, name: str, part: Callable[[int], bool] = lambda row: True
                 ) -> None:
        record = json.loads((folder / f'{name}.json').read_text(encoding='utf-8'))
        self._hidden, self._boxes = (np.load(folder / f'{name}.{kind}.npy', mmap_mode='r')
                                     for kind in ('hidden', 'boxes'))
        self._text = torch.load(folder / f'{name}.text.pt')
        self.background, self.known = folder / 'background.safetensors', str(folder / KNOWN)
        side = round((self._hidden.shape[1] / sum(1 / s ** 2 for s in STRIDES)) ** 0.5)
        self.read(record, ImageSide(*torch.load(folder / 'side.pt')), side, part)

    def read(self, record: dict, side: ImageSide, size: int,
             part: Callable[[int], bool] = lambda row: True) -> None:
        """Take in what was written of the images.

        Args:
            record: the annotations' file, the images' frames, and the view.
            side: of the model.
            size: side of the input in pixels.
            part: the images that are meant.
        """
        self._rows = list(filter(part, range(len(record['images']))))
        self.images = [record['images'][row] for row in self._rows]
        self._view = View(*record.get('view', ()))
        self._truth = json.loads(Path(record['ann']).read_text(encoding='utf-8'))
        self.side, self._side = side, size
        self._sizes = tuple((size // stride) ** 2 for stride in STRIDES)
        self._ids = {c['name']: c['id'] for c in self._truth['categories']}
        used = {a['category_id'] for a in self._truth['annotations']}
        self.used = [name for name, number in self._ids.items() if number in used]

    def __len__(self) -> int:
        return len(self.images)

    def words(self, names: list[str], file: str | None) -> tuple[Tensor, Tensor]:
        """Tokens (K, L, D) and masks of names: the model's, or vectors of a file."""
        if file is not None:
            known, vectors = read_prompt_vectors(file)
            feats = torch.nn.functional.normalize(
                vectors[[known.index(name) for name in names]].float(), dim=1)[:, None]
            return feats, torch.ones(feats.shape[:2], dtype=torch.bool)
        rows = [self._text['names'].index(name) for name in names]
        return self._text['feats'][rows], self._text['masks'][rows]

    def cells(self, image: int) -> ImageCells:
        """The cells of an image."""
        row = self._rows[image]
        return ImageCells(torch.from_numpy(self._hidden[row].astype(np.float32)),
                          torch.from_numpy(np.array(self._boxes[row])), self._sizes)

    def truth(self, image: int, names: list[str]) -> tuple[Tensor, Tensor]:
        """Boxes (n, 4) in pixels of the input and labels (n), without crowds."""
        labels = {self._ids[name]: label for label, name in enumerate(names)}
        found = [a for a in self._truth['annotations']
                 if a['image_id'] == self.images[image]['id'] and not a.get('iscrowd')
                 and a['category_id'] in labels]
        boxes = torch.tensor([a['bbox'] for a in found], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scale, shift = self._frame(image)
        return self._view.boxes(boxes * scale + shift, (self._side,) * 2), torch.tensor(
            [labels[a['category_id']] for a in found], dtype=torch.long)

    def _frame(self, image: int) -> tuple[Tensor, Tensor]:
        meta = self.images[image]
        top, _, left, _ = meta['pad']
        return torch.tensor(meta['scale'] * 2), torch.tensor([left, top] * 2)

    def examples(self, names: list[str], count: int, draw: np.random.Generator, least: float):
        """So many boxes of each name that a cell fits: images with boxes and labels."""
        fitting: list[list[tuple[int, Tensor]]] = [[] for _ in names]
        for image in range(len(self)):
            boxes, labels = self.truth(image, names)
            if len(boxes):
                good = best_cells(self.cells(image).boxes, boxes, 1)[1][:, 0] > least
                for box, label in zip(boxes[good], labels[good].tolist(), strict=True):
                    fitting[label].append((image, box))
        chosen: dict[int, tuple[list[Tensor], list[int]]] = {}
        for label, own in enumerate(fitting):
            for place in draw.permutation(len(own))[:count or None]:
                image, box = own[place]
                boxes, labels = chosen.setdefault(image, ([], []))
                boxes.append(box)
                labels.append(label)
        return [(image, torch.stack(boxes), labels)
                for image, (boxes, labels) in chosen.items()]

    def ap(self, names: list[str], tokens: Tensor, masks: Tensor) -> float:
        """COCO's box AP of prompts for the classes of those names; other names only compete."""
        results, folded = [], self.side.fold(tokens)
        for image, meta in enumerate(self.images):
            cells = self.cells(image)
            logits = self.side.logits(cells, folded, masks).T.numpy()
            scores, places, labels = select_candidates(logits, SETTINGS)
            if not len(scores):
                continue
            scale, shift = self._frame(image)
            boxes = (cells.boxes[torch.from_numpy(places.copy())] - shift) / scale
            kept = _suppressed(boxes, scores, labels)
            height, width = meta['ori']
            boxes = boxes[kept].clamp(min=0).minimum(torch.tensor([width, height] * 2))
            boxes[:, 2:] -= boxes[:, :2]
            results += [
                dict(image_id=meta['id'], category_id=self._ids[names[label]], bbox=box,
                     score=float(score))
                for box, score, label in zip(
                    boxes.tolist(), scores[kept], labels[kept], strict=True)
                if names[label] in self._ids]
        return self._evaluated(results, [self._ids[name] for name in names if name in self._ids])

    def _evaluated(self, results: list[dict], categories: list[int]) -> float:
        from faster_coco_eval import COCO, COCOeval_faster

        if not results:
            return 0.0
        with redirect_stdout(StringIO()):  # the evaluator's tables
            truth = COCO(self._truth)
            evaluator = COCOeval_faster(truth, truth.loadRes(results), 'bbox')
            evaluator.params.catIds = categories
            evaluator.params.imgIds = [meta['id'] for meta in self.images]
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
        return float(evaluator.stats[0])


def _suppressed(boxes: Tensor, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Places of what non-maximum suppression leaves, the best ``max_per_img`` of them.

    What has a lower score suppresses nothing: where the first candidates leave enough, the others
    are not looked at.
    """
    from mmcv.ops import batched_nms
    for count in (FIRST, len(scores)):
        _, kept = batched_nms(
            boxes[:count], torch.from_numpy(scores[:count]), torch.from_numpy(labels[:count]),
            dict(type='nms', iou_threshold=SETTINGS.iou_threshold, split_thr=10 ** 9))
        if len(kept) >= SETTINGS.max_per_img:
            break
    return kept[:SETTINGS.max_per_img].numpy()
