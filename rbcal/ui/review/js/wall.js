// The wall: cells of all images side by side, of one class each time. Enter settles the screen.
//
// What the expert says of single cells stays here until Enter: then all answers of the screen go to Python at once. Python
// sends the screen after it along, so that is shown at once; `stored` is the screen that Python has not confirmed yet.

const WALL_STYLE = `
  .wall { font-family: var(--st-font, sans-serif); color: var(--st-text-color); display: flex; flex-direction: column; gap: 8px; outline: none; }
  .wall[data-busy=true] { opacity: .55; }
  .wall .keys { display: flex; flex-wrap: wrap; gap: 4px; }
  .wall .keys button { all: unset; box-sizing: border-box; cursor: pointer; font-size: 13px; padding: 3px 8px; border-radius: 4px;
    border: 1px solid #8886; border-left: 5px solid var(--class); }
  .wall .keys button:hover, .wall .keys button:focus-visible { border-color: var(--class); }
  .wall kbd { font: 600 12px monospace; opacity: .8; }
  .wall .cells { display: grid; gap: 6px; }
  .wall .cell { all: unset; box-sizing: border-box; cursor: pointer; border: 3px solid transparent; border-radius: 6px; background: #8882;
    display: flex; flex-direction: column; overflow: hidden; }
  .wall .cell:focus-visible { outline: 2px dotted currentColor; }
  .wall .cell[aria-pressed=true] { border-color: #ffb000; }
  .wall .cell:hover { border-color: #ffb00088; }
  .wall .frame { position: relative; display: block; aspect-ratio: 1; }
  .wall .frame img { width: 100%; height: 100%; display: block; object-fit: cover; }
  .wall .frame i { position: absolute; border: 1.5px solid var(--class); border-radius: 2px; opacity: .8; pointer-events: none; }
  .wall .frame b { position: absolute; top: 3px; right: 3px; font-size: 11px; line-height: 1; padding: 2px 4px; border-radius: 3px; color: #fff; background: #000a; pointer-events: none; }
  .wall .name { font-size: 13px; line-height: 1.4; padding: 2px 6px; border-left: 5px solid var(--class); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .wall .hint { font-size: 12px; padding: 0 6px 2px; opacity: .8; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .wall .hint:empty { display: none; }
  .wall .cell[data-said] .name { font-weight: 650; background: #1f6feb33; }
  .wall .cell[data-said=later] { opacity: .5; }
  .wall .cell[data-said=unsure] .name { background: #9333ea44; }
  .wall .cell[data-said=none] .frame { opacity: .25; }
`;
const NO_CELL = 'none', LATER = 'later', UNSURE = 'unsure';
const GAP = 6, NAME = 24, HINT = 20, BELOW = 54;   // pixels between cells, of the name of one, of its hint, of what stands below all of them
const SMALLEST = 90;   // pixels of a cell that can still be told
const TOO_SOON = 400;   // ms after a screen came: nobody has read it, so Enter was meant for the one before
const IDLE = 60_000;   // ms; a longer pause is not work
const SAID = { [NO_CELL]: 'no cell', [LATER]: 'later', [UNSURE]: 'unsure' };

class Wall {
  constructor(parent) {
    const style = document.createElement('style');
    style.textContent = WALL_STYLE;
    this.element = document.createElement('div');
    this.element.className = 'wall';
    this.element.tabIndex = -1;
    style.textContent += CARD_STYLE;
    this.element.innerHTML = '<div class="keys" role="group" aria-label="Classes"></div><div class="cells" role="group" aria-label="Cells"></div>';
    parent.append(style, this.element);
    this.onKey = (event) => this.key(event);
    window.addEventListener('keydown', this.onKey, true);
    for (const act of ['pointermove', 'pointerdown']) this.element.addEventListener(act, () => this.work());
    const resized = new ResizeObserver(() => { if (this.data) this.fit(); });
    [this.element, document.body].forEach((each) => resized.observe(each));
  }

  show(data, send) {
    this.send = send;
    if (data.serial === this.stored?.serial) return;   // from before Python knew of the answers
    const isShown = this.data?.serial === data.serial;   // it came along with the screen before
    if (isShown && !this.stored && !this.isBusy()) return;
    if (this.stored && this.stored.serial === data.stored) this.forget(this.stored.cells);
    this.stored = null;
    this.data = data;
    this.element.dataset.busy = this.element.dataset.storing = false;
    if (!isShown) this.begin();
    const { held } = this;
    this.held = null;
    held?.();
  }

  begin() {
    const before = this.data.said.map(([id, said]) => [id, said ?? NO_CELL]);   // of a screen that was taken back
    this.said = new Map([...before, ...this.remembered()]);   // id -> label, NO_CELL, LATER or UNSURE
    this.remember();
    this.past = [];               // what was said before each act on this screen
    this.selected = new Set();
    this.anchor = this.under = this.drag = null;
    this.began = this.acted = performance.now();
    this.worked = 0;   // ms
    this.element.dataset.serial = this.data.serial;
    this.showKeys();
    this.showCells();
    this.fit();
  }

  // Cells as large as the window has room for a whole screen of them.
  fit() {
    const cells = this.element.querySelector('.cells'), { width, top } = cells.getBoundingClientRect();
    const room = window.innerHeight - BELOW - Math.max(top, 0);
    const side = (columns) => (width - GAP * (columns - 1)) / columns;
    const words = NAME + (this.data.cells.some((cell) => cell.hint) ? HINT : 0);
    const height = (columns) => Math.ceil(this.data.size / columns) * (side(columns) + words + GAP);
    let columns = 1;
    while (height(columns) > room && side(columns + 1) >= SMALLEST) columns += 1;
    cells.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  }

  work() {
    const now = performance.now();
    this.worked += Math.min(now - this.acted, IDLE);
    this.acted = now;
  }

  isBusy() {
    return this.element.dataset.busy === 'true';
  }

  showKeys() {
    hideClassCard();   // the buttons are made anew
    const buttons = this.data.classes.map((each) => {
      const button = document.createElement('button');
      button.style.setProperty('--class', each.colour);
      button.innerHTML = '<kbd></kbd> <span></span>';
      button.querySelector('kbd').textContent = each.key.toUpperCase();
      button.querySelector('span').textContent = each.name;
      button.addEventListener('click', () => this.say(each.label));
      button.dataset.label = each.label;
      withClassCard(button);
      return button;
    });
    this.element.querySelector('.keys').replaceChildren(...buttons);
  }

  showCells() {
    this.tiles = new Map();
    for (const cell of this.data.cells) {
      const tile = document.createElement('button');
      tile.className = 'cell';
      tile.dataset.id = cell.id;
      tile.title = `${cell.image}\nDouble click: open it there`;
      tile.innerHTML = '<span class="frame"><img alt=""><i></i></span><span class="name"></span><span class="hint"></span>';
      if (cell.mark) tile.querySelector('.frame').append(Object.assign(document.createElement('b'), { textContent: cell.mark }));
      tile.querySelector('.hint').textContent = cell.hint;
      tile.querySelector('img').src = cell.picture;
      const [x1, y1, x2, y2] = cell.part;   // of the picture, in [0, 1]
      Object.assign(tile.querySelector('i').style, { left: `${100 * x1}%`, top: `${100 * y1}%`, width: `${100 * (x2 - x1)}%`, height: `${100 * (y2 - y1)}%` });
      tile.addEventListener('click', (event) => this.choose(cell.id, event));
      tile.addEventListener('dblclick', () => this.onceStored(() => this.send('open', cell.id)));
      tile.addEventListener('pointerdown', (event) => { if (event.button === 0) this.drag = cell.id; });
      tile.addEventListener('pointerenter', (event) => { this.under = cell.id; this.dragOver(cell.id, event); });
      tile.addEventListener('dragstart', (event) => event.preventDefault());
      tile.addEventListener('pointerleave', () => { if (this.under === cell.id) this.under = null; });
      this.tiles.set(cell.id, tile);
    }
    this.element.querySelector('.cells').replaceChildren(...this.tiles.values());
    this.paint();
  }

  paint() {
    for (const cell of this.data.cells) {
      const tile = this.tiles.get(cell.id), said = this.said.get(cell.id);
      const own = this.data.classes.find((each) => each.label === (typeof said === 'number' ? said : cell.label));
      tile.setAttribute('aria-pressed', this.selected.has(cell.id));
      tile.style.setProperty('--class', own?.colour ?? '#888');
      if (said === undefined) delete tile.dataset.said; else tile.dataset.said = typeof said === 'number' ? 'class' : said;
      const text = SAID[said] ?? own?.name ?? '?';
      tile.querySelector('.name').textContent = said === undefined && cell.p !== null ? `${text} ${Math.round(100 * cell.p)}%` : text;
      tile.setAttribute('aria-label', tile.querySelector('.name').textContent);
    }
  }

  // Shift: all from the last one clicked to this one.
  choose(id, event) {
    const ids = this.data.cells.map((cell) => cell.id);
    if (event.shiftKey && this.anchor !== null) {
      const [from, to] = [ids.indexOf(this.anchor), ids.indexOf(id)].sort((a, b) => a - b);
      ids.slice(from, to + 1).forEach((each) => this.selected.add(each));
    } else if (this.selected.has(id)) this.selected.delete(id);
    else this.selected.add(id);
    this.anchor = id;
    this.paint();
  }

  // The mouse is held down over several cells: all of them are chosen.
  dragOver(id, { buttons }) {
    if (buttons !== 1 || this.drag === null || this.drag === id) return;
    this.selected.add(this.drag).add(id);
    this.anchor = id;
    this.paint();
  }

  // The cell under the mouse, else the one with the focus.
  alone() {
    const focus = Number(this.element.getRootNode().activeElement?.dataset?.id ?? NaN);
    return this.under ?? (this.tiles.has(focus) ? focus : null);
  }

  sendOfOne(what) {
    const id = this.alone();
    if (id !== null) this.onceStored(() => this.send(what, id));
  }

  // What needs Python waits until the screen before is stored; of two such acts the last counts.
  onceStored(act) {
    if (this.stored) this.held = act; else act();
  }

  // Of the chosen cells; where none is chosen, of the one under the mouse or with the focus.
  say(what) {
    const alone = this.alone();
    const targets = this.selected.size ? [...this.selected] : alone === null ? [] : [alone];
    if (!targets.length || this.isBusy()) return;
    this.past.push(new Map(this.said));
    for (const id of targets) this.said.set(id, what);
    this.remember();
    this.selected.clear();
    this.paint();
  }

  undo() {
    if (this.past.length && !this.isBusy()) {
      this.said = this.past.pop();
      this.remember();
      this.paint();
    } else if (this.isBusy() && this.held) {   // Enter has waited: it is taken back alone
      this.held = null;
      this.element.dataset.busy = false;
    } else this.onceStored(() => this.ask('undo', this.data.serial));
  }

  // What was said is kept by the browser until Python has stored it: no reload and no other choice of cells loses any of it.
  remember() {
    this.keep(new Map([...this.kept(this.data.cells), ...this.said]));
  }

  forget(cells) {
    this.keep(this.kept(cells));
  }

  remembered() {
    const kept = this.kept();
    return new Map(this.data.cells.filter(({ id }) => kept.has(id)).map(({ id }) => [id, kept.get(id)]));
  }

  kept(but = []) {
    const others = ([id]) => !but.some((cell) => cell.id === id);
    try { return new Map(JSON.parse(sessionStorage.getItem(this.data.remember) ?? '[]').filter(others)); } catch { return new Map(); }
  }

  keep(said) {
    try { sessionStorage.setItem(this.data.remember, JSON.stringify([...said])); } catch { /* a browser that keeps nothing */ }
  }

  settle() {
    if (performance.now() - this.began < TOO_SOON || this.isBusy()) return;
    if (this.stored) {   // nothing more can be said of this screen until Python has the one before
      this.element.dataset.busy = true;
      this.held = () => this.settle();
      return;
    }
    // Of cells that nobody has read, the rest is kept; of answered ones it stays as it is.
    const { serial, cells, ahead } = this.data;
    const stays = (cell) => this.said.get(cell.id) === LATER || (!cell.keeps && !this.said.has(cell.id));
    const answers = cells
      .filter((cell) => !stays(cell))
      .map((cell) => { const said = this.said.get(cell.id) ?? cell.label; return [cell.id, said === NO_CELL ? null : said]; });
    const later = cells.filter((cell) => !cell.keeps || stays(cell)).map((cell) => cell.id);
    this.work();
    this.ask('settle', { serial, answers, later, seconds: this.worked / 1000 });
    this.stored = { serial, cells };
    if (!ahead.length) return;
    this.data = { ...this.data, serial: serial + 1, cells: ahead, ahead: [], said: [] };
    this.element.dataset.busy = false;
    this.begin();
  }

  ask(what, value) {
    if (this.isBusy()) return;
    this.element.dataset.busy = this.element.dataset.storing = true;
    this.send(what, value);
  }

  move([right, down]) {
    const ids = [...this.tiles.keys()];
    const columns = getComputedStyle(this.element.querySelector('.cells')).gridTemplateColumns.split(' ').length;
    const now = ids.indexOf(Number(this.element.getRootNode().activeElement?.dataset?.id ?? NaN));
    const next = now < 0 ? 0 : now + right + columns * down;
    this.tiles.get(ids[next])?.focus();
  }

  key(event) {
    if (!this.element.isConnected) return void window.removeEventListener('keydown', this.onKey, true);
    const typing = event.composedPath()[0]?.closest?.('input, textarea, select, [contenteditable=true], [role=dialog]');
    const isChoosing = document.querySelector('[data-testid=stPopoverBody]');   // a menu is open: keys are its own
    if (typing || isChoosing || event.altKey || event.metaKey) return;
    this.work();
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const own = !event.ctrlKey && this.data.classes.find((each) => each.key && each.key === event.key.toLowerCase());
    if (own) this.say(own.label);
    else if (event.ctrlKey && event.key === 'a') { this.data.cells.forEach((cell) => this.selected.add(cell.id)); this.paint(); }
    else if ((event.ctrlKey && event.key === 'z') || (!event.ctrlKey && event.key === 'u')) this.undo();
    else if (event.ctrlKey && event.key === 'm') this.sendOfOne('like');
    else if (event.ctrlKey) return;
    else if (event.key === 'Enter') { if (!event.repeat) this.settle(); }
    else if (event.key === 'Delete' || event.key === 'Backspace') this.say(NO_CELL);
    else if (event.key === '/' || event.key === '?') this.say(UNSURE);
    else if (event.key === '.') this.say(LATER);
    else if (event.key === 'Escape') { this.selected.clear(); this.paint(); }
    else if (event.key === ' ') this.sendOfOne('open');
    else if (arrows[event.key]) this.move(arrows[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

const walls = new WeakMap();

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  let wall = walls.get(parentElement);
  if (!wall?.element.isConnected) walls.set(parentElement, wall = new Wall(parentElement));
  wall.show(data, (what, value) => setTriggerValue(what, value));
  return () => window.removeEventListener('keydown', wall.onKey, true);
}
