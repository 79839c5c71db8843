"""Test an exported detector: ``python tools/deploy/test_onnx.py CONFIG m.onnx --text-side t.onnx``.

Images, prompts and metrics are those of the config's test set, as in tools/test.py; the network
runs in onnxruntime. ``--compare CKPT`` runs the PyTorch model, too, and says how far it is off.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmengine.config import DictAction

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.checkpoints.trust import add_trust_argument
from expalign.deploy.parity import Parity
from expalign.runtime import Detections, OnnxDetector
from expalign.utils.load_config import load_config


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file with the test set')
    parser.add_argument('model', help='ONNX file of the detector')
    parser.add_argument('--text-side', help='ONNX file of the text side')
    parser.add_argument(
        '--compare', metavar='CHECKPOINT', help="also run the PyTorch model with the config's "
        'pipeline, and print the largest differences')
    add_trust_argument(parser)
    parser.add_argument('--threads', type=int, help='threads of one operator')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of the config')
    args = parser.parse_args()
    for path in filter(None, (args.model, args.text_side, args.compare)):
        if not Path(path).is_file():
            parser.error(f'{path} does not exist')
    return args


def as_sample(found: Detections, info: dict):
    """Detections in the form that mmdet's metrics take."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData
    instances = InstanceData(
        bboxes=torch.from_numpy(found.boxes), scores=torch.from_numpy(found.scores),
        labels=torch.from_numpy(found.labels))
    if found.masks is not None:
        instances.masks = torch.from_numpy(np.asarray(found.masks))
    sample = DetDataSample(metainfo=dict(
        img_id=info['img_id'], img_path=info['img_path'], ori_shape=found.size,
        scale_factor=(1.0, 1.0), text=info['text']))
    sample.pred_instances = instances
    return sample


def main() -> dict[str, float]:
    """Test; the metrics are printed and returned."""
    args = parse_args()
    from mmengine.evaluator import Evaluator
    from mmengine.registry import init_default_scope
    from mmengine.utils import track_iter_progress

    from expalign.registry import DATASETS
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope('mmdet')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    evaluator = Evaluator(cfg.test_evaluator)
    evaluator.dataset_meta = dataset.metainfo
    model, parity, seconds = None, Parity(), 0.0
    if args.compare:
        from mmdet.apis import inference_detector, init_detector
        model = init_detector(cfg, args.compare, device='cpu')
    detector = OnnxDetector(args.model, args.text_side, threads=args.threads)
    for index in track_iter_progress(range(len(dataset)), file=sys.stderr):
        info = dataset.get_data_info(index)
        texts = [text if isinstance(text, str) else text[0] for text in info['text']]
        started = time.perf_counter()
        (found,) = detector(info['img_path'], texts, score_thr=0)
        seconds += time.perf_counter() - started
        evaluator.process([as_sample(found, info)])
        if model is not None:
            expected = inference_detector(model, info['img_path'], text_prompt=texts)
            parity.add(found, expected.pred_instances, None if detector.settings.nms_inside
                       else partial(detector.candidates, info['img_path'], texts))
    metrics = evaluator.evaluate(len(dataset))
    print(f'{len(dataset)} images, {seconds / max(len(dataset), 1):.2f} s an image')
    if model is not None:
        print(f'against {args.compare}: {parity}')
    for name, value in metrics.items():
        print(f'{name}: {value}')
    return metrics


if __name__ == '__main__':
    main()
