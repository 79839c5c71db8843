"""Keep what the frozen image side says about images: ``cache_image_side.py WEIGHTS OUT``.

The text side can then be trained in minutes on a CPU, see distill_text.py. The images are
those of the config's test set, letterboxed as in testing; --split names another annotation file and
folder of it. The pyramid is gated by vectors of --guides, which must be in --vectors.
"""

import argparse
import json
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from distill.name_tokens import read_name_vectors
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.checkpoints.trust import add_trust_argument
from expalign.models.layers.max_sigmoid import masked_token_mean
from expalign.registry import DATASETS, MODELS
from expalign.utils import check_outputs, finished_file, run_command
from expalign.utils.load_config import load_config

# The transforms of testing that know instances with and without a mask.
FILES = ('hidden.npy', 'boxes.npy', 'images.json')
MASK_STEPS = {'mmdet.LoadAnnotations': 'expalign.LoadInstances',
              'mmdet.PackDetInputs': 'expalign.PackInstances'}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        fromfile_prefix_chars='@')
    parser.add_argument('weights', help='converted image side, *.safetensors')
    parser.add_argument('out', help='folder to write')
    parser.add_argument('--config', default='configs/coco_mini/expalign_v8s_minilm_coco-mini.py')
    parser.add_argument('--split', default='train2017', help='train2017 or val2017 of coco-mini')
    parser.add_argument('--vectors', required=True, help='npz of names and vectors')
    parser.add_argument(
        '--guides', nargs='+', help="names that gate the pyramid, or @FILE, one "
        "a line; by default the set's classes")
    add_trust_argument(parser)
    args = parser.parse_args()
    try:
        check_outputs([Path(args.out, name) for name in FILES], [args.weights, args.vectors])
    except ValueError as error:
        parser.error(str(error))
    return args


@torch.no_grad()
def main() -> None:
    """Run the image side once over the images."""
    args = parse_args()
    cfg = load_config(args.config)
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model).eval()
    load_checkpoint(model, args.weights, map_location='cpu')
    source = cfg.test_dataloader.dataset
    for step in source.pipeline:
        step.type = MASK_STEPS.get(step.type, step.type)
    source.update(
        ann_file=f'annotations/instances_{args.split}.json', data_prefix=dict(img=f'{args.split}/'))
    dataset = DATASETS.build(source)
    names, vectors = read_name_vectors(args.vectors)
    wanted = args.guides or dataset.metainfo['classes']
    feats = vectors[[names.index(name) for name in wanted]][None, :, None]
    guides = masked_token_mean(feats, torch.ones(feats.shape[:3], dtype=torch.bool))
    with ExitStack() as stack:
        files = [stack.enter_context(finished_file(Path(args.out, name))) for name in FILES]
        write(model, dataset, guides, *files)


def write(model: torch.nn.Module, dataset, guides: tuple, hidden_file: Path, boxes_file: Path,
          images_file: Path) -> None:
    """Run the image side over the images, and write what it says."""
    width = model.neck.embed_branches[0][1].out_channels
    hidden = np.lib.format.open_memmap(
        hidden_file, 'w+', np.float16, (len(dataset), 8400, width))
    boxes = np.lib.format.open_memmap(boxes_file, 'w+', np.float32, (len(dataset), 8400, 4))
    images, started = [], time.time()
    for index in range(len(dataset)):
        data = model.data_preprocessor(pseudo_collate([dataset[index]]), False)
        hidden[index], boxes[index] = run(model, data['inputs'], guides)
        images.append(describe(data['data_samples'][0]))
        if index % 20 == 19:
            rate = (index + 1) / (time.time() - started)
            left = (len(dataset) - index - 1) / rate
            print(f'{index + 1}/{len(dataset)} images, {rate:.1f} a second, {left:.0f} s left')
    hidden.flush()
    boxes.flush()
    images_file.write_text(json.dumps(images), encoding='utf-8')


@torch.no_grad()
def run(model: torch.nn.Module, inputs: torch.Tensor, guides: tuple) -> tuple:
    """Hidden maps (8400, C) and boxes (8400, 4) of one image."""
    pyramid = model.neck.pafpn(model.backbone(inputs), *guides)
    hidden = [branch[:-1](x).flatten(2) for branch, x in zip(
        model.neck.embed_branches, pyramid, strict=True)]
    zeros = [torch.zeros(1, 1, *x.shape[2:]) for x in pyramid]
    _, dists = model.bbox_head.head_module(pyramid, zeros)
    priors, strides = model.bbox_head._priors(dists)
    flat = torch.cat([x.flatten(2).transpose(1, 2) for x in dists], dim=1)
    boxes = model.bbox_head._decode(flat, priors[:, :2], strides[:, 0])
    return torch.cat(hidden, dim=2)[0].T.numpy(), boxes[0].numpy()


def describe(sample) -> dict:
    """What CachedMaps needs to know of an image; ground truth in pixels of the input."""
    top, _, left, _ = sample.pad_param
    scale, offset = np.float32(sample.scale_factor), np.float32((left, top))
    truth = sample.gt_instances
    # Annotations are loaded after resizing, so they are in pixels of the original image.
    boxes = torch.as_tensor(getattr(truth.bboxes, 'tensor', truth.bboxes)).numpy()
    boxes = boxes.reshape(-1, 2, 2) * scale + offset
    polygons = [
        [(polygon.reshape(-1, 2) * scale + offset).ravel().round(2).tolist()
         for polygon in instance] if masked else []
        for instance, masked in zip(truth.masks.masks, truth.has_mask, strict=True)]
    return dict(
        img_id=int(sample.img_id), ori_shape=[int(x) for x in sample.ori_shape[:2]],
        scale_factor=[float(x) for x in sample.scale_factor],
        pad_param=[float(x) for x in sample.pad_param],
        bboxes=boxes.reshape(-1, 4).tolist(), labels=truth.labels.tolist(), polygons=polygons)


if __name__ == '__main__':
    run_command(main)
