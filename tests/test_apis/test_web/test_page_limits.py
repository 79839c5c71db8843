"""How much the page takes, over HTTP; whom it answers; what it says of files."""

import io
import json
import resource
import socket
import threading
import time

import httpx
import numpy as np
import PIL.Image
import pytest

pytest.importorskip('uvicorn', reason='uvicorn is not installed: pip install -e ".[web]"')

from expalign.apis.vocabularies import SOURCES, named_vocabulary  # noqa: E402
from expalign.apis.web import limits  # noqa: E402
from tests.helpers.page_client import UPLOAD, PageClient  # noqa: E402
from tests.helpers.threads import at_once  # noqa: E402

JSON = {'content-type': 'application/json'}


def photograph(seed=0, size=(60, 80)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(buffer := io.BytesIO(), 'PNG')
    return buffer.getvalue()


@pytest.fixture(scope='module')
def visitor(port):
    with PageClient(port) as client:
        yield client


@pytest.fixture(scope='module')
def uploaded(visitor):
    return visitor.upload(photograph())


@pytest.fixture(autouse=True)
def nothing_on_the_console(capfd):
    yield
    out, err = capfd.readouterr()
    assert 'Traceback' not in out + err, err


@pytest.fixture
def held(page_inferencer, monkeypatch):
    """The model waits until the event is set."""
    event, stream = threading.Event(), page_inferencer.stream

    def wait(*args, **kwargs):
        event.wait(60)
        return stream(*args, **kwargs)

    monkeypatch.setattr(page_inferencer, 'stream', wait)
    yield event
    event.set()


def peak():
    """The most memory that this process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def chunks(size, part=bytes(2**16)):
    """A body of a size that is not said before."""
    for _ in range(size // len(part)):
        yield part


def test_bodies(visitor):
    before = peak()
    text = 'x' * limits.CALL_BYTES.value
    answer = visitor.ask('a', text)
    assert (answer.status_code, '131,072 bytes' in answer.json()['error']) == (413, True)
    large = 200 * 2**20
    for said in ({}, {'content-length': str(large)}):
        answer = visitor.post('/api/search', content=chunks(large, b'[' * 2**16),
                              headers=JSON | said)
        assert answer.status_code == 413
    assert peak() - before < 50 * 2**20


def test_uploads(visitor, page):
    before = peak()
    assert visitor.send_file(bytes(limits.PHOTOGRAPH_BYTES.value + 1)).status_code == 413
    answer = visitor.send_file(chunks(40 * 2**20))
    assert answer.status_code == 413
    assert '20,971,520 bytes' in answer.json()['error']
    assert peak() - before < 60 * 2**20
    assert len(list(page.service._folder.iterdir())) == len(page.service._photographs)


def test_uploads_that_stop(visitor, page, port):
    """Closed in the middle, or silent: no traceback, and others are not kept waiting."""
    head = (f'POST /api/photographs HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 999\r\n'
            f'content-type: {UPLOAD["content-type"]}\r\n\r\nabc').encode()
    for _ in range(5):
        with socket.create_connection(('127.0.0.1', port)) as stopped:
            stopped.sendall(head)
            time.sleep(0.05)
    with socket.create_connection(('127.0.0.1', port)):
        assert visitor.send_file(photograph()).status_code == 200
    for _ in range(50):  # nothing is left of them
        if len(list(page.service._folder.iterdir())) == len(page.service._photographs):
            break
        time.sleep(0.1)
    assert len(list(page.service._folder.iterdir())) == len(page.service._photographs)


def test_many_photographs_of_one_visitor(port, monkeypatch):
    monkeypatch.setenv('EXPALIGN_WEB_VISITOR_FILES', '3')
    monkeypatch.setenv('EXPALIGN_WEB_VISITOR_RESULTS', '2')
    with PageClient(port) as one, PageClient(port) as other:
        theirs = other.upload(photograph(9))
        names = [one.upload(photograph(k)) for k in range(5)]
        answers = [one.ask(name, 'a cat') for name in names]
        assert [answer.status_code for answer in answers] == [410] * 2 + [200] * 3
        results = [answer.json() for answer in answers[2:]]
        assert [one.of(result, 'picture.jpg').status_code for result in results] == [410, 200, 200]
        assert other.ask(theirs, 'a cat').status_code == 200
        # The result outlives the photograph; its full picture does not.
        one.upload(photograph(7)), one.upload(photograph(8)), one.upload(photograph(9))
        assert one.of(results[1], 'picture.jpg').status_code == 200
        assert one.file('picture.jpg', results[1]).status_code == 410


def test_files_go_with_what_is_forgotten(page, port, monkeypatch):
    monkeypatch.setenv('EXPALIGN_WEB_VISITOR_FILES', '1')
    with PageClient(port) as client:
        before = len(list(page.service._folder.iterdir()))
        for k in range(4):
            client.upload(photograph(k))
        assert len(list(page.service._folder.iterdir())) <= before + 1


@pytest.mark.parametrize(('text', 'message'), [
    ('', 'Write what to search for'), (' . \n', 'Write what to search for'),
    ('x' * 301, '1 prompts, the longest of 301 letters'),
    ('\n'.join(map(str, range(1501))), '1501 prompts'),
    ('\n'.join(f'{k:04} {"long words " * 26}' for k in range(300)), 'bytes; 24,000 are the limit'),
    ('\U0001f600' * 6001, '24,004 bytes; 24,000 are the limit')])
def test_prompts(visitor, uploaded, text, message):
    answer = visitor.ask(uploaded, text)
    assert (answer.status_code, message in answer.json()['error']) == (400, True)


def test_words_of_all_kinds(visitor, uploaded):
    text = '猫、a <b>bold</b> "cat, dog", 🦒; ' + ', '.join(f'thing {k}' for k in range(27))
    found = visitor.search(uploaded, text)
    assert found['prompts'][:3] == ['猫', 'a <b>bold</b> "cat, dog"', '🦒']
    assert len(found['prompts']) == 30 and len(found['explained']) == 20
    for label in found['explained'][:2]:
        assert visitor.of(found, 'maps', prompt=label).status_code == 200
    assert visitor.of(found, 'picture.jpg', threshold=0).status_code == 200
    hidden = next(label for label in range(30) if label not in found['explained'])
    assert visitor.of(found, 'maps', prompt=hidden).status_code == 404
    half = json.dumps(dict(photograph=uploaded, text='\ud800'))
    assert visitor.post('/api/search', content=half, headers=JSON).status_code == 400


def test_vocabularies_are_short_enough():
    for name in SOURCES:
        assert len('\n'.join(named_vocabulary(name)).encode()) < limits.TEXT_BYTES.value


def test_nothing_found(visitor, uploaded, page_inferencer, monkeypatch):
    monkeypatch.setitem(page_inferencer.model.bbox_head.test_cfg, 'max_per_img', 0)
    found = visitor.search(uploaded, 'a cat. a dog')
    assert found['scores'] == [[], []]
    assert visitor.of(found, 'picture.jpg').status_code == 200
    assert visitor.file('predictions.json', found).json()['detections'] == []
    assert visitor.file('coco.json', found).json()['annotations'] == []
    for what in ('maps', 'explanation.png'):
        assert visitor.of(found, what, prompt=1).status_code == 200


@pytest.mark.parametrize(('content', 'message'), [
    (b'', 'is empty'), (b'no image', 'cannot be read as an image'),
    (b'<svg onload="alert(1)"/>', 'cannot be read as an image'), (b'MZ', 'cannot be read'),
    (b'GIF89a', 'is a GIF image'), (b'\0\0\0\x18ftypheic', 'is a HEIC image'),
    (b'<!DOCTYPE html><script>alert(1)</script>', 'cannot be read as an image')])
def test_what_is_no_photograph(visitor, content, message):
    answer = visitor.send_file(content)
    assert (answer.status_code, message in answer.json()['error']) == (422, True)


def test_names_are_text(visitor, uploaded):
    for name in ('<img src=x onerror=alert(1)>.png', 'a\u202egnp.exe', '../../a.png', 'x' * 500,
                 'a\0\r\nset-cookie: a=b'):
        found = visitor.search(uploaded, 'a cat', name)
        assert len(found['name']) <= 120 and found['name'].isprintable()
        assert '/' not in found['name']
        answer = visitor.file('coco.json', found)
        assert answer.headers['content-type'] == 'application/json'
        assert answer.headers['content-disposition'] == 'attachment'
        assert answer.headers.get_list('set-cookie') == []


def test_other_hosts_and_sites(visitor, port):
    for headers in (dict(host='evil.example'), dict(host=f'evil.example:{port}'),
                    {'x-forwarded-host': 'evil.example'}):
        for path in ('/', '/page.js', '/api/start'):
            answer = visitor.get(path, headers=headers)
            assert (answer.status_code, 'not served under' in answer.text) == (403, True)
    for headers in (dict(origin='https://evil.example'), {'sec-fetch-site': 'cross-site'},
                    dict(origin='null'), {'sec-fetch-site': 'same-site'}):
        assert visitor.send_file(photograph(), **headers).status_code == 403
        assert visitor.post('/api/search', json={}, headers=headers).status_code == 403
    for host in (f'localhost:{port}', 'page.example'):
        assert visitor.get('/', headers=dict(host=host)).status_code == 200
    cookie = PageClient(port).get('/').headers['set-cookie']
    assert 'HttpOnly' in cookie and 'SameSite=Strict' in cookie


def test_searches_of_one_visitor_that_wait(port, uploaded, visitor, held, monkeypatch):
    monkeypatch.setenv('EXPALIGN_WEB_VISITOR_QUEUE', '2')
    monkeypatch.setenv('EXPALIGN_WEB_QUEUE', '3')
    threading.Timer(0.7, held.set).start()
    with PageClient(port) as other, PageClient(port) as third:
        theirs = other.upload(photograph(1)), third.upload(photograph(2))
        own = at_once(lambda k: visitor.ask(uploaded, f'cat {k}'), range(4))
        assert sorted(answer.status_code for (answer,) in own) == [200, 200, 429, 429]
        held.clear()
        threading.Timer(0.7, held.set).start()
        calls = [(visitor, uploaded)] * 2 + [(other, theirs[0])] * 2 + [(third, theirs[1])] * 2
        answers = at_once(lambda call: call[0].ask(call[1], 'cat'), calls)
        assert sorted(answer.status_code for (answer,) in answers) == [200] * 3 + [503] * 3
        assert other.ask(theirs[0], 'cat').status_code == 200


def test_who_left_is_not_searched_for(port, uploaded, visitor, held, page_inferencer, monkeypatch):
    """A search whose visitor is gone before its turn never reaches the model."""
    seen, stream = [], page_inferencer.stream
    monkeypatch.setattr(page_inferencer, 'stream', lambda images, texts, **kwargs: (
        seen.append(texts[0][0]), stream(images, texts, **kwargs))[1])
    stays = threading.Thread(target=visitor.ask, args=(uploaded, 'stays'))
    stays.start()
    time.sleep(0.2)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f'http://127.0.0.1:{port}/api/search', timeout=0.3, trust_env=False,
                   cookies=dict(visitor.cookies), json=dict(photograph=uploaded, text='leaves'))
    time.sleep(0.2)
    held.set()
    stays.join()
    assert visitor.ask(uploaded, 'after').status_code == 200
    assert seen == ['stays', 'after']


@pytest.mark.slow
def test_two_hundred_at_once(port):
    """Everybody is answered, in the order of coming; memory stays."""
    started, before = time.monotonic(), peak()

    def visit(k):
        # Those without a cookie are one address, of which eight searches may wait.
        with PageClient(port, with_cookie=k % 25 > 0) as client:
            found = client.search(client.upload(photograph(k, (300, 400))), f'thing {k}')
            return found['prompts'], client.of(found, 'picture.jpg').status_code

    answers = at_once(visit, range(200))
    for k, ((prompts, status),) in enumerate(answers):
        assert (prompts, status) == ([f'thing {k}'], 200)
    grown = (peak() - before) / 2**20
    print(f'200 visits: {time.monotonic() - started:.0f} s, {grown:.0f} MB more')
    assert grown < 600
