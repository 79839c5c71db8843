"""The open-vocabulary detector: images and prompts in, boxes with labels that index prompts out."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from mmdet.models.detectors import SingleStageDetector
from mmdet.structures import DetDataSample, SampleList
from mmengine.dist import get_world_size
from torch import Tensor

from expalign.models.necks import EAHOutput
from expalign.models.utils.activations import set_activations_inplace
from expalign.models.utils.norm_counts import counted_together, counting_norms
from expalign.models.utils.upload import upload
from expalign.registry import MODELS
from expalign.structures.prompt_split import warn_of_unsplit
from expalign.structures.prompts import first_occurrences, key_of_sample, parse_prompts
from expalign.structures.training_samples import TrainingSamples

from .encodes_prompts import EncodesPrompts, Guides
from .finds_everything import FindsEverything
from .knows_classes import KnowsClasses
from .prompt_batch import PromptBatch, encode_prompt_lists, padded
from .takes_checkpoints import TakesCheckpoints


@MODELS.register_module()
class ExpAlignDetector(
        KnowsClasses, EncodesPrompts, FindsEverything, TakesCheckpoints, SingleStageDetector):
    """ExpAlign (arXiv 2601.22666), driven by mmdet's runners and inference functions.

    The prompts of an image are the ``text`` of its data sample (see
    :func:`~expalign.structures.prompts.parse_prompts`), or else the vocabulary given to
    :meth:`set_vocabulary`, or else the classes that the model knows. Predicted labels index them.
    The text ``'*'`` of a user stands for all of ``known_names``, see :class:`FindsEverything`.

    Args:
        backbone: image encoder, (B, 3, H, W) -> C3, C4, C5.
        text_encoder: frozen or trained encoder, prompts -> tokens (N, L, D') and masks (N, L).
        text_adapter: tokens -> text features (N, L, D) and masks.
        known_names: :class:`~expalign.models.text_encoders.KnownNames`, whose vectors take the
            place of what encoder and adapter say of these names; None for none, as
            benchmarks that hold names out and training of the adapter want it.
        neck: :class:`~expalign.models.necks.EAHNeck`.
        bbox_head: :class:`~expalign.models.dense_heads.ExpAlignHead`.
        consistency: :class:`~expalign.models.losses.ConsistencyRegularizer` of the second
            training stage; None for none.
        known_classes: the classes that the model is trained for, as
            :meth:`~expalign.structures.KnownClasses.from_plain` takes them. They are saved with
            the weights; a checkpoint's own are taken over where these are None or have the same
            names.
        tuned_prompts: :class:`~expalign.models.text_encoders.TunedPrompts` for them; None for
            none.
        guides: what gates the pyramid, see :class:`~.encodes_prompts.EncodesPrompts`.
        partial_checkpoint: accept checkpoints that lack or add weights, with one warning; for
            configs that start from another form of the model. Otherwise they are an error.
    """

    def __init__(
        self,
        backbone: dict,
        text_encoder: dict,
        text_adapter: dict,
        neck: dict,
        bbox_head: dict,
        consistency: dict | None = None,
        known_names: dict | None = None,
        known_classes: dict | None = None,
        tuned_prompts: dict | None = None,
        guides: Guides = 'prompts',
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        partial_checkpoint: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone, neck=neck, bbox_head=bbox_head, train_cfg=train_cfg,
            test_cfg=test_cfg, data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.text_encoder = MODELS.build(text_encoder)
        self.text_adapter = MODELS.build(text_adapter)
        self.known_names = None if known_names is None else MODELS.build(known_names)
        self._check_known_names()
        self.consistency = None if consistency is None else MODELS.build(consistency)
        self.init_classes(known_classes, tuned_prompts)
        self.init_guides(guides)
        self.init_everything()
        self.partial_checkpoint = partial_checkpoint
        self.vocabulary: tuple[str, ...] | None = None
        self._token_table: tuple[tuple, PromptBatch] | None = None
        self._norms = counting_norms(self)

    def set_vocabulary(self, texts: str | Sequence[str], custom_entities: bool = True) -> None:
        """Prompts for images that bring none; encoded once and reused until weights change.

        Args:
            texts, custom_entities: see :func:`~expalign.structures.prompts.parse_prompts`.

        Raises:
            ValueError: no prompt, or one of white space alone.
        """
        self.vocabulary = tuple(parse_prompts(texts, custom_entities))
        self._token_table = None

    def train(self, mode: bool = True) -> 'ExpAlignDetector':
        """Set the mode; what is kept of the last prompts is encoded again.

        Weights may be exchanged unseen around it, as moving averages are for validation.
        """
        self._token_table = self._fixed_guides = None
        set_activations_inplace(self, not mode)
        self._norms = counting_norms(self)
        return super().train(mode)

    def loss(
        self, batch_inputs: Tensor, batch_data_samples: TrainingSamples | SampleList
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            batch_inputs: (B, 3, H, W).
            batch_data_samples: samples with ``text`` and their instances, as
                :func:`expalign.datasets.collate_samples` puts them together, or samples with
                ``gt_instances``.
        """
        self._check_adapter_is_reached()
        samples = TrainingSamples.of(batch_data_samples)
        prompt_lists = [self.prompts_of(sample) for sample in samples]
        firsts = _first_places(prompt_lists, samples)
        prompts = self._encode(prompt_lists, samples, firsts)
        truth = samples.truth.to(batch_inputs.device)
        # Labels of a prompt that is listed twice mean the first one.
        places = upload(padded(firsts, 0), batch_inputs.device)  # (B, K)
        truth = truth._replace(labels=places.gather(1, truth.labels))
        prompt_masks = prompts.for_images(len(batch_inputs))
        with counted_together(self._norms):
            neck_out = self.extract_feat(batch_inputs, prompts)
            losses = self.bbox_head.loss(neck_out, prompt_masks, truth)
        if self.consistency is not None:
            terms = self.consistency(
                neck_out.eams, prompt_masks, truth, batch_inputs.shape[-2:])
            # The head's losses are multiplied by the images of the global batch; so are these.
            images = len(batch_inputs) * get_world_size()
            losses.update({name: term * images if name.startswith('loss') else term
                           for name, term in terms.items()})
        return losses

    def test_step(self, data: dict) -> SampleList:
        """mmdet's; a grey image (1, H, W), of an array (H, W), stands for three equal channels.

        Raises:
            ValueError: an image has another number of channels.
        """
        return super().test_step({**data, 'inputs': [three_channels(x) for x in data['inputs']]})

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True
    ) -> SampleList:
        """Detect the prompts of every image.

        Args:
            batch_inputs: (B, 3, H, W).
            batch_data_samples: samples whose metainfo may hold ``text``.
            rescale: whether boxes are in pixels of the original image.

        Returns:
            The samples with ``pred_instances``: ``bboxes`` (n, 4) xyxy, ``scores`` (n),
            ``labels`` (n) and ``label_names``, the prompt of each.

        Raises:
            ValueError: an image has no prompts, or some of the batch ask for everything.
        """
        everything = [self.asks_everything(sample) for sample in batch_data_samples]
        if any(everything):
            if not all(everything):
                raise ValueError("some images of a batch ask for '*' and others for prompts: give "
                                 'all of them the same, or search them one by one (batch_size=1)')
            return self.predict_everything(batch_inputs, batch_data_samples, rescale)
        return self.predict_aligned(batch_inputs, batch_data_samples, rescale)[0]

    def predict_aligned(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True
    ) -> tuple[SampleList, EAHOutput, list[list[str]]]:
        """:meth:`predict`, with what the scores were made of.

        Several threads may predict at a time: nothing of a call is kept in the model but the
        tokens of the last prompts, which are found by the prompts.

        Returns:
            The samples, the neck's output for the batch, and the prompts of every image.

        Raises:
            ValueError: an image asks for everything, of which no maps are made.
        """
        if any(map(self.asks_everything, batch_data_samples)):
            raise ValueError("'*' makes no alignment maps: search for the names that it found")
        prompt_lists = [self.prompts_of(sample) for sample in batch_data_samples]
        prompts = self._encode_for_prediction(prompt_lists, batch_data_samples)
        neck_out = self.extract_feat(batch_inputs, prompts)
        results = self.bbox_head.predict(
            neck_out, prompts.for_images(len(batch_inputs)), batch_data_samples, rescale=rescale)
        results = [self.one_class_each(result, sample)
                   for result, sample in zip(results, batch_data_samples, strict=True)]
        labels = iter(torch.cat([result.labels for result in results]).tolist())
        for result, texts in zip(results, prompt_lists, strict=True):
            result.label_names = [str(texts[label]) for label in islice(labels, len(result))]
        samples = self.add_pred_to_datasample(batch_data_samples, results)
        return samples, neck_out, prompt_lists

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: SampleList | None = None
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Raw logits and box distributions; see ``ExpAlignHeadModule.forward``."""
        samples = batch_data_samples or [DetDataSample() for _ in batch_inputs]
        prompt_lists = [self.prompts_of(sample) for sample in samples]
        return self.bbox_head(
            self.extract_feat(batch_inputs, self._encode(prompt_lists, samples)))

    def extract_feat(self, batch_inputs: Tensor, prompts: PromptBatch) -> EAHOutput:
        """Pyramid and alignment maps of a batch of images (B, 3, H, W)."""
        return self.neck(
            self.backbone(batch_inputs), prompts.txt_feats, prompts.txt_masks, prompts.table,
            prompts.guides)

    def prompts_of(self, sample: DetDataSample) -> list[str]:
        """The prompts that labels of a sample's predictions index: its own, or the vocabulary.

        Raises:
            ValueError: there are none.
        """
        if self.asks_everything(sample):
            return list(self.every_name())
        text = sample.get('text')
        if text is not None:
            custom_entities = bool(sample.get('custom_entities', False))
            if isinstance(text, str) and 'custom_entities' in sample and not custom_entities:
                # mmdet's default, where a user does not think of it.
                warn_of_unsplit(text, 'give custom_entities=True, or a list')
            return parse_prompts(text, custom_entities)
        own = self.own_prompts()
        if own is None:
            raise ValueError(
                f'no prompts for image {sample.get("img_path", "")!r}: give a text (texts=... or '
                'text_prompt=...) or call set_vocabulary(...) on the model')
        return list(own)

    def _encode(
        self, prompt_lists: Sequence[Sequence[str]], samples: SampleList,
        firsts: Sequence[np.ndarray] | None = None,
    ) -> PromptBatch:
        """Encode prompts; duplicates and prompts that a sample masks out are not scored."""
        firsts = _first_places(prompt_lists, samples) if firsts is None else firsts
        score_masks = [
            (places == np.arange(len(places)))
            & np.asarray(sample.get('prompt_masks', True), dtype=bool)
            for places, sample in zip(firsts, samples, strict=True)]
        guides = self.guides_of(prompt for prompts in prompt_lists for prompt in prompts)
        return encode_prompt_lists(prompt_lists, score_masks, self._encode_text)._replace(
            guides=guides)

    def _encode_for_prediction(
        self, prompt_lists: Sequence[Sequence[str]], samples: SampleList
    ) -> PromptBatch:
        """:meth:`_encode`, with the features of the last prompts kept for the next images."""
        firsts = {tuple(first_occurrences(prompt_lists[0], key))
                  for key in {key_of_sample(sample) for sample in samples}}
        shared = len(firsts) == 1 and all(texts == prompt_lists[0] for texts in prompt_lists)
        if self.training or not shared or any('prompt_masks' in sample for sample in samples):
            return self._encode(prompt_lists, samples)
        key = (tuple(prompt_lists[0]), *firsts, self._kept_weights_version())
        kept = self._token_table  # read once: another thread may replace it
        if kept is None or kept[0] != key:
            prompts = self._encode(prompt_lists[:1], samples[:1])
            feats = prompts.txt_feats.detach()
            table = self.bbox_head.head_module.fold(
                self.neck.fold_tokens(feats[0], prompts.txt_masks[0]))
            kept = self._token_table = (key, prompts._replace(txt_feats=feats, table=table))
        return kept[1]

    def _kept_weights_version(self) -> tuple:
        """Changes whenever a weight that kept prompts depend on is replaced or written to.

        torch does not count what is written to tensors made in inference mode. Where a model was
        built in it, loading weights and setting the mode are noticed, and other writing is not.
        """
        head = self.bbox_head.head_module
        tuned = [] if self.tuned_prompts is None else [self.tuned_prompts.offsets]
        tensors = [*self.text_adapter.parameters(), *self.text_encoder.parameters(), *tuned,
                   *self.neck.folded_tensors(), *head.logit_scales, *head.biases,
                   *(() if self.known_names is None else (self.known_names.vectors,))]
        return tuple((x.data_ptr(), 0 if x.is_inference() else x._version) for x in tensors)

    def _load_from_state_dict(self, *args) -> None:
        self._token_table = self._fixed_guides = None
        super()._load_from_state_dict(*args)


def three_channels(image: Tensor) -> Tensor:
    """An image (C, H, W) as (3, H, W); grey is repeated, transparency dropped."""
    if image.shape[0] not in (1, 3, 4):
        raise ValueError(
            f'an image is an array (H, W, 3) in BGR order or (H, W), got {image.shape[0]} channels '
            f'of {image.shape[1]} x {image.shape[2]} pixels')
    return image.expand(3, -1, -1) if image.shape[0] == 1 else image[:3]


def _first_places(
    prompt_lists: Sequence[Sequence[str]], samples: SampleList
) -> list[np.ndarray]:
    """For every prompt of every image the index of the first equal one, (K) long each."""
    return [np.array(first_occurrences(texts, key_of_sample(sample)))
            for texts, sample in zip(prompt_lists, samples, strict=True)]
