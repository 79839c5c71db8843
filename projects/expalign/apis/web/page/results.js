// What the visitor gets: the picture, the table, files to keep, the maps.

import * as api from '/api.js';
import { element, make } from '/dom.js';

const LISTED = 30; // rows of a table at first
const NAMED = 8; // prompts in a sentence
const NEAR = 0.4; // of the threshold: a miss that is worth a look
const COLOURS = 7;
const LETTERS = 14; // height in a picture, in the page's pixels

let shown = null; // { photo, threshold } of the picture that is asked for
let everything = false; // all rows of a long table

// A row for each prompt, those that were found first.
export function rowsOf(result, threshold) {
  const rows = result.prompts.map((prompt, label) => {
    const lowest = threshold === 'auto' ? result.thresholds[label] : threshold, scores = result.scores[label];
    return { prompt, label, lowest, best: scores[0] ?? 0, count: scores.filter((score) => score >= lowest).length };
  });
  return rows.sort((one, other) => (other.count > 0) - (one.count > 0) || other.best - one.best || one.label - other.label);
}

const few = (names) => (names.length > NAMED ? `${names.slice(0, NAMED).join(', ')} and ${names.length - NAMED} more` : names.join(', '));
const short = (value) => String(Math.round(value * 1000) / 1000);

export function sentence(photo, threshold) {
  const rows = rowsOf(photo.result, threshold);
  const found = rows.filter((row) => row.count).map((row) => `${row.count} × ${row.prompt}`);
  const missed = photo.result.everything ? [] : rows.filter((row) => !row.count).map((row) => row.prompt);
  return `${found.length ? `Found: ${few(found)}.` : 'Nothing was found.'}${missed.length ? ` Not found: ${missed.length > NAMED ? `${missed.length} others` : few(missed)}.` : ''}`;
}

export function clearResult(photo) {
  shown = null;
  for (const id of ['found', 'downloads-all']) element(id).hidden = true;
  element('notes').replaceChildren(...(photo.note ? [make('p', { className: 'muted', textContent: `${photo.name}: ${photo.note}` })] : []));
  place(photo, photo.url, `${photo.name}, not searched yet`);
  element('picture').onerror = () => { element('figure').hidden = true; };
}

export function showResult(photo, photos, threshold, actions) {
  const { result } = photo, rows = rowsOf(result, threshold);
  if (shown?.photo !== photo) everything = false;
  shown = { photo, threshold };
  element('found').hidden = false;
  drawPicture(photo, threshold, rows, actions);
  drawNotes(photo, threshold, actions);
  drawTable(rows, threshold, actions);
  drawFiles(photo, photos, threshold);
  drawChoices(photo, rows, threshold);
}

function place(photo, url, alt) {
  const picture = element('picture');
  if (photo.result) [picture.width, picture.height] = [photo.result.width, photo.result.height];
  else for (const side of ['width', 'height']) picture.removeAttribute(side);
  element('figure').hidden = false;
  element('stage').classList.remove('waiting');
  picture.alt = alt;
  if (picture.getAttribute('src') !== url) picture.src = url;
}

// The picture ---------------------------------------------------------------------------------

let due = 0, coming = null;
function drawPicture(photo, threshold, rows, actions) {
  const mine = shown, url = `/api/results/${photo.result.result}/picture.jpg?threshold=${threshold}&${size(photo.result)}`;
  const alt = describe(photo, rows);
  clearTimeout(due);
  if (coming) coming.src = ''; // nobody waits for it any more
  const now = element('picture').getAttribute('src') ?? '', same = now.includes(`/${photo.result.result}/`);
  if (now === url) { place(photo, url, alt); return; }
  if (!same && now !== photo.url) place(photo, photo.url, alt); // never another one's picture
  element('stage').classList.add('waiting');
  due = setTimeout(async () => {
    const next = coming = new Image();
    next.src = url;
    try {
      await next.decode();
    } catch {
      if (shown !== mine) return;
      // An image does not say why; a request does.
      const answer = await fetch(url).catch(() => null);
      if (shown === mine && answer?.status === 410) actions.lost(photo);
      else if (shown === mine) place(photo, photo.url, `${photo.name}; the server gave no picture`);
      return;
    }
    if (shown === mine) place(photo, url, alt);
  }, same ? 120 : 0);
}

// How large the picture is asked for: as it is seen, with letters that can be read there.
function size({ width, height }) {
  const seen = Math.min(element('results').clientWidth, width, window.innerHeight * 0.78 * width / height);
  const pixels = Math.min(Math.ceil(seen * window.devicePixelRatio), width, 1600);
  return `width=${Math.round(pixels)}&letters=${Math.round(LETTERS * pixels / seen)}`;
}

function describe(photo, rows) {
  const found = rows.filter((row) => row.count).map((row) => `${row.count} × ${row.prompt} (best score ${row.best.toFixed(2)})`);
  return `${photo.name}${found.length ? ` with boxes around ${few(found)}` : ': nothing was found'}`;
}

// Notes ---------------------------------------------------------------------------------------

function drawNotes(photo, threshold, actions) {
  const { result } = photo, lines = [make('p', { className: 'muted', textContent: result.understood })];
  if (photo.note) lines.push(make('p', { className: 'muted', textContent: `${photo.name}: ${photo.note}` }));
  for (const note of result.notes) lines.push(make('p', { textContent: note }));
  for (const hint of result.hints) {
    const button = make('button', { type: 'button', textContent: hint.better ?? hint.vocabulary });
    button.addEventListener('click', () => {
      if (hint.better) { actions.replace(hint.prompt, hint.better); return; }
      element('vocabulary').value = hint.vocabulary;
      element('vocabulary').dispatchEvent(new Event('change'));
    });
    lines.push(make('p', {}, hint.score ? `“${hint.prompt}” is a weak prompt for this model; this scores ${hint.score.toFixed(2)}: ` : hint.better ? `“${hint.prompt}” was not found. Did you mean ` : `“${hint.prompt}” was searched for as a word. Did you mean the list of classes `, button, hint.score ? '' : '?'));
  }
  element('notes').replaceChildren(...lines);
}

// The table -----------------------------------------------------------------------------------

function drawTable(rows, threshold, actions) {
  const searched = shown.photo.result.everything ? rows.filter((row) => row.count) : rows;
  const listed = everything ? searched : searched.filter((row, place) => row.count || place < LISTED);
  const table = element('found').querySelector('table'), more = element('more');
  table.classList.toggle('own-off', new Set(rows.map((row) => row.lowest)).size < 2);
  element('rows').replaceChildren(...listed.map((row) => rowOf(row, actions)));
  more.hidden = listed.length === searched.length;
  more.textContent = `Show ${searched.length - listed.length} more that were not found`;
  more.onclick = () => { everything = true; drawTable(rows, threshold, actions); };
}

function rowOf(row, actions) {
  const count = make('td', {}, row.count ? String(row.count) : `none above ${short(row.lowest)}`);
  if (!row.count && row.best >= row.lowest * NEAR && row.best >= 0.01) {
    const value = Math.floor(row.best * 100) / 100;
    const button = make('button', { type: 'button', textContent: `Show from ${value}` });
    button.setAttribute('aria-label', `Show ${row.prompt}, lowest score ${value}`);
    button.addEventListener('click', () => actions.lower(value));
    count.append(' ', button);
  }
  const why = make('td', {});
  if (shown.photo.result.explained.includes(row.label)) {
    const button = make('button', { type: 'button', textContent: 'Why?' });
    button.setAttribute('aria-label', `Why? The maps of ${row.prompt}`);
    button.addEventListener('click', () => explain(row.label));
    why.append(button);
  }
  return make('tr', { className: row.count ? '' : 'missed' },
    make('th', { scope: 'row' }, make('span', { className: `swatch s${row.label % COLOURS}` }), row.prompt),
    count, make('td', { textContent: row.best ? row.best.toFixed(2) : '0' }),
    make('td', { className: 'own', textContent: short(row.lowest) }), why);
}

// Files ---------------------------------------------------------------------------------------

export function drawFiles(photo, photos, threshold) {
  const stem = (photo.result.name || photo.name).replace(/\.[^.]*$/, '');
  list('downloads', null, [photo], threshold, { 'picture.jpg': `${stem}_found.jpg`, 'predictions.json': `${stem}.json`, 'coco.json': `${stem}_coco.json`, 'yolo.zip': `${stem}_yolo.zip` });
  const all = photos.filter((one) => one.result);
  element('downloads-all').hidden = all.length < 2;
  if (all.length > 1) list('downloads-all', `All ${all.length}:`, all, threshold, { 'pictures.zip': 'pictures.zip', 'predictions.json': 'predictions.json', 'coco.json': 'coco.json', 'yolo.zip': 'yolo.zip' });
}

const TITLES = { 'picture.jpg': 'Picture', 'pictures.zip': 'Pictures', 'predictions.json': 'JSON', 'coco.json': 'COCO', 'yolo.zip': 'YOLO' };

function list(id, title, photos, threshold, files) {
  const results = photos.map((photo) => photo.result.result).join('.');
  const links = Object.entries(files).map(([name, download]) => make('li', {}, make('a', {
    href: `/api/files/${name}?results=${results}&threshold=${threshold}`, download, textContent: TITLES[name],
  })));
  element(id).replaceChildren(...(title ? [make('li', {}, make('span', { textContent: title }))] : []), ...links);
}

// Maps ----------------------------------------------------------------------------------------

const why = element('why'), explained = element('explained');
why.addEventListener('toggle', () => { if (why.open) drawMaps(); });
explained.addEventListener('change', () => drawMaps());

function explain(label) {
  explained.value = String(label);
  if (why.open) drawMaps(); else why.open = true;
  why.scrollIntoView();
  why.querySelector('summary').focus({ preventScroll: true });
}

function drawChoices(photo, rows) {
  why.hidden = !photo.result.explained.length;
  const before = explained.dataset.result === photo.result.result ? explained.value : null;
  explained.dataset.result = photo.result.result;
  explained.replaceChildren(...rows.filter((row) => photo.result.explained.includes(row.label)).map((row) => make('option', {
    value: row.label, textContent: `${row.prompt} (${row.count || 'none'})`,
  })));
  if (before !== null) explained.value = before;
  if (why.open) drawMaps();
}

async function drawMaps() {
  const mine = shown, label = explained.value, box = element('maps');
  if (!mine || label === '') { box.replaceChildren(); return; }
  const { photo, threshold } = mine, { result } = photo.result;
  const query = `prompt=${label}&threshold=${threshold}`;
  element('explanation').href = `/api/results/${result}/explanation.png?${query}`;
  let about;
  try {
    about = await api.maps(result, label);
  } catch (error) {
    if (shown === mine) box.replaceChildren(make('p', { className: 'error', textContent: error.message }));
    return;
  }
  if (shown !== mine || explained.value !== label) return;
  element('scale').hidden = false;
  [element('lowest').textContent, element('highest').textContent] = about.scale.map((value) => value.toFixed(2));
  box.replaceChildren(...about.levels.map((level) => make('figure', {},
    make('figcaption', { textContent: level.title }),
    make('img', {
      src: `/api/results/${result}/map.jpg?${query}&level=${level.level}`, width: photo.result.width, height: photo.result.height,
      alt: `Where “${about.prompt}” was seen, ${level.title}`, loading: 'lazy',
    }),
    tokensOf(level.tokens))));
}

function tokensOf(tokens) {
  const heaviest = Math.max(...tokens.map(([, weight]) => weight));
  return make('ul', { className: 'tokens' }, ...tokens.map(([name, weight]) => make('li', {
    className: weight === heaviest && tokens.length > 1 ? 'heavy' : '', textContent: `${name} ${weight.toFixed(2)}`,
  })));
}
