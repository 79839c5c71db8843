"""What guides cost: AP under a list's own guides and under fixed ones, list by list.

``guide_table.py keep NAME ANNOTATIONS IMAGES FOLDER`` runs the image encoder over a data set in
COCO's layout; ``guide_table.py rows NAME... FOLDER --guides own coco greedy80.txt`` prints a row
for each list of prompts: a set's classes, alone, beside other names that the model knows, and in
parts. Guides are ``own``, ``coco``, or a file with a name in each line.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from prompt_cells import STRIDES, KeptSet, frame_of

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide, pyramid_cells
from expalign.utils import finished_file, run_command
from expalign.utils.command_parser import CommandParser

PART, PARTS = 10, 3  # classes of a part of a long list, and how many parts are asked for


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description=__doc__, example='rows coco_val MAPS --guides own coco')
    parser.add_argument('kind', choices=('keep', 'rows'))
    parser.add_argument('rest', nargs='+', metavar='NAME FOLDER')
    parser.add_argument('--every', type=int, default=1, help='keep every so many images')
    parser.add_argument('--skip', type=int, default=0, help='so many images before the first')
    parser.add_argument('--guides', nargs='+', default=['own', 'coco'])
    parser.add_argument('--others', nargs='+', type=int, default=[100],
                        help='how many other names stand beside the classes')
    parser.add_argument('--model', default='expalign-s-boxes')
    return parser.parse_args()


def main() -> None:
    """Keep maps, or print rows."""
    args = parse_args()
    from expalign.apis import ExpAlignInferencer
    inferencer = ExpAlignInferencer(args.model, device='cpu', show_progress=False)
    if args.kind == 'keep':
        keep_maps(inferencer, *args.rest[:3], Path(args.rest[3]), args.every, args.skip)
        return
    *sets, folder = args.rest
    print(f'{"list":<24}' + ''.join(f'{Path(name).stem:>12}' for name in args.guides))
    total = []
    for name in sets:
        kept = EncodedSet(Path(folder), name, inferencer.model)
        lists = lists_of(kept.used, inferencer.model.known_names.names, args.others)
        rows = np.array([[kept.under(guides, prompts) for prompts in lists.values()]
                         for guides in args.guides]).T
        for said, row in zip(lists, rows, strict=True):
            print(f'{name + " " + said:<24}' + ''.join(f'{ap:>12.3f}' for ap in row), flush=True)
        total.append(rows.mean(0))
    print(f'{"mean of the sets":<24}' + ''.join(f'{ap:>12.3f}' for ap in np.mean(total, 0)))


def lists_of(classes: list[str], known: list[str], others: list[int]) -> dict[str, list[str]]:
    """Lists of prompts by what is said of them."""
    draw = np.random.default_rng(0)
    rest = [name for name in known if name not in classes]
    lists = {'classes': classes}
    for count in others:
        lists[f'+ {count}'] = [*classes, *draw.choice(rest, count, replace=False).tolist()]
    if len(classes) > PART:
        order = draw.permutation(len(classes))
        for part in range(PARTS):
            lists[f'part {part}'] = [classes[row] for row in order[part * PART:][:PART]]
    return lists


@torch.no_grad()
def keep_maps(inferencer, name: str, annotations: str, images: str, folder: Path, every: int,
              skip: int) -> None:
    """Run the image encoder, and keep its maps in half precision."""
    from mmengine.dataset import pseudo_collate

    from expalign.utils.progress import progress
    folder.mkdir(parents=True, exist_ok=True)
    truth = json.loads(Path(annotations).read_text(encoding='utf-8'))
    model, metas = inferencer.model, []
    chosen = truth['images'][skip::every]
    for row, image in enumerate(progress(chosen, 'image encoder')):
        sample = inferencer.pipeline(dict(img_path=str(Path(images, image['file_name'])),
                                          text=['thing'], custom_entities=False))
        data = model.data_preprocessor(pseudo_collate([sample]), False)
        maps = model.backbone(data['inputs'])
        if not row:
            files = [np.lib.format.open_memmap(
                folder / f'{name}.{level}.npy', 'w+', np.float16, (len(chosen), *x.shape[1:]))
                for level, x in enumerate(maps)]
        for file, x in zip(files, maps, strict=True):
            file[row] = x[0].numpy()
        metas.append(frame_of(image, data['data_samples'][0].metainfo))
    with finished_file(folder / f'{name}.json') as path:
        path.write_text(json.dumps(dict(ann=annotations, images=metas)), encoding='utf-8')


class EncodedSet(KeptSet):
    """A set of :func:`keep_maps`, whose cells are made under any guides.

    Args:
        folder: of kept maps.
        name: of the set.
        model: that made them.
    """

    def __init__(self, folder: Path, name: str, model) -> None:
        record = json.loads((folder / f'{name}.json').read_text(encoding='utf-8'))
        self._maps = [np.load(folder / f'{name}.{level}.npy', mmap_mode='r')
                      for level in range(len(STRIDES))]
        self._model = model
        self.read(record, ImageSide.of(model), self._maps[0].shape[-1] * STRIDES[0])
        self._guides, self._made = None, {}

    @torch.no_grad()
    def under(self, guides: str, prompts: list[str]) -> float:
        """AP of a list of prompts under guides."""
        names = prompts if guides == 'own' else self._names_of(guides)
        if names != self._guides:
            self._guides, self._made = names, {}
            self._vectors = self._model.guides_from(names)
        return self.ap(prompts, *self._model._encode_text(prompts))

    def _names_of(self, guides: str) -> list[str]:
        if guides == 'coco':
            from expalign.models.detectors.encodes_prompts import GUIDE_NAMES
            return list(GUIDE_NAMES)
        return Path(guides).read_text(encoding='utf-8').splitlines()

    @torch.no_grad()
    def cells(self, image: int) -> ImageCells:
        """The cells of an image under the present guides."""
        if image not in self._made:
            maps = tuple(torch.from_numpy(level[[image]].astype(np.float32))
                         for level in self._maps)
            self._made[image], = pyramid_cells(self._model, maps, self._vectors)
            self._made[image] = self._made[image]._replace(hidden=self._made[image].hidden.half())
        return self._made[image]


if __name__ == '__main__':
    run_command(main)
