// The card of a class: cells of it that were read, and what it is. It is there while the mouse or the focus is on the
// class's button. What it shows, the page holds once for all who ask (references.js).

const CARD_STYLE = `
  .class-card { position: fixed; z-index: 1000; pointer-events: none; padding: 8px; border-radius: 6px; width: max-content; max-width: 320px;
    background: var(--st-background-color, #fff); color: var(--st-text-color, #000); border: 2px solid var(--class, #888); box-shadow: 0 4px 18px #0005; font: 13px/1.35 var(--st-font, sans-serif); }
  .class-card img { width: 84px; height: 84px; object-fit: cover; border-radius: 4px; margin-right: 4px; }
  .class-card b, .class-card span { display: block; }
`;

let openCard = null;   // one at a time: a button that is gone says no more that the mouse has left it

function hideClassCard() {
  openCard?.remove();
  openCard = null;
}

function showClassCard(button, side) {
  hideClassCard();
  const content = globalThis.rbcalReferences?.[button.dataset.label];
  if (!content) return;
  const card = openCard = document.createElement('div');
  card.className = 'class-card';
  card.style.setProperty('--class', content.colour);
  for (const picture of content.pictures) card.appendChild(document.createElement('img')).src = picture;
  for (const [tag, text] of [['b', content.name], ['span', content.sentence]]) card.appendChild(document.createElement(tag)).textContent = text;
  button.getRootNode().append(card);
  const box = button.getBoundingClientRect(), { width, height } = card.getBoundingClientRect();
  const left = side === 'right' ? box.right + 8 : box.left, top = side === 'right' ? box.top : box.bottom + 6;
  card.style.left = `${Math.max(4, Math.min(left, window.innerWidth - width - 4))}px`;
  card.style.top = `${Math.max(4, Math.min(top, window.innerHeight - height - 4))}px`;
}

function withClassCard(button, side = 'below') {
  for (const name of ['mouseenter', 'focus']) button.addEventListener(name, () => showClassCard(button, side));
  for (const name of ['mouseleave', 'blur', 'click']) button.addEventListener(name, hideClassCard);
}
