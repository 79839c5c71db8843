"""What a detector knows of its classes: read from the config or with the weights, saved with them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from expalign.registry import MODELS
from expalign.structures.exclusive_boxes import exclusive_boxes
from expalign.structures.known_classes import KNOWN_CLASSES, KnownClasses


class KnowsClasses(nn.Module):
    """Part of a detector that has ``bbox_head`` and ``vocabulary``.

    Attributes:
        known_classes: :class:`~expalign.structures.KnownClasses`, or None.
        tuned_prompts: :class:`~expalign.models.text_encoders.TunedPrompts`, or None.
    """

    def init_classes(self, known_classes: dict | None, tuned_prompts: dict | None) -> None:
        """Set the attributes; to be called by the constructor.

        Raises:
            ValueError: the record of classes is none.
        """
        self.known_classes = None if known_classes is None else KnownClasses.from_plain(
            known_classes, 'model.known_classes of the config')
        self.tuned_prompts = None if tuned_prompts is None else MODELS.build(tuned_prompts)
        self._register_state_dict_hook(_record_known_classes)

    def tune(self, txt_feats: Tensor, txt_masks: Tensor, texts: Sequence[str]) -> Tensor:
        """Text features (N, L, D) of N prompts with what was learnt for those that are known.

        Raises:
            ValueError: nobody said which classes the tuned prompts are of.
        """
        if self.tuned_prompts is None:
            return txt_feats
        if self.known_classes is None:
            raise ValueError('model.tuned_prompts needs model.known_classes: the classes whose '
                             'prompts are tuned, of the config or with the weights')
        return self.tuned_prompts(txt_feats, txt_masks, self.known_classes.rows_of(texts))

    def own_prompts(self) -> tuple[str, ...] | None:
        """What is searched for where nobody gives a text: the vocabulary, or the known classes."""
        vocabulary = self.vocabulary  # read once: another thread may set it
        if vocabulary is None and self.known_classes is not None:
            return self.known_classes.names
        return vocabulary

    def one_class_each(self, result: InstanceData, sample: DetDataSample) -> InstanceData:
        """A result without second classes of a thing, where known ones exclude each other.

        Prompts that somebody gave may well name one thing twice, so theirs is left as it is.
        """
        asked = sample.get('text') is not None or self.vocabulary is not None
        if asked or self.known_classes is None or not self.known_classes.exclusive:
            return result
        threshold = self.bbox_head.test_cfg.nms.iou_threshold
        return result[exclusive_boxes(result.bboxes.numpy(force=True), threshold)]

    def take_known_classes(self, metadata: Mapping[str, Any]) -> None:
        """Take over what is saved with weights; those of the config stay if they are others.

        Raises:
            ValueError: it is no record of classes.
            RuntimeError: the weights have tuned prompts of other classes.
        """
        record = metadata.get(KNOWN_CLASSES)
        if record is None:
            return
        known = KnownClasses.from_plain(record, "the checkpoint's record of known classes")
        if self.known_classes is None or known.names == self.known_classes.names:
            self.known_classes = known
        elif self.tuned_prompts is not None:
            raise RuntimeError(
                f'the checkpoint has tuned prompts of the classes {list(known.names)}, and the '
                f'config is for {list(self.known_classes.names)}: set model.known_classes to them')


def _record_known_classes(model: KnowsClasses, state_dict: dict, prefix: str, metadata: dict
                          ) -> None:
    """Put the known classes where :meth:`KnowsClasses.take_known_classes` looks for them."""
    if not prefix and model.known_classes is not None:
        metadata[KNOWN_CLASSES] = model.known_classes.to_plain()
