// Holds a picture, decoded, for whoever shows it on this page: the walk now, the next image in a moment.

const held = (globalThis.rbcalPictures ??= new Map());

export default function (component) {
  const { image, url } = component.data;
  if (held.get(image)?.src !== url) {
    const picture = new Image();
    picture.src = url;
    picture.decode().catch(() => {});   // ahead of its use; one that cannot be decoded shows as nothing there, too
    held.set(image, picture);
  }
  return () => held.delete(image);
}
