"""All prompts of an image as one sample, where annotation files have a record for each of them."""

from collections.abc import Sequence
from copy import deepcopy

from mmengine.dataset import BaseDataset

from expalign.registry import DATASETS


@DATASETS.register_module()
class PromptsByImage(BaseDataset):
    """Evaluation data of referring and grounding, with the records of an image joined.

    Files of referring expressions have a record for each expression, files of captions one for each
    caption, five to thirty for an image. Joined, an image is encoded once and all its prompts are
    scored together. Prompts keep their own boxes and stay apart even where their words are equal.

    A sample's ``text`` is the prompts of the image's records behind one another, its ``instances``
    are theirs with labels that index it, and its ``source`` is the name of the split. Images of
    several splits are not joined.

    Args:
        splits: name -> data set whose records have ``text`` (a list of str) and ``instances``;
            their pipelines are not used.
        pipeline: test pipeline.
        only: only the splits with these names; all by default.
        kwargs: of mmengine's ``BaseDataset``.

    Raises:
        ValueError: no such split, or a record has synonyms.
    """

    def __init__(self, splits: dict[str, dict], pipeline: list[dict],
                 only: Sequence[str] | None = None, **kwargs) -> None:
        unknown = sorted(set(only or ()) - splits.keys())
        if unknown:
            raise ValueError(f'there is no split {unknown} in {list(splits)}')
        self.splits = splits if only is None else {name: splits[name] for name in only}
        super().__init__(pipeline=pipeline, test_mode=True, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read every split and join its records."""
        joined = []
        for name, settings in self.splits.items():
            dataset = DATASETS.build(dict(settings, pipeline=[], test_mode=True))
            by_image: dict[str, dict] = {}
            for index in range(len(dataset)):
                record = dataset.get_data_info(index)
                self._join(by_image.setdefault(record['img_path'], _start(record, name)), record)
            joined += by_image.values()
        return joined

    @staticmethod
    def _join(image: dict, record: dict) -> None:
        """Add the prompts and instances of a record to its image."""
        for text in record['text']:
            if not isinstance(text, str):
                raise ValueError(
                    f"image '{record['img_path']}' has a prompt with synonyms, {text!r}; in "
                    'evaluation a prompt is one string')
        shift = len(image['text'])
        image['text'] += record['text']
        image['instances'] += [
            dict(deepcopy(instance), bbox_label=instance['bbox_label'] + shift)
            for instance in record['instances']]


def _start(record: dict, source: str) -> dict:
    """An image without prompts yet."""
    kept = {key: record[key] for key in ('img_path', 'img_id', 'height', 'width')}
    return dict(kept, text=[], instances=[], source=source, text_kind='grounding')
