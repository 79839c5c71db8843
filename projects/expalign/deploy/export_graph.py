"""The detector as an ONNX graph whose vocabulary is an input, or baked.

Axes: B images, K prompts, L tokens, D width, N locations of all levels, M mask prototypes, n
detections. All but D and M are dynamic, and so are height and width of the images.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from expalign.models.dense_heads.levels import flatten_levels
from expalign.models.detectors import ExpAlignDetector, PromptBatch
from expalign.runtime.settings import DetectorSettings, to_metadata
from expalign.utils import finished_file

from .export_settings import ExportError

OPSET = 17
AXES = dict(
    images={0: 'B', 2: 'H', 3: 'W'}, txt_feats={0: 'K', 1: 'L'}, txt_masks={0: 'K', 1: 'L'})
# Outputs without and with NMS inside.
RAW_AXES = dict(
    logits={0: 'B', 1: 'K', 2: 'N'}, boxes={0: 'B', 1: 'N'}, coeffs={0: 'B', 1: 'N'},
    prototypes={0: 'B', 2: 'h', 3: 'w'})
NMS_AXES = dict(
    image_index={0: 'n'}, labels={0: 'n'}, scores={0: 'n'}, boxes={0: 'n'}, coeffs={0: 'n'},
    prototypes={0: 'B', 2: 'h', 3: 'w'})


class DetectorGraph(nn.Module):
    """What is traced: pixels and tokens in, class logits and boxes out.

    Args:
        model: the detector, in eval mode.
        settings: with the thresholds of the NMS, where it is inside.
        tokens: (K, L, D) and masks (K, L) of a baked vocabulary; None: they are inputs.
    """

    def __init__(self, model: ExpAlignDetector, settings: DetectorSettings,
                 tokens: tuple[Tensor, Tensor] | None = None) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self.baked = tokens is not None
        if tokens is not None:
            self.register_buffer('txt_feats', tokens[0])
            self.register_buffer('txt_masks', tokens[1])
        if settings.guides == 'fixed':
            guides, guide_masks = model.fixed_guides()
            self.register_buffer('guides', guides.clone())
            self.register_buffer('guide_masks', guide_masks.clone())

    def forward(self, images: Tensor, txt_feats: Tensor | None = None,
                txt_masks: Tensor | None = None) -> tuple[Tensor, ...]:
        """Detect.

        Args:
            images: (B, 3, H, W), 0...255, letterboxed.
            txt_feats: (K, L, D).
            txt_masks: (K, L) bool.

        Returns:
            ``logits`` (B, K, N) and ``boxes`` (B, N, 4) xyxy in input pixels, or what
            :meth:`_suppressed` returns; with masks also coefficients and prototypes.
        """
        if self.baked:
            txt_feats, txt_masks = self.txt_feats, self.txt_masks
        normalise = self.model.data_preprocessor
        if normalise._enable_normalize:
            images = (images - normalise.mean) / normalise.std
        guides = (self.guides, self.guide_masks) if self.settings.guides == 'fixed' else None
        prompts = PromptBatch(txt_feats[None], txt_masks[None], None, guides=guides)
        head = self.model.bbox_head
        logits, dists, *masks = head(self.model.extract_feat(images, prompts))
        priors, strides = head._priors(logits)
        boxes = head._decode(flatten_levels(dists), priors[:, :2], strides[:, 0])
        logits = torch.cat([level.flatten(2) for level in logits], dim=2)
        if masks:
            masks = [flatten_levels(masks[0]), masks[1]]
        if not self.settings.nms_inside:
            return logits, boxes, *masks
        return self._suppressed(logits, boxes, masks)

    def _suppressed(self, logits: Tensor, boxes: Tensor, masks: list[Tensor]
                    ) -> tuple[Tensor, ...]:
        """Detections of all images by falling score: image_index, labels, scores, boxes (n, 4)."""
        settings = self.settings
        image, label, place = _NonMaxSuppression.apply(
            boxes, logits, settings.max_per_img, settings.iou_threshold, settings.logit_thr
        ).unbind(1)
        found, order = logits[image, label, place].sort(descending=True)
        image, label, place = image[order], label[order], place[order]
        own = (image[:, None] == torch.arange(boxes.shape[0])).long()  # (n, B)
        rank = own.cumsum(0).gather(1, image[:, None])[:, 0]
        keep = (rank <= settings.max_per_img).nonzero()[:, 0]
        image, label, place = image[keep], label[keep], place[keep]
        outputs = image, label, found[keep].sigmoid(), boxes[image, place]
        return outputs if not masks else (*outputs, masks[0][image, place], masks[1])


class _NonMaxSuppression(torch.autograd.Function):
    """ONNX's operator; in PyTorch it stands for one box, which is enough to trace the rest."""

    @staticmethod
    def forward(ctx, boxes, logits, max_per_class, iou_threshold, logit_threshold):
        return torch.zeros(1, 3, dtype=torch.long)

    @staticmethod
    def symbolic(g, boxes, logits, max_per_class, iou_threshold, logit_threshold):
        def constant(value, dtype):
            return g.op('Constant', value_t=torch.tensor([value], dtype=dtype))
        return g.op(
            'NonMaxSuppression', boxes, logits, constant(max_per_class, torch.long),
            constant(iou_threshold, torch.float), constant(logit_threshold, torch.float))


@torch.no_grad()
def baked_tokens(model: ExpAlignDetector, vocabulary: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Tokens (K, L, D) and masks (K, L) of prompts.

    Raises:
        ExportError: a prompt is there twice.
    """
    repeated = sorted(str(text) for text, count in Counter(vocabulary).items() if count > 1)
    if repeated:
        raise ExportError(f'the vocabulary names prompts twice: {repeated}')
    feats, masks = model._encode_text(list(vocabulary))
    return feats.clone(), masks.clone()


@torch.no_grad()
def export_detector(
    model: ExpAlignDetector, settings: DetectorSettings, path: str | Path,
    tokens: tuple[Tensor, Tensor] | None = None,
) -> None:
    """Write the detector's ONNX file.

    Args:
        model: with its weights.
        settings: see :func:`~.export_settings.detector_settings`; written into the file.
        path: the file.
        tokens: of a baked vocabulary, see :func:`baked_tokens`.
    """
    graph = DetectorGraph(model.eval(), settings, tokens).eval()
    images = torch.randint(0, 255, (2, 3, 64, 96)).float()
    text = {} if tokens else dict(
        txt_feats=nn.functional.normalize(torch.randn(3, 4, settings.embed_dims), dim=-1),
        txt_masks=torch.ones(3, 4, dtype=torch.bool))
    axes = NMS_AXES if settings.nms_inside else RAW_AXES
    outputs = [name for name in axes
               if settings.prototype_stride or name not in ('coeffs', 'prototypes')]
    write_onnx(
        graph, dict(images=images, **text), outputs, AXES | axes, path, to_metadata(settings))


def write_onnx(
    graph: nn.Module, inputs: dict[str, Tensor], outputs: Sequence[str],
    axes: dict[str, dict[int, str]], path: str | Path, metadata: dict[str, str],
) -> None:
    """Trace a module and write it with metadata; the file appears when it is complete.

    Args:
        graph: module whose arguments are ``inputs``, in order.
        inputs: example inputs by name.
        outputs: names of the outputs.
        axes: names of the dynamic axes of inputs and outputs.
        path: the file.
        metadata: strings written into the file.
    """
    onnx = import_onnx()
    names = [*inputs, *outputs]
    with finished_file(path) as partial:
        with warnings.catch_warnings():
            # Shape checks are constants of the trace, and the tracing exporter is called old.
            warnings.simplefilter('ignore')
            torch.onnx.export(
                graph, tuple(inputs.values()), str(partial), input_names=list(inputs),
                output_names=list(outputs), opset_version=OPSET, dynamo=False,
                dynamic_axes={name: axes[name] for name in names if name in axes})
        model = onnx.load(str(partial))
        onnx.helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        onnx.save(model, str(partial))


def import_onnx() -> Any:
    """The package ``onnx``.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError('exporting needs onnx: pip install onnx onnxruntime') from error
    return onnx
