"""Calls of the page over HTTP: right answers for everybody, nothing for strangers."""

import io
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

pytest.importorskip('uvicorn', reason='uvicorn is not installed: pip install -e ".[web]"')

from tests.helpers.page_client import PageClient  # noqa: E402
from tests.helpers.threads import THREADS, at_once  # noqa: E402

PHOTOGRAPHS = [Path('demo/data/mini/val2017', name)
               for name in ('000000214753.jpg', '000000160012.jpg')]
TEXTS = ['a horse', 'a pizza. a bowl', 'a red car', 'a zebra. a giraffe. a bear', 'an owl',
         'a cat', 'a dog. a cat', 'the sea']
PARTS = (('picture.jpg', {}), ('maps', dict(prompt=0)), ('map.jpg', dict(prompt=0, level='P3')),
         ('explanation.png', dict(prompt=0)))
FILES = ('picture.jpg', 'predictions.json', 'coco.json', 'yolo.zip')


def photograph(k: int) -> bytes:
    """One of eight photographs that differ in content and size."""
    with PIL.Image.open(PHOTOGRAPHS[k % 2]) as image:
        part = image.convert('RGB').crop((0, 0, 200 + 10 * k, 160))
    part.save(buffer := io.BytesIO(), 'PNG')
    return buffer.getvalue()


def pixels_of(answer):
    answer.raise_for_status()
    return np.asarray(PIL.Image.open(io.BytesIO(answer.content)).convert('RGB')).astype(int)


@pytest.fixture(scope='module')
def visitor(port):
    with PageClient(port) as client:
        yield client


@pytest.fixture(scope='module')
def mine(visitor):
    """An uploaded photograph."""
    return visitor.upload(photograph(0))


@pytest.fixture(scope='module')
def found(visitor, mine):
    """A result."""
    return visitor.search(mine, 'a horse. a person')


@pytest.fixture(autouse=True)
def nothing_on_the_console(capfd):
    yield
    out, err = capfd.readouterr()
    assert 'Traceback' not in out + err, err


def test_eight_visitors_at_once_get_their_own(port):
    """Nobody's photograph, prompts or results are another's, with and without a cookie."""
    def visit(k):
        with PageClient(port, with_cookie=k % 2 == 0) as client:
            result = client.search(client.upload(photograph(k)), TEXTS[k], f'{k}.png')
            drawn = pixels_of(client.of(result, 'picture.jpg', threshold=1, width=400))
            return result, drawn, client.file('predictions.json', result, threshold=0.01).json()

    answers = at_once(visit, range(THREADS))
    assert len({own[0]['result'] for (own,) in answers}) == THREADS
    for k, ((result, drawn, record),) in enumerate(answers):
        original = np.asarray(PIL.Image.open(io.BytesIO(photograph(k)))).astype(int)
        prompts = TEXTS[k].split('. ')
        assert result['prompts'] == record['prompts'] == prompts
        assert drawn.shape == original.shape == (result['height'], result['width'], 3)
        assert np.abs(drawn - original).mean() < 6  # no box; JPEG changes a little
        rows = record['detections']
        assert rows and {row['prompt'] for row in rows} <= set(prompts)
        assert record['image'] == result['name'] == f'{k}.png'


def test_a_result(visitor, found, mine):
    assert found['understood'] == '2 prompts: a horse | a person'
    assert found['notes'] == [] and found['masks'] is False
    assert sorted(found['explained']) == [0, 1]
    record = visitor.file('predictions.json', found, threshold=0).json()
    assert sum(map(len, found['scores'])) == len(record['detections']) == 20
    for label, scores in enumerate(found['scores']):
        own = [row['score'] for row in record['detections'] if row['label'] == label]
        assert scores == sorted(scores, reverse=True)
        np.testing.assert_allclose(scores, own, atol=1.01e-4)
    # What the page counts is what is drawn, at any threshold.
    middle = sorted(score for scores in found['scores'] for score in scores)[10]
    for threshold in (middle, 0.5, round(middle, 2), 0.8):
        record = visitor.file('predictions.json', found, threshold=threshold).json()
        assert len(record['detections']) == sum(
            score >= threshold for scores in found['scores'] for score in scores)
    automatic = visitor.file('predictions.json', found).json()
    assert found['thresholds'] == [automatic['threshold']] * 2 == [0.083] * 2


def test_pictures_are_as_large_as_they_are_seen(visitor, found):
    for width, shown in ((100, 100), (640, 200)):
        assert pixels_of(visitor.of(found, 'picture.jpg', width=width)).shape[1] == shown
    few, all_of_them = (pixels_of(visitor.of(found, 'picture.jpg', threshold=threshold))
                        for threshold in (1, 0))
    assert np.abs(few - all_of_them).mean() > 5


def test_maps(visitor, found):
    about = visitor.of(found, 'maps', prompt=1).json()
    assert about['prompt'] == 'a person'
    assert [level['level'] for level in about['levels']] == ['P3', 'P4', 'P5', 'fused']
    assert about['levels'][0]['title'] == 'P3 (stride 8)'
    for level in about['levels'][:3]:
        assert sum(weight for _, weight in level['tokens']) == pytest.approx(1, abs=1e-3)
    assert about['levels'][3]['tokens'] == []
    assert about['scale'][0] < about['scale'][1]
    for level in ('P3', 'fused'):
        shown = pixels_of(visitor.of(found, 'map.jpg', prompt=1, level=level))
        assert shown.shape == (160, 200, 3)
    assert pixels_of(visitor.of(found, 'explanation.png', prompt='1.0')).shape[1] > 1000
    for query in (dict(prompt=2), dict(prompt=''), dict(prompt=-1), dict(prompt='a'), {},
                  dict(prompt='0.1.0.1.0.1.0'), dict(prompt='9' * 99)):
        assert visitor.of(found, 'maps', **query).status_code in (400, 404)
    assert visitor.of(found, 'map.jpg', prompt=0, level='../P3').status_code == 404


def test_files_of_a_gallery(visitor):
    results = [visitor.search(visitor.upload(photograph(k)), 'a horse. a "red" hat', name)
               for k, name in enumerate(('../x/a.b.png', 'C:\\x\\a.b.jpg', ''))]
    assert [result['name'] for result in results] == ['a.b.png', 'a.b.jpg', '']
    one = visitor.file('picture.jpg', results[0])
    assert pixels_of(one).shape == (160, 200, 3)
    assert one.headers['content-disposition'] == 'attachment'
    archive = zipfile.ZipFile(io.BytesIO(visitor.file('pictures.zip', *results).content))
    assert archive.namelist() == ['a.b.jpg', 'a.b_2.jpg', 'photograph_3.jpg']
    records = visitor.file('predictions.json', *results, threshold=0).json()
    assert [record['width'] for record in records] == [200, 210, 220]
    coco = visitor.file('coco.json', *results, threshold=0).json()
    assert [image['file_name'] for image in coco['images']] == [
        'a.b.png', 'a.b.jpg', 'photograph_3.jpg']
    assert [category['name'] for category in coco['categories']] == ['a horse', 'a "red" hat']
    assert len(coco['annotations']) == 60 == len({row['id'] for row in coco['annotations']})
    from pycocotools.coco import COCO
    data = COCO()
    data.dataset = coco
    data.createIndex()
    assert len(data.getAnnIds(imgIds=[2])) == 20
    yolo = zipfile.ZipFile(io.BytesIO(visitor.file('yolo.zip', *results, threshold=0).content))
    assert yolo.namelist() == ['data.yaml', 'labels/a.b.txt', 'labels/a.b_2.txt',
                               'labels/photograph_3.txt']
    import yaml
    assert yaml.safe_load(yolo.read('data.yaml')) == dict(names={0: 'a horse', 1: 'a "red" hat'})
    assert len(yolo.read('labels/a.b.txt').splitlines()) == 20
    other = visitor.search(visitor.upload(photograph(0)), 'a cat')
    for name in ('coco.json', 'yolo.zip'):
        refused = visitor.file(name, results[0], other)
        assert (refused.status_code, 'different prompts' in refused.text) == (400, True)
    assert visitor.file('picture.jpg', *results).status_code == 404
    assert visitor.file('secret.txt', other).status_code == 404
    assert visitor.get('/api/files/coco.json').status_code == 410
    assert visitor.file('coco.json', *[other] * 25).status_code == 400


def test_samples_are_searched_once_for_all(port, page_inferencer, monkeypatch):
    calls, stream = [], page_inferencer.stream
    monkeypatch.setattr(page_inferencer, 'stream',
                        lambda *args, **kwargs: calls.append(1) or stream(*args, **kwargs))
    with PageClient(port) as one, PageClient(port, with_cookie=False) as other:
        (sample,) = one.get('/api/start').json()['samples']
        assert sample == dict(photograph='sample-0', text='a person, a cup', title='A table')
        results = [client.search(sample['photograph'], sample['text']) for client in (one, other)]
        assert len(calls) == 1 and results[0] == results[1]
        assert results[0]['name'] == '000000311303.jpg'
        for client in (one, other):
            assert pixels_of(client.of(results[0], 'picture.jpg')).shape == (427, 640, 3)
            assert client.file('picture.jpg', results[0]).status_code == 200
        assert one.search(sample['photograph'], 'a cat')['result'] != results[0]['result']
        assert len(calls) == 2
        for name in ('sample-1', 'sample-', 'sample--1', 'sample-0/../x', 'sample-²'):
            assert one.ask(name, 'a cat').status_code == 404
        assert pixels_of(one.get('/api/samples/0.jpg?small=1')).shape == (160, 240, 3)
        assert one.get('/api/samples/1.jpg').status_code == 404


def test_drawn_boxes_are_prompts(port, visitor, mine, found):
    """In the photograph itself and in another one; of equal names, examples of one thing."""
    record = visitor.file('predictions.json', found, threshold=0).json()
    boxes = [[side / (200, 160)[k % 2] for k, side in enumerate(row['box'])]
             for row in record['detections'][:2]]
    boxes = [[min(max(side, 0.0), 1.0) for side in box] for box in boxes]
    drawn = [dict(name=name, photograph=mine, box=box) for name, box in zip(
        ('Rider', 'rider '), boxes, strict=True)]

    def ask(photograph, text, examples):
        return visitor.post('/api/search', json=dict(
            photograph=photograph, text=text, examples=examples))

    alone = ask(mine, '', drawn).raise_for_status().json()
    assert alone['prompts'] == ['Rider'] and len(alone['scores'][0]) == 20
    about = visitor.of(alone, 'maps', prompt=0).json()
    assert about['levels'][0]['tokens'] == [['<1>', 1.0]]
    elsewhere = ask(visitor.upload(photograph(3)), 'a cat, rider', drawn).raise_for_status().json()
    assert elsewhere['prompts'] == ['a cat', 'Rider']  # the word means the examples
    assert elsewhere['understood'] == '2 prompts: a cat | Rider'
    far = ask(mine, '', [dict(name='x', photograph=mine, box=[0, 0, 0.011, 0.011])])
    assert (far.status_code, far.json()['error'].count('array')) == (400, 0)
    assert "fits an example of 'x' (best IoU" in far.json()['error']
    with PageClient(port) as other:
        theirs = dict(name='x', photograph=other.upload(photograph(1)), box=boxes[0])
    assert ask(mine, '', [theirs]).status_code == 410
    good = drawn[0]
    for wrong in (None, {}, 'a', [5], [[]], [{}], [good | dict(box=[0, 0, 1])], [good] * 21,
                  [good | dict(box=[0, 0, 1, '1'])], [good | dict(box=[0.5, 0, 0.5, 1])],
                  [good | dict(box=[0, 0, 1, 2])], [good | dict(box=[True, 0, 1, 1])],
                  [good | dict(name=' ')], [good | dict(name=5)], [good | dict(name='x' * 301)],
                  [good | dict(photograph=5)],
                  [good | dict(photograph=f'{k}') for k in range(7)]):
        assert ask(mine, 'a cat', wrong).status_code == 400, wrong


def test_everything_needs_names_that_are_known(visitor, mine):
    answer = visitor.ask(mine, '*')
    assert (answer.status_code, 'known_names' in answer.json()['error']) == (400, True)
    answer = visitor.ask(mine, '*, a cat')
    assert (answer.status_code, 'give it alone' in answer.json()['error']) == (400, True)
    assert visitor.get('/api/start').json()['everything'] is False


def test_of_others(port, visitor, mine, found):
    """Neither with a cookie nor without one: photographs, results, parts, files."""
    for with_cookie in (True, False):
        with PageClient(port, with_cookie) as other:
            assert other.ask(mine, 'a cat').status_code == 410
            for what, query in PARTS:
                assert other.of(found, what, **query).status_code == 410
            for name in FILES:
                assert other.file(name, found).status_code == 410
            theirs = other.search(other.upload(photograph(2)), 'a cat')
            refused = visitor.file('pictures.zip', found, theirs)
            assert refused.status_code == 410
    for what, query in PARTS:
        assert visitor.of(found, what, **query).status_code == 200
    cookie = visitor.cookies['expalign_visitor']
    for forged in (cookie[:-1] + ('1' if cookie[-1] == '0' else '0'), cookie[:32], 'a.b', '"'):
        with PageClient(port, with_cookie=False) as other:
            headers = dict(cookie=f'expalign_visitor={forged}')
            url = f'/api/results/{found["result"]}/picture.jpg'
            assert other.get(url, headers=headers).status_code == 410


def test_only_what_was_uploaded_is_read(visitor, page, mine, tmp_path):
    (tmp_path / 'private.png').write_bytes(photograph(1))
    kept = next(page.service._folder.iterdir())
    messages = set()
    for path in (str(tmp_path / 'private.png'), '/etc/passwd', '/dev/zero', str(kept), kept.name,
                 f'../{kept.name}', 'http://127.0.0.1:1/a.png', f'file://{kept}', 'x' * 32, '.',
                 f'{mine}\0', 'a' * 5000, PHOTOGRAPHS[0].as_posix()):
        answer = visitor.ask(path, 'a cat')
        assert answer.status_code == 410
        messages.add(answer.json()['error'])
    assert len(messages) == 1  # nothing tells what exists from what does not
    assert visitor.ask('', 'a cat').json()['error'] == 'Choose a photograph first'
    assert kept.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize('body', [
    dict(photograph=5), dict(photograph=['a']), dict(photograph={}), dict(text=['a']),
    dict(text=None), dict(text=5), dict(name=5), dict(name=['a'])])
def test_forged_calls(visitor, mine, body):
    body = dict(photograph=mine, text='a cat', name='a.png') | body
    answer = visitor.post('/api/search', json=body)
    assert (answer.status_code, answer.json()['error']) == (
        400, 'a search has a photograph, a text and a name')


@pytest.mark.parametrize('threshold', ['2', '-0.1', 'nan', 'inf', '', 'a', '1e400', '0,5'])
def test_thresholds(visitor, found, threshold):
    for answer in (visitor.of(found, 'picture.jpg', threshold=threshold),
                   visitor.file('coco.json', found, threshold=threshold)):
        if threshold:
            assert (answer.status_code, 'number from 0 to 1' in answer.text) == (400, True)
    for query in (dict(width=7), dict(width=1601), dict(width='9' * 50), dict(letters='a'),
                  dict(width=-50), dict(letters='²'), dict(width='1e2')):
        assert visitor.of(found, 'picture.jpg', **query).status_code == 400


def test_no_json(visitor):
    for content in (b'', b'{', b'[' * 100_000, b'\xff', b'null', b'[]', b'"text"'):
        answer = visitor.post('/api/search', content=content,
                              headers={'content-type': 'application/json'})
        assert answer.status_code == 400
    for kind in ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'):
        for route in ('search', 'photographs'):
            answer = visitor.post(f'/api/{route}', content='{}', headers={'content-type': kind})
            assert answer.status_code == 415


@pytest.mark.parametrize('route', [
    '', 'start/', 'search', 'photographs', 'results', 'results/', 'files/', 'vocabularies/own',
    'vocabularies/../x', 'samples/0.png', 'results/x/picture.jpg/..', 'docs', 'openapi.json'])
def test_no_other_routes(visitor, route):
    for method in ('GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'BREW'):
        assert visitor.request(method, f'/api/{route}').status_code in (404, 410)
    for path in ('/index.html', '/page.py', '/../routes.py', '/..%2froutes.py', '/page/page.js',
                 '/%2e%2e/routes.py', '/..\\routes.py', '//etc/passwd', '/page.js/', '/page.js%00'):
        assert visitor.get(path).status_code == 404


def test_headers(port):
    with PageClient(port) as client:
        for path, kind in (('/', 'text/html'), ('/page.js', 'text/javascript'),
                           ('/page.css', 'text/css'), ('/icon.svg', 'image/svg+xml'),
                           ('/api/start', 'application/json'), ('/api/none', 'application/json')):
            answer = client.get(path)
            assert answer.headers['content-type'].startswith(kind)
            assert answer.headers['x-content-type-options'] == 'nosniff'
            policy = answer.headers['content-security-policy']
            assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
            assert "frame-ancestors 'none'" in policy
            assert 'http' not in policy and 'unsafe' not in policy
        empty = client.head('/page.js')
        assert empty.content == b'' and int(empty.headers['content-length']) > 1000
        # no-store would keep a browser from showing it again on the way back.
        assert client.get('/').headers['cache-control'] == 'no-cache'
        names = client.get('/api/vocabularies/coco').json()
        assert len(names) == 80 and 'giraffe' in names


def test_weight_of_the_page(visitor):
    """Without pictures; docs/inference.md says 45 kB."""
    paths = ('/', '/page.css', '/page.js', '/results.js', '/draw.js', '/api.js', '/dom.js',
             '/icon.svg')
    assert sum(len(visitor.get(path).content) for path in paths) < 50_000
