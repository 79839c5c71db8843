"""The image demo: files written, flags, early refusals, windows."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from pycocotools.coco import COCO

from expalign.apis import hints, images
from expalign.checkpoints import fetch
from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
from tests.helpers.mini_model import CONFIG, write_mini_weights
from tests.helpers.yolo_world_layouts import save_ultralytics, tensors, ultralytics

DEMO = 'demo/image_demo.py'
IMAGES = ['demo/data/mini/val2017/000000214753.jpg', 'demo/data/mini/val2017/000000160012.jpg']


@pytest.fixture(scope='module')
def weights(tmp_path_factory, run_at_root):
    return write_mini_weights(tmp_path_factory.mktemp('weights') / 'mini.pth')


@pytest.fixture
def arguments(weights):
    return [CONFIG, '--weights', weights, '--device', 'cpu']


def test_folder_with_explanations(run_script, arguments, tmp_path, capsys):
    (tmp_path / 'in').mkdir()
    for name in IMAGES:
        cv2.imwrite(str(tmp_path / 'in' / f'{name[-10:-4]}.png'), cv2.imread(name))
    out = tmp_path / 'out'
    run_script(
        DEMO, tmp_path / 'in', *arguments, '--texts', 'a horse . a person', '--explain',
        '--explain-prompts', 'a horse', '--out-dir', out, '--batch-size', 2,
        '--pred-score-thr', 0)
    names = ('214753', '160012')
    assert {path.relative_to(out).as_posix() for path in out.rglob('*') if path.is_file()} == {
        f'{folder}/{name}.{suffix}' for name in names for folder, suffix in (
            ('vis', 'png'), ('preds', 'json'), ('explain', 'png'), ('explain', 'npz'))}
    prediction = json.loads((out / 'preds' / '214753.json').read_text())
    assert {found['prompt'] for found in prediction['detections']} == {'a horse', 'a person'}
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == '2 prompts: a horse | a person' and lines[-1] == f'Written to {out}'
    assert '160012.png: ' in lines[-3] and '214753.png: ' in lines[-2] and '(best ' in lines[-2]
    assert '2/2' in printed.err


def test_windows(run_script, arguments, tmp_path, capsys):
    out = tmp_path / 'out'
    run_script(
        DEMO, IMAGES[0], *arguments, '--texts', 'cat', '--patch-size', 400, '--out-dir', out,
        '--no-save-vis', '--pred-score-thr', 0)
    prediction = json.loads((out / 'preds' / '000000214753.json').read_text())
    assert 0 < len(prediction['detections']) <= 300
    assert not (out / 'vis').exists()
    printed = capsys.readouterr()
    assert f'{IMAGES[0]}: ' in printed.out and '5/5' in printed.err


@pytest.mark.parametrize(('flags', 'message'), [
    (['absent.jpg', CONFIG, '--texts', 'a cat'], 'the input absent.jpg does not exist'),
    ([IMAGES[0], 'absent.py', '--texts', 'a cat'], 'absent.py does not exist'),
    ([IMAGES[0], CONFIG, '--texts', ' '], "no prompt in ' '"),
    ([IMAGES[0], CONFIG, '--texts', 'absent.txt'], 'prompts absent.txt does not exist'),
    ([IMAGES[0], CONFIG, '--texts', 'a', '--explain', '--patch-size', '9'], 'leave --patch-size'),
    ([IMAGES[0], CONFIG, '--texts', 'a', '--explain-prompts', 'a'], 'belongs to --explain'),
    ([IMAGES[0], CONFIG, '--texts', 'a', '--explain-tokens'], '--explain-tokens belongs to'),
    ([IMAGES[0], CONFIG, '--texts', 'a . b', '--explain', '--explain-prompts', 'b', 'c'],
     "--explain-prompts 'c' is none of the prompts"),
    ([IMAGES[0], CONFIG, '--texts', '*', '--explain'], "'*' has none: name what to explain"),
    ([IMAGES[0], CONFIG, '--texts', 'a cat, *'], "'*' stands for everything that the model knows"),
    ([IMAGES[0], CONFIG, '--texts', 'a', '--patch-size', '-3'], '-3 is no whole number of 1 or'),
    ([IMAGES[0], CONFIG, '--texts', 'a', '--patch-size', '9', '--patch-overlap-ratio', '1'],
     '--patch-overlap-ratio 1.0 must be'),
    ([IMAGES[0], CONFIG, '--texts', 'a', '--batch-size', '0'], '0 is no whole number of 1 or'),
    ([IMAGES[0], CONFIG, '--texts', 'a', '--device', 'cuda:99'], '--device cuda:99: this machine'),
    ([IMAGES[0], CONFIG, '--texts', 'a', '--show'], 'pictures cannot be shown in a window: this'),
    ([IMAGES[0], CONFIG, '--texts', 'a', '--device', 'gpu'], '--device gpu: there is no such dev'),
    ([IMAGES[0], 'http://host/a.pth', '--texts', 'a'], 'http://host/a.pth is an address: downl'),
    ([IMAGES[0], '--weights', 'README.md', '--texts', 'a'], 'needs the config'),
    ([IMAGES[0]], 'the last argument is what to search for, and demo/data/mini/val2017/0000'),
    (['a cat', IMAGES[0]], 'the last argument is what to search for, and demo/data/mini/val2017'),
    (['a cat'], 'two things are needed, a photograph and what to search for'),
    ([IMAGES[0], 'a cat', '--conf', '0.3'], 'unrecognized arguments: --conf 0.3; did you mean'),
    ([IMAGES[0], 'a cat', '--score-thr', '30'], "30 is no number from 0 to 1, nor 'auto'"),
    ([IMAGES[0], 'a cat', '--format', 'xml'], "invalid choice: 'xml'"),
])
def test_refuses_before_any_work(run_script, capsys, flags, message):
    with pytest.raises(SystemExit) as error:
        run_script(DEMO, *flags)
    assert error.value.code == 2
    said = capsys.readouterr().err
    assert message in said and said.count('\n') == 1


@pytest.mark.parametrize('flags', [[], ['--patch-size', '400']])
def test_damaged_image_in_a_folder(run_script, arguments, tmp_path, capsys, monkeypatch, flags):
    log = []
    monkeypatch.setattr(images, '_log', lambda line, *_, **__: log.append(line))
    folder, out = tmp_path / 'in', tmp_path / 'out'
    folder.mkdir()
    (folder / 'a_damaged.jpg').write_bytes(Path(IMAGES[0]).read_bytes()[:2000])
    (folder / 'b.jpg').write_bytes(Path(IMAGES[0]).read_bytes())
    (folder / 'c.jpg').write_bytes(Path(IMAGES[1]).read_bytes())
    (folder / 'notes.md').write_text('')
    run_script(DEMO, folder, *arguments, '--texts', 'cat', '--out-dir', out, '--no-save-vis',
               *flags)
    assert {path.name for path in (out / 'preds').iterdir()} == {'b.json', 'c.json'}
    assert len(log) == 2
    assert log[0] == f'{folder}: 1 of 4 files are no images and are left out'
    assert log[1].startswith('1 of 3 images could not be read and are left out: a_damaged.jpg. ')
    for inputs in (folder / 'a_damaged.jpg', 'http://127.0.0.1:9/a.jpg'):
        with pytest.raises(SystemExit) as error:
            run_script(DEMO, inputs, *arguments, '--texts', 'cat', '--out-dir', out, *flags)
        assert error.value.code == 2
    assert "cannot fetch image 'http://127.0.0.1:9/a.jpg': " in capsys.readouterr().err


def test_every_image_that_can_be_read_gets_a_picture(run_script, arguments, tmp_path):
    folder, out = tmp_path / 'in', tmp_path / 'out'
    folder.mkdir()
    pixels = cv2.imread(IMAGES[0])
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    cv2.imwrite(str(folder / 'a.jpg'), pixels)
    cv2.imwrite(str(folder / 'b.pgm'), grey)
    cv2.imwrite(str(folder / 'c.ppm'), pixels)
    cv2.imwrite(str(folder / 'd.webp'), pixels)
    cv2.imwrite(str(folder / 'e.tif'), pixels)
    for extra in ([], ['--patch-size', '400']):
        run_script(DEMO, folder, *arguments, '--texts', 'cat', '--out-dir', out, *extra)
    assert sorted(path.stem for path in (out / 'preds').iterdir()) == list('abcde')
    pictures = sorted((out / 'vis').iterdir())
    assert [path.name for path in pictures] == ['a.jpg', 'b.jpg', 'c.jpg', 'd.webp', 'e.tif']
    for picture in pictures:
        assert cv2.imread(str(picture)).shape == pixels.shape
    for name in ('download', 'x.jfif'):
        shutil.copy(folder / 'a.jpg', tmp_path / name)
        run_script(DEMO, tmp_path / name, *arguments, '--texts', 'cat', '--out-dir', tmp_path / 'o')
    assert {path.name for path in (tmp_path / 'o' / 'vis').iterdir()} == {'download.jpg', 'x.jpg'}


def write_blind_weights(weights, path):
    """Weights that find nothing."""
    content = torch.load(weights)
    for name, value in content['state_dict'].items():
        if '.biases.' in name:
            value.fill_(-1e4)
    torch.save(content, path)


def test_nothing_found_is_a_result(run_script, arguments, weights, tmp_path):
    write_blind_weights(weights, tmp_path / 'nothing.pth')
    out = tmp_path / 'out'
    given = [IMAGES[0], CONFIG, '--weights', tmp_path / 'nothing.pth', '--device', 'cpu', '--texts',
             'cat, dog', '--out-dir', out]
    for extra in (['--explain'], ['--patch-size', '400']):
        run_script(DEMO, *given, *extra)
        prediction = json.loads((out / 'preds' / '000000214753.json').read_text())
        assert prediction['detections'] == [] and prediction['best_scores'] == [0, 0]
    assert (out / 'explain' / '000000214753.png').is_file()


def test_results_do_not_replace_the_image(run_script, arguments, tmp_path, capsys):
    photograph = tmp_path / 'vis' / 'photo.jpg'
    photograph.parent.mkdir()
    shutil.copy(IMAGES[0], photograph)
    for given in (photograph, photograph.parent, tmp_path / 'vis' / '*.jpg'):
        with pytest.raises(SystemExit) as error:
            run_script(DEMO, given, *arguments, '--texts', 'cat', '--out-dir', tmp_path)
        assert error.value.code == 2
        assert "photo.jpg' is the file to read" in capsys.readouterr().err
    assert photograph.read_bytes() == Path(IMAGES[0]).read_bytes()


def test_wrong_folders_and_weights_are_one_line(run_script, weights, tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    for arguments, message in (
            ([CONFIG, '--weights', weights, '--out-dir', tmp_path / 'file' / 'out'],
             'out cannot be made: '),
            (['configs/mini/expalign_mini-seg.py', '--weights', weights, '--out-dir', tmp_path],
             'the checkpoint does not match the model: ')):
        with pytest.raises(SystemExit) as error:
            run_script(DEMO, IMAGES[0], *arguments, '--device', 'cpu', '--texts', 'cat')
        assert error.value.code == 2
        said = capsys.readouterr().err
        assert message in said and said.count('\n') == 1


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_checkpoints_do_not_run(run_script, capsys, tmp_path):
    torch.save(dict(state_dict={}, meta=Hostile(tmp_path / 'trace')), tmp_path / 'hostile.pth')
    for flags in ([CONFIG, '--weights', tmp_path / 'hostile.pth'], [tmp_path / 'hostile.pth']):
        with pytest.raises(SystemExit) as error:
            run_script(DEMO, IMAGES[0], *flags, '--texts', 'a cat', '--out-dir', tmp_path)
        assert error.value.code == 2
        message = capsys.readouterr().err
        assert 'hostile.pth was not loaded' in message
        assert '--trust-checkpoint' in message
    assert not (tmp_path / 'trace').exists()


def test_default_detector_has_masks(run_script, monkeypatch, tmp_path):
    """The whole way of a call without a model, with an image side of noise."""
    checkpoint = tmp_path / 'yolov8s-worldv2.pt'
    save_ultralytics(checkpoint, tensors(ultralytics('s')), ['cat'], torch.ones(1, 1, 512).half())
    monkeypatch.setenv(fetch.VARIABLE, str(checkpoint))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    out = tmp_path / 'out'
    run_script(DEMO, IMAGES[0], 'a horse', '--explain', '--out-dir', out, '--score-thr', 0)
    prediction = json.loads((out / 'preds' / '000000214753.json').read_text())
    assert all('mask' in found for found in prediction['detections'])
    assert (out / 'vis' / '000000214753.jpg').is_file()
    assert (out / 'explain' / '000000214753.png').is_file()


def test_without_a_model_says_what_to_do(run_script, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv(fetch.VARIABLE, 'absent.pt')
    with pytest.raises(SystemExit) as stop:
        run_script(DEMO, IMAGES[0], '--texts', 'a cat', '--out-dir', tmp_path)
    assert stop.value.code == 3
    assert 'absent.pt, which is not a file; or name a config' in capsys.readouterr().err


def test_every_format_agrees(run_script, arguments, tmp_path, capsys, monkeypatch):
    out, names = tmp_path / 'out', [Path(name).stem for name in IMAGES]
    monkeypatch.setattr('sys.stdin', io.StringIO('\n'.join(IMAGES) + '\n'))
    run_script(DEMO, '-', 'a horse. pizza', '--model', *arguments, '--out-dir', out, '--format',
               'json', 'coco', 'yolo', 'csv', '--score-thr', 0.5, '--print-result')
    records = [json.loads((out / 'preds' / f'{name}.json').read_text()) for name in names]
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()
               if line.startswith('{')]
    assert printed == records
    found = [entry for record in records for entry in record['detections']]
    assert found and all(entry['score'] >= 0.5 for entry in found)
    coco = COCO(str(out / 'coco.json'))
    assert [image['file_name'] for image in coco.dataset['images']] == IMAGES
    assert [row['score'] for row in coco.dataset['annotations']] == [
        entry['score'] for entry in found]
    assert coco.loadRes(coco.dataset['annotations']).getAnnIds() == list(range(1, 1 + len(found)))
    assert (out / 'classes.txt').read_text() == 'a horse\npizza\n'
    labels = [line for name in names
              for line in (out / 'labels' / f'{name}.txt').read_text().splitlines()]
    assert [int(line.split()[0]) for line in labels] == [entry['label'] for entry in found]
    with (out / 'detections.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [float(row['x1']) for row in rows] == [entry['box'][0] for entry in found]
    assert not (out / 'vis').exists()


def test_everything_and_hints(run_script, weights, tmp_path, capsys, monkeypatch):
    names = ['horse', 'person', 'tree']
    vectors = torch.randn(3, 256, generator=torch.Generator().manual_seed(2))
    write_prompt_vectors(tmp_path / 'names.npz', names, vectors)
    known = dict(type='expalign.KnownNames', vectors=str(tmp_path / 'names.npz'))
    config, out = tmp_path / 'named.py', tmp_path / 'out'
    config.write_text(f'_base_ = [{str(Path(CONFIG).resolve())!r}]\n'
                      f'model = dict(known_names={known!r})\n')
    given = ['--model', config, '--weights', weights, '--device', 'cpu', '--out-dir', out]
    run_script(DEMO, IMAGES[0], '*', *given, '--format', 'json', 'yolo', '--score-thr', 0)
    record = json.loads((out / 'preds' / '000000214753.json').read_text())
    assert record['prompts'] == names == (out / 'classes.txt').read_text().split()
    assert record['detections'] and {x['prompt'] for x in record['detections']} <= set(names)
    said = capsys.readouterr()
    assert 'everything: the names that the model knows' in said.out and 'hint:' not in said.err
    write_blind_weights(weights, tmp_path / 'nothing.pth')
    given[3] = tmp_path / 'nothing.pth'
    monkeypatch.setattr(hints, 'LEAST', 0.0)
    run_script(DEMO, *IMAGES, 'a man. a tree', *given, '--format', 'json')
    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if 'hint:' in line] == [
        "hint: 'a man' is a weak prompt for this model (best 0.00); 'person' scores 0.00"]
    assert 'hint:' not in said.out


@pytest.mark.slow
def test_nothing_else_reaches_the_terminal(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'expalign', 'detect', IMAGES[0], 'a horse', '--model',
         *map(str, arguments), '--out-dir', str(tmp_path)], capture_output=True, text=True)
    read, found, written = done.stdout.splitlines()
    assert read == '1 prompt: a horse' and written == f'Written to {tmp_path}'
    assert found.startswith(f'{IMAGES[0]}: ') and done.stderr == ''
