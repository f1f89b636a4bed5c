// The filmstrip: the images around the open one, each a button.

const STYLE = `
  .filmstrip { display: flex; flex-direction: column; gap: 4px; overflow: hidden; font: 11px/1.25 var(--st-font, sans-serif);
    color: var(--st-text-color); height: calc(100vh - 82px); }
  .filmstrip button { all: unset; box-sizing: border-box; cursor: pointer; width: 100%; border-radius: 5px; padding: 3px;
    border: 2px solid transparent; flex: none; }
  .filmstrip button:hover, .filmstrip button:focus-visible { border-color: var(--st-primary-color, #f33); }
  .filmstrip button[aria-current=true] { border-color: #1f6feb; }
  .filmstrip .skipped { opacity: .55; }
  .filmstrip .frame { position: relative; display: block; }
  .filmstrip img { display: block; width: 100%; height: 62px; object-fit: cover; border-radius: 3px; }
  .filmstrip .place { position: absolute; left: 2px; top: 2px; background: #000a; color: #fff; border-radius: 3px; padding: 0 4px; }
  .filmstrip .all { text-align: center; padding: 4px 0; border: 1px solid #8886; order: 99; margin-top: auto; }
  .filmstrip .items { display: flex; flex-direction: column; gap: 2px; overflow: hidden; min-height: 0; }
`;

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  parentElement.querySelector('.filmstrip')?.remove();
  if (!parentElement.querySelector('style')) {
    const style = document.createElement('style');
    style.textContent = STYLE;
    parentElement.append(style);
  }
  const filmstrip = document.createElement('div');
  filmstrip.className = 'filmstrip';
  filmstrip.innerHTML = '<div class="items"></div><button class="all">All (Q)</button>';
  filmstrip.querySelector('.all').title = `${data.total.toLocaleString('en')} image${data.total === 1 ? '' : 's'} to review`;
  filmstrip.querySelector('.all').addEventListener('click', () => setTriggerValue('open', 'all'));
  for (const item of data.items) {
    const button = document.createElement('button');
    button.title = item.title;
    button.dataset.image = item.id;
    button.setAttribute('aria-current', item.here);
    button.classList.toggle('skipped', item.skipped);
    button.innerHTML = '<span class="frame"><img alt=""><span class="place"></span></span>';
    button.querySelector('img').src = item.picture;
    button.querySelector('.place').textContent = (item.skipped ? '⤼ ' : '') + item.place;
    for (const line of item.lines) {
      const text = document.createElement('div');
      text.textContent = line;
      button.append(text);
    }
    button.addEventListener('click', () => setTriggerValue('open', item.id));
    filmstrip.querySelector('.items').append(button);
  }
  parentElement.append(filmstrip);
}
