"""Detection without PyTorch: onnxruntime, numpy, OpenCV and, for new prompts, tokenizers.

Nothing that is imported here imports torch. Files are made by ``tools/deploy/export_onnx.py``,
whose own modules are the ``export_*`` of this folder.
"""

from .detector import Detections, OnnxDetector
from .text_side import OnnxTextSide

__all__ = ['Detections', 'OnnxDetector', 'OnnxTextSide']
