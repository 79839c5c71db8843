"""Which requests come from the page itself, under one of its names."""

import pytest

from expalign.apis.web.hosts import Hosts, host_name

LOCAL = Hosts('127.0.0.1', ['page.example'])
OPEN = Hosts('0.0.0.0')


def refusal(hosts, host, method='GET', path='/api/start', **headers):
    named = {name.replace('_', '-'): [value] for name, value in headers.items()}
    return hosts.refusal(method, path, dict(host=[host], **named))


@pytest.mark.parametrize('host', [
    'localhost', 'localhost:7860', 'LOCALHOST:7860', 'localhost.', '127.0.0.1:7860', '127.1.2.3',
    '[::1]:7860', 'page.example', 'Page.Example:443'])
def test_own_names(host):
    assert refusal(LOCAL, host) is None


@pytest.mark.parametrize('host', [
    'evil.example', 'localhost.evil.example', 'evil.example:7860', '192.168.1.5', '', ':7860',
    'localhost:x', 'user@localhost', 'localhost/a', 'localhost#', '127.0.0.1.evil.example',
    '127.0.0.1@evil.example', '0x7f000001', 'page.example.evil.example', 'xpage.example'])
def test_other_names(host):
    assert 'not served under the name' in refusal(LOCAL, host)


def test_every_number_where_all_may_come():
    for host in ('192.168.1.5:7860', '[2001:db8::1]', '10.0.0.1'):
        assert refusal(OPEN, host) is None
    assert refusal(OPEN, 'evil.example')


def test_one_host_and_that_of_a_proxy():
    assert 'one Host' in LOCAL.refusal('GET', '/', {})
    assert 'one Host' in LOCAL.refusal('GET', '/', dict(host=['localhost', 'evil.example']))
    assert refusal(LOCAL, 'localhost', x_forwarded_host='evil.example')
    assert refusal(LOCAL, 'localhost', x_forwarded_host='page.example') is None


@pytest.mark.parametrize('origin', [
    'https://evil.example', 'null', 'http://localhost', 'http://localhost:1', 'file://', 'é',
    'http://127.0.0.1:7860'])
def test_other_sites(origin):
    for method in ('GET', 'POST'):
        assert 'other sites' in refusal(LOCAL, 'localhost:7860', method, origin=origin)


def test_own_origin():
    for host, origin in (('localhost:7860', 'http://localhost:7860'),
                         ('127.0.0.1:7860', 'https://page.example')):
        assert refusal(LOCAL, host, 'POST', origin=origin) is None
    assert refusal(LOCAL, 'localhost:7860', 'POST', origin='https://page.example',
                   x_forwarded_host='page.example') is None


def test_what_the_browser_says():
    for site, refused in (('same-origin', False), ('none', False), ('same-site', True),
                          ('cross-site', True)):
        for method, path in (('POST', '/api/photographs'), ('GET', '/api/start'), ('GET', '/')):
            answer = refusal(LOCAL, 'localhost', method, path, sec_fetch_site=site)
            assert (answer is not None) == refused
    link = dict(sec_fetch_site='cross-site', sec_fetch_mode='navigate', sec_fetch_dest='document')
    assert refusal(LOCAL, 'localhost', 'GET', '/', **link) is None
    assert refusal(LOCAL, 'localhost', 'GET', '/api/start', **link)
    assert refusal(LOCAL, 'localhost', 'POST', '/', **link)
    assert refusal(LOCAL, 'localhost', 'GET', '/', **link | dict(sec_fetch_dest='iframe'))


def test_frames_of_a_site_that_may():
    link = dict(sec_fetch_site='cross-site', sec_fetch_mode='navigate', sec_fetch_dest='iframe')
    framed = Hosts('0.0.0.0', ['me-page.hf.space'], ['https://huggingface.co'])
    assert refusal(framed, 'me-page.hf.space', path='/', **link) is None
    assert refusal(framed, 'me-page.hf.space', path='/api/start', **link)
    assert refusal(framed, 'me-page.hf.space', 'POST', '/', **link)


def test_names():
    assert host_name('[::1]:80') == '::1'
    assert host_name('[::1') is None
    assert host_name('a b') is None
