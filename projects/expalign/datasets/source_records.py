"""What every leaf data set does with its annotation file: leave out, count, report."""

import logging
from collections.abc import Iterator
from pathlib import PurePosixPath

from mmengine.fileio import join_path
from mmengine.logging import print_log

from .formats.leakage import build_leakage
from .formats.outside import outside_reason
from .formats.problems import AnnotationProblems
from .prompted_samples import PromptedSamples

NO_IMAGES = 'no image can be used'
MAX_NAME = 200  # letters of a name in a message


class SourceRecords(PromptedSamples):
    """Mixin of data sets that read an annotation file with their method ``read_records``.

    ``check_dataset`` runs the same methods, with another account of the problems.

    Args:
        source: the name of the data set in its records; by default the class's ``SOURCE`` or the
            name of the annotation file.
        leakage: which images training leaves out because they would leak into an evaluation, see
            :func:`~expalign.datasets.formats.leakage.build_leakage`: None, ``'coco'`` or
            ``dict(type='refcoco', ...)``; ``'default'`` is the class's ``LEAKAGE``. Testing leaves
            out nothing.
        max_bad_annotations: how many annotations that are wrong are skipped in training; one more
            is an error. In testing the first one is.
        allow_outside_images: whether ``file_name`` may lead out of the folder of images: an
            absolute path, an address, or one with ``..``. An error by default, because an
            annotation file may come from a stranger.
        kwargs: of :class:`~expalign.datasets.prompted_samples.PromptedSamples` and the data set.

    Attributes:
        problems: the :class:`~expalign.datasets.formats.problems.AnnotationProblems` of the file.
        dropped_images: the number of entries left out, by reason.
    """

    SOURCE = ''
    LEAKAGE = None

    def __init__(self, *args, source: str | None = None, leakage: dict | str | None = 'default',
                 max_bad_annotations: int = 100, allow_outside_images: bool = False,
                 **kwargs) -> None:
        self._source = source
        self._leakage = self.LEAKAGE if leakage == 'default' else leakage
        self.max_bad_annotations = max_bad_annotations
        self.allow_outside_images = allow_outside_images
        self.dropped_images: dict[str, int] = {}
        super().__init__(*args, **kwargs)

    @property
    def source(self) -> str:
        """The name of the data set."""
        return self._source or self.SOURCE or PurePosixPath(self.ann_file).stem

    def load_data_list(self) -> list[dict]:
        """Read the annotation file; leave out what leaks; report all that was left out."""
        problems = AnnotationProblems(
            self.ann_file, self.max_bad_annotations, strict=self.test_mode)
        records = list(self.records_with(problems))
        self.problems.report()
        self._report_leakage(len(records))
        return records

    def records_with(self, problems: AnnotationProblems) -> Iterator[dict]:
        """The records of the annotation file; ``problems`` takes what is wrong with it."""
        self.problems = problems
        self.dropped_images = {}
        self.leakage_rule = None if self.test_mode else build_leakage(self._leakage)
        empty = True
        for record in self.read_records():
            empty = False
            yield record
        if empty:
            dropped = (f": 'leakage' of the dataset dropped {self.dropped_images}"
                       if self.dropped_images else '')
            problems.refuse(NO_IMAGES, detail=dropped)

    def read_records(self) -> Iterator[dict]:
        """The records, one an image, without those that leak; a subclass has it."""
        raise NotImplementedError

    def path_below_folder(self, file_name: str) -> str | None:
        """Where the image of an entry is.

        None where it lies outside of the folder of images, which is refused.
        """
        reason = None if self.allow_outside_images else outside_reason(file_name)
        if reason is not None:
            self.problems.refuse(
                f"'file_name' {reason}, and so may lead out of the folder of images; if the file "
                "is your own, set 'allow_outside_images=True' of the dataset",
                f'image {file_name[:MAX_NAME]!r}')
            return None
        folder = self.data_prefix.get('img', '')
        return join_path(folder, file_name) if folder else file_name

    def filter_data(self) -> list[dict]:
        """Leave out images by ``filter_cfg`` (training only), and report how many.

        ``filter_cfg`` has ``min_size``, the shortest side in pixels that is used, and
        ``filter_empty_gt``, whether images without an instance are left out.

        Raises:
            ValueError: no image is left.
        """
        if self.test_mode or not self.filter_cfg:
            return self.data_list
        min_size = self.filter_cfg.get('min_size', 0)
        with_instances = self.filter_cfg.get('filter_empty_gt', False)
        kept = [record for record in self.data_list
                if min(record['height'], record['width']) >= min_size
                and (record['instances'] or not with_instances)]
        if not kept:
            raise ValueError(f"'filter_cfg' {self.filter_cfg} leaves no image of '{self.ann_file}'")
        if len(kept) < len(self.data_list):
            print_log(
                f"{self.source}: {len(self.data_list) - len(kept)} of {len(self.data_list)} images "
                f"left out by 'filter_cfg' {dict(self.filter_cfg)}", logger='current',
                level=logging.INFO)
        return kept

    def leaks(self, image: dict) -> bool:
        """Whether an image entry of the file is to be left out; counts it."""
        reason = self.leakage_rule and self.leakage_rule.reason(image)
        if reason:
            self.dropped_images[reason] = self.dropped_images.get(reason, 0) + 1
        return bool(reason)

    def _report_leakage(self, num_kept: int) -> None:
        if self.leakage_rule is None:
            return
        counts = ', '.join(f'{n} {why}' for why, n in self.dropped_images.items()) or 'none'
        note = self.leakage_rule.note()
        total = num_kept + sum(self.dropped_images.values())
        print_log(
            f"{self.source}: of {total} entries of '{self.ann_file}' dropped as known from "
            f'evaluation sets: {counts}' + (f'; {note}' if note else ''),
            logger='current', level=logging.INFO)
