"""The paper in one chain: from the public files to every benchmark, with one checkpoint.

The shipped commands in the order of docs/reproduce.md, on generated data in the public formats
and folders, with encoders of a few layers. They run in one process, in a folder of their own.
"""

import json
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, DictAction

from expalign.utils.load_config import load_config
from tests.helpers.public_data import ODINW_SETS, REFERRING, PublicData
from tests.helpers.small_encoders import sam2, small_model_options

ROOT = Path(__file__).parents[2]
CONVERTERS = 'tools/dataset_converters'
NAME = 'expalign_cnxt_o365_goldg_refc-seg'
STAGE_1, STAGE_2 = (f'configs/pretrain/{NAME}{stage}.py' for stage in ('', '_stage2'))
SMALL_RUN = [
    'train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
    'train_dataloader.pin_memory=False', 'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False', 'log_level=WARNING']
SMALL_TEST = ['test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False',
              'log_level=WARNING']

pytestmark = pytest.mark.slow


class Chain:
    """Runs commands in the folder of the data, and remembers what they wrote."""

    def __init__(self, folder: Path, run_script) -> None:
        self.folder, self.run_script = folder, run_script
        self.options = small_model_options(folder / 'encoders')
        self.sam = sam2(folder / 'encoders/sam2')

    def convert(self, name: str, *arguments) -> None:
        """A converter."""
        self.run_script(f'{CONVERTERS}/{name}.py', *arguments)

    def train(self, config: str, *options: str) -> Path:
        """A training of one epoch; its checkpoint."""
        self.run_script('tools/train.py', ROOT / config, '--cfg-options', *SMALL_RUN,
                        *self.options, *options)
        return self.folder / 'work_dirs' / Path(config).stem / 'epoch_1.pth'

    def test(self, config: str, checkpoint: Path, *arguments: str) -> list[dict]:
        """An evaluation; its predictions."""
        out = self.folder / f'{Path(config).stem}.pkl'
        self.run_script('tools/test.py', ROOT / config, checkpoint, '--out', out, *arguments,
                        '--cfg-options', *SMALL_TEST, *self.options)
        return pickle.loads(out.read_bytes())

    def metrics(self, config: str) -> dict:
        """What the last evaluation of a config wrote."""
        files = sorted((self.folder / 'work_dirs' / Path(config).stem).glob('*/*.json'))
        return json.loads(files[-1].read_text())


def unformatted(cfg: Config) -> str:
    """A config as text that can be read again."""
    return '\n'.join(f'{key} = {value!r}' for key, value in cfg.to_dict().items())


@pytest.fixture(scope='module')
def chain(tmp_path_factory, run_script) -> Chain:
    """The data before any converter has run; the working directory is their folder."""
    folder = tmp_path_factory.mktemp('chain')
    PublicData(folder).write()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # Runners write their config several times, and formatting it takes longer than the rest.
        patch.setattr(Config, 'pretty_text', property(unformatted))
        yield Chain(folder, run_script)


@pytest.fixture(scope='module')
def masks(chain) -> list[Path]:
    """ODVG files with masks by SAM, where the recipes look for them."""
    chain.convert('coco2odvg', 'data/Objects365v1/annotations/objects365_train.json',
                  'data/Objects365v1/odvg/objects365_train.jsonl', '--label-map',
                  'data/Objects365v1/masks/objects365_train.label_map.json')
    chain.convert('goldg2odvg', 'data/flickr/annotations/final_flickr_separateGT_train.json',
                  'data/flickr/odvg/flickr_train.jsonl')
    chain.convert('goldg2odvg', 'data/mixed_grounding/annotations/final_mixed_train_no_coco.json',
                  'data/mixed_grounding/odvg/gqa_train.jsonl', '--vg-image-data',
                  'data/mixed_grounding/annotations/image_data.json')
    held_out = [f'data/refcoco/finetune_{name}_{split}.json'
                for name, splits in REFERRING.items() for split in splits]
    for name in REFERRING:
        chain.convert('refcoco2odvg', f'data/refcoco/finetune_{name}_train.json',
                      f'data/refcoco/odvg/{name}_train.jsonl', '--coco-val',
                      'data/coco/annotations/instances_val2017.json', '--eval-splits', *held_out,
                      '--lvis-val', 'data/lvis/lvis_v1_val.json')
    sources = [('data/Objects365v1', 'objects365', 'train'), ('data/flickr', 'flickr', 'images'),
               ('data/mixed_grounding', 'gqa', 'gqa/images'),
               *(('data/refcoco', name, '../coco/train2014') for name in REFERRING)]
    written = []
    for root, name, images in sources:
        output = Path(root, 'masks', f'{name}_train.jsonl')
        # Random masks fit no box: the rules that reject them are off.
        chain.convert('generate_sam_masks', f'{root}/odvg/{name}_train.jsonl', output,
                      '--image-root', f'{root}/{images}', '--model', chain.sam,
                      '--min-box-share', 0, '--min-box-iou', 0, '--min-component', 0)
        written.append(output)
    chain.convert('build_negative_vocabulary', 'data/mixed_grounding/negative_vocabulary.json',
                  'data/flickr/annotations/final_flickr_separateGT_train.json',
                  'data/mixed_grounding/annotations/final_mixed_train_no_coco.json',
                  '--min-count', 1)
    chain.convert('lvis_minival', 'data/lvis/lvis_v1_val.json', 'data/lvis/lvis_v1_minival.json')
    return written


@pytest.fixture(scope='module')
def checkpoint(chain, masks) -> Path:
    """The model after both stages."""
    first = chain.train(STAGE_1)
    return chain.train(STAGE_2, f'load_from={first}')


def test_masks_are_where_the_recipes_look(masks):
    for path in masks:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines and '"mask"' in path.read_text(), path
    assert len(lines) == 4  # RefCOCOg: two expressions of two images


def test_both_stages_train(chain, checkpoint):
    first = torch.load(chain.folder / 'work_dirs' / NAME / 'epoch_1.pth', weights_only=True)
    second = torch.load(checkpoint, weights_only=True)
    name = 'bbox_head.head_module.prototype_branch.upsample.weight'
    assert not torch.equal(first['state_dict'][name], second['state_dict'][name])
    scalars = second['message_hub']['log_scalars']
    assert {'train/loss_mask', 'train/loss_sem', 'train/loss_geo'} <= set(scalars)
    assert all(torch.isfinite(scalars[f'train/loss_{term}']['values']).all()
               for term in ('mask', 'sem', 'geo', 'cls', 'bbox', 'dfl'))


def test_objects365_alone_starts(tmp_path, chain, monkeypatch):
    PublicData(tmp_path).objects365()
    monkeypatch.chdir(tmp_path)
    chain.run_script('tools/train.py', ROOT / 'configs/expalign_cnxt_o365.py', '--cfg-options',
                     *SMALL_RUN, *chain.options)
    assert (tmp_path / 'work_dirs/expalign_cnxt_o365/epoch_1.pth').is_file()


@pytest.mark.parametrize('split', ['minival', 'val'])
def test_lvis_boxes_and_masks(chain, checkpoint, split):
    config = f'configs/lvis/expalign_cnxt-seg_lvis_{split}.py'
    predictions = chain.test(config, checkpoint)
    assert len(predictions) == (2 if split == 'minival' else 3)
    metrics = chain.metrics(config)
    for kind in ('bbox', 'segm'):
        for protocol in ('fixed', 'standard'):
            assert any(kind in key and protocol in key for key in metrics), metrics


def test_odinw(chain, checkpoint):
    config = 'configs/odinw/expalign_cnxt_odinw13.py'
    predictions = chain.test(config, checkpoint, '--allow-missing')
    assert len(predictions) == 2 * len(ODINW_SETS)
    metrics = chain.metrics(config)
    assert all(any(name in key for key in metrics) for name in ODINW_SETS), metrics


def test_refcoco(chain, checkpoint):
    config = 'configs/refcoco/expalign_cnxt_refcoco.py'
    chain.test(config, checkpoint)
    metrics = chain.metrics(config)
    for name, splits in REFERRING.items():
        for split in splits:
            assert any(f'{name}_{split}' in key for key in metrics), metrics


def test_flickr30k(chain, checkpoint):
    config = 'configs/flickr30k/expalign_cnxt_flickr30k.py'
    chain.test(config, checkpoint)
    metrics = chain.metrics(config)
    assert all(any(f'{split}' in key for key in metrics) for split in ('val', 'test')), metrics


@pytest.mark.parametrize('form', ['', '-seg'])
def test_coco_probe(chain, checkpoint, form):
    """Both forms start from the same checkpoint."""
    config = f'configs/coco/expalign_cnxt_coco{form}_probe.py'
    probed = chain.train(config, f'load_from={checkpoint}')
    before, after = (torch.load(path, weights_only=True)['state_dict']
                     for path in (checkpoint, probed))
    name = 'neck.embed_branches.0.2.weight'
    assert not torch.equal(before[name], after[name])
    frozen = [name for name in after if name.startswith(('backbone.', 'text_encoder.'))]
    assert frozen and all(torch.equal(before[name], after[name]) for name in frozen)
    assert any('prototype_branch' in name for name in after) == (form == '-seg')


def test_publish_and_export(chain, checkpoint):
    config = chain.folder / 'published_config.py'
    cfg = load_config(ROOT / STAGE_2)
    cfg.merge_from_dict({key: DictAction._parse_iterable(value) for key, value in (
        option.split('=', 1) for option in chain.options)})
    cfg.dump(config)
    chain.run_script('tools/model_converters/publish_model.py', config, checkpoint, 'published')
    (weights,) = Path('published').glob('*.safetensors')
    written = weights.with_suffix('.py')
    chain.run_script('tools/deploy/export_onnx.py', written, weights, '-o', 'model.onnx',
                     '--text-side', 'text.onnx')
    assert Path('model.onnx').stat().st_size > 100_000 and Path('text.onnx').is_file()
