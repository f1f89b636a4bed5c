// The images of the project, a page at a time: each is a button that opens it. Tab stops once; arrow keys go on.

const STYLE = `
  .image-grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); gap: 8px;
    font: 12px/1.3 var(--st-font, sans-serif); color: var(--st-text-color); }
  .image-grid button { all: unset; box-sizing: border-box; cursor: pointer; border-radius: 6px; padding: 3px;
    border: 2px solid transparent; min-width: 0; }
  .image-grid button:hover, .image-grid button:focus-visible { border-color: var(--st-primary-color, #1f6feb); }
  .image-grid .frame { position: relative; display: block; }
  .image-grid img { display: block; width: 100%; height: 88px; object-fit: cover; border-radius: 4px; }
  .image-grid .test { position: absolute; left: 4px; top: 4px; background: #000a; color: #fff; border-radius: 3px;
    padding: 0 5px; }
  .image-grid .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; margin-top: 2px; }
  .image-grid .state { opacity: .75; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
`;

// By a key, from one image to another.
function step(event) {
  const grid = event.currentTarget, columns = getComputedStyle(grid).gridTemplateColumns.split(' ').length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  const images = [...grid.children], next = by && images[images.indexOf(event.target) + by];
  if (!next) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const version = JSON.stringify(data.items.map((item) => ({ ...item, picture: item.picture.length })));
  const before = parentElement.querySelector('.image-grid');
  if (before?.dataset.version === version) {
    before.trigger = setTriggerValue; // a button that is drawn anew under the mouse would lose the click
    return;
  }
  before?.remove();
  if (!parentElement.querySelector('style')) {
    const style = document.createElement('style');
    style.textContent = STYLE;
    parentElement.append(style);
  }
  const grid = document.createElement('div');
  grid.className = 'image-grid';
  grid.dataset.version = version;
  grid.trigger = setTriggerValue;
  grid.setAttribute('role', 'group');
  grid.setAttribute('aria-label', 'Images; the arrow keys move');
  grid.addEventListener('keydown', step);
  for (const item of data.items) {
    const button = document.createElement('button');
    button.title = item.title;
    button.tabIndex = grid.children.length ? -1 : 0;
    button.dataset.image = item.id;
    button.innerHTML = '<span class="frame"><img alt=""></span><div class="name"></div><div class="state"></div>';
    button.querySelector('img').src = item.picture;
    if (item.test) {
      const test = document.createElement('span');
      test.className = 'test';
      test.textContent = 'test';
      button.querySelector('.frame').append(test);
    }
    button.querySelector('.name').textContent = item.name;
    button.querySelector('.state').textContent = item.state;
    button.addEventListener('click', () => grid.trigger('open', item.id));
    grid.append(button);
  }
  parentElement.append(grid);
}
