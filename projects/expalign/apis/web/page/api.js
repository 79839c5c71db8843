// What the page asks its server, and photographs in the form that the server takes.

const READ = ['image/jpeg', 'image/png', 'image/webp'];
const CANVAS_PIXELS = 16e6; // telephones have no larger canvas

// An error with a message for the visitor; `status` is HTTP's, 0 where the server is not there.
export class Problem extends Error {
  constructor(message, status = 0) { super(message); this.status = status; }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('The server does not answer. Your photographs and words are still here: try again when it is back.');
  }
  let content = null;
  try { content = await answer.json(); } catch (error) { if (error.name === 'AbortError') throw error; }
  if (!answer.ok || content === null) {
    throw new Problem(content?.error ?? `The server answered ${answer.status}: try again.`, answer.status || 500);
  }
  return content;
}

export const start = () => ask('/api/start');
export const vocabulary = (name) => ask(`/api/vocabularies/${name}`);
export const maps = (result, prompt) => ask(`/api/results/${result}/maps?prompt=${prompt}`);

export function search(photo, text, boxes, signal) {
  const examples = boxes.map(({ name, photo: shown, box }) => ({ name, photograph: shown.server, box }));
  return ask('/api/search', {
    method: 'POST', signal, headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ photograph: photo.server, text, name: photo.name, examples }),
  });
}

export async function upload(photo, limits, signal) {
  const body = await readable(photo, limits);
  const { photograph } = await ask('/api/photographs', {
    method: 'POST', signal, headers: { 'content-type': 'application/octet-stream' }, body,
  });
  return photograph;
}

// The file itself, or what a canvas makes of one that is too large or of another kind: browsers
// read more of them than the server does.
async function readable(photo, limits) {
  const { file } = photo;
  if (file.size === 0) throw new Problem('is empty', 422);
  const image = new Image();
  image.src = photo.url;
  try {
    await image.decode();
  } catch {
    if (READ.includes(file.type) && file.size <= limits.bytes) return file; // the server says why
    throw new Problem('cannot be read by this browser: save it as a JPEG, PNG or WebP file', 422);
  }
  const pixels = image.naturalWidth * image.naturalHeight;
  if (READ.includes(file.type) && file.size <= limits.bytes && pixels <= limits.pixels) return file;
  const scale = Math.min(1, Math.sqrt(Math.min(limits.pixels, CANVAS_PIXELS) / pixels));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.floor(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.floor(image.naturalHeight * scale));
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  const made = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.93));
  if (made === null) throw new Problem('is too large for this browser: make it smaller', 422);
  if (scale < 1) photo.note = `shrunk from ${image.naturalWidth} × ${image.naturalHeight} to ${canvas.width} × ${canvas.height} pixels`;
  return made;
}
