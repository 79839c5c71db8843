"""The gallery: page, pictures, attribution, refusals; and the one in docs/."""

import json
import re
from pathlib import Path

import cv2
import pytest

from tests.helpers.mini_model import CONFIG, write_mini_weights

TOOL = 'tools/misc/make_gallery.py'
PHOTO = 'val2017/000000214753.jpg'
MAX_BYTES = 3_000_000


def scenes_file(folder: Path, **changes: object) -> Path:
    scene = dict(image=PHOTO, prompts=['a horse', 'a giraffe']) | changes
    sections = [dict(title='Lists', text='Some.', scenes=[scene, scene]),
                dict(title='Why', text='Maps.', scenes=[scene | dict(explain=True)])]
    path = folder / 'scenes.json'
    path.write_text(json.dumps(sections))
    return path


def test_page_pictures_and_attribution(run_script, tmp_path, capsys):
    weights = write_mini_weights(tmp_path / 'mini.pth')
    out = tmp_path / 'docs'
    stale = out / 'images' / 'gallery' / '99_old.jpg'
    stale.parent.mkdir(parents=True)
    stale.touch()
    run_script(TOOL, CONFIG, '--weights', weights, '--scenes', scenes_file(tmp_path), '--out', out)
    assert 'gallery.md: 3 pictures' in capsys.readouterr().out
    page = (out / 'gallery.md').read_text()
    pictures = re.findall(r'\((images/gallery/[^)]+)\)', page)
    assert pictures == [f'images/gallery/0{number}_214753.jpg' for number in (1, 2, 3)]
    assert not stale.exists()
    assert [max(cv2.imread(str(out / name)).shape) for name in pictures] == [640, 640, 1500]
    assert 'a horse' in page and page.count(f'| `{PHOTO}` |') == 1  # one row of attribution
    assert 'staticflickr' in page and 'creativecommons' in page


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(image='val2017/absent.jpg'), 'there is no photograph'),
    (dict(prompts=[]), f'the scene of {PHOTO} has no prompts'),
])
def test_bad_scenes_are_refused_before_any_work(run_script, tmp_path, capsys, changes, message):
    with pytest.raises(SystemExit):
        run_script(TOOL, '--out', tmp_path, '--scenes', scenes_file(tmp_path, **changes))
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'gallery.md').exists()


def test_a_photograph_without_a_licence_is_refused(run_script, tmp_path, capsys):
    photographs = tmp_path / 'photographs'
    (photographs / 'val2017').mkdir(parents=True)
    (photographs / PHOTO).write_bytes(Path('demo/data/mini', PHOTO).read_bytes())
    (photographs / 'ATTRIBUTION.md').write_text('# Attribution\n')
    with pytest.raises(SystemExit):
        run_script(TOOL, '--out', tmp_path, '--scenes', scenes_file(tmp_path),
                   '--photographs', photographs)
    assert f'has no row for {PHOTO}' in capsys.readouterr().err


def test_the_gallery_in_docs_is_whole_and_small(repo_root):
    docs = repo_root / 'docs'
    page = (docs / 'gallery.md').read_text()
    named = set(re.findall(r'\((images/gallery/[^)]+)\)', page))
    files = {path.relative_to(docs).as_posix() for path in docs.glob('images/gallery/*')}
    assert named == files
    assert sum((docs / name).stat().st_size for name in files) <= MAX_BYTES
    shown = json.loads((repo_root / 'tools/misc/gallery_scenes.json').read_text())
    shown = [scene for section in shown for scene in section['scenes']]
    assert len(shown) == len(files)
    for scene in shown:
        assert f'| `{scene["image"]}` |' in page, 'no attribution'
