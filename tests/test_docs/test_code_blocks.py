"""Every block of code of the documents is run, or parsed; see tests/helpers/doc_block_list.py."""

import ast
import importlib
import inspect
import subprocess
from collections import Counter

import cv2
import numpy as np
import pytest
from mmengine.registry import Registry

from tests.helpers.doc_block_list import DRY, QUICK, RUN
from tests.helpers.doc_blocks import ROOT, Block, all_blocks
from tests.helpers.mini_model import CONFIG, write_mini_weights

BLOCKS = {block.key: block for block in all_blocks()}
IMAGE = 'demo/data/mini/val2017/000000214753.jpg'


def test_every_block_is_in_one_list():
    counts = Counter(block.key for block in all_blocks())
    assert [key for key, count in counts.items() if count > 1] == []
    listed = Counter([*DRY, *QUICK, *RUN])
    assert [key for key, count in listed.items() if count > 1] == []
    assert sorted(set(counts) - set(listed)) == [], 'new blocks: put them in a list'
    assert sorted(set(listed) - set(counts)) == [], 'these are no longer there'


def test_commands_are_shell():
    for block in BLOCKS.values():
        if block.language == 'bash':
            checked = subprocess.run(
                ['bash', '-n'], input=block.text, capture_output=True, text=True, check=False)
            assert checked.returncode == 0, f'{block.key}: {checked.stderr}'


@pytest.mark.parametrize('key', [key for key in BLOCKS if BLOCKS[key].language == 'python'])
def test_python_names_what_is_there(key):
    tree = ast.parse(BLOCKS[key].text, key)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names), node.module
        elif isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'dict':
            check_component(node)


def check_component(node: ast.Call) -> None:
    """The type that a config names is registered and takes the arguments that are named."""
    from expalign import registry
    given = {word.arg: word.value for word in node.keywords if word.arg}
    kind = given.pop('type', None)
    if not isinstance(kind, ast.Constant) or not kind.value.startswith('expalign.'):
        return
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    found = next((cls for cls in (entry.get(kind.value) for entry in registries) if cls), None)
    assert found is not None, kind.value
    parameters = [parameter for base in found.__mro__ if '__init__' in vars(base)
                  for parameter in inspect.signature(base.__init__).parameters]
    assert set(given) <= set(parameters), kind.value


@pytest.fixture(scope='module')
def place(tmp_path_factory, run_at_root):
    """A folder as a reader has it: the project, photographs, a film and trained weights."""
    folder = tmp_path_factory.mktemp('reader')
    for name in ('configs', 'demo', 'projects'):
        (folder / name).symlink_to(ROOT / name)
    image = cv2.imread(IMAGE)
    (folder / 'photos').mkdir()
    for name in ('photo.jpg', 'a.jpg', 'b.jpg', 'photos/a.jpg'):
        cv2.imwrite(str(folder / name), image)
    writer = cv2.VideoWriter(
        str(folder / 'film.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 5, (320, 212))
    writer.write(np.ascontiguousarray(cv2.resize(image, (320, 212))))
    writer.release()
    for name, epoch in (('expalign_mini', 60), ('expalign_mini-seg', 60)):
        (folder / 'work_dirs' / name).mkdir(parents=True)
        write_mini_weights(
            folder / 'work_dirs' / name / f'epoch_{epoch}.pth', f'configs/mini/{name}.py')
    return folder


def run(block: Block, **names: object) -> dict:
    namespace = dict(names)
    exec(compile(block.text, block.key, 'exec'), namespace)
    return namespace


def test_quick_blocks(place, monkeypatch):
    """In one process, in the order of the pages; what a block takes from its page is given."""
    from mmdet.apis import init_detector

    import expalign
    from expalign.apis import ExpAlignInferencer
    from expalign.checkpoints.trust import checkpoints_are_trusted
    blocks = {key: BLOCKS[key] for key in BLOCKS if key in QUICK}
    monkeypatch.chdir(place)
    seg = dict(config='configs/mini/expalign_mini-seg.py',
               weights='work_dirs/expalign_mini-seg/epoch_60.pth')
    inferencer = ExpAlignInferencer(
        CONFIG, 'work_dirs/expalign_mini/epoch_60.pth', device='cpu', show_progress=False)
    given = {
        'docs/explanation.md': dict(inferencer=inferencer, image=IMAGE),
        'docs/method.md': dict(init_detector=init_detector),
    }
    for key, block in blocks.items():
        if key.startswith('docs/inference.md: inferencer.set_vocabulary'):
            given[block.page] = dict(inferencer=inferencer)
        elif block.page == 'docs/inference.md':
            given[block.page] = seg
        try:
            names = run(block, **given.get(block.page, {}))
        finally:
            trusted = checkpoints_are_trusted()
            expalign.trust_checkpoints(False)
        assert trusted == (block.page == 'docs/weights.md'), key
        if block.page == 'docs/explanation.md':
            assert len(names['alignment'].eams['fused']) == 2
    assert (place / 'outputs' / 'inferencer' / 'vis' / '000000442450.jpg').is_file()
    assert (place / 'outputs' / 'vis' / 'a.jpg').is_file()

