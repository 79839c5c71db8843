// Boxes that the visitor draws around things, as examples of what to find: by mouse, touch or keys.

import { element, make } from '/dom.js';

const LEAST = 0.01; // of the photograph's sides; less is a click
const STEP = 0.01; // of an arrow key
const KEYS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

const panel = element('drawing'), layer = element('layer'), name = element('example-name');
let boxes = []; // { name, photo, box: x1, y1, x2, y2 as shares of its sides }
let photoNow = () => null, changed = () => {}, most = 0;

export const drawn = () => boxes;

// `photo` gives the one that is shown; `whenChanged` is told of other boxes.
export function startDrawing(photo, whenChanged, limit) {
  [photoNow, changed, most] = [photo, whenChanged, limit];
  panel.addEventListener('toggle', showBoxes);
  element('add-box').addEventListener('click', () => {
    const made = add([0.35, 0.35, 0.65, 0.65]);
    if (made) layer.querySelector('button:last-of-type').focus();
  });
  layer.addEventListener('pointerdown', press);
}

export function showBoxes() {
  const photo = photoNow();
  layer.hidden = !panel.open || !photo;
  layer.replaceChildren(...boxes.filter((one) => one.photo === photo).map(boxOf));
  element('drawing-title').textContent = `Or show what you mean${boxes.length ? ` (${boxes.length})` : ''}`;
  element('examples').replaceChildren(...boxes.map((one) => {
    const button = make('button', { type: 'button', textContent: 'Remove' });
    button.setAttribute('aria-label', `Remove the example of ${one.name} in ${one.photo.name}`);
    button.addEventListener('click', () => { remove(one); element('add-box').focus(); });
    return make('li', {}, make('span', { textContent: `${one.name}, in ${one.photo.name}` }), button);
  }));
}

function add(box) {
  if (!photoNow() || boxes.length >= most) return null;
  const made = { name: name.value.trim() || 'like this', photo: photoNow(), box };
  boxes.push(made);
  showBoxes();
  changed();
  return made;
}

function remove(one) {
  boxes = boxes.filter((other) => other !== one);
  showBoxes();
  changed();
}

function boxOf(one) {
  const made = make('button', { type: 'button', className: 'box', textContent: one.name });
  lay(made, one);
  made.addEventListener('keydown', (event) => {
    if (event.key === 'Delete' || event.key === 'Backspace') {
      event.preventDefault();
      remove(one);
      element('add-box').focus();
    } else if (KEYS[event.key]) {
      event.preventDefault();
      one.box = event.shiftKey ? resized(one.box, KEYS[event.key]) : moved(one.box, KEYS[event.key]);
      lay(made, one);
      changed();
    }
  });
  made.example = one;
  return made;
}

function lay(made, { name: title, box: [x1, y1, x2, y2] }) {
  const percent = (value) => `${Math.round(value * 1000) / 10}%`;
  Object.assign(made.style, { left: percent(x1), top: percent(y1), width: percent(x2 - x1), height: percent(y2 - y1) });
  made.setAttribute('aria-label', `Example of ${title}: from ${percent(x1)} to ${percent(x2)} across, from ${percent(y1)} to ${percent(y2)} down`);
}

const within = (value, low, high) => Math.min(Math.max(value, low), high);

function moved([x1, y1, x2, y2], [x, y]) {
  const across = within(x, -x1, 1 - x2), down = within(y, -y1, 1 - y2);
  return [x1 + across, y1 + down, x2 + across, y2 + down];
}

function resized([x1, y1, x2, y2], [x, y]) {
  return [x1, y1, within(x2 + x, x1 + LEAST, 1), within(y2 + y, y1 + LEAST, 1)];
}

// A press on a box moves it; beside them it draws one.
function press(event) {
  if (event.button) return;
  event.preventDefault();
  const area = layer.getBoundingClientRect(), begun = share(event, area);
  const one = event.target.example ?? null, before = one?.box;
  const shape = one ? event.target : make('div', { className: 'box' });
  if (one) shape.focus(); else layer.append(shape);
  let box = null;
  const move = (next) => {
    const at = share(next, area);
    box = one ? moved(before, [at[0] - begun[0], at[1] - begun[1]])
      : [Math.min(begun[0], at[0]), Math.min(begun[1], at[1]), Math.max(begun[0], at[0]), Math.max(begun[1], at[1])];
    lay(shape, { name: one?.name ?? name.value, box });
  };
  const end = (next) => {
    for (const [kind, listener] of [['pointermove', move], ['pointerup', end], ['pointercancel', end]]) layer.removeEventListener(kind, listener);
    if (!one) shape.remove();
    if (next.type === 'pointercancel' || !box) { showBoxes(); return; }
    if (one) { one.box = box; changed(); } else if (box[2] - box[0] >= LEAST && box[3] - box[1] >= LEAST) add(box);
  };
  layer.setPointerCapture(event.pointerId);
  for (const [kind, listener] of [['pointermove', move], ['pointerup', end], ['pointercancel', end]]) layer.addEventListener(kind, listener);
}

function share(event, area) {
  return [within((event.clientX - area.left) / area.width, 0, 1), within((event.clientY - area.top) / area.height, 0, 1)];
}
