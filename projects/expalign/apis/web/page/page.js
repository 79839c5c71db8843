// What the visitor gives: photographs, words, the lowest score; and the search.

import * as api from '/api.js';
import { element, make } from '/dom.js';
import { drawn, showBoxes, startDrawing } from '/draw.js';
import { showResult, clearResult, drawFiles, rowsOf, sentence } from '/results.js';

const prompts = element('prompts'), score = element('score'), number = element('score-number');
const auto = element('score-auto'), problem = element('problem'), gallery = element('gallery');

let settings = null; // of the server
let photos = []; // { name, url, file, server, result, note, problem }
let current = 0; // the one that is shown
let running = null; // the AbortController of the search

const threshold = () => (auto.checked ? 'auto' : Number(number.value));

function say(text) { element('status').textContent = text; }

function complain(text) {
  problem.replaceChildren(...(text ? [make('p', { className: 'error', textContent: text })] : []));
}

// Photographs ---------------------------------------------------------------------------------

function choose(chosen) {
  cancel();
  for (const photo of photos) if (photo.file && !drawn().some((one) => one.photo === photo)) URL.revokeObjectURL(photo.url);
  photos = chosen;
  current = 0;
  element('chosen').textContent = photos.length === 1 ? photos[0].name : `${photos.length} photographs`;
  complain('');
  show();
}

function chooseFiles(files) {
  if (!files.length || !settings) return;
  const most = settings.limits.photographs, taken = [...files].slice(0, most);
  choose(taken.map((file) => ({ name: file.name, file, url: URL.createObjectURL(file), server: null, result: null })));
  if (files.length > most) complain(`${files.length} photographs were chosen; the first ${most} are taken.`);
  say(`${photos.length === 1 ? photos[0].name : `${photos.length} photographs`} chosen. Press Search.`);
}

function chooseSample(sample, place, asked = true) {
  prompts.value = sample.text;
  element('vocabulary').value = '';
  choose([{ name: sample.title, url: `/api/samples/${place}.jpg`, file: null, server: sample.photograph, result: null }]);
  run(asked);
}

// What was found belongs to words and boxes: other ones, nothing found yet.
function forget() {
  cancel();
  if (!photos.some((photo) => photo.result || photo.problem)) return;
  for (const photo of photos) { photo.result = null; photo.problem = ''; }
  complain('');
  show();
  say('What to find changed. Press Search.');
}

// The search ----------------------------------------------------------------------------------

function cancel() {
  running?.abort();
  running = null;
  wait(null);
}

let clock = 0;
function wait(text) {
  clearInterval(clock);
  element('progress').hidden = text === null;
  element('cancel').hidden = text === null;
  if (text === null) return;
  const begun = Date.now(), seconds = element('seconds');
  element('progress-text').textContent = text;
  seconds.textContent = '';
  clock = setInterval(() => { seconds.textContent = `${Math.round((Date.now() - begun) / 1000)} s`; }, 1000);
}

// `asked`: by the visitor, who is then shown the results.
async function run(asked = true) {
  cancel();
  if (!photos.length) { complain('Choose a photograph first.'); return; }
  if (!prompts.value.trim() && !settings.own && !drawn().length) {
    complain('Write what to search for, for example: a cat, a red chair');
    prompts.focus();
    return;
  }
  complain('');
  const mine = running = new AbortController(), text = prompts.value, all = photos;
  for (const [place, photo] of all.entries()) {
    if (photo.result) continue;
    photo.problem = '';
    wait(all.length > 1 ? `Searching photograph ${place + 1} of ${all.length}` : 'Searching');
    if (place === current) show();
    say('Searching.');
    try {
      photo.result = await searchOne(photo, text, mine.signal);
    } catch (error) {
      if (mine.signal.aborted) return;
      photo.problem = error.status === 422 ? `${photo.name} ${error.message}` : error.message;
      if (!(error instanceof api.Problem)) console.error(error);
      if (error.status !== 422) { running = null; wait(null); show(); return; }
    }
    if (mine.signal.aborted) return;
    if (place !== current) {
      drawGallery();
      if (photos[current].result) drawFiles(photos[current], photos, threshold());
      continue;
    }
    show();
    if (asked) bringIntoView();
  }
  running = null;
  wait(null);
  const now = photos[current];
  say(now.result ? sentence(now, threshold()) : '');
  if (now.result) drawFiles(now, photos, threshold());
}

async function searchOne(photo, text, signal) {
  const needed = [...new Set([photo, ...drawn().map((one) => one.photo)])];
  for (let attempt = 0; ; attempt += 1) {
    for (const one of needed) one.server ??= await api.upload(one, settings.limits, signal);
    try {
      return await api.search(photo, text, drawn(), signal);
    } catch (error) {
      // The server forgot them, or is another one now: send them again.
      if (error.status !== 410 || attempt) throw error;
      for (const one of needed) if (one.file) one.server = null;
    }
  }
}

function bringIntoView() {
  const top = element('results').getBoundingClientRect().top;
  if (top > window.innerHeight * 0.6) element('results').scrollIntoView();
}

// What is shown -------------------------------------------------------------------------------

function show() {
  const photo = photos[current];
  drawGallery();
  showBoxes();
  if (!photo) return;
  if (photo.problem) complain(photo.problem);
  else if (photos.some((one) => one.problem) || !problem.textContent.includes('chosen')) complain('');
  if (photo.result) {
    if (auto.checked) setScore(automatic(photo.result));
    showResult(photo, photos, threshold(), { lower, replace, lost });
    say(sentence(photo, threshold()));
  } else {
    clearResult(photo);
    if (photo.problem) say('');
    if (auto.checked) setScore(automatic(null));
  }
}

function drawGallery() {
  gallery.hidden = photos.length < 2;
  if (gallery.hidden) { gallery.replaceChildren(); return; }
  const focused = [...gallery.children].findIndex((item) => item.contains(document.activeElement));
  gallery.replaceChildren(...photos.map((photo, place) => {
    const count = photo.result ? rowsOf(photo.result, threshold()).reduce((sum, row) => sum + row.count, 0) : null;
    const badge = photo.problem ? '!' : count ?? '…';
    const state = photo.problem || `${photo.name}: ${count === null ? 'not searched yet' : `${count} found`}`;
    const image = make('img', { src: photo.url, alt: state });
    image.addEventListener('error', () => image.replaceWith(make('span', { className: 'name', textContent: photo.name })));
    const button = make('button', { type: 'button', title: state }, image, make('span', { className: 'badge', textContent: badge, ariaHidden: 'true' }));
    if (place === current) button.setAttribute('aria-current', 'true');
    button.addEventListener('click', () => { current = place; show(); });
    return make('li', {}, button);
  }));
  if (focused >= 0) gallery.children[focused]?.firstChild.focus();
}

function automatic(result) {
  if (result) return Math.min(...result.thresholds);
  const count = prompts.value.split(/[\n,;]/).filter((part) => part.trim()).length;
  return settings.defaults[Math.min(Math.max(count, 1), settings.defaults.length) - 1];
}

function setScore(value) {
  score.value = value;
  number.value = Math.round(value * 1000) / 1000;
}

function rescore(value) {
  if (!(value >= 0 && value <= 1)) return; // still being typed
  auto.checked = false;
  score.value = value;
  if (number.valueAsNumber !== value) number.value = value;
  if (photos[current]?.result) show();
}

function lower(value) { setScore(value); rescore(value); }

// A better word for one of the prompts.
function replace(old, better) {
  const at = prompts.value.indexOf(old);
  prompts.value = at < 0 ? better : prompts.value.slice(0, at) + better + prompts.value.slice(at + old.length);
  forget();
  run();
}

// The server does not keep a result any more.
function lost(photo) {
  photo.result = null;
  show();
  complain('This result is not kept any more: press Search.');
}

async function takeVocabulary() {
  const name = element('vocabulary').value;
  if (name === '*') { prompts.value = '*'; forget(); }
  if (!name || name === '*') return;
  try {
    prompts.value = (await api.vocabulary(name)).join('\n');
    forget();
  } catch (error) { complain(error.message); }
}

// Beginning -----------------------------------------------------------------------------------

function listen() {
  element('controls').addEventListener('submit', (event) => { event.preventDefault(); run(); });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
  });
  element('cancel').addEventListener('click', () => {
    cancel();
    say('Cancelled.');
    element('search').focus();
  });
  prompts.addEventListener('input', () => { element('vocabulary').value = ''; forget(); });
  element('vocabulary').addEventListener('change', takeVocabulary);
  score.addEventListener('input', () => rescore(score.valueAsNumber));
  number.addEventListener('input', () => rescore(number.valueAsNumber));
  auto.addEventListener('change', () => show());
  element('photographs').addEventListener('change', (event) => { chooseFiles(event.target.files); event.target.value = ''; });
  document.addEventListener('paste', (event) => chooseFiles(images(event.clipboardData)));
  for (const kind of ['dragenter', 'dragover']) {
    document.addEventListener(kind, (event) => { event.preventDefault(); document.body.classList.add('dragging'); });
  }
  for (const kind of ['dragleave', 'drop']) {
    document.addEventListener(kind, (event) => { event.preventDefault(); document.body.classList.remove('dragging'); });
  }
  document.addEventListener('drop', (event) => chooseFiles(event.dataTransfer.files));
}

function images(data) {
  return [...(data?.files ?? [])].filter((file) => file.type.startsWith('image/'));
}

async function begin() {
  listen();
  try {
    settings = await api.start();
  } catch (error) { complain(error.message); return; }
  startDrawing(() => photos[current], forget, settings.limits.examples);
  if (settings.everything) element('vocabulary').append(make('option', { value: '*', textContent: 'everything that the model knows' }));
  element('model').textContent = settings.model ? `Model: ${settings.model}.` : '';
  for (const name of settings.vocabularies) element('vocabulary').append(make('option', { value: name, textContent: name }));
  if (settings.own) prompts.placeholder = `empty: the ${settings.own.length} classes of this model (${settings.own.slice(0, 5).join(', ')}${settings.own.length > 5 ? ', ...' : ''})`;
  const strip = make('div', {}, ...settings.samples.map((sample, place) => {
    const button = make('button', { type: 'button', title: sample.title }, make('img', { src: `/api/samples/${place}.jpg?small=1`, alt: sample.title }));
    button.addEventListener('click', () => chooseSample(sample, place));
    return button;
  }));
  element('samples').append(strip);
  element('samples').hidden = !settings.samples.length;
  if (settings.samples.length && !photos.length) chooseSample(settings.samples[0], 0, false);
}

begin();
