"""The page in a headless browser, as visitors use it: mouse, keys, telephones, bad luck."""

import importlib.util
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import numpy as np
import PIL.Image
import pytest

from expalign.structures.known_classes import KnownClasses
from tests.helpers.mini_model import CONFIG, page_inferencer, write_mini_weights

pytest.importorskip('uvicorn', reason='uvicorn is not installed: pip install -e ".[web]"')

FOLDER = Path('demo/data/mini/val2017')
PHOTOGRAPHS = [str(FOLDER / f'{name:012}.jpg') for name in (214753, 160012, 460229)]
TIMEOUT = 180_000  # ms; a busy machine takes a minute
HTML = '<img src=x onerror="document.title=1">'
CLEAR = "document.querySelector('#found').hidden"

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def inferencer(tmp_path_factory, run_at_root):
    return page_inferencer(tmp_path_factory.mktemp('weights'))


@pytest.fixture(scope='module')
def server(inferencer):
    spec = importlib.util.spec_from_file_location('web_demo', 'demo/web_demo.py')
    web_demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(web_demo)
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    server = web_demo.launch(inferencer, '127.0.0.1', port, wait=False)
    server.address = f'http://127.0.0.1:{port}'
    yield server
    server.close()


@pytest.fixture(scope='module')
def browser():
    playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    chromium = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('chrome')
    if chromium is None:
        pytest.skip('no chromium: install it, or name it in the variable CHROMIUM')
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, 'light'), (390, 'dark')], ids=['desktop', 'telephone'])
def page(browser, server, request):
    """The page with its first result; at the end no fault on its console, no other host asked."""
    width, scheme = request.param
    context = browser.new_context(
        viewport=dict(width=width, height=844), color_scheme=scheme, has_touch=width < 500)
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()
    page.faults, page.searches, page.expected = [], [], ()
    page.on('console', lambda message: message.type in ('error', 'warning')
            and page.faults.append(message.text))
    page.on('pageerror', lambda error: page.faults.append(str(error)))
    page.on('dialog', lambda dialog: page.faults.append(dialog.message))
    page.on('request', lambda request: page.searches.append(request.url)
            if request.url.endswith('/api/search') else None)
    page.on('request', lambda request: page.faults.append(request.url)
            if not request.url.startswith((server.address, 'blob:', 'data:')) else None)
    page.goto(server.address)
    wait_for_picture(page)
    yield page
    faults = [fault for fault in page.faults if not any(part in fault for part in page.expected)]
    assert faults == []
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    assert page.title() == 'ExpAlign: find what words name'
    context.close()


def wait_for_picture(page):
    page.wait_for_selector('#picture[src*="picture.jpg"]')
    page.wait_for_selector('#progress', state='hidden')


def choose(page, *files):
    page.set_input_files('#photographs', list(files))


def search(page, words):
    page.fill('#prompts', words)
    page.click('#search')
    wait_for_picture(page)


def rows(page):
    """Prompt -> what the table says of it."""
    table = page.locator('#rows tr').evaluate_all(
        'rows => rows.map(row => [...row.children].map(cell => cell.textContent))')
    return {row[0]: row[1:3] for row in table}


def picture(width=80, height=60, kind='PNG', **options):
    image = PIL.Image.new('RGB', (width, height), (90, 120, 60))
    image.save(buffer := io.BytesIO(), kind, **options)
    return buffer.getvalue()


def file(name, content, kind='image/png'):
    return dict(name=name, mimeType=kind, buffer=content)


def test_a_result_at_the_start_and_samples(page):
    assert set(rows(page)) == {'a black bear', 'a crow', 'a giraffe'}
    assert 'A bear among crows' in page.get_attribute('#picture', 'alt')
    assert page.evaluate('scrollY') == 0
    page.get_by_role('button', name='A desk').click()
    page.wait_for_selector('#rows >> text=headphones')
    assert 'headphones' in page.input_value('#prompts')
    # Where a telephone sees it, once the page has scrolled there.
    for _ in range(50):
        if page.locator('#picture').bounding_box()['y'] < 844 * 0.6:
            break
        page.wait_for_timeout(100)
    else:
        pytest.fail('the result is not scrolled to')
    page.expected = ()


def test_words_in_and_results_out(page):
    choose(page, PHOTOGRAPHS[0])
    assert page.evaluate(CLEAR)
    assert page.get_attribute('#picture', 'alt') == '000000214753.jpg, not searched yet'
    page.fill('#prompts', 'a horse\na person, a HORSE')
    page.press('#prompts', 'Control+Enter')
    wait_for_picture(page)
    assert page.inner_text('#notes') == '2 prompts: a horse | a person'
    found = rows(page)
    assert set(found) == {'a horse', 'a person'}
    said = page.inner_text('#status')
    for prompt, (count, best) in found.items():
        assert 0 <= float(best) <= 1
        assert f'{count} × {prompt}' in said if count.isdecimal() else 'none above' in count
    assert 'with boxes around' in page.get_attribute('#picture', 'alt')
    page.fill('#prompts', 'a horse\na cat')  # the result is of other words now
    assert page.evaluate(CLEAR) and 'Press Search' in page.inner_text('#status')
    page.press('#score-number', 'Meta+Enter')
    wait_for_picture(page)
    assert set(rows(page)) == {'a horse', 'a cat'}


def test_lowest_score(page):
    """By keys, typed, and automatic again: drawn anew, and nothing searched."""
    choose(page, PHOTOGRAPHS[0])
    search(page, 'a horse, a person')
    searches, before = len(page.searches), rows(page)
    assert page.is_checked('#score-auto')
    assert 'threshold=auto' in page.get_attribute('#picture', 'src')
    page.fill('#score-number', '0.8')
    page.wait_for_selector('#picture[src*="threshold=0.8&"]')
    assert not page.is_checked('#score-auto') and page.input_value('#score') == '0.8'
    few = sum(int(count) for count, _ in rows(page).values() if count.isdecimal())
    assert 0 < few < sum(int(count) for count, _ in before.values() if count.isdecimal())
    page.focus('#score')
    for _ in range(3):
        page.keyboard.press('ArrowRight')
    page.wait_for_selector('#picture[src*="threshold=0.83&"]')
    assert page.input_value('#score-number') == '0.83'
    page.fill('#score-number', '1')
    page.wait_for_selector('#picture[src*="threshold=1&"]')
    assert {count.partition('Show')[0].strip() for count, _ in rows(page).values()} == {
        'none above 1'}
    page.locator('#rows button', has_text='Show from').first.click()  # a near miss
    assert any(count.isdecimal() for count, _ in rows(page).values())
    page.check('#score-auto')
    page.wait_for_selector('#picture[src*="threshold=auto"]')
    assert rows(page) == before and len(page.searches) == searches
    page.fill('#score-number', '7')  # no score
    assert page.is_checked('#score-auto')


def test_gallery(page, tmp_path):
    (tmp_path / f'{HTML}.png').write_bytes(picture())
    names = [*PHOTOGRAPHS[:2], str(tmp_path / f'{HTML}.png')]
    (tmp_path / 'bad.jpg').write_text('no image')
    choose(page, *names, str(tmp_path / 'bad.jpg'))
    search(page, f'a horse, {HTML}')
    page.wait_for_selector('#gallery li:nth-child(4) [title*="cannot be read"] .name')
    badges = page.locator('#gallery .badge').all_inner_texts()
    assert all(badge.isdecimal() for badge in badges[:3]) and badges[3] == '!'
    assert HTML in rows(page)  # as text
    for place in (3, 2):
        page.locator('#gallery button').nth(place - 1).click()
        page.wait_for_selector(f'#gallery li:nth-child({place}) [aria-current=true]')
        wait_for_picture(page)
    page.wait_for_selector('#picture[alt^="000000160012.jpg with"]')
    assert page.inner_text('#status').startswith('Found: ')
    page.locator('#gallery button').nth(3).click()
    assert 'bad.jpg cannot be read' in page.inner_text('#problem')
    page.locator('#gallery button').nth(0).click()
    assert page.inner_text('#problem') == ''
    with page.expect_download() as download:
        page.locator('#downloads-all').get_by_text('COCO').click()
    data = json.loads(Path(download.value.path()).read_text())
    assert [image['file_name'] for image in data['images']] == [Path(name).name for name in names]
    # One threshold for all of them.
    page.fill('#score-number', '1')
    page.wait_for_selector('#gallery .badge >> text="0"')
    page.expected = ('422',)


@pytest.mark.parametrize(('title', 'name', 'start'), [
    ('Picture', '000000214753_found.jpg', b'\xff\xd8'), ('JSON', '000000214753.json', b'{'),
    ('COCO', '000000214753_coco.json', b'{'), ('YOLO', '000000214753_yolo.zip', b'PK')])
def test_downloads(page, title, name, start):
    choose(page, PHOTOGRAPHS[0])
    search(page, 'a horse')
    with page.expect_download() as download:
        page.locator('#downloads').get_by_text(title).click()
    assert download.value.suggested_filename == name
    assert Path(download.value.path()).read_bytes().startswith(start)


def box_on_screen(page, one, other):
    """Drag over the photograph between two points, shares of its sides."""
    area = page.locator('#layer').bounding_box()
    points = [(area['x'] + x * area['width'], area['y'] + y * area['height'])
              for x, y in (one, other)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=4)
    page.mouse.up()


def test_boxes_as_examples(page):
    """Drawn, moved by keys, removed; they are searched for in other photographs, too."""
    choose(page, PHOTOGRAPHS[0])
    page.fill('#prompts', '')
    assert not page.is_visible('#layer')
    page.click('#drawing-title')
    page.fill('#example-name', 'rider')
    page.locator('#figure').scroll_into_view_if_needed()
    box_on_screen(page, (0.75, 0.7), (0.5, 0.2))
    assert page.locator('#examples li').all_inner_texts() == ['rider, in 000000214753.jpg\nRemove']
    label = page.locator('#layer .box').get_attribute('aria-label')
    numbers = [float(number) for number in re.findall(r'[\d.]+(?=%)', label)]
    assert numbers == pytest.approx([50, 75, 20, 70], abs=1)
    box_on_screen(page, (0.1, 0.1), (0.101, 0.101))  # a click is no box
    page.focus('#layer .box')
    page.keyboard.press('ArrowRight')
    page.keyboard.press('Shift+ArrowDown')
    label = page.locator('#layer .box').get_attribute('aria-label')
    moved = [float(number) for number in re.findall(r'[\d.]+(?=%)', label)]
    assert moved == pytest.approx(np.add(numbers, [1, 1, 0, 1]), abs=0.15)
    page.click('#add-box')
    assert page.evaluate('document.activeElement.className') == 'box'
    page.keyboard.press('Delete')
    assert page.locator('#examples li').count() == 1
    answers = []
    page.on('response', lambda answer: answers.append(answer)
            if answer.url.endswith('/api/search') else None)
    page.press('#example-name', 'Control+Enter')
    page.wait_for_selector('#rows tr, #problem .error')
    sent = json.loads(answers[-1].request.post_data)['examples']
    assert [(one['name'], len(one['photograph'])) for one in sent] == [('rider', 32)]
    across, until, down, below = (number / 100 for number in moved)
    assert sent[0]['box'] == pytest.approx([across, down, until, below], abs=0.01)
    if page.is_visible('#problem .error'):  # the network is not trained
        assert 'draw the box closely around one thing' in page.inner_text('#problem')
        page.expected = ('400',)
    choose(page, PHOTOGRAPHS[1])
    assert page.locator('#examples li').count() == 1 and page.locator('#layer .box').count() == 0
    page.locator('#examples button').click()
    page.click('#search')
    assert 'Write what to search for' in page.inner_text('#problem')


def test_a_box_by_finger(page):
    choose(page, PHOTOGRAPHS[0])
    page.click('#drawing-title')
    page.locator('#figure').scroll_into_view_if_needed()
    area, touch = page.locator('#layer').bounding_box(), page.context.new_cdp_session(page)
    for kind, share in (('touchStart', 0.2), ('touchMove', 0.4), ('touchMove', 0.6),
                        ('touchEnd', None)):
        points = [] if share is None else [dict(
            x=area['x'] + share * area['width'], y=area['y'] + share * area['height'])]
        touch.send('Input.dispatchTouchEvent', dict(type=kind, touchPoints=points))
    page.wait_for_selector('#layer .box')
    label = page.locator('#layer .box').get_attribute('aria-label')
    assert [float(number) for number in re.findall(r'[\d.]+(?=%)', label)] == pytest.approx(
        [20, 60, 20, 60], abs=1.5)


def test_classes_of_a_model_at_their_thresholds(page, inferencer, monkeypatch):
    known = KnownClasses(('cat', 'dog', 'owl'), (0.99, 0.75, None))
    monkeypatch.setattr(inferencer.model, 'known_classes', known)
    page.reload()
    wait_for_picture(page)
    assert 'the 3 classes of this model (cat, dog, owl)' in page.get_attribute(
        '#prompts', 'placeholder')
    search(page, '')
    lowest = dict(page.locator('#rows tr').evaluate_all(
        'rows => rows.map(row => [row.children[0].textContent, row.children[3].textContent])'))
    assert lowest == dict(cat='0.99', dog='0.75', owl='0.092')
    assert page.is_visible('th.own') and page.is_checked('#score-auto')
    assert rows(page)['cat'][0].startswith('none above 0.99')
    page.fill('#score-number', '0.5')  # one for all
    page.wait_for_selector('#picture[src*="threshold=0.5&"]')
    assert not page.is_visible('th.own')


def test_maps(page):
    page.get_by_role('button', name='Why? The maps of a giraffe').click()
    page.wait_for_selector('#maps figure:nth-child(4)')
    assert page.input_value('#explained') == '2'
    first = page.locator('#maps img').first
    first.scroll_into_view_if_needed()
    box = first.bounding_box()
    assert box['width'] >= 200 and box['height'] >= 130  # readable on a telephone, too
    tokens = page.locator('#maps .tokens').first.inner_text()
    assert '<sentence>' in tokens
    weights = [float(number) for number in re.findall(r'\d\.\d\d', tokens)]
    assert sum(weights) == pytest.approx(1, abs=0.03)
    page.select_option('#explained', '0')
    page.wait_for_selector('#maps img[alt*="a black bear"]')
    page.fill('#score-number', '0.9')
    page.wait_for_selector('#maps img[src*="threshold=0.9&"]')


def test_words_of_all_kinds(page):
    words = '猫\n🦒\n' + '\n'.join(f'thing {k}' for k in range(40))
    choose(page, PHOTOGRAPHS[0])
    search(page, words)
    assert {'猫', '🦒'} <= set(rows(page)) or page.is_visible('#more')
    if page.is_visible('#more'):
        page.click('#more')
    assert len(rows(page)) == 42
    for empty in ('', ' \n '):
        page.fill('#prompts', empty)
        page.click('#search')
        assert 'Write what to search for' in page.inner_text('#problem')
    search(page, 'a girafe')
    page.select_option('#vocabulary', 'coco')
    for _ in range(100):
        if 'zebra' in page.input_value('#prompts'):
            break
        page.wait_for_timeout(100)
    assert page.input_value('#prompts').count('\n') == 79 and page.evaluate(CLEAR)


def test_photographs_of_all_kinds(page):
    """Those that the browser reads and the server does not are sent as it sees them."""
    exif = PIL.Image.Exif()
    exif[274] = 6  # the camera was turned
    kinds = [
        (file('turned.jpg', picture(80, 60, 'JPEG', exif=exif), 'image/jpeg'), (60, 80), ''),
        (file('moving.gif', picture(kind='GIF'), 'image/gif'), (80, 60), ''),
        (file('large.jpg', picture(8000, 4000, 'JPEG'), 'image/jpeg'), (5656, 2828),
         'shrunk from 8000 × 4000 to 5656 × 2828'),
        (file('empty.jpg', b'', 'image/jpeg'), None, 'empty.jpg is empty'),
        (file('a.heic', b'\0\0\0\x18ftypheic' + bytes(99), 'image/heic'), None,
         'a.heic cannot be read by this browser: save it as a JPEG'),
        (file('text.jpg', b'text', 'image/jpeg'), None, 'text.jpg cannot be read as an image')]
    for given, size, said in kinds:
        choose(page, given)
        page.click('#search')
        if size is None:
            page.wait_for_selector('#problem .error')
            assert said in page.inner_text('#problem')
            assert page.evaluate(CLEAR)
        else:
            wait_for_picture(page)
            assert said in page.inner_text('#notes')
            assert tuple(page.locator('#picture').evaluate(
                'image => [image.width / image.height, image.naturalWidth]'))[0] == pytest.approx(
                    size[0] / size[1], rel=0.02)
            with page.expect_download() as download:
                page.locator('#downloads').get_by_text('JSON').click()
            record = json.loads(Path(download.value.path()).read_text())
            assert (record['width'], record['height']) == size
    page.expected = ('422', 'ERR_')


def test_a_slow_server_and_none(page, inferencer, monkeypatch):
    stream, held = inferencer.stream, threading.Event()
    monkeypatch.setattr(inferencer, 'stream',
                        lambda *args, **kwargs: (held.wait(60), stream(*args, **kwargs))[1])
    choose(page, PHOTOGRAPHS[0])
    page.fill('#prompts', 'a cat')
    page.click('#search')
    page.wait_for_selector('#progress:visible')
    assert page.inner_text('#progress-text') == 'Searching'
    page.wait_for_selector('#seconds >> text=1 s')
    page.click('#cancel')
    assert page.inner_text('#status') == 'Cancelled.' and not page.is_visible('#progress')
    held.set()
    page.click('#search')
    wait_for_picture(page)
    # Words that change while it is searched.
    held.clear()
    page.fill('#prompts', 'a dog')
    page.click('#search')
    page.fill('#prompts', 'a dog, a bird')
    held.set()
    page.click('#search')
    wait_for_picture(page)
    assert set(rows(page)) == {'a dog', 'a bird'}
    # No server.
    page.route('**/api/search', lambda route: route.abort())
    page.fill('#prompts', 'a horse')
    page.click('#search')
    page.wait_for_selector('#problem .error')
    assert 'The server does not answer' in page.inner_text('#problem')
    assert not page.is_visible('#progress')
    page.unroute('**/api/search')
    page.click('#search')
    wait_for_picture(page)
    assert page.inner_text('#problem') == ''
    page.expected = ('ERR_FAILED',)


def test_a_server_that_forgot(page, server):
    """After an hour, or started anew: photographs are sent again by themselves."""
    choose(page, PHOTOGRAPHS[0])
    search(page, 'a horse')
    for shelf in (server.service._photographs, server.service._results):
        shelf._entries.clear()
    page.context.clear_cookies()
    page.fill('#score-number', '0.5')
    page.wait_for_selector('#problem .error')
    assert 'not kept any more: press Search' in page.inner_text('#problem')
    page.click('#search')
    wait_for_picture(page)
    assert page.inner_text('#problem') == ''
    page.expected = ('410',)


def test_keys_alone(page):
    """Everything is reached by the tab key, in the order in which it is seen."""
    page.evaluate('document.activeElement.blur()')
    order = []
    for _ in range(40):
        page.keyboard.press('Tab')
        order.append(page.evaluate(
            'document.activeElement.id || document.activeElement.textContent'
            ' || document.activeElement.title'))
        if 'All maps' in order[-1] or order[-1] == '':
            break
    expected = [
        'photographs', 'prompts', 'vocabulary', 'drawing-title', 'score', 'score-number',
        'score-auto', 'search', 'Why?', 'Why?', 'Why?', 'Picture', 'YOLO', 'Why was it found?']
    assert [name for name in order if name in expected] == expected, order
    page.focus('#samples button:nth-child(3)')
    page.keyboard.press('Enter')
    page.wait_for_selector('#rows >> text=a horse')
    page.focus('#why summary')
    page.keyboard.press('Enter')
    page.wait_for_selector('#maps figure:nth-child(4)')
    focus = page.evaluate('getComputedStyle(document.activeElement).outlineStyle')
    assert focus == 'solid'


def test_back_and_again(page, server):
    search(page, 'a horse')
    page.goto('about:blank')
    page.go_back()
    wait_for_picture(page)
    page.reload()
    wait_for_picture(page)
    assert set(rows(page)) == {'a black bear', 'a crow', 'a giraffe'}
    assert np.isclose(page.evaluate('scrollY'), 0)
    page.expected = ('ERR_ABORTED',)
    page.faults = [fault for fault in page.faults if fault != 'about:blank']


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_the_middle_of_a_search(tmp_path, number):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    weights = write_mini_weights(tmp_path / 'mini.pth')
    served = subprocess.Popen(
        [sys.executable, 'demo/web_demo.py', CONFIG, '--weights', weights, '--port', str(port)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | dict(TMPDIR=str(tmp_path)))
    assert served.stdout.readline().strip() == f'http://127.0.0.1:{port}'
    call = dict(photograph='sample-0', text=', '.join(map(str, range(500))))
    with pytest.raises(httpx.TimeoutException):
        httpx.post(f'http://127.0.0.1:{port}/api/search', json=call, timeout=0.5, trust_env=False)
    served.send_signal(number)
    said, _ = served.communicate(timeout=60)
    assert said == ''
    assert [path.name for path in tmp_path.iterdir()] == ['mini.pth']


def test_accessible(page):
    """Names, roles, contrast: by axe-core, where it is installed."""
    axe = pytest.importorskip('axe_playwright_python', reason='axe-playwright-python is missing')
    script = Path(axe.__file__).with_name('axe.min.js').read_text()
    page.get_by_role('button', name='Why? The maps of a crow').click()
    page.wait_for_selector('#maps figure:nth-child(4)')
    page.click('#drawing-title')
    page.click('#add-box')
    page.evaluate(script + ';0')
    violations = page.evaluate('axe.run()')['violations']
    assert [(fault['id'], fault['nodes'][0]['target']) for fault in violations] == []
