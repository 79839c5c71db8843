"""No command writes to a file that it reads, by whatever name or link."""

import json
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config

from expalign.engine.result_export import annotation_files
from expalign.utils.load_config import config_files

MINI = 'configs/mini/expalign_mini.py'
# Script and arguments; OUT is the output, and READ what must not be lost.
COMMANDS = {
    'print_config': ['tools/analysis_tools/print_config.py', 'READ.py', '--save-path', 'OUT.py'],
    'export_onnx': ['tools/deploy/export_onnx.py', MINI, 'READ.pth', '-o', 'OUT.onnx'],
    'export_text': ['tools/deploy/export_onnx.py', MINI, 'READ.pth', '-o', 'new.onnx',
                    '--text-side', 'OUT.onnx'],
    'export_words': ['tools/deploy/export_onnx.py', MINI, 'other.pth', '-o', 'OUT.onnx',
                     '--bake-vocabulary', 'READ.txt'],
    'publish': ['tools/model_converters/publish_model.py', MINI, 'READ.pth', '.', '--name', 'OUT',
                '--trained-only', 'data'],
    'distill': ['tools/distillation/distill_text.py', 'names.npz', 'READ.safetensors', 'maps',
                'OUT.safetensors'],
    'cache': ['tools/distillation/cache_image_side.py', 'READ.npy', '.', '--vectors', 'v.npz'],
    'coco2odvg': ['tools/dataset_converters/coco2odvg.py', 'READ.txt', 'OUT.jsonl'],
    'lvis2odvg': ['tools/dataset_converters/lvis2odvg.py', 'READ.txt', 'new.jsonl', '--label-map',
                  'OUT.json'],
    'minival': ['tools/dataset_converters/lvis_minival.py', 'READ.txt', 'OUT.json'],
    'goldg': ['tools/dataset_converters/goldg2odvg.py', 'READ.txt', 'OUT.jsonl', '--keep-coco'],
    'refcoco': ['tools/dataset_converters/refcoco2odvg.py', 'refs.p', 'OUT.jsonl', '--keep-all',
                '--instances', 'READ.txt'],
    'negatives': ['tools/dataset_converters/build_negative_vocabulary.py', 'OUT.json', 'READ.txt'],
    'yolo_world': ['tools/model_converters/yolo_world_to_expalign.py', 'READ.pth',
                   'OUT.safetensors'],
    'held_out': ['tools/distillation/held_out_vectors.py', 'READ.npz', 'OUT.npz'],
    'test': ['tools/test.py', MINI, 'READ.pth', '--out', 'OUT.pkl'],
    'test_json': ['tools/test.py', MINI, 'READ.pth', '--json-prefix', 'OUT'],
}
NAMES = {'publish': 'OUT.safetensors', 'cache': 'hidden.npy', 'test_json': 'OUT.bbox.json'}


@pytest.mark.parametrize('link', [Path.symlink_to, Path.hardlink_to], ids=['soft', 'hard'])
@pytest.mark.parametrize('name', COMMANDS)
def test_refused_before_any_work(run_script, monkeypatch, tmp_path, capsys, name, link):
    script, *arguments = COMMANDS[name]
    shutil.copy(MINI, tmp_path / 'READ.py')
    (tmp_path / 'READ.py').write_text('value = 1\n')
    for file in ('READ.pth', 'READ.safetensors', 'READ.npz', 'READ.npy', 'READ.txt', 'other.pth'):
        (tmp_path / file).write_text('to be kept')
    read = next(word for word in arguments if word.startswith('READ'))
    output = NAMES.get(name) or next(word for word in arguments if word.startswith('OUT'))
    link(tmp_path / output, tmp_path / read)
    before = (tmp_path / read).read_bytes()
    mini = Path(MINI).resolve()
    monkeypatch.chdir(tmp_path)
    with pytest.raises((SystemExit, ValueError)) as error:
        run_script(script, *[str(mini) if word == MINI else word for word in arguments])
    text = capsys.readouterr().err + str(error.value)
    assert 'is the file to read' in text and output in text and read in text
    assert (tmp_path / read).read_bytes() == before


def test_bases_are_read_too():
    names = [path.name for path in config_files('configs/mini/expalign_mini-seg.py')]
    assert names[0] == 'expalign_mini-seg.py'
    assert {'default_runtime.py', 'expalign_cnxt.py', 'coco_detection.py'} <= set(names)
    assert all(path.is_file() for path in config_files('configs/mini/expalign_mini-seg.py'))


def test_annotation_files_of_every_set():
    cfg = Config(dict(dataset=dict(datasets=[
        dict(ann_file='a.json', data_root='x'), dict(dataset=dict(ann_file='/b.json'))])))
    assert {'x/a.json', '/b.json'} <= set(annotation_files(cfg.dataset))


def test_browse_dataset(run_script, tmp_path):
    """A picture that would take the place of an image of the data set."""
    mini = Path('demo/data/mini')
    content = json.loads((mini / 'annotations' / 'instances_val2017.json').read_text())
    content['images'] = content['images'][:2]
    kept = {image['id'] for image in content['images']}
    content['annotations'] = [x for x in content['annotations'] if x['image_id'] in kept]
    first, second = (image['file_name'] for image in content['images'])
    content['images'][1]['file_name'] = f'0000_{first}'
    (tmp_path / 'a.json').write_text(json.dumps(content))
    shutil.copy(mini / 'val2017' / first, tmp_path / first)
    shutil.copy(mini / 'val2017' / second, tmp_path / f'0000_{first}')
    before = (tmp_path / f'0000_{first}').read_bytes()
    with pytest.raises(ValueError, match=f'0000_{first}. is the file to read'):
        run_script('tools/analysis_tools/browse_dataset.py', MINI, '--split', 'val', '--output-dir',
                   tmp_path, '--cfg-options', f'val_dataloader.dataset.data_root={tmp_path}/',
                   'val_dataloader.dataset.ann_file=a.json',
                   'val_dataloader.dataset.data_prefix.img=')
    assert (tmp_path / f'0000_{first}').read_bytes() == before
