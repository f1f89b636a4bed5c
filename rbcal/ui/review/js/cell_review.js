// The cell review: one cell at 300 % with its surroundings, what the model thinks of it, and its classes to choose from.
//
// Python says which cell; this draws it. The picture is the one that the page holds for us, so that a step costs only
// a few numbers.

const CELL_ZOOM = 3;        // screen pixels per image pixel
const HANDLE_PX = 10, ASIDE_PX = 228, LEAST_CROP = 200, WALK_PANEL = 280;   // so that the crop has 600 pixels of 1280

const CELL_REVIEW_STYLE = `
  .cell-review { display: flex; gap: 12px; font-family: var(--st-font, sans-serif); color: var(--st-text-color); }
  .cell-review[hidden] { display: none; }
  .crop { flex: none; background: #8883; border-radius: 4px; touch-action: none; user-select: none; outline: none; }
  .crop rect { fill: none; vector-effect: non-scaling-stroke; pointer-events: none; }
  .crop .other { stroke-width: 1px; opacity: .75; }
  .crop .pass { stroke: #ffb000; stroke-width: 1px; opacity: .8; }
  .crop .halo { stroke: #fff; stroke-width: 5px; opacity: .65; }
  .crop .cell { stroke-width: 2.5px; }
  .crop .grip { fill: transparent; pointer-events: all; cursor: move; }
  .crop .handle { fill: #ffe600; stroke: #000; stroke-width: 1px; pointer-events: all; }
  .crop.bare .boxes { display: none; }
  .grid { flex: none; display: grid; gap: 6px; grid-template-columns: repeat(4, 1fr); grid-template-rows: repeat(3, 1fr); }
  .tile { all: unset; box-sizing: border-box; cursor: pointer; display: flex; flex-direction: column; min-height: 0;
    border: 3px solid transparent; border-radius: 5px; background: #8882; font-size: 13px; overflow: hidden; }
  .tile[aria-pressed=true] { border-color: #ffb000; }
  .tile:hover { border-color: #ffb00088; }
  .tile svg { flex: 1; min-height: 0; width: 100%; }
  .tile span { flex: none; text-align: center; padding: 1px; white-space: nowrap; }
  .tile[data-done=true] span { color: #1f6feb; font-weight: 650; }
  .tile rect { fill: none; stroke-width: 2px; vector-effect: non-scaling-stroke; }
  aside { width: ${ASIDE_PX}px; flex: none; display: flex; flex-direction: column; gap: 8px; min-height: 0; }
  .classes { display: flex; flex-direction: column; gap: 1px; min-height: 0; overflow-y: auto; scrollbar-width: thin; }
  .classes button { all: unset; box-sizing: border-box; position: relative; display: grid; cursor: pointer;
    grid-template-columns: 22px 1fr auto; align-items: center; gap: 6px; padding: 0 8px; height: 30px; flex: 0 1 30px;
    min-height: 21px; font-size: 14px; border-radius: 4px; border: 1px solid transparent; overflow: hidden; }
  .classes button:hover, .classes button:focus-visible { border-color: var(--st-primary-color, #f33); }
  .classes button[aria-pressed=true] { border: 2px solid #1f6feb; font-weight: 650; padding: 0 7px; }
  .classes .bar { position: absolute; inset: 0 auto 0 0; background: #1f6feb; opacity: .22; z-index: -1; }
  .classes button { z-index: 0; }
  .classes kbd { font: 600 12px monospace; text-align: center; border: 1px solid #8888; border-radius: 3px; padding: 0 3px; }
  .classes .name { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .classes .share { font-variant-numeric: tabular-nums; opacity: .85; }
  .scores { display: grid; gap: 3px; font-size: 13px; line-height: 1.3; }
  .scores div { padding-left: 8px; border-left: 3px solid #00954a; }
  .scores div.fired { border-left: 3px dashed #e5182d; }
  .map { flex: 0 1 auto; min-height: 0; max-height: 200px; margin-top: auto; border-radius: 3px; }
  .map circle { fill: none; stroke: #ffe600; stroke-width: 3px; vector-effect: non-scaling-stroke; }
  .head { font-size: 13px; opacity: .85; }
`;

function make(name, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

function place(rect, [x1, y1, x2, y2]) {
  for (const [key, value] of Object.entries({ x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) })) rect.setAttribute(key, value);
}

class CellReview {
  constructor(stage) {
    this.stage = stage;
    this.zoom = CELL_ZOOM;      // survives the next image
    this.data = null;
  }

  build(parent) {
    const style = document.createElement('style');
    style.textContent = CELL_REVIEW_STYLE + CARD_STYLE;
    this.element = document.createElement('div');
    this.element.className = 'cell-review';
    this.element.innerHTML = '<aside><div class="head"></div><div class="classes" role="group" aria-label="Class of the cell"></div><div class="scores"></div></aside>';
    this.map = make('svg', { class: 'map' }, this.element.querySelector('aside'));
    make('image', {}, this.map);
    make('circle', {}, this.map);
    this.crop = make('svg', { class: 'crop' });
    this.grid = document.createElement('div');
    this.grid.className = 'grid';
    this.element.prepend(this.crop, this.grid);
    this.picture = make('image', {}, this.crop);
    this.boxes = make('g', { class: 'boxes' }, this.crop);
    this.filter = makeFilter();
    this.element.append(this.filter);
    this.crop.addEventListener('pointerdown', (e) => this.down(e));
    this.crop.addEventListener('pointermove', (e) => this.move(e));
    this.crop.addEventListener('pointerup', (e) => this.up(e));
    this.crop.addEventListener('wheel', (e) => this.wheel(e), { passive: false });
    this.element.querySelector('.classes').addEventListener('click', (e) => {
      const row = e.target.closest('button');
      if (row) this.stage.messages.deal('relabel', Number(row.dataset.label));
    });
    parent.append(style, this.element);
  }

  show(data, parent) {
    if (!this.element?.isConnected) this.build(parent);
    this.element.hidden = data.mode !== 'cells';
    if (data.mode !== 'cells') return void hideClassCard();
    this.data = data.review;
    this.drag = null;
    this.showPicture(data.picture);
    this.picture.setAttribute('width', this.data.width);
    this.picture.setAttribute('height', this.data.height);
    setFilter(this.filter, this.picture, data.filters);
    this.showBatch();
    this.fit(true);
    if (!this.data.batch) this.showBoxes();
    this.showClasses();
    this.minimap();
    this.element.dataset.cell = this.data.id;
  }

  // The next cell at once, while Python still stores what was said of this one.
  goAhead() {
    const { data } = this.stage;
    if (!this.data.after) return;
    this.show({ ...data, review: { ...this.data, ...this.data.after, after: null } });
  }

  // The picture may come a moment after its boxes; until then there is none, and keys wait for it.
  showPicture(sha256) {
    const picture = globalThis.rbcalPictures?.get(sha256);
    this.held = Boolean(picture);
    if (picture && this.shown === sha256) return;
    this.shown = picture ? sha256 : null;
    this.picture.setAttribute('href', picture?.src ?? '');
    return true;
  }

  // Now and then: the window may have another size, the picture may have come.
  refresh(settled) {
    if (!this.held && this.showPicture(this.stage.data.picture)) this.show(this.stage.data);
    this.element.dataset.settled = settled && this.held;
    this.fit();
  }

  // ---- the crop --------------------------------------------------------------------------------

  fit(always = false) {
    const column = this.element?.getRootNode().host?.closest('[data-testid="stColumn"]') ?? this.element?.closest('[data-testid="stColumn"]');
    if (!column || !this.data) return;
    const top = this.element.getBoundingClientRect().top + (column.closest('[data-testid="stMain"]')?.scrollTop ?? 0);
    const wide = Math.max(LEAST_CROP, column.parentElement.clientWidth - WALK_PANEL - 8 - ASIDE_PX - 12);
    const high = Math.max(LEAST_CROP, window.innerHeight - Math.max(0, top) - BOTTOM_GAP);
    const size = `${Math.floor(wide)}|${Math.floor(high)}`;
    if (size === this.size && !always) return;
    this.size = size;
    const full = Math.floor(wide) + ASIDE_PX + 12;
    column.style.flex = `0 0 ${full}px`;
    column.style.minWidth = '0';
    for (const each of [this.crop, this.grid]) {
      each.style.width = `${Math.floor(wide)}px`;
      each.style.height = `${Math.floor(high)}px`;
    }
    this.element.querySelector('aside').style.height = `${Math.floor(high)}px`;
    const [x1, y1, x2, y2] = this.data.at;
    // A cell that would fill the window at this zoom is shown smaller, with its surroundings.
    this.scale = Math.min(this.zoom, 0.6 * Math.min(wide / (x2 - x1), high / (y2 - y1)));
    const across = wide / this.scale, down = high / this.scale;
    this.crop.setAttribute('viewBox', `${(x1 + x2 - across) / 2} ${(y1 + y2 - down) / 2} ${across} ${down}`);
  }

  zoomTo(value) {
    this.zoom = Math.min(12, Math.max(0.75, value));
    this.fit(true);
    if (!this.data.batch) this.showBoxes();
  }

  wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.zoomTo(this.zoom * (event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP));
  }

  minimap() {
    const { width, height, box } = this.data;
    this.map.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.map.querySelector('image').setAttribute('href', this.picture.getAttribute('href') ?? '');
    for (const side of ['width', 'height']) this.map.querySelector('image').setAttribute(side, this.data[side]);
    const [x1, y1, x2, y2] = box;
    const mark = this.map.querySelector('circle');
    mark.setAttribute('cx', (x1 + x2) / 2);
    mark.setAttribute('cy', (y1 + y2) / 2);
    mark.setAttribute('r', x2 > x1 ? 0.03 * Math.max(width, height) : 0);
  }

  showBoxes() {
    const { box, others, passes, stroke, dashed } = this.data;
    this.boxes.replaceChildren();
    const dash = (red) => (red ? { 'stroke-dasharray': '7 4' } : {});
    for (const [x1, y1, x2, y2, colour, red] of others) {
      place(make('rect', { class: 'other', stroke: colour, ...dash(red) }, this.boxes), [x1, y1, x2, y2]);
    }
    for (const each of passes ?? []) place(make('rect', { class: 'pass' }, this.boxes), each);
    this.own = [make('rect', { class: 'halo' }, this.boxes), make('rect', { class: 'cell', stroke, ...dash(dashed) }, this.boxes), make('rect', { class: 'grip' }, this.boxes)];
    this.handles = [];
    for (const across of [-1, 0, 1]) for (const down of [-1, 0, 1]) {
      if (!across && !down) continue;
      const cursor = !across ? 'ns-resize' : !down ? 'ew-resize' : across === down ? 'nwse-resize' : 'nesw-resize';
      const handle = make('rect', { class: 'handle', style: `cursor: ${cursor}` }, this.boxes);
      this.handles.push([handle, across, down]);
    }
    this.placeOwn(box);
  }

  placeOwn(box) {
    this.now = box;
    const [x1, y1, x2, y2] = box;
    for (const rect of this.own) place(rect, box);
    const half = HANDLE_PX / 2 / this.scale;
    // Of a small cell only the corners have handles, outside, so that it can still be seen and moved.
    const small = Math.min(x2 - x1, y2 - y1) * this.scale < 5 * HANDLE_PX;
    for (const [handle, across, down] of this.handles) {
      const off = small ? half : 0;
      const x = (x1 + x2) / 2 + across * ((x2 - x1) / 2 + off), y = (y1 + y2) / 2 + down * ((y2 - y1) / 2 + off);
      place(handle, [x - half, y - half, x + half, y + half]);
      handle.style.display = small && !(across && down) ? 'none' : '';
    }
  }

  point(event) {
    const matrix = this.crop.getScreenCTM().inverse();
    return [matrix.a * event.clientX + matrix.e, matrix.d * event.clientY + matrix.f];
  }

  down(event) {
    if (event.button !== 0 || this.stage.messages.awaiting) return;
    const grabbed = this.handles.find(([handle]) => handle === event.target);
    if (!grabbed && event.target !== this.own[2]) return;
    const [, across, down] = grabbed ?? [null, 0, 0];
    // Which sides move: left, top, right, bottom.
    const sides = grabbed ? [across < 0, down < 0, across > 0, down > 0] : [true, true, true, true];
    this.drag = { sides, from: this.point(event), box: this.now };
    this.crop.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.drag) return;
    const [x, y] = this.point(event);
    const dx = x - this.drag.from[0], dy = y - this.drag.from[1];
    const moved = this.drag.box.map((each, side) => each + (this.drag.sides[side] ? (side % 2 ? dy : dx) : 0));
    const [x1, y1, x2, y2] = moved;
    if (x2 - x1 >= 1 && y2 - y1 >= 1) this.placeOwn(moved);
  }

  up() {
    const drag = this.drag;
    this.drag = null;
    if (drag && Math.max(...this.now.map((each, side) => Math.abs(each - drag.box[side]))) * this.scale > 1) this.stage.messages.ask('move', this.now);
  }

  hide(hidden) { this.crop?.classList.toggle('bare', hidden); }

  // ---- several cells side by side --------------------------------------------------------------

  showBatch() {
    const { batch, id } = this.data;
    this.crop.style.display = batch ? 'none' : '';
    this.grid.style.display = batch ? '' : 'none';
    if (!batch) return void this.grid.replaceChildren();
    this.grid.replaceChildren(...batch.map((cell) => {
      const tile = document.createElement('button');
      tile.className = 'tile';
      tile.dataset.id = cell.id;
      tile.dataset.done = cell.done;
      tile.setAttribute('aria-pressed', cell.id === id);
      const [x1, y1, x2, y2] = cell.box, side = 1.5 * Math.max(x2 - x1, y2 - y1);
      const view = make('svg', { viewBox: `${(x1 + x2 - side) / 2} ${(y1 + y2 - side) / 2} ${side} ${side}` });
      view.append(this.picture.cloneNode());
      place(make('rect', { stroke: cell.stroke, ...(cell.dashed ? { 'stroke-dasharray': '5 3' } : {}) }, view), cell.box);
      const name = document.createElement('span');
      const { name: text, p } = cell.classes.find((each) => each.label === cell.label) ?? { name: '?', p: null };
      name.textContent = p === null ? text : `${text} ${Math.round(100 * p)}%`;
      tile.append(view, name);
      tile.addEventListener('click', () => this.stage.messages.ask('choose', cell.id));
      return tile;
    }));
  }

  // An arrow key: the cell before or after; of a batch the tile beside, above or below.
  step([right, down]) {
    const { batch, id } = this.data, { messages } = this.stage;
    if (!batch) return right ? messages.ask('step', right) : true;
    const columns = getComputedStyle(this.grid).gridTemplateColumns.split(' ').length;
    const now = batch.findIndex((cell) => cell.id === id);
    const next = now < 0 ? 0 : now + right + columns * down;
    return batch[next] ? messages.ask('choose', batch[next].id) : true;
  }

  // ---- what the model thinks -------------------------------------------------------------------

  showClasses() {
    const { classes, label, scores, head } = this.data;
    this.element.querySelector('.head').textContent = head;
    const list = this.element.querySelector('.classes');
    while (list.children.length > classes.length) list.lastChild.remove();
    while (list.children.length < classes.length) {
      const row = document.createElement('button');
      row.innerHTML = '<span class="bar"></span><kbd></kbd><span class="name"></span><span class="share"></span>';
      withClassCard(row, 'right');
      list.append(row);
    }
    classes.forEach(({ label: own, key, name, colour, p }, k) => {
      const row = list.children[k];
      row.style.borderLeft = `5px solid ${colour}`;
      row.dataset.label = own;
      row.setAttribute('aria-pressed', own === label);
      row.title = name;
      row.querySelector('kbd').textContent = key.toUpperCase();
      row.querySelector('.name').textContent = name;
      if (label < 0) p = null;   // a batch, of which no cell is chosen
      row.querySelector('.share').textContent = p === null ? '' : p < 0.005 ? '·' : `${Math.round(100 * p)}%`;
      row.querySelector('.bar').style.width = `${100 * (p ?? 0)}%`;
    });
    const lines = this.element.querySelector('.scores');
    lines.replaceChildren(...scores.map(([text, fired]) => {
      const line = document.createElement('div');
      line.textContent = text;
      line.classList.toggle('fired', fired);
      return line;
    }));
  }
}
