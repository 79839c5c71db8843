"""Draw samples of a config's data as the model gets them: boxes, masks and prompts.

    python tools/analysis_tools/browse_dataset.py CONFIG --output-dir DIR [--split train] [--num 16]

Each picture shows the boxes of one sample and, where there are any, the masks. Below it are the
source, the positive prompts, the negative ones, and those that are masked out of the loss.

The pictures are those of a training run with the same ``--seed``, in the epoch ``--epoch``.
``--pipeline train_pipeline_stage2`` draws with another pipeline of the config.
"""

import argparse
import textwrap
from collections.abc import Iterator
from pathlib import Path

import mmcv
import numpy as np
from mmengine.config import DictAction
from mmengine.utils import track_iter_progress

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.datasets.sample_seed import set_epoch
from expalign.utils import check_outputs, finished_file, run_command
from expalign.utils.load_config import load_config

MIN_WIDTH = 480  # of a picture, so that the prompts fit
FONT_SIZE = 8  # points
CHAR_WIDTH, LINE_HEIGHT = 7, 15  # pixels that one character of that size takes
LINE_COLORS = {'positive': 'darkgreen', 'negative': 'dimgray', 'masked': 'firebrick'}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Draw samples of a data set to files')
    parser.add_argument('config', help='config file')
    parser.add_argument('--output-dir', type=Path, required=True, help='folder for the pictures')
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument('--num', type=int, default=16, help='number of samples, from the first on')
    parser.add_argument('--pipeline', metavar='NAME', help='a pipeline of the config, by its name')
    parser.add_argument('--seed', type=int, default=0, help='seed of the random transforms')
    parser.add_argument('--epoch', type=int, default=0, help='their epoch, from 0')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    return parser.parse_args()


def build_dataset(cfg, split: str, pipeline: str | None = None):
    """Build the data set of one of the config's dataloaders, with another pipeline if named.

    Raises:
        ValueError: the config has no such dataloader or pipeline.
    """
    from mmdet.registry import DATASETS
    from mmengine.registry import init_default_scope

    dataloader = cfg.get(f'{split}_dataloader')
    if dataloader is None:
        raise ValueError(f'the config has no {split}_dataloader')
    if pipeline is not None:
        if pipeline not in cfg:
            names = sorted(name for name in cfg if 'pipeline' in name)
            raise ValueError(f"the config has no '{pipeline}'; it has {', '.join(names)}")
        dataloader.dataset.pipeline = cfg[pipeline]
    init_default_scope('mmdet')
    return DATASETS.build(dataloader.dataset)


def prompts_by_kind(data_sample) -> dict[str, list[str]]:
    """Return the prompts of a sample: 'positive' (with a box), 'negative' and 'masked'.

    Raises:
        ValueError: the sample has no prompts.
    """
    if 'text' not in data_sample:
        raise ValueError(
            f"the sample of '{data_sample.get('img_path')}' has no prompts: use a dataset of "
            "expalign, and list 'text' in 'meta_keys' of the transform that packs")
    present = set(data_sample.gt_instances.labels.tolist())
    masks = data_sample.get('prompt_masks', [True] * len(data_sample.text))
    kinds = {kind: [] for kind in LINE_COLORS}
    for index, (prompt, counts) in enumerate(zip(data_sample.text, masks, strict=True)):
        kind = 'masked' if not counts else 'positive' if index in present else 'negative'
        kinds[kind].append(prompt)
    return kinds


def caption_lines(kinds: dict[str, list[str]], width: int) -> list[tuple[str, str]]:
    """Return lines of text with their colours, to be set in ``width`` pixels."""
    lines = []
    for kind, prompts in kinds.items():
        if prompts or kind == 'positive':
            text = f'{kind} ({len(prompts)}): {" · ".join(prompts)}'
            wrapped = textwrap.wrap(text, width // CHAR_WIDTH, subsequent_indent='  ')
            lines += [(line, LINE_COLORS[kind]) for line in wrapped]
    return lines


def boxes_in_image(data_sample, test_mode: bool):
    """Return a copy of the sample whose boxes lie in the coordinates of the network's input.

    Test pipelines load annotations after the last resize, for metrics in the original image;
    the masks of theirs are left out.
    """
    sample = data_sample.clone()
    boxes = sample.gt_instances.bboxes
    boxes = boxes.tensor.clone() if hasattr(boxes, 'tensor') else boxes.clone()
    if test_mode and 'scale_factor' in sample:
        top, _, left, _ = sample.get('pad_param', np.zeros(4))
        boxes *= boxes.new_tensor(sample.scale_factor).repeat(2)
        boxes += boxes.new_tensor([left, top, left, top])
        sample.gt_instances.pop('masks', None)
    sample.gt_instances.bboxes = boxes
    return sample


def draw_sample(visualizer, item: dict, test_mode: bool) -> np.ndarray:
    """Return the picture of one packed sample, (H, W, 3) uint8 RGB."""
    sample = boxes_in_image(item['data_samples'], test_mode)
    image = item['inputs'].permute(1, 2, 0).numpy()[..., ::-1]  # (3, H, W) BGR -> (H, W, 3) RGB
    visualizer.dataset_meta = dict(classes=sample.text, palette='random')
    visualizer.add_datasample('sample', np.ascontiguousarray(image), sample, draw_pred=False)
    image = visualizer.get_image()

    height, width = image.shape[0], max(image.shape[1], MIN_WIDTH)
    lines = caption_lines(prompts_by_kind(sample), width - 2 * CHAR_WIDTH)
    if 'source' in sample:
        lines.insert(0, (f'source: {sample.source}', 'black'))
    canvas = np.full((height + (len(lines) + 1) * LINE_HEIGHT, width, 3), 255, dtype=np.uint8)
    canvas[:height, :image.shape[1]] = image
    visualizer.set_image(canvas)
    for row, (line, color) in enumerate(lines):
        visualizer.draw_texts(
            line,
            np.array([CHAR_WIDTH, height + (row + 0.5) * LINE_HEIGHT]),
            font_sizes=FONT_SIZE,
            font_families='monospace',
            colors=color)
    return visualizer.get_image()


class ImagePaths:
    """The paths of all images of a data set, looked up only where they are needed."""

    def __init__(self, dataset) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[str]:
        return (self.dataset.get_data_info(index)['img_path']
                for index in range(len(self.dataset)))


def main() -> None:
    """Draw the samples and report where they are."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    dataset = build_dataset(cfg, args.split, args.pipeline)
    set_epoch(dataset, args.epoch, args.seed)

    from mmdet.visualization import DetLocalVisualizer
    visualizer = DetLocalVisualizer()
    num = min(args.num, len(dataset))
    read = ImagePaths(dataset)
    for index in track_iter_progress(list(range(num))):
        item = dataset[index]
        stem = Path(item['data_samples'].img_path).stem
        picture = draw_sample(visualizer, item, args.split != 'train')
        file = args.output_dir / f'{index:04d}_{stem}.jpg'
        check_outputs([file], read)
        with finished_file(file) as temporary:
            mmcv.imwrite(picture[..., ::-1], str(temporary))
    print(f'\n{num} pictures of {args.split} in {args.output_dir}')


if __name__ == '__main__':
    run_command(main)
