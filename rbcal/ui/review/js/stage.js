// What the canvas component lacks: keys, zoom, a report of clicks, and no edit lost before a save. It also hands
// the keys to the cell review while that takes the place of the canvas.
//
// The component lives in an open shadow root beside us. We press its own buttons and style its root, so all of
// this rests on undocumented names; tests/browser/test_canvas_contract.py holds every one of them.
// Python owns the facts (mode, selection, boxes); here is only what must not wait for a round trip.

const DEBOUNCE_MS = 200;   // of the component: an edit younger than this is not in Python yet
const ZOOM_STEP = 1.2, ZOOM_MOST = 10, LEAST_PANEL = 300, LEAST_PICTURE = 600, BOTTOM_GAP = 10;
const CLICK_PX = 4;        // a mouse that moved less did not drag
const stages = new WeakMap();
let magnification = 1;     // of the fitted size; module-wide, so that it survives the next image

const STYLE = `
  .dc-toolbar { display: none !important; }  /* "Reset" there forgets everything without asking */
  .dc-scroll { overflow: auto !important; max-height: none !important; scrollbar-width: thin;
    width: var(--stage-width) !important; height: var(--stage-height) !important; }
  .rbcal-whole .dc-scroll { overflow: hidden !important; }
  .dc-canvas, .upper-canvas { outline: none !important; }
  .rbcal-drawing .dc-scroll { outline: 3px solid var(--pen); outline-offset: -3px; }
  .rbcal-pen { display: none; position: absolute; left: 50%; top: 6px; transform: translateX(-50%); z-index: 20; pointer-events: none; white-space: nowrap;
    font: 600 13px/1.5 sans-serif; padding: 2px 10px; border-radius: 4px; background: var(--pen); color: var(--ink); }
  .rbcal-drawing .rbcal-pen { display: block; }
  .rbcal-ring { position: absolute; z-index: 15; pointer-events: none; box-sizing: border-box;
    border-radius: 6px; border: solid #ffe600; outline: solid #000; }
  ${NAMES_STYLE}
`;

function findRoot() {
  for (const host of document.querySelectorAll('[data-testid="stBidiComponentIsolated"]')) {
    const root = host.shadowRoot?.querySelector('.dc-root');
    if (root) return root;
  }
  return null;
}

class Stage {
  constructor() {
    this.root = null;
    this.data = { mode: 'edit', keys: [], shortcuts: { image: {} }, ring: null };
    this.cellReview = new CellReview(this);
    this.messages = new Messages(this);
    this.keys = new Keys(this);
    this.editedAt = 0;
    this.pan = null;
    this.reported = 0;
    this.listeners = [];
    this.listen(window, 'keydown', (e) => this.keys.down(e), true);
    this.listen(document, 'keyup', (e) => this.keys.up(e), true);
    // Capture: before Streamlit's own handlers send what the press means.
    this.listen(document, 'pointerdown', (e) => { if (!this.inside(e)) this.flush(); }, true);
    this.listen(document, 'click', (e) => { if (e.detail > 1 && e.target.closest?.('.st-key-save')) e.stopPropagation(); }, true);
    // A button clicked with the mouse must not keep the focus, or Enter would press it again. Some, as those of a choice
    // between two, stop the click on its way up and take the focus after it.
    this.listen(document, 'click', (e) => {
      const button = e.detail && e.composedPath()[0].closest?.('button');
      if (button) setTimeout(() => { if (focused() === button) button.blur(); });
    }, true);
    this.listen(window, 'resize', () => this.fit());
    this.listen(window, 'mousemove', (e) => this.panMove(e), true);
    this.listen(window, 'pointermove', (e) => { if (this.pan) e.stopPropagation(); }, true);
    this.listen(window, 'pointerup', (e) => this.release(e), true);
    for (const name of ['mousedown', 'mousemove', 'mouseup', 'click']) this.listen(window, name, (e) => this.messages.hold(e), true);
    // The component offers no event for "mounted" or "replaced": look for it.
    this.timer = setInterval(() => this.attach(), 60);
  }

  listen(target, name, handler, options) {
    target.addEventListener(name, handler, options);
    this.listeners.push([target, name, handler, options]);
  }

  close() {
    clearInterval(this.timer);
    clearTimeout(this.messages.holdTimer);
    clearTimeout(this.zoomTimer);
    for (const [target, name, handler, options] of this.listeners) target.removeEventListener(name, handler, options);
  }

  get byCell() { return this.data.mode === 'cells'; }

  // ---- the component's parts ------------------------------------------------------------------

  part(selector) { return this.root?.querySelector(selector) ?? null; }

  press(label) {
    const button = this.part(`button[aria-label="${label}"]`);
    if (!button || button.disabled) return false;
    button.click();
    return true;
  }

  inside(event) { return Boolean(this.root && event.composedPath().includes(this.part('.dc-scroll'))); }

  attach() {
    const settled = this.data.loaded && !this.zoomTimer && !this.messages.queue.length && !this.messages.awaiting;   // tests wait for it
    if (this.byCell) return this.cellReview.refresh(settled);
    const root = findRoot();
    if (root && root !== this.root) {
      this.root = root;
      const style = document.createElement('style');
      style.textContent = STYLE;
      root.prepend(style);
      const scroll = this.part('.dc-scroll');
      scroll.addEventListener('pointerdown', (e) => this.down(e), true);
      scroll.addEventListener('wheel', (e) => this.wheel(e), { passive: false });
      // A second click on a box opens a free text editor for its class; keys choose the class here.
      this.part('.dc-textarea-host')?.addEventListener('focusin', (e) => this.endTyping(e.target));
      this.root.prepend(this.filter = makeFilter());
      this.ring = document.createElement('div');
      this.ring.className = 'rbcal-ring';
      this.part('.dc-container').append(this.ring);
      this.shownRing = undefined;
      this.names = new Names(this.part('.dc-container'));
      this.pen = document.createElement('div');
      this.pen.className = 'rbcal-pen';
      this.pen.setAttribute('role', 'status');
      this.root.style.position = 'relative';
      this.root.append(this.pen);
    }
    if (!this.root?.isConnected) return;
    this.fit();
    setFilter(this.filter, this.part('.dc-background-canvas'), this.data.filters);
    this.setMode();
    this.showRing();
    if (!this.pressed) this.names.show(this.data.names, this.zoom);
    this.root.dataset.settled = settled;
  }

  setMode() {
    const button = this.part('button[aria-label="Edit"]');
    if (button && (button.getAttribute('aria-pressed') === 'true') !== (this.data.mode === 'edit')) button.click();
    const { name, colour, ink } = this.data.names.classes[this.data.label] ?? {};
    const says = this.data.mode === 'draw' && name ? `Drawing: ${name}. D or Esc ends it.` : '';
    this.root.classList.toggle('rbcal-drawing', Boolean(says));
    if (this.pen.textContent !== says) this.pen.textContent = says;
    this.root.style.setProperty('--pen', colour);
    this.root.style.setProperty('--ink', ink);
  }

  endTyping(area) {
    const escape = { key: 'Escape', keyCode: 27, which: 27, bubbles: true };
    setTimeout(() => area.dispatchEvent(new KeyboardEvent('keydown', escape)), 0);
  }

  // An edit that the component still holds back goes to Python now, ahead of what the user does next.
  flush(always = false) {
    if (this.byCell || !this.root?.isConnected) return;
    if (!always && performance.now() - this.editedAt > DEBOUNCE_MS + 100) return;
    this.editedAt = 0;
    this.press('Update the app with this drawing');
  }

  // ---- size and zoom ---------------------------------------------------------------------------

  fit() {
    const canvas = this.part('.dc-canvas');
    const column = this.root?.getRootNode().host?.closest('[data-testid="stColumn"]');
    if (!canvas || !column || !canvas.width) return;
    const row = column.parentElement.clientWidth;
    const scrolled = column.closest('[data-testid="stMain"]')?.scrollTop ?? 0;
    const top = this.part('.dc-scroll').getBoundingClientRect().top + scrolled;
    const wide = Math.max(LEAST_PICTURE, row - LEAST_PANEL - 8);
    const high = Math.max(240, window.innerHeight - Math.max(0, top) - BOTTOM_GAP);
    const fitted = Math.min(wide / canvas.width, high / canvas.height);
    const size = `${Math.floor(canvas.width * fitted)}|${Math.floor(canvas.height * fitted)}`;
    if (size !== this.size || this.part('.dc-container').style.zoom === '') {
      this.size = size;
      this.fitted = fitted;
      const [width, height] = size.split('|');
      this.root.style.setProperty('--stage-width', `${width}px`);
      this.root.style.setProperty('--stage-height', `${height}px`);
      column.style.flex = `0 0 ${width}px`;   // the panel beside it takes the rest
      column.style.minWidth = '0';
      this.applyZoom();
    }
  }

  get zoom() { return (this.fitted ?? 1) * magnification; }

  applyZoom() {
    this.part('.dc-container').style.zoom = this.zoom;
    this.root.classList.toggle('rbcal-whole', magnification === 1);
    // Python draws lines for this zoom, once it has settled: a redraw ends a drag.
    clearTimeout(this.zoomTimer);
    this.zoomTimer = setTimeout(() => {
      this.zoomTimer = null;
      if (this.pressed || this.messages.awaiting || document.querySelector('[role="dialog"]')) return this.applyZoom();
      if (Math.abs(Math.log(this.zoom / (this.data.zoom || 1))) < 0.1 || this.zoom === this.reported) return;
      this.reported = this.zoom;
      this.messages.ask('zoom_to', this.zoom);
    }, 250);
  }

  // At the middle; no steps are back to the start.
  zoomBy(steps) {
    const factor = ZOOM_STEP ** steps;
    if (this.byCell) this.cellReview.zoomTo(steps ? this.cellReview.zoom * factor : CELL_ZOOM);
    else this.zoomTo(steps ? magnification * factor : 1);
    return true;
  }

  // The middle of what is in sight, in canvas pixels.
  middle() {
    const scroll = this.part('.dc-scroll');
    return [(scroll.scrollLeft + scroll.clientWidth / 2) / this.zoom, (scroll.scrollTop + scroll.clientHeight / 2) / this.zoom];
  }

  zoomTo(value, clientX, clientY) {
    const scroll = this.part('.dc-scroll');
    if (!scroll) return;
    const box = scroll.getBoundingClientRect();
    const x = clientX === undefined ? box.width / 2 : clientX - box.left;
    const y = clientY === undefined ? box.height / 2 : clientY - box.top;
    const before = magnification;
    magnification = Math.min(ZOOM_MOST, Math.max(1, value));
    this.applyZoom();
    const factor = magnification / before;   // what is under the cursor stays there
    scroll.scrollLeft = (scroll.scrollLeft + x) * factor - x;
    scroll.scrollTop = (scroll.scrollTop + y) * factor - y;
  }

  wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.zoomTo(magnification * (event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP), event.clientX, event.clientY);
  }

  // ---- mouse -----------------------------------------------------------------------------------

  position(event) {
    const canvas = this.part('.upper-canvas');
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
  }

  down(event) {
    if (event.button === 1) event.preventDefault();
    this.pressed = { x: event.clientX, y: event.clientY, point: this.position(event) };
    this.ring.style.display = 'none';
    this.names.hideAt(this.pressed.point, this.zoom);
    // The component shows by its cursor whether a box is under it. Beside the boxes a drag moves the image;
    // the component would gather a group there, which it cannot delete.
    const overBox = getComputedStyle(this.part('.upper-canvas')).cursor !== 'default';
    if (event.button === 1 || (this.data.mode === 'edit' && !overBox)) this.pan = { x: event.clientX, y: event.clientY };
  }

  panMove(event) {
    if (!this.pan) return;
    event.stopPropagation();
    const scroll = this.part('.dc-scroll');
    scroll.scrollLeft -= event.clientX - this.pan.x;
    scroll.scrollTop -= event.clientY - this.pan.y;
    this.pan = { x: event.clientX, y: event.clientY };
  }

  release(event) {
    const pressed = this.pressed;
    if (!pressed) return;
    this.pressed = null;
    const panned = this.pan && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > CLICK_PX;
    this.pan = null;
    setTimeout(() => this.names.showAll(), 2 * DEBOUNCE_MS);   // by then the boxes have come that were moved
    this.editedAt = performance.now();
    this.shownRing = undefined;
    if (event.button !== 0 || panned) return;
    if (this.data.mode === 'edit') this.messages.press(pressed.point);
    else this.messages.point = null;
  }

  receive(data, parent) {
    this.keys.receive(data);
    this.data = data;
    this.cellReview.show(data, parent);
    this.messages.receive(data);
  }

  // ---- what keys do here -----------------------------------------------------------------------

  click(selector) {
    this.flush();
    document.querySelector(selector)?.click();
    return true;
  }

  hide(hidden) {
    this.cellReview.hide(hidden);
    const container = this.part('.dc-container');
    for (const each of container?.querySelectorAll('.dc-canvas, .upper-canvas, .rbcal-ring, .rbcal-names') ?? []) each.style.opacity = hidden ? 0 : 1;
    return true;
  }

  // ---- what Python points at -------------------------------------------------------------------

  showRing() {
    const text = JSON.stringify(this.data.ring);
    if (text === this.shownRing || this.pressed) return;
    const moved = text !== this.lastRing;
    this.shownRing = this.lastRing = text;
    const ring = this.data.ring;
    this.ring.style.display = ring ? 'block' : 'none';
    if (!ring) return;
    const gap = 6 / this.zoom;
    Object.assign(this.ring.style, {
      left: `${ring[0] - gap}px`, top: `${ring[1] - gap}px`,
      width: `${ring[2] - ring[0] + 2 * gap}px`, height: `${ring[3] - ring[1] + 2 * gap}px`,
      borderWidth: `${3 / this.zoom}px`, outlineWidth: `${1 / this.zoom}px`,
    });
    if (!moved || !this.data.centre) return;
    const scroll = this.part('.dc-scroll');
    scroll.scrollLeft = (ring[0] + ring[2]) / 2 * this.zoom - scroll.clientWidth / 2;
    scroll.scrollTop = (ring[1] + ring[3]) / 2 * this.zoom - scroll.clientHeight / 2;
  }
}

export default function (component) {
  const { parentElement, data, setStateValue, setTriggerValue } = component;
  let stage = stages.get(parentElement);
  if (!stage) {
    stage = new Stage();
    stages.set(parentElement, stage);
  }
  stage.messages.send = { setStateValue, setTriggerValue };
  stage.receive(data, parentElement);
  stage.attach();
  return () => {
    stage.close();
    stages.delete(parentElement);
  };
}
