// What the canvas component lacks: keys, zoom, a report of clicks, and no edit lost before a save. It also hands
// the keys to the walk while that takes the place of the canvas.
//
// The component lives in an open shadow root beside us. We press its own buttons and style its root, so all of
// this rests on undocumented names; tests/browser/test_canvas_contract.py holds every one of them.
// Python owns the facts (mode, selection, boxes); here is only what must not wait for a round trip.

const DEBOUNCE_MS = 200;   // of the component: an edit younger than this is not in Python yet
const ZOOM_STEP = 1.2, ZOOM_MOST = 10, LEAST_PANEL = 300, BOTTOM_GAP = 10;
const HOLD_MS = 20_000;    // what the user does waits for Python's redraw at most this long: it would be undone by it
const LEAVE_MS = 1500;     // a second press in this time is a slip
const LEAVE_MOST_MS = 20_000;   // Python says when an image is left, or not; if it never does
const CLICK_PX = 4;        // a mouse that moved less did not drag
const ARROWS = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
const stages = new WeakMap();
let magnification = 1;     // of the fitted size; module-wide, so that it survives the next image

const STYLE = `
  .dc-toolbar { display: none !important; }  /* "Reset" there forgets everything without asking */
  .dc-scroll { overflow: auto !important; max-height: none !important; scrollbar-width: thin;
    width: var(--stage-width) !important; height: var(--stage-height) !important; }
  .rbcal-whole .dc-scroll { overflow: hidden !important; }
  .dc-canvas, .upper-canvas { outline: none !important; }
  .rbcal-ring { position: absolute; z-index: 15; pointer-events: none; box-sizing: border-box;
    border-radius: 6px; border: solid #ffe600; outline: solid #000; }
`;

function findRoot() {
  for (const host of document.querySelectorAll('[data-testid="stBidiComponentIsolated"]')) {
    const root = host.shadowRoot?.querySelector('.dc-root');
    if (root) return root;
  }
  return null;
}

function focused() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}

function typing() {
  const element = focused();
  if (!element) return false;
  return /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName) || element.isContentEditable || Boolean(element.closest('[data-testid="stPopoverBody"]'));
}

class Stage {
  constructor() {
    this.root = null;
    this.data = { mode: 'edit', keys: [], ring: null };
    this.walk = new Walk(this);
    this.nudged = [0, 0, 0, 0];
    this.ticket = null;      // of the last thing asked of Python
    this.point = null;       // canvas pixels of the last press
    this.editedAt = 0;
    this.pan = null;
    this.reported = 0;
    this.queue = [];         // what the user did while a redraw is on its way
    this.awaitedUntil = 0;
    this.leavingUntil = 0;
    this.listeners = [];
    this.listen(window, 'keydown', (e) => this.keydown(e), true);
    this.listen(document, 'keyup', (e) => { if (e.key.toLowerCase() === 'h') this.hide(false); }, true);
    // Capture: before Streamlit's own handlers send what the press means.
    this.listen(document, 'pointerdown', (e) => { if (!this.inside(e)) this.flush(); }, true);
    this.listen(document, 'click', (e) => { if (e.detail > 1 && e.target.closest?.('.st-key-save')) e.stopPropagation(); }, true);
    // A button clicked with the mouse must not keep the focus, or Enter would press it again.
    this.listen(document, 'click', (e) => { if (e.detail && focused()?.tagName === 'BUTTON') focused().blur(); });
    this.listen(window, 'resize', () => this.fit());
    this.listen(window, 'mousemove', (e) => this.panMove(e), true);
    this.listen(window, 'pointermove', (e) => { if (this.pan) e.stopPropagation(); }, true);
    this.listen(window, 'pointerup', (e) => this.release(e), true);
    for (const name of ['mousedown', 'mousemove', 'mouseup', 'click']) this.listen(window, name, (e) => this.hold(e), true);
    // The component offers no event for "mounted" or "replaced": look for it.
    this.timer = setInterval(() => this.attach(), 60);
  }

  listen(target, name, handler, options) {
    target.addEventListener(name, handler, options);
    this.listeners.push([target, name, handler, options]);
  }

  close() {
    clearInterval(this.timer);
    clearTimeout(this.holdTimer);
    clearTimeout(this.zoomTimer);
    for (const [target, name, handler, options] of this.listeners) target.removeEventListener(name, handler, options);
  }

  get walking() { return this.data.mode === 'walk'; }

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
    const settled = this.data.loaded && !this.zoomTimer && !this.queue.length && performance.now() > this.awaitedUntil;   // tests wait for it
    if (this.walking) return this.walk.look(settled);
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
    }
    if (!this.root?.isConnected) return;
    this.fit();
    setFilter(this.filter, this.part('.dc-background-canvas'), this.data.look);
    this.setMode();
    this.showRing();
    this.root.dataset.settled = settled;
  }

  setMode() {
    const button = this.part('button[aria-label="Edit"]');
    if (button && (button.getAttribute('aria-pressed') === 'true') !== (this.data.mode === 'edit')) button.click();
  }

  endTyping(area) {
    const escape = { key: 'Escape', keyCode: 27, which: 27, bubbles: true };
    setTimeout(() => area.dispatchEvent(new KeyboardEvent('keydown', escape)), 0);
  }

  // An edit that the component still holds back goes to Python now, ahead of what the user does next.
  flush(always = false) {
    if (this.walking || !this.root?.isConnected) return;
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
    const wide = Math.max(240, row - LEAST_PANEL - 8);
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
    // Python draws lines and chips for this zoom, once it has settled: a redraw ends a drag.
    clearTimeout(this.zoomTimer);
    this.zoomTimer = setTimeout(() => {
      this.zoomTimer = null;
      if (this.pressed || performance.now() < this.awaitedUntil || document.querySelector('[role="dialog"]')) return this.applyZoom();
      if (Math.abs(Math.log(this.zoom / (this.data.zoom || 1))) < 0.1 || this.zoom === this.reported) return;
      this.reported = this.zoom;
      this.ask('zoom', this.zoom);
    }, 250);
  }

  // By a factor, at the middle; 0 is back to the start.
  zoomBy(factor) {
    if (this.walking) this.walk.zoomTo(factor ? this.walk.zoom * factor : WALK_ZOOM);
    else this.zoomTo(factor ? magnification * factor : 1);
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
    this.editedAt = performance.now();
    this.shownRing = undefined;
    if (event.button !== 0 || panned) return;
    this.point = pressed.point;
    if (this.data.mode !== 'edit') return;
    this.point.push(Date.now(), this.data.image);   // the time tells two presses apart
    this.send.setStateValue('point', this.point);
  }

  // Python answers some acts with a redraw, which would end a drag that began meanwhile. Until it is there, what
  // the user does waits in a queue and is then played in the same order.

  ask(what, value) {
    this.flush(true);
    this.ticket += 1;
    this.asked = what;
    this.awaitedUntil = performance.now() + HOLD_MS;
    // With the press before it: the two may reach Python in either order.
    const point = this.point?.length === 4 ? this.point : null;
    this.send.setTriggerValue('act', { what, value, ticket: this.ticket, image: this.data.image, point });
    return true;
  }

  // What deals with the cell of the walk shows the next one at once.
  say(what, value) {
    this.ask(what, value);
    if (this.walking) this.walk.goAhead();
    return true;
  }

  // Returns whether the event was put into the queue.
  hold(event) {
    if (!event.isTrusted) return false;   // what we play ourselves
    if (!this.queue.length) {
      if (performance.now() > this.awaitedUntil) return false;
      if (event.type !== 'keydown' && !this.begins(event)) return false;
      clearTimeout(this.holdTimer);
      this.holdTimer = setTimeout(() => this.play(), this.awaitedUntil - performance.now());
    }
    if (event.type === 'click' && this.inside(event)) return false;
    event.stopImmediatePropagation();
    if (event.type === 'keydown' || event.type === 'click') event.preventDefault();
    this.queue.push({ event, target: event.composedPath()[0], walking: this.walking });
    return true;
  }

  // A press on the canvas, or on a button such as Save: the act before it comes first.
  begins(event) {
    return event.type === 'mousedown' ? this.inside(event) : event.type === 'click' && !this.inside(event);
  }

  receive(data, parent) {
    if (data.image !== this.data.image) this.leavingUntil = 0;
    else if (data.answers !== this.data.answers || (this.walking && data.mode !== 'walk' && this.asked !== 'walk')) this.leavingUntil = performance.now() + LEAVE_MS;
    this.data = data;
    this.walk.show(data, parent);
    this.ticket ??= data.ticket;
    if (data.done < this.ticket || !this.awaitedUntil) return;
    this.awaitedUntil = 0;
    this.sendNudge();   // it was gathered before what is in the queue
    this.play();
  }

  play() {
    clearTimeout(this.holdTimer);
    this.awaitedUntil = 0;
    while (this.queue.length && performance.now() > this.awaitedUntil) {
      const { event, target, walking } = this.queue.shift();
      if (walking && !this.walking) continue;   // it was meant for a cell of the walk, which is over
      const kind = { bubbles: true, cancelable: true, composed: true };
      if (event.type === 'keydown') {
        const { key, code, keyCode, ctrlKey, metaKey, shiftKey } = event;
        Object.assign(kind, { key, code, keyCode, which: keyCode, ctrlKey, metaKey, shiftKey });
        document.body.dispatchEvent(new KeyboardEvent('keydown', kind));
        document.body.dispatchEvent(new KeyboardEvent('keyup', kind));
      } else if (event.type === 'click') {
        target.click?.();
      } else {
        const { clientX, clientY, button, buttons } = event;
        Object.assign(kind, { clientX, clientY, button, buttons });
        this.part('.upper-canvas')?.dispatchEvent(new MouseEvent(event.type, kind));
        this.editedAt = performance.now();
      }
    }
    if (this.queue.length) this.holdTimer = setTimeout(() => this.play(), this.awaitedUntil - performance.now());
  }

  // ---- keys ------------------------------------------------------------------------------------

  // One place for every key, ahead of Streamlit's own: what we do not know goes on to its buttons.
  keydown(event) {
    if (typing() || document.querySelector('[role="dialog"]')) return;
    if (/^(Enter| )$/.test(event.key) && focused()?.tagName === 'BUTTON') return;   // reached with Tab: it is meant
    const ours = event.isTrusted && (this.unwanted(event) || (!this.queue.length && this.nudge(event)) || this.hold(event));
    if (!ours && !this.key(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  // Returns whether the key was ours.
  key(event) {
    const key = event.key.toLowerCase();
    if (this.nudge(event)) return true;
    if (this.walking && !this.walk.held) return true;   // there is nothing to see yet
    if (event.ctrlKey || event.metaKey) {
      if (key === 'enter') return this.click('.st-key-save button');
      const what = key === 'z' ? (event.shiftKey ? 'redo' : 'undo') : key === 'y' ? 'redo' : null;
      return what ? this.ask(what) : false;
    }
    if (event.altKey) return false;
    if (key === 'h') return this.hide(true);
    const zoom = { '+': ZOOM_STEP, '=': ZOOM_STEP, '-': 1 / ZOOM_STEP, 0: 0 }[key];
    if (zoom !== undefined) return this.zoomBy(zoom);
    this.flush();   // whatever this key means to Streamlit comes after the edit before it
    if (event.repeat && !key.startsWith('arrow')) return true;
    if (key === 'v') return this.click('.st-key-view button');
    const plain = { w: 'walk', a: 'green', u: 'undo', q: 'queue', '?': 'keys', ...(this.walking ? { p: 'passes', g: 'sheet' } : { n: 'next', k: 'keep', f: 'only', d: 'draw' }) }[key];
    if (plain) return this.ask(plain);
    const label = this.data.keys.indexOf(key);
    if (label >= 0) return this.say('label', label);
    if (key === 'delete' || key === 'backspace') return (!this.walking && this.press('Delete selected')) || this.say('remove');
    const arrow = ARROWS[key];
    if (this.walking) {
      if (key === 'enter') return this.say('keep');
      if (arrow && this.data.walk.sheet) return this.walk.choose(arrow);
      return arrow?.[0] ? this.ask('step', arrow[0]) : Boolean(arrow);
    }
    if (arrow) return this.ask('go', arrow);
    return key === 'b' ? this.ask('insert', this.middle()) : false;
  }

  // Shift + arrows move the chosen box, and gather while the last move is on its way.
  nudge(event) {
    const arrow = ARROWS[event.key.toLowerCase()];
    if (!arrow || !event.shiftKey || event.altKey) return false;
    const [x, y] = arrow, corner = event.ctrlKey || event.metaKey ? 0 : 1;
    this.nudged = this.nudged.map((each, side) => each + [x * corner, y * corner, x, y][side]);
    this.sendNudge();
    return true;
  }

  sendNudge() {
    if (!this.nudged.some(Boolean) || performance.now() < this.awaitedUntil) return;
    this.ask('nudge', this.nudged);
    this.nudged = [0, 0, 0, 0];
  }

  click(selector) {
    this.flush();
    document.querySelector(selector)?.click();
    return true;
  }

  // A key held down, or pressed twice, must not save an image before anybody has seen it.
  unwanted(event) {
    if (!/^(enter|s)$/i.test(event.key)) return false;
    const now = performance.now();
    if (event.repeat || now < this.leavingUntil) return true;
    const leaves = event.key !== 'Enter' || !this.walking || event.ctrlKey;
    if (leaves) this.leavingUntil = now + LEAVE_MOST_MS;
    return false;
  }

  hide(hidden) {
    this.walk.hide(hidden);
    const container = this.part('.dc-container');
    for (const each of container?.querySelectorAll('.dc-canvas, .upper-canvas, .rbcal-ring') ?? []) each.style.opacity = hidden ? 0 : 1;
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
  stage.send = { setStateValue, setTriggerValue };
  stage.receive(data, parentElement);
  stage.attach();
  return () => {
    stage.close();
    stages.delete(parentElement);
  };
}
