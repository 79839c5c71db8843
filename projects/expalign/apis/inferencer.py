"""mmdet's inferencer for open vocabularies: prompts in every form, alignment maps, streams."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import nn

from expalign.checkpoints.embedded_config import config_of_checkpoint
from expalign.engine.compiled import compile_model
from expalign.model_zoo import DEFAULT
from expalign.models.detectors.alignments import alignments_of, token_maps_of
from expalign.structures.alignment import Alignment
from expalign.structures.detections import Detections
from expalign.structures.prompt_set import PromptSet
from expalign.structures.prompts import asks_everything
from expalign.structures.thresholds import SCORE_THR, ScoreThr
from expalign.utils.keywords import check_keywords
from expalign.utils.load_config import change_settings, load_config
from expalign.utils.screen import check_screen

from .example_photographs import Examples
from .found import search
from .hints import Hinter
from .images import Image, Inputs
from .inferencer_results import InferencerResults
from .pretrained import Pretrained, config_and_weights
from .prompted_images import Requests
from .supervision import to_supervision
from .texts import Texts, read_vocabulary
from .windows import search_windows


class ExpAlignInferencer(Pretrained, InferencerResults):
    """Detects prompts in images, folders, patterns, addresses, arrays and videos.

    It gives what ``tools/test.py`` gives, and encodes each distinct prompt once where the text
    encoder is frozen. Arrays are BGR, as OpenCV reads them; pictures that it returns are RGB.

    Several threads may call it at a time: prompts, options, pictures and maps are each call's
    own. :meth:`set_vocabulary` is for the calls that begin after it.

    Args:
        model: name of a model (:mod:`expalign.model_zoo`), config file or object; a folder that
            :meth:`save_pretrained` wrote; or a checkpoint that has its config in it. Configs of
            folders and checkpoints are read as data and not run. None: ``weights`` has
            it; without ``weights`` the default model.
        weights: checkpoint, ``.pth`` or ``.safetensors``.
        device: ``'cpu'``, ``'cuda:0'``, ...; by default what there is.
        palette: colours of the pictures: ``'none'`` (one of seven for each prompt, which
            colour-blind readers can tell apart), or mmdet's ``'coco'``, ``'voc'``, ``'citys'`` or
            ``'random'``, drawn its way.
        show_progress: whether a bar shows how far a call is, its rate and the time it still takes.
        cfg_options: settings of the config to change, by their dotted names, e.g.
            ``{'model.test_cfg.max_per_img': 20, 'model.known_names': None}``.
        compile: compile image encoder, pyramid and branches when they are first used
            (:func:`~expalign.engine.compiled.compile_model`): for many images of one size.

    Raises:
        FileNotFoundError: ``model`` names no file.
        ValueError: a checkpoint without a config, or with one that is more than data; or one of
            ``cfg_options`` is no setting of the config.
    """

    forward_kwargs = {'return_eam', 'token_maps'}
    visualize_kwargs = DetInferencer.visualize_kwargs | {'explain', 'explain_prompts'}

    def __init__(
        self,
        model: Any = None,
        weights: str | Path | None = None,
        device: str | None = None,
        palette: str = 'none',
        show_progress: bool = True,
        compile: bool = False,
        cfg_options: dict[str, Any] | None = None,
    ) -> None:
        if model is None and weights is None:
            model = DEFAULT
        given = model
        if isinstance(model, str | Path):
            model, weights = config_and_weights(str(model), weights)
        # Of what detections say that they were found with.
        self.name = str(given) if isinstance(given, str | Path) else Path(weights or '').stem
        if model is None and weights is not None:
            model = config_of_checkpoint(weights)
        if cfg_options:
            model = load_config(model) if isinstance(model, str) else copy.deepcopy(model)
            change_settings(model, cfg_options)
        # The parent's bar does not know how much there is to do; ours is in requests.py.
        super().__init__(model, None if weights is None else str(weights), device=device,
                         palette=palette, show_progress=False)
        self.show_bar = show_progress
        if compile:
            compile_model(self.model, cuda_graphs=True)
        self._numbering = Lock()

    def set_vocabulary(self, texts: str | Sequence[str], custom_entities: bool = True
                       ) -> None:
        """Prompts of all calls without ``texts``; see :func:`read_vocabulary` for the forms."""
        self.model.set_vocabulary(read_vocabulary(texts, custom_entities))

    def __call__(
        self,
        inputs: Inputs,
        batch_size: int = 1,
        texts: Texts | None = None,
        custom_entities: bool = True,
        return_eam: bool = False,
        token_maps: bool = False,
        explain: bool = False,
        out_dir: str = '',
        **kwargs,
    ) -> dict[str, list]:
        """Detect.

        Args:
            inputs: see :class:`~.images.ImageStream`; damaged images of a folder or pattern are
                left out. All results are kept until the end; for long videos use :meth:`stream`.
            batch_size: images a forward pass.
            texts: the prompts, see :func:`prompts_of_images`; None: those of
                :meth:`set_vocabulary`.
            custom_entities: whether a string is split into prompts.
            return_eam: whether predictions have ``alignment``, an :class:`Alignment`: maps per
                level and fused, (K, H, W), and token weights with the tokens' names. Takes
                4.7 MB an image for 80 prompts at 640 px.
            token_maps: whether they have the maps of each token, too, and explanations a row of
                them below each prompt's.
            explain: write a picture and the arrays of the alignment to ``OUT_DIR/explain``.
            out_dir: folder for ``vis/*``, ``preds/*.json`` and ``explain/*``; none if empty.
            kwargs: ``explain_prompts`` (those in the picture; by default the best ones), and
                mmdet's ``pred_score_thr``, ``return_vis``, ``return_datasamples``,
                ``no_save_vis``, ``no_save_pred``, ``print_result``, ``show``, ``wait_time``.

        Returns:
            ``predictions``: per image ``bboxes``, ``scores``, ``labels``, ``label_names``, RLE
            ``masks`` where the model has them; and ``visualization``.

        Raises:
            TypeError: an argument that there is not; the message suggests the right one.
            ValueError: texts and images do not belong together, or ``explain`` without
                ``out_dir``.
        """
        check_keywords('inferencer', kwargs, self._keywords())
        if explain and not out_dir:
            raise ValueError('explain=True writes files: give out_dir')
        if kwargs.get('show'):
            check_screen()
        requests = self._requests(inputs, texts, custom_entities)
        if out_dir:
            requests.images.check_results(out_dir)
        return DetInferencer.__call__(
            self._for_one_call(len(requests)), requests, batch_size=batch_size,
            out_dir=str(out_dir), explain=explain,
            return_eam=return_eam or explain or token_maps, token_maps=token_maps, **kwargs)

    def detect(
        self, images: Inputs, texts: Texts | None = None, score_thr: ScoreThr = SCORE_THR,
        batch_size: int = 1, stream: bool = False, patch_size: int | None = None, **wrong: Any,
    ) -> Detections | list[Detections] | Iterator[Detections]:
        """Search images, with :class:`Detections` as the result; a call itself gives mmdet's form.

        Args:
            images: one image or many: a path or an address; an array (H, W, 3) uint8 in **BGR**
                order, as OpenCV reads; a PIL image; a tensor (3, H, W) in **RGB** order, uint8 or
                a float in [0, 1]; a folder, a pattern such as ``'photos/*.jpg'``, a video; a list
                of these; or an iterator of them, which is read as the results are.
            texts: the prompts, see :func:`prompts_of_images`; None: those of
                :meth:`set_vocabulary`. Equal ones, up to case and white space, are one, in the
                first spelling.
            score_thr: lowest score that shows: a number, one a prompt, or ``'auto'``, see
                :func:`~expalign.structures.thresholds.thresholds_of`; :meth:`Detections.above`
                changes it later.
            batch_size: images a forward pass.
            stream: give an iterator, so that one image is kept at a time.
            patch_size: side of windows in pixels that large images are searched in, too.

        Returns:
            :class:`Detections` of one image; a list of them for many; an iterator for a video, an
            iterator or with ``stream``.

        Raises:
            TypeError: an argument that there is not; the message suggests the right one.
            ValueError, OSError: an image or a text cannot be used.
        """
        check_keywords('detect', wrong, (
            'images', 'texts', 'score_thr', 'batch_size', 'stream', 'patch_size'))
        return search(self, images, texts, score_thr, batch_size, stream, patch_size)

    def examples(self, boxes: Examples, words: bool = False) -> PromptSet:
        """Prompts that mean what boxes in photographs show, see :func:`.examples.examples`."""
        from .examples import prompts_of_examples
        return prompts_of_examples(self, boxes, words)

    def stream(
        self,
        inputs: Inputs,
        texts: Texts | None = None,
        custom_entities: bool = True,
        batch_size: int = 1,
        return_eam: bool = False,
        token_maps: bool = False,
        hints: bool = False,
    ) -> Iterator[tuple[Image, DetDataSample]]:
        """Each image (path, address or BGR array) with its prediction; nothing is kept.

        Arguments are those of a call. With ``return_eam`` or ``token_maps`` samples have
        ``alignment``, with ``hints`` also ``hints``, a list of
        :class:`~expalign.structures.hint.Hint`.
        """
        requests = self._requests(inputs, texts, custom_entities)
        hinter = Hinter(self.model) if hints else None
        for images, data in self.preprocess(requests, batch_size=batch_size):
            yield from zip(images, self.forward(data, return_eam, token_maps, hinter), strict=True)

    def detect_large(
        self,
        image: Image,
        texts: Texts | None = None,
        custom_entities: bool = True,
        patch_size: int = 640,
        overlap: float = 0.25,
        iou_threshold: float = 0.5,
        batch_size: int = 1,
    ) -> DetDataSample:
        """Detect in the whole image and in windows of it, and merge what is found.

        Args:
            image: path, address or BGR array.
            texts, custom_entities, batch_size: see :meth:`__call__`.
            patch_size: side of a window in pixels.
            overlap: part of a side that neighbouring windows share at least.
            iou_threshold: of the NMS between windows, which is class-wise unless the config says
                otherwise.
        """
        return search_windows(
            self, image, texts, custom_entities, patch_size, overlap, iou_threshold, batch_size)

    @torch.no_grad()
    def forward(
        self, inputs: dict, return_eam: bool = False, token_maps: bool = False,
        hinter: Hinter | None = None,
    ) -> list[DetDataSample]:
        """Predict a batch.

        With ``return_eam`` or ``token_maps`` its samples have ``alignment``, and with a hinter
        ``hints``, but for a search for everything.
        """
        aligned = return_eam or token_maps
        if not aligned and (hinter is None or any(
                map(self.model.asks_everything, inputs['data_samples']))):
            return super().forward(inputs)
        data = self.model.data_preprocessor(inputs, False)
        samples, neck_out, prompts = self.model.predict_aligned(
            data['inputs'], data['data_samples'])
        if hinter is not None:
            for sample, hints in zip(samples, hinter(neck_out, samples, prompts[0]), strict=True):
                sample.set_field(hints, 'hints', field_type='metainfo')
        if not aligned:
            return samples
        by_token = token_maps_of(self.model, neck_out, samples, prompts) if token_maps else None
        found = alignments_of(self.model, neck_out, samples, prompts, by_token)
        for sample, alignment in zip(samples, found, strict=True):
            sample.set_field(alignment, 'alignment', field_type='metainfo')
        return samples

    def _requests(self, inputs: Inputs, texts: Texts | None, custom_entities: bool
                  ) -> Requests:
        if isinstance(texts, str) and asks_everything(texts):
            self.model.every_name()  # a model that has none says so before any work
        return Requests(inputs, texts, custom_entities, self.show_bar, self.model.vocabulary)

    def _keywords(self) -> set[str]:
        """Names of a call's arguments."""
        return {'inputs', 'batch_size', 'texts', 'custom_entities', 'explain', 'out_dir',
                'return_datasamples', *self.preprocess_kwargs, *self.forward_kwargs,
                *self.visualize_kwargs, *self.postprocess_kwargs} - {'img_out_dir', 'pred_out_dir'}

    def _for_one_call(self, num_images: int) -> 'ExpAlignInferencer':
        """A copy with the same model, on which mmdet's methods keep what belongs to a call.

        These are the numbers that arrays' files are named by.
        """
        own = copy.copy(self)
        own.num_predicted_imgs = own.num_visualized_imgs = self._take_numbers(num_images)
        return own

    @staticmethod
    def to_supervision(prediction: dict[str, Any]) -> Any:
        """See :func:`expalign.apis.supervision.to_supervision`."""
        return to_supervision(prediction)

    def _init_collate(self, cfg: Any) -> Any:
        # The parent looks a missing entry up by a failure, which it logs as one.
        if 'collate_fn' not in cfg.test_dataloader:
            return pseudo_collate
        return super()._init_collate(cfg)

    def _inputs_to_list(self, inputs: Requests) -> Requests:
        return inputs

    def _get_chunk_data(self, inputs: Requests, chunk_size: int) -> Iterator[list[tuple]]:
        return inputs.batches(self.pipeline, chunk_size)

    def _init_model(self, cfg: Any, weights: str | None, device: str = 'cpu') -> nn.Module:
        self._remember(cfg, weights)
        return super()._init_model(cfg, weights, device)

    def _load_weights_to_model(self, model: nn.Module, checkpoint: dict | None, cfg: Any) -> None:
        if checkpoint is None:
            raise ValueError('the inferencer needs weights: give the path of a checkpoint')
        self._remember_checkpoint(model, checkpoint)
        _load_checkpoint_to_model(model, checkpoint)
        # Names come with each prediction.
        model.dataset_meta = dict(classes=(), palette=self.palette)


__all__ = ['Alignment', 'ExpAlignInferencer']
