"""Detection without PyTorch: onnxruntime, numpy, OpenCV and, for new prompts, tokenizers.

``from expalign.runtime import OnnxDetector`` imports neither torch nor OpenMMLab. The files come
from ``tools/deploy/export_onnx.py``; results are the ``Detections`` of every other way of asking.
"""

from expalign.structures.detections import Detections

from .detector import OnnxDetector
from .text_side import OnnxTextSide

__all__ = ['Detections', 'OnnxDetector', 'OnnxTextSide']
