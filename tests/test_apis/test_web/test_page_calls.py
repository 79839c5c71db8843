"""Calls of the page over HTTP: right answers for everybody, nothing for strangers."""

import io
import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

pytest.importorskip('gradio', reason='gradio is not installed: pip install -e ".[web]"')

from tests.helpers.page_client import FILE, PageClient  # noqa: E402
from tests.helpers.threads import THREADS, at_once  # noqa: E402

PHOTOGRAPHS = [Path('demo/data/mini/val2017', name)
               for name in ('000000214753.jpg', '000000160012.jpg')]
TEXTS = ['a horse', 'a pizza. a bowl', 'a red car', 'a zebra. a giraffe. a bear', 'an owl',
         'a cat', 'a dog. a cat', 'the sea']


def photograph(k: int) -> bytes:
    """One of eight photographs that differ in content and size."""
    with PIL.Image.open(PHOTOGRAPHS[k % 2]) as image:
        part = image.convert('RGB').crop((0, 0, 200 + 10 * k, 160))
    part.save(buffer := io.BytesIO(), 'PNG')
    return buffer.getvalue()


@pytest.fixture(scope='module')
def visitor(port):
    with PageClient(port) as client:
        yield client


@pytest.fixture(scope='module')
def number(visitor):
    """The number of the search."""
    return visitor.number_of('search')


@pytest.fixture(autouse=True)
def nothing_on_the_console(capfd):
    yield
    out, err = capfd.readouterr()
    assert 'Traceback' not in out + err, err


def path_of(client, content, name='photo.png'):
    answer = client.send_file(content, name)
    assert answer.status_code == 200, answer.text
    return answer.json()[0]


def picture(client, output):
    """The picture of a search, (H, W, 3)."""
    content = client.fetch(output['data'][1]['path']).raise_for_status().content
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert('RGB')).astype(int)


def test_eight_visitors_at_once_get_their_own(port, number):
    """Nobody's photograph, prompts or results are another's, with and without a cookie."""
    def visit(k):
        with PageClient(port, with_cookie=k % 2 == 0) as client:
            path = path_of(client, photograph(k))
            output = client.search(number, path, TEXTS[k])
            return output, picture(client, output)

    for k, answers in enumerate(at_once(visit, range(THREADS))):
        original = np.asarray(PIL.Image.open(io.BytesIO(photograph(k)))).astype(int)
        prompts = set(TEXTS[k].split('. '))
        for output, drawn in answers:
            assert drawn.shape == original.shape
            # Boxes and labels cover a part of it. Another's has another size.
            assert (np.abs(drawn - original).max(-1) < 3).mean() > 0.1
            rows = output['data'][2]
            assert rows and {row['prompt'] for row in rows} <= prompts
            choices = output['data'][4]['choices']
            assert {choice[0] for choice in choices} == prompts


@pytest.mark.parametrize('route', ['run/detect', 'run/predict', 'api/detect', 'call/detect',
                                   'call/v2/detect'])
def test_no_way_past_the_queue(visitor, number, route):
    path = path_of(visitor, photograph(0))
    body = dict(data=[dict(path=path, meta=FILE), 'cat', 0.2], fn_index=number,
                session_hash=visitor.session)
    answers = at_once(
        lambda _: visitor.post(f'/gradio_api/{route}', json=body).status_code, range(THREADS))
    assert answers == [[404]] * THREADS


def refused(client, number, file, *more):
    """The message of a search that is refused before the queue."""
    answer = client.join(number, [file, 'cat', 0.2, *more])
    assert answer.status_code == 400
    return answer.json()['detail']


def test_only_what_was_uploaded_is_read(port, visitor, number, tmp_path):
    private = tmp_path / 'private.png'
    private.write_bytes(photograph(1))
    mine = path_of(visitor, photograph(0))
    folder = Path(mine).parent
    (folder / 'link.png').symlink_to(private)
    (folder / 'whole').symlink_to(tmp_path)
    os.mkfifo(folder / 'pipe.png')
    (folder.parent / 'beside.png').write_bytes(photograph(1))
    with PageClient(port) as other, PageClient(port, with_cookie=False) as nobody:
        theirs, unknown = (path_of(client, photograph(k)) for client, k in (
            (other, 2), (nobody, 3)))
        paths = [
            str(private), str(tmp_path / 'absent.png'), str(tmp_path), '/etc/passwd', '/dev/zero',
            '/dev/stdin', '/proc/self/environ', str(folder / 'link.png'),
            str(folder / 'whole' / 'private.png'), str(folder / 'pipe.png'), str(folder),
            f'{folder}/../../../{private}', f'{mine}/../../beside.png',
            str(folder.parent / 'beside.png'), f'file://{mine}', f'file://{private}',
            'http://127.0.0.1:1/a.png', f'http://127.0.0.1:{port}/gradio_api/file={mine}', '', '.',
            'demo/data/mini/val2017/000000214753.jpg', '~/a.png', f'{mine}\0.png', 'a' * 5000,
            theirs, unknown]
        messages = set()
        for path in paths:
            for extra in ({}, dict(meta=FILE), dict(url=path, meta=FILE),
                          dict(is_stream=True, meta=FILE), dict(orig_name='a.png', url=mine)):
                messages.add(refused(visitor, number, dict(path=path, **extra)))
            assert visitor.fetch(path).status_code in (403, 404)
        # Nothing tells what exists from what does not.
        assert len(messages) == 1
        assert 'not one that you uploaded here' in messages.pop()
        assert other.fetch(theirs).content == photograph(2)
    for value in (5, 'text', [mine], {}, dict(path=5), dict(path=[mine]), dict(url=mine),
                  dict(path=None, url=mine)):
        assert 'uploaded' in refused(visitor, number, value)
    found = visitor.search(number, mine, 'cat')
    assert picture(visitor, found).shape == (160, 200, 3)
    (folder / 'pipe.png').unlink()


def test_files_anywhere_else_in_a_call(visitor, number, tmp_path):
    (tmp_path / 'private.png').write_bytes(photograph(1))
    file = dict(path=str(tmp_path / 'private.png'), meta=FILE)
    for data in ([None, file, 0.2], [None, 'cat', file], [None, 'cat', [file]]):
        assert visitor.join(number, data).status_code == 400
    explain = visitor.number_of('explained')
    for data in ([None, [file], 0.2], [None, file, 0.2], [file, ['cat'], 'x']):
        assert visitor.join(explain, data).status_code == 400
    # A state that comes with a call does not count.
    with PageClient(visitor.base_url.port) as other:
        other.join(explain, [file, ['cat'], 0.2]).raise_for_status()
        assert other.answer()['data'] == [None]
    choose = visitor.number_of('vocabulary')
    for value in (file, 'secret', ['coco'], None, 5):
        assert visitor.join(choose, [value]).status_code == 400


@pytest.mark.parametrize('change', [
    dict(fn_index=99), dict(fn_index=-1), dict(fn_index=True), dict(fn_index='0'),
    dict(fn_index=None), dict(session_hash=None), dict(session_hash=''), dict(session_hash=5),
    dict(session_hash='a/b'), dict(session_hash='x' * 65), dict(data=None), dict(data={}),
    dict(data=[]), dict(data=[None] * 4), dict(data=[None, 'cat', float('1e400')]),
    dict(data=[None, 'cat', '0.2']), dict(data=[None, 'cat', True]), dict(data=[None, 5, 0.2])])
def test_forged_calls(visitor, number, change):
    body = dict(data=[None, 'cat', 0.2], fn_index=number, session_hash=visitor.session) | change
    answer = visitor.post('/gradio_api/queue/join', content=json.dumps(body),
                          headers={'content-type': 'application/json'})
    assert answer.status_code == 400
    assert answer.json()['detail']


def test_no_json(visitor):
    for content in (b'', b'{', b'[' * 100_000, b'\xff', b'null', b'[]', b'"text"'):
        answer = visitor.post('/gradio_api/queue/join', content=content,
                              headers={'content-type': 'application/json'})
        assert answer.status_code == 400
    assert visitor.post('/gradio_api/queue/join', content='{}', headers={
        'content-type': 'text/plain'}).status_code == 415


def test_sessions_of_others(port, visitor, number):
    path = path_of(visitor, photograph(0))
    visitor.search(number, path, 'cat')
    slider = visitor.number_of('score')
    for with_cookie in (True, False):
        with PageClient(port, with_cookie) as other:
            answer = other.join(slider, [None, 0.05], session=visitor.session)
            assert (answer.status_code, 'not yours' in answer.text) == (400, True)
            for route in (f'queue/data?session_hash={visitor.session}',
                          f'heartbeat/{visitor.session}'):
                assert other.get(f'/gradio_api/{route}').status_code == 400
            assert other.post('/gradio_api/cancel', json=dict(
                session_hash=visitor.session, fn_index=number, event_id='a')).status_code == 400
    cookie = visitor.cookies['expalign_visitor']
    for forged in (cookie[:-1] + ('1' if cookie[-1] == '0' else '0'), cookie[:32], 'a.b', '"'):
        with PageClient(port, with_cookie=False) as other:
            headers = dict(cookie=f'expalign_visitor={forged}')
            assert other.get(f'/gradio_api/file={path}', headers=headers).status_code == 403
    visitor.join(slider, [None, 0.05]).raise_for_status()
    content = visitor.fetch(visitor.answer()['data'][0]['path']).content
    assert PIL.Image.open(io.BytesIO(content)).size == (200, 160)


@pytest.mark.parametrize('route', [
    'component_server', 'proxy=http://127.0.0.1:1/', 'info', 'openapi.json', 'dev/reload', 'user',
    'token', 'app_id', 'queue/status', 'stream/a', 'process_recording', 'vibe-edit', 'vibe-code',
    'call/detect/1', 'runs', 'deep_link', 'reset', 'set-state', 'mcp/', 'upload/',
    'custom_component/a/server/a/a', 'run-history/records'])
def test_other_routes_of_gradio_are_closed(visitor, route):
    for method in ('GET', 'POST', 'PUT', 'DELETE', 'HEAD'):
        assert visitor.request(method, f'/gradio_api/{route}').status_code == 404
    for path in ('/monitoring', '/login', '/logout', '/docs', '/assets/../../routes.py',
                 '/static/..%2f..%2froutes.py', '/static/%2e%2e/%2e%2e/routes.py',
                 '/assets/..\\..\\routes.py', '//etc/passwd', '/svelte/../routes.py'):
        assert visitor.get(path).status_code in (403, 404)


def test_addresses_are_not_fetched(visitor, port):
    for address in (f'http://127.0.0.1:{port}/config', 'https://example.org/a.png',
                    'file:///etc/passwd', 'data:image/png;base64,AAAA', 'ftp://a/b'):
        assert visitor.fetch(address).status_code in (403, 404)
