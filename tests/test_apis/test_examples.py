"""Examples and tuned prompts through the inferencer, on a small model with weights at random."""

import json
import re
import warnings

import cv2
import numpy as np
import pytest

from expalign.checkpoints.prompt_file import load_prompts
from expalign.structures.prompt_set import PromptSet
from tests.helpers.mini_model import CONFIG, write_mini_weights

PHOTO = 'demo/data/mini/val2017/000000214753.jpg'


@pytest.fixture(scope='module')
def inferencer(tmp_path_factory, run_at_root):
    from expalign.apis import ExpAlignInferencer
    weights = write_mini_weights(tmp_path_factory.mktemp('mini') / 'mini.pth')
    return ExpAlignInferencer(CONFIG, weights, device='cpu', show_progress=False)


@pytest.fixture(scope='module')
def box(inferencer):
    """A box that a cell of the untrained model stands for: its own, in pixels of the photograph."""
    from expalign.apis.examples import cells_of_image
    from expalign.structures.letterbox import scale_and_pad
    cells, meta = cells_of_image(inferencer, PHOTO)
    scale, pad = scale_and_pad(meta)
    height, width = meta['ori_shape'][:2]
    boxes = (cells.boxes.numpy() - np.array(pad * 2)) / np.array(scale * 2)
    inside = (boxes[:, 0] > 0) & (boxes[:, 1] > 0) & (boxes[:, 2] < width) & (boxes[:, 3] < height)
    return boxes[np.flatnonzero(inside)[len(inside[inside]) // 2]]


def test_what_a_box_shows_is_found_there(inferencer, box):
    prompts = inferencer.examples({'it': [(PHOTO, box)]})
    assert isinstance(prompts, PromptSet) and prompts.names == ['it'] and prompts[0].space
    found = inferencer.detect(PHOTO, ['a cat', prompts], score_thr=0)
    assert found.prompts == ['a cat', 'it']
    best = found[int(np.flatnonzero(found.labels == 1)[0])]
    assert best.score > 0.3
    # Arrays and paths are the same photograph, and so are two equal calls.
    again = inferencer.examples({'it': [(cv2.imread(PHOTO), box)]})
    np.testing.assert_allclose(again[0].tokens, prompts[0].tokens, rtol=1e-4, atol=1e-5)


def test_several_names_are_told_from_each_other(inferencer, box):
    """From as many examples on as make a fit worth it; a single one stays in closed form."""
    from expalign.models.prompt_fitting.example_tokens import FITTED_FROM
    shifted = [(PHOTO, [box + np.float32((40, 20, 40, 20))])]
    for count, changes in ((1, False), (FITTED_FROM, True)):
        both = inferencer.examples({'it': [(PHOTO, [box] * count)], 'other': shifted})
        assert both.names == ['it', 'other']
        alone = inferencer.examples({'it': [(PHOTO, [box] * count)]})
        assert np.allclose(both[0].tokens, alone[0].tokens) != changes
    corrected = inferencer.examples({'a dog': [(PHOTO, box)]}, words=True)
    words, masks = inferencer.model._encode_text(['a dog'])
    assert corrected[0].tokens.shape == words[0][masks[0]].shape
    assert not np.allclose(corrected[0].tokens, words[0][masks[0]].detach())


def test_what_cannot_be_used_is_named(inferencer, box):
    with pytest.raises(ValueError, match=r'is not inside of the photograph demo/.*214753.jpg'):
        inferencer.examples({'it': [(PHOTO, (4000, 0, 4100, 50))]})
    thin = (box[0], box[1], box[0] + 1.5, box[1] + 300)
    with pytest.raises(ValueError, match="no box of the model fits an example of 'it'"):
        inferencer.examples({'it': [(PHOTO, thin)]})
    with pytest.warns(UserWarning, match="do not count: 1 of 'it'"):
        inferencer.examples({'it': [(PHOTO, [box, thin])]})
    with pytest.raises(OSError, match='cannot read image'):
        inferencer.examples({'it': [('README.md', box)]})


@pytest.fixture
def folder(tmp_path, box):
    """A data set of two photographs, one with a box; the other is grey."""
    (tmp_path / 'train').mkdir()
    image = cv2.imread(PHOTO)
    for name, pixels in (('a.jpg', image), ('b.jpg', np.full_like(image, 90))):
        cv2.imwrite(str(tmp_path / 'train' / name), pixels)
    x1, y1, x2, y2 = map(float, box)
    height, width = image.shape[:2]
    (tmp_path / 'train' / '_annotations.coco.json').write_text(json.dumps(dict(
        images=[dict(id=1, file_name='a.jpg', width=width, height=height),
                dict(id=2, file_name='b.jpg', width=width, height=height)],
        categories=[dict(id=1, name='thing'), dict(id=2, name='none of it')],
        annotations=[dict(id=1, image_id=1, category_id=1, iscrowd=0, area=(x2 - x1) * (y2 - y1),
                          bbox=[x1, y1, x2 - x1, y2 - y1])])))
    return tmp_path


def test_prompts_are_tuned_to_a_folder(inferencer, folder, tmp_path):
    from expalign.apis.tune import check_names, tune
    from expalign.apis.tune_starts import KEPT
    from expalign.data_tools.own_data import recognise
    data = recognise(folder, tmp_path / 'work')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        tuned = tune(data, inferencer, ['my thing', 'nothing'], steps=30)
        again = tune(data, inferencer, ['my thing', 'nothing'], steps=30)
    # The photograph without a box shows what no class is.
    assert tuned.images == 2 and tuned.boxes == [1, 0] and tuned.starts[1] == KEPT
    assert tuned.prompts.names == ['my thing', 'nothing'] and tuned.prompts == again.prompts
    # A class without a box keeps its words.
    words, masks = inferencer.model._encode_text(['my thing', 'nothing'])
    np.testing.assert_allclose(
        tuned.prompts[1].tokens, words[1][masks[1]].detach(), rtol=1e-5, atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        alone = tune(data, inferencer, ['my thing', 'nothing'], images=1, steps=30)
    assert alone.images == 1 and alone.prompts[0] != tuned.prompts[0]
    found = inferencer.detect(str(folder / 'train' / 'a.jpg'), alone.prompts, score_thr=0)
    assert found.best_scores[0] > 0.3
    with pytest.raises(ValueError, match='1 names for 2 classes: .* thing, none of it'):
        check_names(['x'], data.classes)
    with pytest.raises(ValueError, match='two names are equal'):
        check_names(['x', 'X '], data.classes)


def test_starts_and_views(inferencer, folder, tmp_path):
    """What a prompt starts from is what it is without a step; views are photographs, too."""
    from expalign.apis.tune import tune
    from expalign.data_tools.own_data import recognise
    data = recognise(folder, tmp_path / 'work')
    words, masks = inferencer.model._encode_text(['thing'])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        found = {start: tune(data, inferencer, steps=0, start=start)
                 for start in ('words', 'boxes', 'noise')}
        fitted = [tune(data, inferencer, steps=30, start='noise', augment=augment)
                  for augment in (False, True)]
    np.testing.assert_allclose(found['words'].prompts[0].tokens, words[0][masks[0]].detach(),
                               rtol=1e-5, atol=1e-6)
    assert found['noise'].prompts[0].tokens.shape == found['boxes'].prompts[0].tokens.shape
    assert [one.starts[0] for one in found.values()] == ['words', 'boxes', 'noise']
    assert found['boxes'].prompts[0] != found['noise'].prompts[0]
    # One photograph moves little, and to what the box shows.
    shown, start, *ends = (tuned.prompts[0].tokens[0] for tuned in (
        found['boxes'], found['noise'], *fitted))
    assert all((end - start) @ shown > 0 for end in ends)
    assert fitted[1].boxes == [1, 0] and fitted[1].images == 2
    assert fitted[0].prompts[0] != fitted[1].prompts[0]
    with pytest.raises(ValueError, match="start must be one of .*'noise'.*, got 'nothing'"):
        tune(data, inferencer, steps=0, start='nothing')


def test_the_command_searches_by_examples(inferencer, box, tmp_path, monkeypatch, capsys):
    """Both ends of the command line: a box in, a file of prompts out and in again."""
    import sys
    from importlib.util import module_from_spec, spec_from_file_location
    spec = spec_from_file_location('image_demo', 'demo/image_demo.py')
    demo = module_from_spec(spec)
    spec.loader.exec_module(demo)
    monkeypatch.setattr(demo, 'build_inferencer', lambda *_: inferencer)
    numbers = ','.join(f'{number:.2f}' for number in box)
    file, out = tmp_path / 'it.safetensors', tmp_path / 'out'
    out.mkdir()

    def run(*words):
        monkeypatch.setattr(sys, 'argv', ['image_demo.py', *words, '--out-dir', str(out)])
        demo.main()
        return capsys.readouterr().out

    said = run(PHOTO, 'a cat', '--examples', f'it={PHOTO}:{numbers}', '--save-prompts', str(file),
               '--score-thr', '0.3')
    assert re.search(r'\d it\b', said) and load_prompts(file).names == ['it']
    for words in ((PHOTO, '--examples', str(file)), (PHOTO, str(file))):
        said = run(*words, '--score-thr', '0.3')
        assert re.search(r'\d it\b', said)
    for words, message in (
            ((PHOTO, 'cat', '--save-prompts', str(file)), '--save-prompts keeps what boxes'),
            ((PHOTO, 'cat', '--examples', 'it=gone.jpg:1,2,3,4'), 'gone.jpg of the example'),
            ((PHOTO, 'cat', '--examples', f'it={PHOTO}:9,9,1,1'), 'has no area')):
        with pytest.raises(SystemExit):
            run(*words)
        assert message in capsys.readouterr().err


def test_the_command_tunes_and_compares(inferencer, folder, tmp_path, monkeypatch, capsys):
    import shutil
    import sys
    from importlib.util import module_from_spec, spec_from_file_location

    import expalign.apis
    shutil.copytree(folder / 'train', folder / 'valid')
    monkeypatch.setattr(
        expalign.apis, 'ExpAlignInferencer', lambda *_, **__: inferencer, raising=False)
    spec = spec_from_file_location('tune_prompts', 'tools/tune_prompts.py')
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    file = tmp_path / 'mine.safetensors'

    def run(*words):
        monkeypatch.setattr(sys, 'argv', [
            'tune_prompts.py', str(folder), '--work-dir', str(tmp_path / 'work'), *words])
        tool.main()
        return capsys.readouterr().out

    said = run('--out', str(file), '--steps', '30', '--images', '1')
    assert f'{file}: 2 prompts, 1 images' in said and 'mean, on 1 images of val' in said
    assert load_prompts(file).names == ['thing', 'none of it']
    row = next(line for line in said.splitlines() if line.endswith(('thing (words)',
                                                                    'thing (boxes)')))
    assert row.split()[0] == '1' and 0 <= float(row.split()[2]) <= 1
    with pytest.raises(SystemExit):
        run('--out', 'mine.pth')
    assert 'must end in .safetensors' in capsys.readouterr().err
    with pytest.raises(ValueError, match='1 names for 2 classes'):
        run('--out', str(file), '--names', 'x')
