// Holds a picture, decoded, for whoever shows it on this page: the cell review now, the next image in a moment.

const held = (globalThis.rbcalPictures ??= new Map());
const holding = new WeakMap();   // by the place on the page: which picture it holds
const LINGER_MS = 2000;          // from one place to the other, a picture is held by none

function take(sha256, url) {
  let picture = held.get(sha256);
  if (!picture) {
    picture = new Image();
    picture.holders = 0;
    picture.src = url;
    picture.decode().catch(() => {});   // ahead of its use; one that cannot be decoded shows as nothing there, too
    held.set(sha256, picture);
  }
  picture.holders += 1;
}

function release(sha256) {
  const picture = held.get(sha256);
  if (!picture) return;
  picture.holders -= 1;
  setTimeout(() => picture.holders <= 0 && held.get(sha256) === picture && held.delete(sha256), LINGER_MS);
}

export default function (component) {
  const { parentElement, data: { sha256, url } } = component;
  const before = holding.get(parentElement);
  if (before !== sha256) {
    take(sha256, url);
    holding.set(parentElement, sha256);
    if (before) release(before);
  }
  return () => {
    release(holding.get(parentElement));
    holding.delete(parentElement);
  };
}
