"""Smaller and faster forms of an exported detector: half precision and 8-bit convolutions."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx

from expalign.runtime.detector import OnnxDetector
from expalign.runtime.preprocess import letterbox, read_image
from expalign.utils import finished_file, scratch_folder

# The convolutions whose outputs are distributions of box sides and mask coefficients.
OUTPUT_CONVOLUTIONS = ('box_branches', 'coeff_branches')


def to_float16(path: str | Path, out: str | Path) -> None:
    """Write the network in half precision; inputs and outputs stay in float32.

    Normalisation of the images, decoding of boxes and NMS stay in float32, too: half precision
    knows places beyond 512 px to half a pixel only.

    Args:
        path: ONNX file of a detector.
        out: file to write.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16
    model = onnx.load(str(path))
    outside = [node.name for node in model.graph.node if node.name.count('/') < 2]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the lowest float32 of a masked softmax is clipped
        half = convert_float_to_float16(model, keep_io_types=True, node_block_list=outside)
    with finished_file(out) as temporary:
        onnx.save(half, str(temporary))


def to_int8(path: str | Path, out: str | Path, images: Sequence[Path], detector: OnnxDetector
            ) -> None:
    """Write the network with 8-bit convolutions; everything else stays in float32.

    Ranges of activations are measured on images. The last convolutions of box and mask branches
    are left out.

    Args:
        path: ONNX file of a detector, in float32.
        out: file to write.
        images: what to measure on.
        detector: of ``path``, with the prompts to measure with.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    model = onnx.load(str(path))
    excluded = [
        node.name for node in model.graph.node if node.op_type == 'Conv'
        and any(name in node.name for name in OUTPUT_CONVOLUTIONS)
        and node.name.endswith('.2/Conv')]
    with scratch_folder(Path(out).parent, 'int8') as folder:
        part = folder / 'int8.onnx'
        quantize_static(
            str(path), str(part), _Calibration(images, detector), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=['Conv'], per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, nodes_to_exclude=excluded)
        quantized = onnx.load(str(part))
    onnx.helper.set_model_props(
        quantized, {item.key: item.value for item in model.metadata_props})
    with finished_file(out) as temporary:
        onnx.save(quantized, str(temporary))


class _Calibration:
    """Inputs of the network, image by image, as onnxruntime asks for them."""

    def __init__(self, images: Sequence[Path], detector: OnnxDetector) -> None:
        self._feeds: Iterator[dict[str, np.ndarray]] = (
            detector.inputs([letterbox(read_image(image), detector.settings)])
            for image in images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)
