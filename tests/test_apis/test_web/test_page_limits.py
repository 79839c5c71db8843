"""How much the page takes, over HTTP; whom it answers; what it says of files."""

import io
import json
import resource
import socket
import time

import numpy as np
import PIL.Image
import pytest

pytest.importorskip('gradio', reason='gradio is not installed: pip install -e ".[web]"')

from expalign.apis.vocabularies import SOURCES, named_vocabulary  # noqa: E402
from expalign.apis.web import limits  # noqa: E402
from tests.helpers.page_client import PageClient  # noqa: E402
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
def number(visitor):
    return visitor.number_of('search')


@pytest.fixture(scope='module')
def uploaded(visitor):
    return visitor.send_file(photograph(), 'photo.png').json()[0]


@pytest.fixture(autouse=True)
def nothing_on_the_console(capfd):
    yield
    out, err = capfd.readouterr()
    assert 'Traceback' not in out + err, err


def peak():
    """The most memory that this process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def chunks(size, part=bytes(2**16)):
    """A body of a size that is not said before."""
    for _ in range(size // len(part)):
        yield part


def test_bodies(visitor, number):
    before = peak()
    padding = 'x' * limits.CALL_BYTES.value
    body = json.dumps(dict(data=[None, padding, 0.2], fn_index=number)).encode()
    answer = visitor.post('/gradio_api/queue/join', content=body, headers=JSON)
    assert (answer.status_code, '131,072 bytes' in answer.json()['detail']) == (413, True)
    large = 200 * 2**20
    for said in ({}, {'content-length': str(large)}):
        for route in ('queue/join', 'cancel'):
            answer = visitor.post(
                f'/gradio_api/{route}', content=chunks(large, b'[' * 2**16), headers=JSON | said)
            assert answer.status_code == 413
    assert peak() - before < 50 * 2**20


def test_uploads(visitor):
    before = peak()
    large = bytes(limits.PHOTOGRAPH_BYTES.value + 2**17)
    answer = visitor.send_file(large)
    assert answer.status_code == 413
    form = {'content-type': 'multipart/form-data; boundary=b'}
    head = b'--b\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n'

    def unsaid():
        yield head
        yield from chunks(40 * 2**20)

    answer = visitor.post('/gradio_api/upload', content=unsaid(), headers=form)
    assert answer.status_code == 413
    assert '20,971,520 bytes' in answer.json()['detail']
    assert peak() - before < 100 * 2**20
    for content in (b'', b'no form', head):
        assert visitor.post('/gradio_api/upload', content=content, headers=form).status_code < 500
    assert visitor.post('/gradio_api/upload', content=b'{}', headers=JSON).status_code == 400


def test_uploads_that_stop(visitor, port):
    """Closed in the middle, or silent: no traceback, and others are not kept waiting."""
    head = (f'POST /gradio_api/upload HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 999\r\n'
            'content-type: multipart/form-data; boundary=b\r\n\r\n--b\r\n').encode()
    for _ in range(5):
        with socket.create_connection(('127.0.0.1', port)) as stopped:
            stopped.sendall(head)
            time.sleep(0.05)
    with socket.create_connection(('127.0.0.1', port)):
        assert visitor.send_file(photograph(), 'photo.png').status_code == 200


def test_many_files_in_one_upload(visitor, monkeypatch):
    monkeypatch.setenv('EXPALIGN_WEB_VISITOR_FILES', '5')
    files = [('files', (f'{k}.png', photograph(k))) for k in range(30)]
    paths = visitor.post('/gradio_api/upload', files=files).json()
    assert len(paths) == 30
    assert sum(visitor.fetch(path).status_code == 200 for path in paths) == 5


@pytest.mark.parametrize(('text', 'message'), [
    ('', 'Write what to search for'), (' . \n', 'Write what to search for'),
    ('x' * 301, '1 prompts, the longest of 301 letters'),
    ('\n'.join(map(str, range(1501))), '1501 prompts'),
    ('\n'.join(f'{k:04} {"long words " * 26}' for k in range(300)), 'bytes; 24,000 are the limit'),
    ('\U0001f600' * 6001, '24,004 bytes; 24,000 are the limit')])
def test_prompts(visitor, number, uploaded, text, message):
    assert message in visitor.search(number, uploaded, text)['error']


def test_vocabularies_are_short_enough(visitor):
    choose = visitor.number_of('vocabulary')
    for name in SOURCES:
        visitor.join(choose, [name]).raise_for_status()
        (text,) = visitor.answer()['data']
        assert text.split('\n') == list(named_vocabulary(name))
        assert len(text.encode()) < limits.TEXT_BYTES.value


def test_nothing_found(visitor, number, uploaded, page_inferencer, monkeypatch):
    settings = page_inferencer.model.bbox_head.test_cfg
    monkeypatch.setitem(settings, 'max_per_img', 0)
    output = visitor.search(number, uploaded, 'a cat. a dog')
    assert output['data'][2] == []
    drawn = PIL.Image.open(io.BytesIO(visitor.fetch(output['data'][1]['path']).content))
    original = PIL.Image.open(io.BytesIO(photograph()))
    assert np.array_equal(np.asarray(drawn.convert('RGB')), np.asarray(original))
    assert json.loads(visitor.fetch(output['data'][3]['path']).content)['detections'] == []
    visitor.join(visitor.number_of('explained'), [None, ['a dog', 'a cat'], 0.5])
    assert visitor.answer()['data'][0]['path']


@pytest.mark.parametrize(('name', 'content'), [
    ('<img src=x onerror=alert(1)>.png', b'no image'), ('a.svg', b'<svg onload="alert(1)"/>'),
    ('[a](http://evil.example)**b**.jpg', b'\x89PNG'), ('a.html', b'<script>alert(1)</script>'),
    ('../../a.png', b'x'), ('a\u202egnp.exe', b'MZ'), ('', b'GIF89a')])
def test_names_are_text(visitor, number, name, content):
    answer = visitor.send_file(content, name)
    if answer.status_code != 200:
        assert answer.status_code in (400, 422)
        return
    path = answer.json()[0]
    image = dict(path=path, orig_name=name, meta=dict(_type='gradio.FileData'))
    visitor.join(number, [image, 'cat', 0.2]).raise_for_status()
    message = visitor.answer()['error']
    assert 'cannot be read as an image' in message
    assert '<' not in message and '\u202e' not in message
    shown = visitor.fetch(path)
    assert shown.headers['x-content-type-options'] == 'nosniff'
    assert shown.headers['content-type'].startswith(('image/', 'application/octet-stream'))
    assert 'svg' not in shown.headers['content-type']


def test_other_hosts_and_sites(visitor, port):
    for headers in (dict(host='evil.example'), dict(host=f'evil.example:{port}'),
                    {'x-forwarded-host': 'evil.example'}):
        for path in ('/', '/config', '/theme.css', '/gradio_api/queue/data?session_hash=a'):
            answer = visitor.get(path, headers=headers)
            assert (answer.status_code, 'not served under' in answer.text) == (403, True)
    for headers in (dict(origin='https://evil.example'), {'sec-fetch-site': 'cross-site'},
                    dict(origin='null'), {'sec-fetch-site': 'same-site'}):
        answer = visitor.post('/gradio_api/upload', files=dict(files=('a.png', photograph())),
                              headers=headers)
        assert answer.status_code == 403
        assert visitor.post('/gradio_api/queue/join', json={}, headers=headers).status_code == 403
    for host in (f'localhost:{port}', 'page.example'):
        answer = visitor.get('/', headers=dict(host=host))
        assert answer.status_code == 200
    policy = answer.headers['content-security-policy']
    assert policy.startswith("default-src 'self' ") and "frame-ancestors 'none'" in policy
    assert 'http' not in policy
    cookie = PageClient(port).get('/').headers['set-cookie']
    assert 'HttpOnly' in cookie and 'SameSite=Strict' in cookie


def test_calls_of_one_page_that_wait(visitor, number, uploaded, monkeypatch):
    monkeypatch.setenv('EXPALIGN_WEB_SESSION_CALLS', '2')
    image = dict(path=uploaded, meta=dict(_type='gradio.FileData'))
    with PageClient(visitor.base_url.port) as other:
        other.cookies = visitor.cookies
        answers = [other.join(number, [image, 'cat', 0.2]).status_code for _ in range(4)]
        assert answers == [200, 200, 429, 429]
        assert 'error' not in other.answer()


@pytest.mark.slow
def test_two_hundred_at_once(port, number, monkeypatch):
    """Everybody is answered, in the order of coming; memory stays."""
    monkeypatch.setattr('expalign.apis.web_app.SHOWN_AT_FIRST', 0)
    started, before = time.monotonic(), peak()

    def visit(k):
        with PageClient(port, with_cookie=k % 2 == 0) as client:
            path = client.send_file(photograph(k, (300, 400)), f'{k}.png').json()[0]
            output = client.search(number, path, f'thing {k}')
            drawn = client.fetch(output['data'][1]['path'])
            return output['data'][4]['choices'], drawn.status_code, time.monotonic() - started

    answers = at_once(visit, range(200))
    for k, ((choices, status, _),) in enumerate(answers):
        assert (choices, status) == ([[f'thing {k}', f'thing {k}']], 200)
    grown = (peak() - before) / 2**20
    print(f'200 visits: {time.monotonic() - started:.0f} s, {grown:.0f} MB more')
    assert grown < 600


@pytest.mark.slow
def test_a_full_queue_says_so(port, number, monkeypatch):
    import gc

    import gradio
    (blocks,) = (one for one in gc.get_objects() if isinstance(one, gradio.Blocks)
                 and one.is_running)
    monkeypatch.setattr(blocks._queue, 'max_size', 20)

    def visit(k):
        with PageClient(port) as client:
            path = client.send_file(photograph(k), f'{k}.png').json()[0]
            image = dict(path=path, meta=dict(_type='gradio.FileData'))
            answer = client.join(number, [image, 'cat', 0.2])
            return answer.status_code, answer.text, client.answer() if answer.is_success else None

    answers = [own for (own,) in at_once(visit, range(60))]
    assert {status for status, *_ in answers} == {200, 503}
    for status, text, output in answers:
        assert ('error' not in output) if status == 200 else ('full' in text)
