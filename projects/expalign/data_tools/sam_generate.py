"""Generation of pseudo masks for all boxes of a data set, in parts that can be killed at any time.

Images go by their position in the source: shard i of n does those with position % n == i that no
journal of the work folder has. So a run can be resumed with another number of processes.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from expalign.datasets.bad_samples import BadSample
from expalign.datasets.transforms import LoadImageFromFile
from expalign.utils import check_outputs
from expalign.utils.progress import progress
from expalign.utils.tally import Tally

from .sam_journal import Journal, JournalError, Results, check_settings
from .sam_source import BoxedImage, boxed_images, write_with_masks

if TYPE_CHECKING:
    from .sam_masks import MaskRules, Sam2Masks

UNUSABLE = 'images missing, damaged or of another size than annotated'


@dataclass(frozen=True)
class Job:
    """One source, its images and where results are kept.

    Args:
        source: ODVG (``.jsonl``) or COCO (``.json``) file.
        image_root: folder that file names start from.
        work_dir: folder of the journals.
        model: name or path of the SAM 2 weights.
        rules: how masks are made and which are kept.
        max_unreadable: images that cannot be used before a process gives up.
        allow_outside: whether file names may lead out of ``image_root``.
    """

    source: str
    image_root: str
    work_dir: str
    model: str
    rules: 'MaskRules'
    max_unreadable: int = 100
    allow_outside: bool = False

    def check(self) -> None:
        """Make the work folder, or see that it belongs to this job.

        Raises:
            JournalError: it belongs to another source, by content, to other images or settings.
        """
        Path(self.work_dir).mkdir(parents=True, exist_ok=True)
        check_settings(self.work_dir, {
            'source_sha256': _sha256(self.source), 'image_root': os.path.realpath(self.image_root),
            'model': self.model, **asdict(self.rules)})

    def images(self, tally: Tally) -> Iterator[BoxedImage]:
        """The images of the source."""
        return boxed_images(self.source, tally, self.allow_outside)


class TooManyUnreadable(RuntimeError):
    """More images than allowed could not be read."""


def run_shard(job: Job, masks: 'Sam2Masks', shard: int, num_shards: int,
              images_per_batch: int = 4) -> Tally:
    """Do the images of one shard that are not done yet.

    Raises:
        TooManyUnreadable: more than ``job.max_unreadable`` images are missing, damaged or of
            another size than their annotation says.
    """
    job.check()
    done = Results(job.work_dir)
    tally, ignored = Tally(), Tally()
    mine = (image for image in job.images(ignored)
            if image.index % num_shards == shard and image.index not in done)
    with Journal(job.work_dir, f'shard_{shard:04d}_of_{num_shards:04d}') as journal:
        images = progress(mine, f'masks {shard + 1}/{num_shards}')
        for batch in _batches(_loaded(images, job, journal, tally), images_per_batch):
            _do_batch(batch, masks, job.rules, journal, tally)
    return tally


def _loaded(images: Iterable[BoxedImage], job: Job, journal: Journal,
            tally: Tally) -> Iterator[tuple[BoxedImage, np.ndarray]]:
    """Images that have boxes and can be read; the others are finished here."""
    loader, unusable = LoadImageFromFile(), 0  # as in training: EXIF, sizes
    for image in images:
        if not image.slots:
            journal.add(_entry(image, {}))
            tally.note('images without a box to do')
            continue
        path = str(Path(job.image_root) / image.file_name)
        height, width = image.size
        try:
            loaded = loader.transform(dict(img_path=path, height=height, width=width))
        except BadSample as error:
            tqdm.write(str(error))
        else:
            yield image, cv2.cvtColor(loaded['img'], cv2.COLOR_BGR2RGB)
            continue
        tally.note(UNUSABLE, path)
        unusable += 1
        if unusable > job.max_unreadable:
            raise TooManyUnreadable(tally.report(
                f'more than {job.max_unreadable} images cannot be used; check --image-root '
                f"('{job.image_root}'), or raise --max-unreadable:"))
        journal.add(_entry(image, {}, {UNUSABLE: len(image.slots)}))


def _batches(items: Iterable, size: int) -> Iterator[list]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _do_batch(batch: list, masks: 'Sam2Masks', rules: 'MaskRules', journal: Journal,
              tally: Tally) -> None:
    from .sam_masks import masks_of_image
    logits = masks.logits([pixels for _, pixels in batch], [image.boxes for image, _ in batch])
    for (image, _), maps in zip(batch, logits, strict=True):
        results = masks_of_image(maps, image.boxes, image.size, rules)
        kept = {str(slot): result for slot, result in zip(image.slots, results, strict=True)
                if isinstance(result, dict)}
        rejected = Counter(result for result in results if isinstance(result, str))
        journal.add(_entry(image, kept, rejected))
        tally.note('images done')
        tally.note('boxes done', count=len(results))


def _entry(image: BoxedImage, masks: dict, rejected: dict | None = None) -> dict:
    return {'index': image.index, 'image': image.file_name, 'slots': image.slots,
            'boxes': image.boxes.tolist(), 'masks': masks, 'rejected': dict(rejected or {})}


def merge(job: Job, output: str | Path) -> Tally:
    """Write the source with all masks to ``output``.

    Returns:
        Masks written and boxes without one, by reason.

    Raises:
        RuntimeError: images are not done yet.
        JournalError: an image was done with another file name or other boxes than it has.
        ValueError: ``output`` is the source.
    """
    check_outputs([output], [job.source])
    job.check()
    results, tally = Results(job.work_dir), Tally()
    done = total = 0
    for image in job.images(Tally()):
        total += 1
        entry = results.entry(image.index)
        if entry is None:
            continue
        done += 1
        _check_same(image, entry, job)
        tally.note('masks', count=len(entry['masks']))
        for reason, count in entry['rejected'].items():
            tally.note(f'boxes without a mask: {reason}', entry['image'], count)
    if total != done:
        raise RuntimeError(f'{done} of {total} images are done: run the missing shards '
                           f"with --work-dir '{job.work_dir}' first")
    write_with_masks(job.source, output, results.find_mask)
    if results.damaged:
        tally.note('damaged lines of the journal; their images were done anew',
                   count=results.damaged)
    if results.repeated:
        tally.note('images that two processes did; one result was taken', count=results.repeated)
    return tally


def _check_same(image: BoxedImage, entry: dict, job: Job) -> None:
    """See that an image was done as it is in the source."""
    done = entry['image'], entry['slots'], entry['boxes']
    if done != (image.file_name, image.slots, image.boxes.tolist()):
        raise JournalError(
            f"image {image.index} of '{job.source}' is '{image.file_name}' with {len(image.slots)} "
            f"boxes to do; '{job.work_dir}' has results of '{entry['image']}' with "
            f'{len(entry["slots"])}, or of other boxes: give another --work-dir')


def _sha256(path: str | Path) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
